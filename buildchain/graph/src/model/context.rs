//! What an action can ask of its run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use content::Digest;

use crate::model::error::{ActionError, FileError};
use crate::model::progress::{Stream, Transfer};

/// The run, as an action sees it.
pub struct TaskContext<'run> {
    root: &'run Path,
    host: &'run dyn Host,
}

/// What a run does for its actions. Paths are relative to the root of the graph, or absolute.
pub(crate) trait Host: Sync {
    fn line(&self, stream: Stream, line: &str);
    fn transfer(&self, step: Transfer);
    fn cancelled(&self) -> bool;
    fn digest(&self, path: &Path) -> Result<Digest, FileError>;
    fn record(&self, path: &Path, digest: Digest) -> Result<(), FileError>;
    fn link(&self, from: &Path, to: &Path) -> Result<(), FileError>;
    fn run(&self, name: &str, command: &mut Command) -> Result<Output, ActionError>;
    fn run_logged(&self, name: &str, command: &mut Command, log: &Path) -> Result<Output, ActionError>;
}

impl<'run> TaskContext<'run> {
    pub(crate) fn new(root: &'run Path, host: &'run dyn Host) -> Self {
        Self { root, host }
    }

    /// The absolute path of `path`, which is relative to the root of the graph, or absolute.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Logs a line. The lines of a task are kept and shown as one block.
    pub fn log(&self, line: impl AsRef<str>) {
        self.host.line(Stream::Out, &content::printable(line.as_ref()).to_string());
    }

    /// Logs a warning: something is probably not as intended, and the task continues.
    pub fn warn(&self, line: impl AsRef<str>) {
        self.host.line(Stream::Err, &content::printable(line.as_ref()).to_string());
    }

    /// Reports a step of moving data, for a live display. Not kept.
    pub fn transfer(&self, step: Transfer) {
        self.host.transfer(step);
    }

    /// Whether the run is stopping or the task has reached its timeout: clean up and return [`ActionError::Cancelled`].
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.host.cancelled()
    }

    /// The SHA-256 of a regular file. It is read only if its digest is not recorded.
    ///
    /// # Errors
    ///
    /// There is no such regular file, or it cannot be read.
    pub fn digest(&self, path: impl AsRef<Path>) -> Result<Digest, FileError> {
        self.host.digest(path.as_ref())
    }

    /// Records the SHA-256 of a file that this action has just written, so that it need not be read again. Call it once
    /// the file has its final name.
    ///
    /// A wrong digest here makes a wrong build: pass only one that was computed from the bytes that were written.
    ///
    /// # Errors
    ///
    /// There is no such regular file.
    pub fn record(&self, path: impl AsRef<Path>, digest: Digest) -> Result<(), FileError> {
        self.host.record(path.as_ref(), digest)
    }

    /// Makes `to` a hard link to the file `from`, and records its digest where that of `from` is recorded. `to` must not
    /// exist.
    ///
    /// # Errors
    ///
    /// The link cannot be created: across file systems, for instance.
    pub fn link(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), FileError> {
        self.host.link(from.as_ref(), to.as_ref())
    }

    /// Runs a child process to its end, in a process group of its own, with an empty standard input. Its output is logged
    /// line by line, and returned. A child that exits with another code than 0 makes the task fail.
    ///
    /// When the run stops or the task reaches its timeout, the group gets SIGTERM and, five seconds later, SIGKILL. So do
    /// processes that the child leaves in the background; those that hold none of its pipes are killed at once. The work
    /// ends with the child.
    ///
    /// If this process is killed, the child continues, and the state of the build stays locked until it ends.
    ///
    /// # Errors
    ///
    /// [`ActionError::Broken`] if it cannot be started, [`ActionError::Failed`] if it exits with another code than 0,
    /// [`ActionError::Cancelled`] if it was stopped.
    pub fn run(&self, command: &mut Command) -> Result<Output, ActionError> {
        let name = command.get_program().to_string_lossy().into_owned();
        self.host.run(&name, command)
    }

    /// As [`TaskContext::run`], for a program that another one starts: errors have its `name`.
    ///
    /// # Errors
    ///
    /// Those of [`TaskContext::run`].
    pub fn run_as(&self, name: &str, command: &mut Command) -> Result<Output, ActionError> {
        self.host.run(name, command)
    }

    /// As [`TaskContext::run_as`], for a child that prints much: its output goes into the file `log`, which is replaced, and only its
    /// last lines are logged, if it fails. The log is also there after a failure, which names it.
    ///
    /// # Errors
    ///
    /// Those of [`TaskContext::run`], and [`ActionError::Broken`] if the file cannot be written.
    pub fn run_logged(
        &self,
        name: &str,
        command: &mut Command,
        log: impl AsRef<Path>,
    ) -> Result<Output, ActionError> {
        self.host.run_logged(name, command, log.as_ref())
    }
}
