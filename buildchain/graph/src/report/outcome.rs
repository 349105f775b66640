//! How tasks and runs end.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use content::Digest;

use crate::model::error::{Help, chain};
use crate::model::reason::Reason;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskVerdict {
    /// Its action ran and succeeded; for a group: all members succeeded.
    Succeeded,
    /// It was up to date.
    UpToDate,
    /// Its outputs were restored from the result cache.
    Restored,
    /// The user chose to ignore it, or a task that it needs.
    Ignored,
    /// Its action returned [`ActionError::Failed`](crate::ActionError::Failed).
    Failed,
    /// Its action could not do its work, or did not produce the declared outputs.
    Broken,
    /// A task that it needs did not succeed.
    Blocked,
    /// The run ended before the task did: it was stopped, or another task failed.
    Cancelled,
    /// Dry run: its action would run.
    WouldRun,
}

impl TaskVerdict {
    /// The word in machine-readable reports: the words of doit (`success`, `up-to-date`, `ignore`, `fail`) where it has them.
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

    /// Whether the task itself failed, not one that it needs.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Broken)
    }

    /// Whether tasks that need this one may run.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Succeeded | Self::UpToDate | Self::Restored | Self::WouldRun)
    }
}

/// The end of one task.
#[derive(Clone, Debug)]
pub struct TaskReport {
    /// How it ended.
    pub verdict: TaskVerdict,
    /// Why it had to run; empty if it was up to date.
    pub reasons: Vec<Reason>,
    /// Why it did not succeed; for a blocked task, the name of the task that blocks it.
    pub error: Option<String>,
    /// What to do about the error, from [`RunOptions::help`](crate::RunOptions::help).
    pub help: Option<String>,
    /// The errors of the attempts before the last.
    pub retried: Vec<String>,
    /// What its action logged and its child processes wrote to standard output.
    pub out: String,
    /// What its action warned of and its child processes wrote to standard error.
    pub err: String,
    /// Its key; `None` if its inputs were not read.
    pub key: Option<Digest>,
    /// When its action started, by the clock of the run; `None` if it did not run or there is no clock.
    pub started: Option<SystemTime>,
    /// How long its action ran, all attempts together; `None` if it did not run.
    pub elapsed: Option<Duration>,
    /// The number of attempts; 0 if it did not run.
    pub attempts: u32,
    /// The bytes that its action counted while it fetched or wrote, of all attempts together.
    pub bytes: u64,
}

impl TaskReport {
    /// A report with this verdict for a task whose action did not run.
    #[must_use]
    pub fn of(verdict: TaskVerdict) -> Self {
        Self {
            verdict,
            reasons: Vec::new(),
            error: None,
            help: None,
            retried: Vec::new(),
            out: String::new(),
            err: String::new(),
            key: None,
            started: None,
            elapsed: None,
            attempts: 0,
            bytes: 0,
        }
    }
}

impl TaskReport {
    /// Makes this the report of a task whose work cannot be done because of `error`.
    pub(crate) fn break_by(&mut self, error: &(dyn std::error::Error + 'static), help: Option<Help>) {
        self.verdict = TaskVerdict::Broken;
        self.error = Some(chain(error));
        self.help = help.and_then(|help| help(error));
    }
}

/// An output that the run was asked to report on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The file, absolute.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content.
    pub sha256: Digest,
    /// What the user can type next.
    pub next: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOutcome {
    /// The number of tasks by verdict, without groups.
    pub counts: HashMap<TaskVerdict, usize>,
    /// The public names of the tasks that failed, in the order in which they failed.
    pub failed: Vec<String>,
    /// Whether the run was stopped by [`RunOptions::cancel`](crate::RunOptions::cancel).
    pub cancelled: bool,
    /// Those of [`RunOptions::artifacts`](crate::RunOptions::artifacts) whose tasks were part of the run and succeeded.
    pub artifacts: Vec<Artifact>,
    /// When the run began, by its clock; `None` if it has no clock.
    pub started: Option<SystemTime>,
    /// How long the run took.
    pub elapsed: Duration,
}

impl RunOutcome {
    /// The exit code: 0 if all tasks succeeded, 1 if a task failed, 2 if one could not do its work. For a cancelled run the
    /// caller returns 128 + the signal.
    #[must_use]
    pub fn exit(&self) -> u8 {
        if self.count(TaskVerdict::Broken) > 0 {
            2
        } else if self.count(TaskVerdict::Failed) > 0 {
            1
        } else if self.cancelled {
            2
        } else {
            0
        }
    }

    /// The number of tasks that did not run to their end, because one that they need failed or the run ended before.
    #[must_use]
    pub fn not_run(&self) -> usize {
        self.count(TaskVerdict::Blocked) + self.count(TaskVerdict::Cancelled)
    }

    /// The number of tasks with this verdict.
    #[must_use]
    pub fn count(&self, verdict: TaskVerdict) -> usize {
        self.counts.get(&verdict).copied().unwrap_or(0)
    }
}
