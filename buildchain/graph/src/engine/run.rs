//! Running tasks: how, and how it ended.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::cache::Cache;
use crate::engine::schedule::Schedule;
use crate::engine::sweep::{self, SweepError};
use crate::engine::work::{Shared, Told};
use crate::model::graph::{Graph, TaskId};
use crate::model::selection::Selection;
use crate::model::task::chain;
use crate::record::digest::Digest;
use crate::record::files::{Files, LookError};
use crate::record::journal;
use crate::record::judge::Evidence;
use crate::record::state::{Journal, State, StateError};
use crate::record::threads::lock;
use crate::report::events::{Event, Reporter, TaskReport, Verdict};

/// How to run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// How many actions run at once; 0 is taken as 1.
    pub jobs: usize,
    /// After a failure go on with all that does not need what failed.
    pub keep_going: bool,
    /// Run every task, up to date or not.
    pub always: bool,
    /// Only the tasks asked for, not what they need.
    pub single: bool,
    /// Remove files below the build root that tasks made once and none makes any more.
    pub prune: bool,
    /// When this turns true no action is started any more, those that run are told to stop, and the run ends.
    pub cancel: Arc<AtomicBool>,
    /// Where outputs are kept and looked for before an action runs.
    pub cache: Option<Cache>,
    /// Files that tasks make whose size and digest the [`Outcome`] reports, each with what to type next.
    pub artefacts: Vec<(PathBuf, String)>,
    /// What tells the time for the reports; without it they have no `started`.
    pub clock: Option<fn() -> SystemTime>,
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
            artefacts: Vec::new(),
            clock: None,
        }
    }
}

/// A file that a task made, in this run or an earlier one with the same result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artefact {
    /// The file, absolute.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// The SHA-256 of its content.
    pub sha256: Digest,
    /// What to type next.
    pub next: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many tasks ended which way, groups not counted.
    pub counts: HashMap<Verdict, usize>,
    /// Tasks that were part of the run and never looked at, because it was stopped or because of a failure.
    pub left: usize,
    /// The run was stopped by [`RunOptions::cancel`].
    pub cancelled: bool,
    /// Those of [`RunOptions::artefacts`] whose tasks were part of the run and succeeded.
    pub artefacts: Vec<Artefact>,
    /// How long the run took.
    pub elapsed: Duration,
}

impl Outcome {
    /// The exit code: 0 all is well, 1 a task failed, 2 a task broke off. Of a cancelled run the caller makes
    /// 128 + the signal.
    #[must_use]
    pub fn exit(&self) -> u8 {
        if self.count(Verdict::Broken) > 0 {
            2
        } else if self.count(Verdict::Failed) > 0 {
            1
        } else if self.cancelled {
            2
        } else {
            0
        }
    }

    /// How many tasks ended this way.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.counts.get(&verdict).copied().unwrap_or(0)
    }
}

/// The run itself could not go on: exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The memory of the build cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The root cannot be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// What a run left aside cannot be removed.
    #[error(transparent)]
    Sweep(#[from] SweepError),
    /// A file that no task makes any more cannot be removed.
    #[error("cannot remove {}, which no task makes any more", content::printable_path(path))]
    Prune {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

/// Runs the selected tasks and all they need, each when what it needs is done, as far as they are not up to
/// date.
///
/// A state that was only read ([`State::read`]) guards nothing and remembers nothing: a run wants one that
/// was opened.
///
/// # Errors
///
/// If the run itself cannot go on. Tasks that fail are no error: they are in the [`Outcome`].
pub fn run(
    graph: &Graph,
    selection: &Selection,
    options: &RunOptions,
    state: &mut State,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, RunError> {
    let start = Instant::now();
    let cone = graph.cone(selection);
    let wanted = if options.single { &selection.tasks } else { &cone };
    let actions = wanted.iter().filter(|id| !graph.task(**id).is_group()).count();
    reporter.event(&Event::Begun { tasks: actions });
    let mut result = run_cone(graph, wanted, &cone, options, state, reporter);
    if let Ok(outcome) = &mut result {
        outcome.elapsed = start.elapsed();
        reporter.event(&Event::Summary { outcome });
    }
    let exit = result.as_ref().map_or(2, Outcome::exit);
    reporter.event(&Event::Ended { exit });
    result
}

fn run_cone(
    graph: &Graph,
    wanted: &[TaskId],
    cone: &[TaskId],
    options: &RunOptions,
    state: &mut State,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, RunError> {
    if options.prune {
        sweep::prune(graph, state, reporter)?;
    }
    sweep::clear_aside(graph)?;
    let clock = state.journal.as_ref().and_then(Journal::lock);
    let state_lock = state.journal.as_ref().and_then(Journal::lock);
    let jobs = options.jobs.max(1);
    let files = Files::new(&graph.root, clock, std::mem::take(&mut state.known), jobs)?;
    let mut schedule = Schedule::new(graph, wanted, cone, jobs);
    let at_once = schedule.start(wanted);
    let mut journal = state.journal.take();
    let (tell, told) = mpsc::channel();
    let _ = tell.send(Told::Finished(at_once));
    let shared = Shared {
        graph,
        options,
        evidence: Evidence {
            graph,
            files: &files,
            records: &state.tasks,
            listings: &state.listings,
            stop: &options.cancel,
        },
        ignored: &state.ignored,
        lock: state_lock.as_ref(),
        schedule: Mutex::new(schedule),
        dirty: Mutex::default(),
        wake: Condvar::new(),
    };
    let mut outcome = Outcome::default();
    let recorded = thread::scope(|scope| {
        let (record, to_record) = mpsc::channel();
        let recorder = scope.spawn({
            let (shared, journal, tell) = (&shared, &mut journal, tell.clone());
            move || shared.keep(&to_record, journal.as_mut(), &tell)
        });
        for _ in 0..jobs {
            let (shared, tell, record) = (&shared, tell.clone(), record.clone());
            scope.spawn(move || shared.work(&tell, &record));
        }
        drop((tell, record));
        shared.tell(&told, reporter, &mut outcome);
        recorder.join().unwrap_or_default()
    });
    let schedule = lock(&shared.schedule);
    outcome.left = schedule.open();
    let left: Vec<TaskId> = wanted.iter().copied().filter(|id| schedule.is_left(*id)).collect();
    let made = options.artefacts.iter().filter(|(path, _)| {
        graph.maker(path).is_some_and(|maker| wanted.contains(&maker) && schedule.succeeded(maker))
    });
    let made: Vec<_> = made.collect();
    drop(schedule);
    // A report lists every task of the run.
    for id in left {
        let report = TaskReport::of(Verdict::Cancelled);
        reporter.event(&Event::Finished { task: graph.task(id), report: &report });
    }
    outcome.cancelled =
        options.cancel.load(Ordering::Relaxed) && outcome.left + outcome.count(Verdict::Cancelled) > 0;
    drop(shared);
    for (path, next) in made {
        match artefact(&graph.root.join(path), next, &files) {
            Ok(artefact) => outcome.artefacts.push(artefact),
            Err(error) => reporter.event(&Event::Warned { text: &chain(&error) }),
        }
    }
    sweep::clear_aside(graph)?;
    files.settle();
    let learnt = files.take_learnt();
    state.known = files.into_known();
    state.journal = journal;
    let mut frames = Vec::new();
    journal::put_known(&mut frames, &learnt);
    let journal = state.journal.as_mut().filter(|_| !frames.is_empty());
    let remembered = journal.map_or(Ok(()), |journal| journal.append(&frames));
    recorded.frames.into_iter().for_each(|frames| state.apply_frames(frames));
    // What was built is built: what is not remembered is hashed again, and what stays long or large takes room.
    let kept = remembered.and_then(|()| state.compact()).map_err(|error| chain(&error));
    let bounded = options.cache.as_ref().map_or(Ok(()), Cache::keep_to_limit).map_err(|error| chain(&error));
    for text in [kept, bounded].into_iter().filter_map(Result::err) {
        reporter.event(&Event::Warned { text: &text });
    }
    recorded.error.map_or(Ok(outcome), |error| Err(error.into()))
}

/// What there is to say of a file that a task made. Its digest is known: it is read only if it has changed since.
fn artefact(path: &Path, next: &str, files: &Files) -> Result<Artefact, LookError> {
    let sha256 = files.digest(path)?;
    let size = path.metadata().map_err(|error| LookError::io("read", path, error))?.len();
    Ok(Artefact { path: path.to_path_buf(), size, sha256, next: next.to_owned() })
}
