//! How a run is done.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use crate::cache::ResultCache;
use crate::model::error::Help;

/// How a run is done.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How many actions run at once; 0 means 1.
    pub jobs: usize,
    /// After a failure, keep running tasks that do not depend on the failed one.
    pub keep_going: bool,
    /// Run every task, also those that are up to date.
    pub always: bool,
    /// Run only the selected tasks, without their dependencies.
    pub single: bool,
    /// Remove stale outputs: files that an earlier run produced and that no task produces now.
    pub prune: bool,
    /// Stops the run once it is true: no action is started, and running ones are told to stop.
    pub cancel: Arc<AtomicBool>,
    /// The result cache.
    pub cache: Option<ResultCache>,
    /// Outputs whose size and digest the [`RunOutcome`](crate::RunOutcome) reports, each with what the user can type next.
    pub artifacts: Vec<(PathBuf, Option<String>)>,
    /// The clock for the reports. Without it they have no times of day.
    pub clock: Option<fn() -> SystemTime>,
    /// What to do about the error of a task, if there is something: becomes [`TaskReport::help`](crate::TaskReport::help).
    pub help: Option<Help>,
}

/// One worker, stop at the first failure, prune.
impl Default for RunOptions {
    fn default() -> Self {
        Self {
            jobs: 1,
            keep_going: false,
            always: false,
            single: false,
            prune: true,
            cancel: Arc::default(),
            cache: None,
            artifacts: Vec::new(),
            clock: None,
            help: None,
        }
    }
}
