//! What an action may ask of the run it is part of.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as CommandOutput};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::engine::children;
use crate::model::task::{ActionError, Task};
use crate::record::digest::Digest;
use crate::record::files::{Files, LookError};
use crate::record::threads::lock;
use crate::report::events::{Stream, Transfer};

/// The run, as an action sees it.
pub struct Context<'run> {
    root: &'run Path,
    task: &'run Task,
    files: &'run Files,
    lock: Option<&'run File>,
    cancel: &'run AtomicBool,
    deadline: Option<Instant>,
    tell: &'run (dyn Fn(Said<'_>) + Sync),
    log: Mutex<Log>,
}

/// What an action says while it runs.
pub(crate) enum Said<'a> {
    Line(Stream, &'a str),
    Progress(&'a str),
    Transfer(Transfer),
}

/// What a task wrote, by stream.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) out: String,
    pub(crate) err: String,
}

impl<'run> Context<'run> {
    pub(crate) fn new(
        root: &'run Path,
        task: &'run Task,
        files: &'run Files,
        lock: Option<&'run File>,
        cancel: &'run AtomicBool,
        deadline: Option<Instant>,
        tell: &'run (dyn Fn(Said<'_>) + Sync),
    ) -> Self {
        Self { root, task, files, lock, cancel, deadline, tell, log: Mutex::default() }
    }

    pub(crate) fn into_log(self) -> Log {
        self.log.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The lock on the state of the build.
    pub(crate) fn lock(&self) -> Option<&'run File> {
        self.lock
    }

    /// The task whose action this is.
    #[must_use]
    pub fn task(&self) -> &'run Task {
        self.task
    }

    /// The absolute path of `path`, which is relative to the root of the graph (or absolute already).
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// Says a line. It is kept with the task and shown as one block, never between the lines of another task.
    pub fn log(&self, line: impl AsRef<str>) {
        self.line(Stream::Out, &content::printable(line.as_ref()).to_string());
    }

    /// Says a line that somebody should look at although the task goes on.
    pub fn warn(&self, line: impl AsRef<str>) {
        self.line(Stream::Err, &content::printable(line.as_ref()).to_string());
    }

    pub(crate) fn line(&self, stream: Stream, line: &str) {
        let mut log = lock(&self.log);
        let text = match stream {
            Stream::Out => &mut log.out,
            Stream::Err => &mut log.err,
        };
        text.push_str(line);
        text.push('\n');
        drop(log);
        (self.tell)(Said::Line(stream, line));
    }

    /// Says what the action is at now, for a live display. Not kept.
    pub fn progress(&self, text: impl AsRef<str>) {
        (self.tell)(Said::Progress(text.as_ref()));
    }

    /// Says how far the action is with the data that it moves, for a live display. Not kept.
    pub fn transfer(&self, step: Transfer) {
        (self.tell)(Said::Transfer(step));
    }

    /// The run is to stop, or the time of this task is over: clean up and return [`ActionError::Cancelled`].
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.timed_out()
    }

    /// The time this task may take is over.
    pub(crate) fn timed_out(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// The SHA-256 of a regular file, read only if nobody has read this content before.
    ///
    /// # Errors
    ///
    /// If there is no such regular file, or it cannot be read.
    pub fn digest(&self, path: impl AsRef<Path>) -> Result<Digest, LookError> {
        self.files.digest(path.as_ref())
    }

    /// Teaches the run the SHA-256 of a file this action has just written, so that nobody reads it again.
    /// Call it when the file stands under its final name.
    ///
    /// A wrong digest here makes a wrong build: give only what was computed from the very bytes written.
    ///
    /// # Errors
    ///
    /// If there is no such regular file.
    pub fn known(&self, path: impl AsRef<Path>, digest: Digest) -> Result<(), LookError> {
        self.files.teach(path.as_ref(), digest)
    }

    /// Makes `to` another name of the file `from`, whose content nobody then has to read again. Nothing may
    /// be at `to`.
    ///
    /// # Errors
    ///
    /// If the link cannot be made: across file systems, for instance.
    pub fn link(&self, from: impl AsRef<Path>, to: impl AsRef<Path>) -> Result<(), LookError> {
        self.files.link(from.as_ref(), to.as_ref())
    }

    /// Runs a child to its end, in a process group of its own, with an empty standard input; its output is
    /// logged line by line and returned. A child that exits with anything but 0 makes the task fail. When the
    /// run is stopped or the time of the task is over, the group is sent SIGTERM and, five seconds later,
    /// SIGKILL. So is what a child that has ended left in the background, or killed at once if it holds none of
    /// the pipes: the work ends with the child.
    ///
    /// Should this process be killed, the child goes on, and the state of the build stays locked until it ends.
    ///
    /// # Errors
    ///
    /// [`ActionError::Broken`] if it cannot be started, [`ActionError::Failed`] if it exits with anything but
    /// 0, [`ActionError::Cancelled`] if it was stopped.
    pub fn run(&self, command: &mut Command) -> Result<CommandOutput, ActionError> {
        children::run(self, command)
    }
}
