//! The side of the run that serves one attempt of an action.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use content::{AtomicFile, Digest, Durability, IoError};

use crate::engine::children::{self, Supervision};
use crate::model::context::Host;
use crate::model::error::{ActionError, FileError};
use crate::model::progress::{Stream, Transfer};
use crate::record::files::KnownFiles;
use crate::record::threads::lock;

/// How many of the last lines of a child are logged whose output goes into a file.
const LAST_LINES: usize = 40;

/// The most bytes of each of its streams that are returned.
const LOGGED_KEPT: u64 = 1 << 20;

/// What the run does for one attempt of an action.
pub(crate) struct Attempt<'run> {
    files: &'run KnownFiles,
    /// The lock of the state, for child processes.
    lock: Option<&'run File>,
    cancel: &'run AtomicBool,
    deadline: Option<Instant>,
    notify: &'run (dyn Fn(AttemptEvent<'_>) + Sync),
    log: Mutex<AttemptLog>,
}

/// What an action reports while it runs.
pub(crate) enum AttemptEvent<'a> {
    Line(Stream, &'a str),
    Transfer(Transfer),
}

/// The lines of an attempt, by stream.
#[derive(Default)]
pub(crate) struct AttemptLog {
    pub(crate) out: String,
    pub(crate) err: String,
}

impl<'run> Attempt<'run> {
    pub(crate) fn new(
        files: &'run KnownFiles,
        lock: Option<&'run File>,
        cancel: &'run AtomicBool,
        deadline: Option<Instant>,
        notify: &'run (dyn Fn(AttemptEvent<'_>) + Sync),
    ) -> Self {
        Self { files, lock, cancel, deadline, notify, log: Mutex::default() }
    }

    /// Whether the task has reached its timeout.
    pub(crate) fn timed_out(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    pub(crate) fn into_log(self) -> AttemptLog {
        self.log.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host for Attempt<'_> {
    fn line(&self, stream: Stream, line: &str) {
        let mut log = lock(&self.log);
        let text = match stream {
            Stream::Out => &mut log.out,
            Stream::Err => &mut log.err,
        };
        text.push_str(line);
        text.push('\n');
        drop(log);
        (self.notify)(AttemptEvent::Line(stream, line));
    }

    fn transfer(&self, step: Transfer) {
        (self.notify)(AttemptEvent::Transfer(step));
    }

    fn cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.timed_out()
    }

    fn digest(&self, path: &Path) -> Result<Digest, FileError> {
        self.files.digest(path)
    }

    fn record(&self, path: &Path, digest: Digest) -> Result<(), FileError> {
        self.files.record(path, digest)
    }

    fn link(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.files.link(from, to)
    }

    fn run(&self, name: &str, command: &mut Command) -> Result<Output, ActionError> {
        let supervision = Supervision {
            lock: self.lock,
            cancelled: &|| self.cancelled(),
            line: &|stream, line| self.line(stream, line),
            kept: u64::MAX,
        };
        children::run(&supervision, name, command)
    }

    fn run_logged(&self, name: &str, command: &mut Command, log: &Path) -> Result<Output, ActionError> {
        if let Some(folder) = log.parent() {
            content::create_folder(folder)?;
        }
        let to = AtomicFile::create(log, 0o644, Durability::Cache)?;
        let written = RefCell::new((BufWriter::new(to.file()), Ok(()), VecDeque::new()));
        let supervision = Supervision {
            lock: self.lock,
            cancelled: &|| self.cancelled(),
            line: &|stream, line| {
                let (file, result, last) = &mut *written.borrow_mut();
                if result.is_ok() {
                    *result = writeln!(file, "{line}");
                }
                if last.len() == LAST_LINES {
                    last.pop_front();
                }
                last.push_back(line.to_owned());
                (self.notify)(AttemptEvent::Line(stream, line));
            },
            kept: LOGGED_KEPT,
        };
        let ran = children::run(&supervision, name, command);
        let (mut file, result, last) = written.into_inner();
        result.and_then(|()| file.flush()).map_err(IoError::at("write", log))?;
        drop(file);
        to.commit()?;
        match ran {
            Err(ActionError::Failed(error)) => {
                let mut kept = lock(&self.log);
                for line in last {
                    kept.err.push_str(&line);
                    kept.err.push('\n');
                }
                drop(kept);
                Err(ActionError::Failed(format!(
                    "{error}; its output is in {}",
                    content::printable_path(log)
                )))
            }
            ran => ran,
        }
    }
}
