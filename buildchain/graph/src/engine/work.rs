//! The workers of a run: each checks tasks, and runs those that are out of date.

use std::sync::PoisonError;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::act::act;
use crate::engine::schedule::{Job, Status};
use crate::engine::shared::{Message, SharedRun, ToRecord};
use crate::model::linked::TaskId;
use crate::record::judge::Judgement;
use crate::record::threads::lock;
use crate::report::outcome::{TaskReport, TaskVerdict};

/// How long the reports of tasks that are up to date are collected, to be sent at once.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// Stops the other workers if one panics: they wait for the end of its task, which would never come.
struct StopOnPanic<'a, 'b>(&'a SharedRun<'b>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if thread::panicking() {
            lock(&self.0.schedule).stopping = true;
            self.0.wake.notify_all();
        }
    }
}

/// Does what the schedule hands out, until the run is over.
pub(crate) fn work(shared: &SharedRun<'_>, messages: &Sender<Message>, record: &Sender<ToRecord>) {
    let _stop = StopOnPanic(shared);
    while let Some(job) = next(shared) {
        match job {
            Job::Check(batch) => check(shared, &batch, messages),
            Job::Run(id) => {
                let judged = lock(&shared.queued).remove(&id);
                if let Some(judged) = judged {
                    act(shared, id, judged, messages, record);
                }
            }
        }
    }
}

fn next(shared: &SharedRun<'_>) -> Option<Job> {
    let mut schedule = lock(&shared.schedule);
    loop {
        schedule.stopping |= shared.cancelled();
        if schedule.is_over() || schedule.stopping {
            return None;
        }
        match schedule.take() {
            Some(job) => return Some(job),
            None => schedule = shared.wake.wait(schedule).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Checks a batch of tasks. Those that are out of date are queued.
fn check(shared: &SharedRun<'_>, batch: &[TaskId], messages: &Sender<Message>) {
    let mut reports = Vec::with_capacity(batch.len());
    let mut sent = Instant::now();
    for &id in batch {
        if sent.elapsed() > BATCH_TIME {
            end(shared, std::mem::take(&mut reports), messages);
            sent = Instant::now();
        }
        let linked = shared.graph.linked(id);
        if shared.ignored.contains(&linked.task.name) {
            reports.push((id, TaskReport::of(TaskVerdict::Ignored)));
            continue;
        }
        let judged = shared.evidence.judge(linked, shared.options.always);
        // A stopped run cannot judge: it has not read all files.
        if shared.cancelled() {
            break;
        }
        match judged {
            Ok(Judgement::UpToDate { key }) => {
                let mut report = TaskReport::of(TaskVerdict::UpToDate);
                report.key = Some(key);
                reports.push((id, report));
            }
            Ok(Judgement::OutOfDate(judged)) => {
                lock(&shared.queued).insert(id, judged);
                lock(&shared.schedule).set(id, Status::Queued);
                shared.wake.notify_one();
            }
            Err(error) => {
                let mut report = TaskReport::of(TaskVerdict::Broken);
                report.break_by(&error, shared.options.help);
                reports.push((id, report));
            }
        }
    }
    end(shared, reports, messages);
}

/// Reports the end of tasks that did not run, and releases those that wait for them.
fn end(shared: &SharedRun<'_>, reports: Vec<(TaskId, TaskReport)>, messages: &Sender<Message>) {
    let ended: Vec<_> = reports.iter().map(|(id, report)| (*id, report.verdict)).collect();
    if !ended.is_empty() {
        // Sent before the schedule changes, so that the end of a task is reported before the start of its dependents.
        let _ = messages.send(Message::Finished(reports));
        shared.finish(&ended, messages);
    }
    shared.wake.notify_all();
}
