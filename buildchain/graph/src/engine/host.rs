//! The side of the run that serves one attempt of an action.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use content::Digest;

use crate::engine::children::{self, Supervision};
use crate::model::context::Host;
use crate::model::error::{ActionError, FileError};
use crate::model::progress::{Stream, Transfer};
use crate::record::files::KnownFiles;
use crate::record::threads::lock;

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

    fn run(&self, command: &mut Command) -> Result<Output, ActionError> {
        let supervision = Supervision {
            lock: self.lock,
            cancelled: &|| self.cancelled(),
            line: &|stream, line| self.line(stream, line),
            kept: u64::MAX,
        };
        children::run(&supervision, command)
    }
}
