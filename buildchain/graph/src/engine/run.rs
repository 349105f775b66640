//! Running tasks.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Instant;

use crate::cache::ResultCache;
use crate::engine::error::RunError;
use crate::engine::notifier::notify;
use crate::engine::options::RunOptions;
use crate::engine::outputs;
use crate::engine::project;
use crate::engine::prune;
use crate::engine::recorder::record;
use crate::engine::schedule::Schedule;
use crate::engine::shared::{Message, SharedRun};
use crate::engine::work::work;
use crate::model::error::{FileError, chain};
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::selection::SelectedTasks;
use crate::record::files::KnownFiles;
use crate::record::journal;
use crate::record::judge::Evidence;
use crate::record::state::{Journal, ProjectState};
use crate::record::threads::lock;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::{Artifact, RunOutcome, TaskReport, TaskVerdict};

/// Runs the selected tasks and their dependencies that are out of date, each after its own dependencies.
///
/// The state must have been opened with [`ProjectState::open`]: one that was only read has no lock and records nothing.
///
/// # Errors
///
/// The run as a whole ended early. Failed tasks are not an error: they are in the [`RunOutcome`].
pub fn run(
    graph: &Graph,
    selection: &SelectedTasks,
    options: &RunOptions,
    state: &mut ProjectState,
    reporter: &mut dyn Reporter,
) -> Result<RunOutcome, RunError> {
    let start = Instant::now();
    let started = options.clock.map(|clock| clock());
    let cone = graph.cone(selection);
    let wanted = if options.single { &selection.tasks } else { &cone };
    let actions = wanted.iter().filter(|id| !graph.task(**id).is_group()).count();
    reporter.event(&RunEvent::Begun { tasks: actions });
    let mut result = run_cone(graph, wanted, &cone, options, state, reporter);
    if let Ok(outcome) = &mut result {
        outcome.elapsed = start.elapsed();
        outcome.started = started;
        reporter.event(&RunEvent::Summary { outcome });
    }
    let exit = result.as_ref().map_or(2, RunOutcome::exit);
    reporter.event(&RunEvent::Ended { exit });
    result
}

fn run_cone(
    graph: &Graph,
    wanted: &[TaskId],
    cone: &[TaskId],
    options: &RunOptions,
    state: &mut ProjectState,
    reporter: &mut dyn Reporter,
) -> Result<RunOutcome, RunError> {
    let clock = state.journal.as_ref().and_then(Journal::lock);
    let state_lock = state.journal.as_ref().and_then(Journal::lock);
    let jobs = options.jobs.max(1);
    let files = KnownFiles::new(&graph.root, clock, std::mem::take(&mut state.digests), jobs)?;
    for recovered in project::recover(graph, &files, &state.own)? {
        reporter.event(&RunEvent::Warned { text: &recovered.to_string() });
    }
    if options.prune {
        prune::prune(graph, &files, state, reporter)?;
    }
    outputs::clear_aside(graph)?;
    let mut schedule = Schedule::new(graph, wanted, cone, jobs);
    let ended = schedule.start(wanted);
    let mut journal = state.journal.take();
    let (sender, messages) = mpsc::channel();
    let _ = sender.send(Message::Finished(ended));
    let shared = SharedRun {
        graph,
        options,
        evidence: Evidence {
            graph,
            files: &files,
            records: &state.records,
            listings: &state.listings,
            stop: &options.cancel,
        },
        ignored: &state.ignored,
        own: &state.own,
        lock: state_lock.as_ref(),
        schedule: Mutex::new(schedule),
        queued: Mutex::default(),
        wake: Condvar::new(),
    };
    let mut outcome = RunOutcome::default();
    let recorded = thread::scope(|scope| {
        let (to_record, results) = mpsc::channel();
        let recorder = scope.spawn({
            let (shared, journal, sender) = (&shared, &mut journal, sender.clone());
            move || record(shared, &results, journal.as_mut(), &sender)
        });
        for _ in 0..jobs {
            let (shared, sender, to_record) = (&shared, sender.clone(), to_record.clone());
            scope.spawn(move || work(shared, &sender, &to_record));
        }
        drop((sender, to_record));
        notify(&shared, &messages, reporter, &mut outcome);
        recorder.join().unwrap_or_default()
    });
    let schedule = lock(&shared.schedule);
    let left: Vec<TaskId> = wanted.iter().copied().filter(|id| schedule.is_left(*id)).collect();
    let produced = options.artifacts.iter().filter(|(path, _)| {
        graph
            .producer(path)
            .is_some_and(|producer| wanted.contains(&producer) && schedule.succeeded(producer))
    });
    let produced: Vec<_> = produced.collect();
    drop(schedule);
    // Reports list every task of the run.
    for id in left {
        let report = TaskReport::of(TaskVerdict::Cancelled);
        if !graph.task(id).is_group() {
            *outcome.counts.entry(TaskVerdict::Cancelled).or_insert(0) += 1;
        }
        reporter.event(&RunEvent::Finished { task: graph.task(id), report: &report });
    }
    outcome.cancelled = options.cancel.load(Ordering::Relaxed) && outcome.count(TaskVerdict::Cancelled) > 0;
    drop(shared);
    for (path, next) in produced {
        match artifact(&graph.root.join(path), next.as_deref(), &files) {
            Ok(artifact) => outcome.artifacts.push(artifact),
            Err(error) => reporter.event(&RunEvent::Warned { text: &chain(&error) }),
        }
    }
    outputs::clear_aside(graph)?;
    project::remove_empty(graph);
    files.persist();
    let unsaved = files.take_unsaved();
    state.digests = files.into_recorded();
    state.journal = journal;
    let mut frames = Vec::new();
    journal::put_digests(&mut frames, &unsaved);
    let journal = state.journal.as_mut().filter(|_| !frames.is_empty());
    let written = journal.map_or(Ok(()), |journal| journal.append(&frames));
    recorded.frames.into_iter().for_each(|frames| state.apply_frames(frames));
    // Neither makes the build fail: digests are computed again, and a long journal or a large cache only takes space.
    let compacted = written.and_then(|()| state.compact()).map_err(|error| chain(&error));
    let evicted =
        options.cache.as_ref().map_or(Ok(()), ResultCache::keep_to_limit).map_err(|error| chain(&error));
    for text in [compacted, evicted].into_iter().filter_map(Result::err) {
        reporter.event(&RunEvent::Warned { text: &text });
    }
    recorded.error.map_or(Ok(outcome), |error| Err(error.into()))
}

/// The report on an output. Its digest is recorded: it is read only if it has changed since.
fn artifact(path: &Path, next: Option<&str>, files: &KnownFiles) -> Result<Artifact, FileError> {
    let sha256 = files.digest(path)?;
    let size = path.metadata().map_err(|error| FileError::at("read", path)(error))?.len();
    Ok(Artifact { path: path.to_path_buf(), size, sha256, next: next.map(str::to_owned) })
}
