//! The events of a run, and the trait for those who receive them.

use std::io;
use std::path::Path;
use std::time::Duration;

use crate::model::progress::{Stream, Transfer};
use crate::model::reason::Reason;
use crate::model::task::Task;
use crate::report::outcome::{RunOutcome, TaskReport};

/// An event of a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// The run begins.
    Begun {
        /// The number of its tasks, without groups.
        tasks: usize,
    },
    /// A stale output was removed.
    Pruned {
        /// The file, relative to the root.
        path: &'a Path,
    },
    /// An action starts.
    Started {
        /// Its task.
        task: &'a Task,
        /// Why it runs.
        reasons: &'a [Reason],
    },
    /// The running action wrote a line. The [`TaskReport`] has all lines again.
    Line {
        /// Its task.
        task: &'a Task,
        /// The stream.
        stream: Stream,
        /// The line, without its end.
        line: &'a str,
    },
    /// The running action moves data. Not kept.
    Transfer {
        /// Its task.
        task: &'a Task,
        /// The step.
        step: &'a Transfer,
    },
    /// The run reads files to learn what has changed. Comes about ten times a second while it does.
    Reading {
        /// The bytes that it has read up to now.
        bytes: u64,
    },
    /// The action could not do its work and will be retried.
    Retrying {
        /// Its task.
        task: &'a Task,
        /// Why it could not do its work.
        error: &'a str,
        /// The pause before the next attempt.
        pause: Duration,
    },
    /// A task or group ended.
    Finished {
        /// The task.
        task: &'a Task,
        /// How it ended.
        report: &'a TaskReport,
    },
    /// Something is wrong that costs time but no result: the cache is full, for instance.
    Warned {
        /// The message.
        text: &'a str,
    },
    /// All tasks have ended. Comes directly before [`RunEvent::Ended`], unless the run as a whole ended early.
    Summary {
        /// How the run ended.
        outcome: &'a RunOutcome,
    },
    /// The run is over. This is the last event.
    Ended {
        /// Its exit code.
        exit: u8,
    },
}

/// Receives the events of a run. All calls come from the thread that called [`run`](crate::run()).
pub trait Reporter {
    /// Called for each event.
    fn event(&mut self, event: &RunEvent<'_>);

    /// Called about ten times a second, and whenever the queue of events is empty: redraw or flush here.
    fn tick(&mut self) {}

    /// The first error of writing, once. Nothing was written after it, and the run continued.
    fn take_error(&mut self) -> Option<io::Error> {
        None
    }
}

/// A reporter that ignores all events.
impl Reporter for () {
    fn event(&mut self, _: &RunEvent<'_>) {}
}

/// Several reporters. Each gets all events.
impl Reporter for Vec<&mut dyn Reporter> {
    fn event(&mut self, event: &RunEvent<'_>) {
        self.iter_mut().for_each(|reporter| reporter.event(event));
    }

    fn tick(&mut self) {
        self.iter_mut().for_each(|reporter| reporter.tick());
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.iter_mut().find_map(|reporter| reporter.take_error())
    }
}
