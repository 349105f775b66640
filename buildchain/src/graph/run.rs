//! Running tasks: workers that check and act, one thread that records, one that tells.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::context::{Context, Said};
use super::files::{Files, LookError};
use super::journal::{self, Entry};
use super::judge::{Dirty, Evidence, Judgement};
use super::lock;
use super::model::{Graph, TaskId};
use super::reason::Reason;
use super::report::{Event, Reporter, Stream, TaskReport, Verdict};
use super::schedule::{Job, Schedule, Status};
use super::select::Selection;
use super::state::{Journal, State, StateError};
use super::survey::{self, Listing};
use super::sweep;
use super::task::{ActionError, Task};

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
            clock: None,
        }
    }
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
}

impl Outcome {
    /// The exit code: 0 all is well, 1 a task failed, 2 a task broke off. Of a cancelled run the caller makes 128 + the signal.
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
    /// A file that no task makes any more cannot be removed.
    #[error("cannot remove {}, which no task makes any more", path.display())]
    Prune {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

/// Runs the selected tasks and all they need, each when what it needs is done, as far as they are not up to date.
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
    let cone = if options.single { selection.tasks.clone() } else { graph.cone(selection) };
    let actions = cone.iter().filter(|id| !graph.task(**id).is_group()).count();
    reporter.event(&Event::Begun { tasks: actions });
    if options.prune {
        sweep::prune(graph, state, reporter)?;
    }
    let clock = state.journal.as_ref().and_then(Journal::clock);
    let jobs = options.jobs.max(1);
    let files = Files::new(&graph.root, clock, std::mem::take(&mut state.known), jobs)?;
    let mut schedule = Schedule::new(graph, &cone, jobs);
    let at_once = schedule.start(&cone);
    let mut journal = state.journal.take();
    let (tell, told) = mpsc::channel();
    let _ = tell.send(finished(at_once));
    let shared = Shared {
        graph,
        options,
        evidence: Evidence { graph, files: &files, records: &state.tasks, listings: &state.listings },
        ignored: &state.ignored,
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
    outcome.left = lock(&shared.schedule).open();
    outcome.cancelled =
        options.cancel.load(Ordering::Relaxed) && outcome.left + outcome.count(Verdict::Cancelled) > 0;
    drop(shared);
    let learnt = files.take_learnt();
    state.known = files.into_known();
    state.journal = journal;
    let mut frames = Vec::new();
    journal::put_known(&mut frames, &learnt);
    if let (Some(journal), false) = (&mut state.journal, frames.is_empty()) {
        journal.append(&frames)?;
    }
    for bytes in &recorded.frames {
        for entry in journal::entries(bytes, &mut 0) {
            state.apply(&entry);
        }
    }
    state.compact()?;
    if let Some(error) = recorded.error {
        return Err(error.into());
    }
    reporter.event(&Event::Ended { exit: outcome.exit() });
    Ok(outcome)
}

/// What all threads of a run share.
struct Shared<'a> {
    graph: &'a Graph,
    options: &'a RunOptions,
    evidence: Evidence<'a>,
    ignored: &'a std::collections::BTreeSet<String>,
    schedule: Mutex<Schedule<'a>>,
    /// What was found of the tasks that are queued.
    dirty: Mutex<HashMap<TaskId, Dirty>>,
    /// Something has changed in the schedule, or the run is to stop.
    wake: Condvar,
}

/// From a worker to the thread that tells.
enum Told {
    Started(TaskId, Vec<Reason>),
    Line(TaskId, Stream, String),
    Progress(TaskId, String),
    Retrying(TaskId, String, Duration),
    Finished(Vec<(TaskId, TaskReport)>),
}

fn finished(reports: Vec<(TaskId, TaskReport)>) -> Told {
    Told::Finished(reports)
}

/// From a worker to the thread that records.
struct ToRecord {
    id: TaskId,
    report: TaskReport,
    /// The frames to write; empty if there is nothing to remember.
    frames: Vec<u8>,
    status: Verdict,
}

/// What the recording thread leaves.
#[derive(Default)]
struct Recorded {
    frames: Vec<Vec<u8>>,
    error: Option<StateError>,
}

impl Shared<'_> {
    fn cancelled(&self) -> bool {
        self.options.cancel.load(Ordering::Relaxed)
    }

    fn work(&self, tell: &Sender<Told>, record: &Sender<ToRecord>) {
        while let Some(job) = self.next() {
            match job {
                Job::Check(batch) => self.check(&batch, tell),
                Job::Run(id) => {
                    let found = lock(&self.dirty).remove(&id);
                    if let Some(found) = found {
                        self.act(id, found, tell, record);
                    }
                }
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut schedule = lock(&self.schedule);
        loop {
            schedule.stopping |= self.cancelled();
            if schedule.is_over() || schedule.stopping {
                return None;
            }
            match schedule.take() {
                Some(job) => return Some(job),
                None => schedule = self.wake.wait(schedule).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Checks a batch of tasks; those that must run are queued, and what was found of them is kept for later.
    fn check(&self, batch: &[TaskId], tell: &Sender<Told>) {
        let mut reports = Vec::with_capacity(batch.len());
        let mut queued = Vec::new();
        for &id in batch {
            let node = self.graph.node(id);
            if self.ignored.contains(&node.task.name) {
                reports.push((id, TaskReport::of(Verdict::Ignored)));
                continue;
            }
            match self.evidence.judge(node, self.options.always) {
                Ok(Judgement::UpToDate { key }) => {
                    let mut report = TaskReport::of(Verdict::UpToDate);
                    report.key = Some(key);
                    reports.push((id, report));
                }
                Ok(Judgement::MustRun(found)) => {
                    lock(&self.dirty).insert(id, found);
                    queued.push(id);
                }
                Err(error) => {
                    let mut report = TaskReport::of(Verdict::Broken);
                    report.error = Some(super::task::chain(&error));
                    reports.push((id, report));
                }
            }
        }
        if !queued.is_empty() {
            let mut schedule = lock(&self.schedule);
            for id in queued {
                schedule.set(id, Status::Queued);
            }
        }
        self.done(reports, tell);
    }

    /// Ends tasks, and tells.
    fn done(&self, reports: Vec<(TaskId, TaskReport)>, tell: &Sender<Told>) {
        let mut all = Vec::with_capacity(reports.len());
        let mut schedule = lock(&self.schedule);
        for (id, report) in reports {
            let verdict = report.verdict;
            schedule.stopping |= match verdict {
                Verdict::Failed | Verdict::Broken => !self.options.keep_going,
                Verdict::Cancelled => true,
                _ => self.cancelled(),
            };
            all.push((id, report));
            all.extend(schedule.set(id, Status::Done(verdict)));
        }
        // Told before anybody can start on what follows, so that the end of a task is always told before the start of its dependents.
        if !all.is_empty() {
            let _ = tell.send(finished(all));
        }
        drop(schedule);
        self.wake.notify_all();
    }

    /// Runs the action of a task, with all its attempts.
    fn act(&self, id: TaskId, found: Dirty, tell: &Sender<Told>, record: &Sender<ToRecord>) {
        let node = self.graph.node(id);
        let Dirty { reasons, key, manifest, mut listings } = found;
        let mut report = TaskReport::of(Verdict::Succeeded);
        report.key = Some(key);
        report.started = self.options.clock.map(|clock| clock());
        report.reasons.clone_from(&reasons);
        let _ = tell.send(Told::Started(id, reasons));
        let start = Instant::now();
        let mut outputs = Vec::new();
        let result = self
            .attempts(id, &mut report, tell)
            .and_then(|()| self.collect(node, &mut listings, &mut outputs));
        report.elapsed = Some(start.elapsed());
        let mut frames = Vec::new();
        match result {
            Ok(()) if self.inputs_changed(node, &manifest) => {
                report.err.push_str("an input changed while the task ran: it will run again next time\n");
                self.forget(&node.task, &mut frames);
            }
            Ok(()) => {
                for (digest, bytes) in &listings {
                    if !self.evidence.listings.contains_key(digest) {
                        journal::put(&mut frames, &Entry::Listing { digest: *digest, bytes });
                    }
                }
                let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                let (name, manifest, outputs) = (node.task.name.as_str(), &manifest, &outputs);
                journal::put(&mut frames, &Entry::Task { name, key, manifest, outputs, millis });
            }
            Err(error) => {
                report.verdict = match &error {
                    ActionError::Failed(_) => Verdict::Failed,
                    ActionError::Broken(_) => Verdict::Broken,
                    ActionError::Cancelled => Verdict::Cancelled,
                };
                report.error = Some(error.to_string());
                if let Err(error) = sweep::remove_outputs(self.graph, &node.task) {
                    report.err.push_str(&format!("what it left cannot be removed: {error}\n"));
                }
                self.forget(&node.task, &mut frames);
            }
        }
        let status = report.verdict;
        lock(&self.schedule).set(id, Status::Recording);
        let _ = record.send(ToRecord { id, report, frames, status });
        // A slot of its pool is free.
        self.wake.notify_all();
    }

    fn forget(&self, task: &Task, frames: &mut Vec<u8>) {
        if self.evidence.records.contains_key(&task.name) {
            journal::put(frames, &Entry::Forget { name: &task.name });
        }
    }

    fn attempts(&self, id: TaskId, report: &mut TaskReport, tell: &Sender<Told>) -> Result<(), ActionError> {
        let task = self.graph.task(id);
        let mut pause = task.retry.pause;
        loop {
            report.attempts += 1;
            let result = sweep::prepare(self.graph, task).map_err(ActionError::from);
            let result = result.and_then(|()| self.attempt(id, report, tell));
            match result {
                Err(ActionError::Broken(error))
                    if report.attempts <= task.retry.times && !self.cancelled() =>
                {
                    let error = ActionError::Broken(error).to_string();
                    report.err.push_str(&format!("attempt {}: {error}\n", report.attempts));
                    let _ = tell.send(Told::Retrying(id, error, pause));
                    self.rest(pause);
                    pause = pause.saturating_mul(2);
                }
                result => return result,
            }
        }
    }

    /// Sleeps, but not after the run was told to stop.
    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.cancelled() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(50)));
        }
    }

    fn attempt(&self, id: TaskId, report: &mut TaskReport, tell: &Sender<Told>) -> Result<(), ActionError> {
        let task = self.graph.task(id);
        let Some(action) = &task.action else { return Ok(()) };
        let deadline = task.timeout.map(|timeout| Instant::now() + timeout);
        let tell = Mutex::new(tell.clone());
        let said = |said: Said<'_>| {
            let told = match said {
                Said::Line(stream, line) => Told::Line(id, stream, line.to_owned()),
                Said::Progress(text) => Told::Progress(id, text.to_owned()),
            };
            let _ = lock(&tell).send(told);
        };
        let context =
            Context::new(&self.graph.root, task, self.evidence.files, &self.options.cancel, deadline, &said);
        let result = catch_unwind(AssertUnwindSafe(|| action(&context))).unwrap_or_else(|panic| {
            let message = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            Err(ActionError::broken(format!("the action panicked: {message}")))
        });
        let timed_out = context.timed_out();
        let log = context.into_log();
        report.out.push_str(&log.out);
        report.err.push_str(&log.err);
        match (result, task.timeout) {
            (Err(ActionError::Cancelled), Some(timeout)) if timed_out && !self.cancelled() => {
                Err(ActionError::broken(format!("took longer than {timeout:?}")))
            }
            (result, _) => result,
        }
    }

    /// Looks at what the action left: all it declares must be there.
    fn collect(
        &self,
        node: &super::model::Node,
        listings: &mut Vec<Listing>,
        outputs: &mut Vec<u8>,
    ) -> Result<(), ActionError> {
        survey::outputs(&self.graph.root, node, self.evidence.files, listings, outputs)?;
        let missing =
            super::manifest::items(outputs).find(|item| item.value == super::manifest::Value::Nothing);
        match missing {
            Some(item) => Err(ActionError::broken(format!(
                "the task did not make its output {}",
                item.path().display()
            ))),
            None => Ok(()),
        }
    }

    /// The inputs are not those any more that the task was judged by.
    fn inputs_changed(&self, node: &super::model::Node, manifest: &[u8]) -> bool {
        let mut now = Vec::with_capacity(manifest.len());
        let looked = survey::inputs(&self.graph.root, node, self.evidence.files, &mut Vec::new(), &mut now);
        looked.is_err() || now != manifest
    }

    /// Writes what is to be remembered, all that waits in one go, and only then lets dependents look.
    fn keep(
        &self,
        to_record: &Receiver<ToRecord>,
        mut journal: Option<&mut Journal>,
        tell: &Sender<Told>,
    ) -> Recorded {
        let mut recorded = Recorded::default();
        while let Ok(first) = to_record.recv() {
            let batch: Vec<ToRecord> = std::iter::once(first).chain(to_record.try_iter()).collect();
            let mut frames = Vec::new();
            journal::put_known(&mut frames, &self.evidence.files.take_learnt());
            for item in &batch {
                frames.extend(&item.frames);
            }
            let written = match &mut journal {
                Some(journal) if !frames.is_empty() => journal.append(&frames),
                _ => Ok(()),
            };
            let failed = written.as_ref().err().map(|error| super::task::chain(error));
            let mut reports = Vec::with_capacity(batch.len());
            for mut item in batch {
                match &failed {
                    Some(error) if item.status == Verdict::Succeeded => {
                        item.report.verdict = Verdict::Broken;
                        item.report.error = Some(error.clone());
                    }
                    _ => recorded.frames.push(item.frames),
                }
                reports.push((item.id, item.report));
            }
            if let Err(error) = written {
                lock(&self.schedule).stopping = true;
                recorded.error.get_or_insert(error);
            }
            self.done(reports, tell);
        }
        recorded
    }

    /// Tells the reporter all there is to tell, until the last worker has gone.
    fn tell(&self, told: &Receiver<Told>, reporter: &mut dyn Reporter, outcome: &mut Outcome) {
        let mut quiet = false;
        loop {
            let message = match told.try_recv() {
                Ok(message) => message,
                Err(_) => {
                    if !quiet {
                        reporter.tick();
                    }
                    match told.recv_timeout(Duration::from_millis(100)) {
                        Ok(message) => message,
                        Err(RecvTimeoutError::Timeout) => {
                            reporter.tick();
                            quiet = true;
                            if self.cancelled() {
                                self.wake.notify_all();
                            }
                            continue;
                        }
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            };
            quiet = false;
            let task = |id: &TaskId| self.graph.task(*id);
            match &message {
                Told::Started(id, reasons) => reporter.event(&Event::Started { task: task(id), reasons }),
                Told::Line(id, stream, line) => {
                    reporter.event(&Event::Line { task: task(id), stream: *stream, line });
                }
                Told::Progress(id, text) => reporter.event(&Event::Progress { task: task(id), text }),
                Told::Retrying(id, error, pause) => {
                    reporter.event(&Event::Retrying { task: task(id), error, pause: *pause });
                }
                Told::Finished(reports) => {
                    for (id, report) in reports {
                        let task = task(id);
                        if !task.is_group() {
                            *outcome.counts.entry(report.verdict).or_insert(0) += 1;
                        }
                        reporter.event(&Event::Finished { task, report });
                    }
                }
            }
        }
    }
}
