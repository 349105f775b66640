//! The threads of a run: workers that check and act, one that records, one that tells.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::run::{Outcome, RunOptions};
use crate::engine::schedule::{Job, Schedule, Status};
use crate::model::graph::{Graph, TaskId};
use crate::model::reason::Reason;
use crate::record::journal;
use crate::record::judge::{Dirty, Evidence, Judgement};
use crate::record::state::{Journal, StateError};
use crate::record::threads::lock;
use crate::report::events::{Event, Reporter, Stream, TaskReport, Transfer, Verdict};

/// How long what was found of tasks that need not run is kept back, to be told in one go.
const SOON: Duration = Duration::from_millis(2);

/// What all threads of a run share.
pub(crate) struct Shared<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) options: &'a RunOptions,
    pub(crate) evidence: Evidence<'a>,
    pub(crate) ignored: &'a BTreeSet<String>,
    /// The lock on the state, for the children of actions.
    pub(crate) lock: Option<&'a File>,
    pub(crate) schedule: Mutex<Schedule<'a>>,
    /// What was found of the tasks that are queued.
    pub(crate) dirty: Mutex<HashMap<TaskId, Dirty>>,
    /// Something has changed in the schedule, or the run is to stop.
    pub(crate) wake: Condvar,
}

/// From a worker to the thread that tells.
pub(crate) enum Told {
    Started(TaskId, Vec<Reason>),
    Line(TaskId, Stream, String),
    Progress(TaskId, String),
    Transfer(TaskId, Transfer),
    Retrying(TaskId, String, Duration),
    Finished(Vec<(TaskId, TaskReport)>),
}

/// From a worker to the thread that records.
pub(crate) struct ToRecord {
    pub(crate) id: TaskId,
    pub(crate) verdict: Verdict,
    /// The frames to write; empty if there is nothing to remember.
    pub(crate) frames: Vec<u8>,
}

/// What the recording thread leaves.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) frames: Vec<Vec<u8>>,
    pub(crate) error: Option<StateError>,
}

/// Lets the other workers go when one of them panics: nobody else would end its task, for which they wait.
struct Leave<'a, 'b>(&'a Shared<'b>);

impl Drop for Leave<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.schedule).stopping = true;
            self.0.wake.notify_all();
        }
    }
}

impl Shared<'_> {
    pub(crate) fn cancelled(&self) -> bool {
        self.options.cancel.load(Ordering::Relaxed)
    }

    pub(crate) fn work(&self, tell: &Sender<Told>, record: &Sender<ToRecord>) {
        let _leave = Leave(self);
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
        let mut told = Instant::now();
        for &id in batch {
            if told.elapsed() > SOON {
                self.done(std::mem::take(&mut reports), tell);
                told = Instant::now();
            }
            let node = self.graph.node(id);
            if self.ignored.contains(&node.task.name) {
                reports.push((id, TaskReport::of(Verdict::Ignored)));
                continue;
            }
            let judged = self.evidence.judge(node, self.options.always);
            // What it has not seen is no judgement; what it has is for the next run to find again.
            if self.cancelled() {
                break;
            }
            match judged {
                Ok(Judgement::UpToDate { key }) => {
                    let mut report = TaskReport::of(Verdict::UpToDate);
                    report.key = Some(key);
                    reports.push((id, report));
                }
                Ok(Judgement::MustRun(found)) => {
                    lock(&self.dirty).insert(id, found);
                    lock(&self.schedule).set(id, Status::Queued);
                    self.wake.notify_one();
                }
                Err(error) => {
                    let mut report = TaskReport::of(Verdict::Broken);
                    report.error = Some(crate::model::task::chain(&error));
                    reports.push((id, report));
                }
            }
        }
        self.done(reports, tell);
    }

    /// Tells the end of tasks that did not run, and lets go on what waits for them.
    fn done(&self, reports: Vec<(TaskId, TaskReport)>, tell: &Sender<Told>) {
        let ended: Vec<_> = reports.iter().map(|(id, report)| (*id, report.verdict)).collect();
        if !ended.is_empty() {
            // Told before anybody can start on what follows, so that the end of a task is always told before
            // the start of its dependents.
            let _ = tell.send(Told::Finished(reports));
            self.finish(&ended, tell);
        }
        self.wake.notify_all();
    }

    /// Lets go on what waits for tasks that have ended.
    fn finish(&self, ended: &[(TaskId, Verdict)], tell: &Sender<Told>) {
        let mut schedule = lock(&self.schedule);
        let mut along = Vec::new();
        for (id, verdict) in ended {
            schedule.stopping |= self.ends_run(*verdict);
            along.extend(schedule.set(*id, Status::Done(*verdict)));
        }
        if !along.is_empty() {
            let _ = tell.send(Told::Finished(along));
        }
        drop(schedule);
        self.wake.notify_all();
    }

    /// After this end of a task nothing new is to be started.
    pub(crate) fn ends_run(&self, verdict: Verdict) -> bool {
        match verdict {
            Verdict::Failed | Verdict::Broken => !self.options.keep_going,
            Verdict::Cancelled => true,
            _ => self.cancelled(),
        }
    }

    /// Writes what is to be remembered, all that waits in one go, and only then lets dependents look.
    pub(crate) fn keep(
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
            let ended: Vec<_> = batch.iter().map(|item| (item.id, item.verdict)).collect();
            if written.is_ok() {
                recorded.frames.extend(batch.into_iter().map(|item| item.frames));
            }
            if let Err(error) = written {
                lock(&self.schedule).stopping = true;
                recorded.error.get_or_insert(error);
            }
            self.finish(&ended, tell);
        }
        recorded
    }

    /// Tells the reporter all there is to tell, until the last worker has gone.
    pub(crate) fn tell(&self, told: &Receiver<Told>, reporter: &mut dyn Reporter, outcome: &mut Outcome) {
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
                Told::Transfer(id, step) => reporter.event(&Event::Transfer { task: task(id), step }),
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
