//! What a run tells while it goes on, and the trait of those who listen.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::engine::run::Outcome;
use crate::model::reason::Reason;
use crate::model::task::Task;
use crate::record::digest::Digest;

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Its action ran and succeeded; of a group: all members are done.
    Succeeded,
    /// Nothing had to be done.
    UpToDate,
    /// The outputs of an earlier run with the same key were put back from the cache.
    Restored,
    /// The user told to ignore it, or one of the tasks it needs.
    Ignored,
    /// Its action said no.
    Failed,
    /// Its action broke off, or did not do what the task declares.
    Broken,
    /// A task it needs did not succeed.
    Blocked,
    /// The run ended before or while it ran: it was stopped, or another task failed.
    Cancelled,
    /// Dry run: its action would be run.
    WouldRun,
}

impl Verdict {
    /// The word of the machine-readable reports. doit's words (`success`, `up-to-date`, `ignore`, `fail`) for
    /// what doit has, others for what it has not.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "success",
            Self::UpToDate => "up-to-date",
            Self::Restored => "restored",
            Self::Ignored => "ignore",
            Self::Failed | Self::Broken | Self::Blocked => "fail",
            Self::Cancelled => "cancelled",
            Self::WouldRun => "would-run",
        }
    }

    /// doit's name of the kind of failure, `None` for what is none.
    #[must_use]
    pub const fn failure(self) -> Option<&'static str> {
        match self {
            Self::Failed => Some("TaskFailed"),
            Self::Broken => Some("TaskError"),
            Self::Blocked => Some("UnmetDependency"),
            _ => None,
        }
    }

    /// The tasks that need this one may go on.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::UpToDate | Self::Restored | Self::WouldRun)
    }
}

/// The end of one task.
#[derive(Clone, Debug)]
pub struct TaskReport {
    /// What became of it.
    pub verdict: Verdict,
    /// Why it had to run; empty if it had not.
    pub reasons: Vec<Reason>,
    /// Why it did not succeed; of a blocked task, the name of the task that blocks it.
    pub error: Option<String>,
    /// What its action logged and its children wrote to standard output.
    pub out: String,
    /// What its action warned of and its children wrote to standard error.
    pub err: String,
    /// The key it ran under, known once its inputs were looked at.
    pub key: Option<Digest>,
    /// When its action started, by the clock given to the run; `None` if it did not run or no clock was
    /// given.
    pub started: Option<SystemTime>,
    /// How long its action ran, all attempts together; `None` if it did not run.
    pub elapsed: Option<Duration>,
    /// How many attempts were made; 0 if it did not run.
    pub attempts: u32,
}

impl TaskReport {
    /// A report of `verdict` on a task whose action did not run.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        Self {
            verdict,
            reasons: Vec::new(),
            error: None,
            out: String::new(),
            err: String::new(),
            key: None,
            started: None,
            elapsed: None,
            attempts: 0,
        }
    }
}

/// Which of its two streams a line of a task belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// What the action says.
    Out,
    /// What the action warns of.
    Err,
}

/// A step of an action that moves data in several parts, such as the blobs of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// There are so many parts to move.
    Planned {
        /// The number of parts.
        parts: usize,
        /// Their size in bytes, all together.
        bytes: u64,
    },
    /// A part begins.
    Begin {
        /// The name of the part, unlike that of any other part of the action.
        part: String,
        /// What people call the whole that it is a part of.
        label: String,
        /// Its size in bytes.
        size: u64,
        /// How many of them are there already.
        present: u64,
    },
    /// More bytes of a part have come; fewer are there where it begins again.
    Advance {
        /// The name of the part.
        part: String,
        /// How many.
        bytes: i64,
    },
    /// A part is done.
    End {
        /// The name of the part.
        part: String,
    },
}

/// Something happened in a run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The run begins; so many tasks (groups not counted) are to be looked at.
    Begun {
        /// The number of tasks.
        tasks: usize,
    },
    /// A file was removed that a task made once and none makes any more.
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
    /// A line of the running action, as it comes; all of them are in the [`TaskReport`] again.
    Line {
        /// Its task.
        task: &'a Task,
        /// Which stream.
        stream: Stream,
        /// The line, without its end.
        line: &'a str,
    },
    /// What the running action is at now, for a live display; not kept.
    Progress {
        /// Its task.
        task: &'a Task,
        /// For instance `412 MB of 1.4 GB`.
        text: &'a str,
    },
    /// The running action moves data: what it has done since it last said so; not kept.
    Transfer {
        /// Its task.
        task: &'a Task,
        /// What it has done.
        step: &'a Transfer,
    },
    /// The action broke off and will be tried again.
    Retrying {
        /// Its task.
        task: &'a Task,
        /// Why it broke off.
        error: &'a str,
        /// The pause until then.
        pause: Duration,
    },
    /// A task is done with, one way or another. Groups are told too.
    Finished {
        /// The task.
        task: &'a Task,
        /// Its end.
        report: &'a TaskReport,
    },
    /// Something is wrong that costs time and no result: the cache is full, say.
    Warned {
        /// What.
        text: &'a str,
    },
    /// All tasks have ended. Told right before [`Event::Ended`], unless the run itself could not go on.
    Summary {
        /// How many ended which way, how long it took, and what the run was asked to report on.
        outcome: &'a Outcome,
    },
    /// The run is over; nothing comes after this.
    Ended {
        /// Its exit code.
        exit: u8,
    },
}

/// Who listens to a run. All calls come from the thread that called [`run`](crate::run()).
pub trait Reporter {
    /// Something happened.
    fn event(&mut self, event: &Event<'_>);

    /// About ten times a second, and whenever the run has nothing more to tell for now: the moment to redraw
    /// or to flush.
    fn tick(&mut self) {}

    /// The first error met in writing, if any, once: what came after it was not written. The run went on.
    fn take_error(&mut self) -> Option<io::Error> {
        None
    }
}

/// The reporter that says nothing.
impl Reporter for () {
    fn event(&mut self, _: &Event<'_>) {}
}

/// Several reporters, each told everything.
impl Reporter for Vec<&mut dyn Reporter> {
    fn event(&mut self, event: &Event<'_>) {
        self.iter_mut().for_each(|reporter| reporter.event(event));
    }

    fn tick(&mut self) {
        self.iter_mut().for_each(|reporter| reporter.tick());
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.iter_mut().find_map(|reporter| reporter.take_error())
    }
}
