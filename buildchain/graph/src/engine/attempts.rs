//! The attempts of an action: retries, timeout, panics.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use crate::engine::host::{Attempt, AttemptEvent};
use crate::engine::outputs;
use crate::engine::project::Occupied;
use crate::engine::shared::{Message, SharedRun};
use crate::model::context::TaskContext;
use crate::model::error::ActionError;
use crate::model::linked::TaskId;
use crate::model::progress::Transfer;
use crate::model::task::Task;
use crate::record::threads::lock;
use crate::report::outcome::TaskReport;

/// How often a pause checks whether the run stops.
const POLL: Duration = Duration::from_millis(50);

/// Runs the action of a task until it succeeds, or may not be retried. `occupied` are its output folders in the project.
pub(crate) fn attempts(
    shared: &SharedRun<'_>,
    id: TaskId,
    report: &mut TaskReport,
    messages: &Sender<Message>,
    occupied: Option<&Occupied>,
) -> Result<(), ActionError> {
    let task = shared.graph.task(id);
    let mut pause = task.retry.pause;
    loop {
        report.attempts += 1;
        let earlier = occupied.filter(|_| report.attempts > 1);
        let prepared =
            earlier.map_or(Ok(()), |occupied| occupied.clear(shared.graph)).map_err(ActionError::from);
        let prepared = prepared.and_then(|()| Ok(outputs::prepare(shared.graph, task)?));
        match prepared.and_then(|()| attempt(shared, id, report, messages)) {
            Err(error)
                if may_retry(task, &error) && report.attempts <= task.retry.times && !shared.cancelled() =>
            {
                let error = error.to_string();
                let _ = messages.send(Message::Retrying(id, error.clone(), pause));
                report.retried.push(error);
                wait(shared, pause);
                pause = pause.saturating_mul(2);
            }
            result => return result,
        }
    }
}

/// Whether another attempt may end otherwise.
fn may_retry(task: &Task, error: &ActionError) -> bool {
    match error {
        ActionError::Broken(_) => true,
        ActionError::Failed(_) => task.retry.failed,
        ActionError::Cancelled => false,
    }
}

/// Waits until the pause is over or the run stops.
fn wait(shared: &SharedRun<'_>, pause: Duration) {
    let end = Instant::now() + pause;
    while !shared.cancelled() {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(POLL));
    }
}

fn attempt(
    shared: &SharedRun<'_>,
    id: TaskId,
    report: &mut TaskReport,
    messages: &Sender<Message>,
) -> Result<(), ActionError> {
    let task = shared.graph.task(id);
    let Some(action) = &task.action else { return Ok(()) };
    if shared.cancelled() {
        return Err(ActionError::Cancelled);
    }
    let deadline = task.timeout.map(|timeout| Instant::now() + timeout);
    let messages = Mutex::new(messages.clone());
    let bytes = AtomicI64::new(0);
    let notify = |report: AttemptEvent<'_>| {
        if let AttemptEvent::Transfer(Transfer::Advance { bytes: more, .. }) = &report {
            bytes.fetch_add(*more, Ordering::Relaxed);
        }
        let message = match report {
            AttemptEvent::Line(stream, line) => Message::Line(id, stream, line.to_owned()),
            AttemptEvent::Transfer(step) => Message::Transfer(id, step),
        };
        let _ = lock(&messages).send(message);
    };
    let attempt = Attempt::new(shared.evidence.files, shared.lock, &shared.options.cancel, deadline, &notify);
    let context = TaskContext::new(&shared.graph.root, &attempt);
    let result = catch_unwind(AssertUnwindSafe(|| action(&context))).unwrap_or_else(|panic| {
        let message = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("no message");
        Err(ActionError::broken(format!("the action panicked: {message}")))
    });
    let timed_out = attempt.timed_out();
    let log = attempt.into_log();
    report.out.push_str(&log.out);
    report.err.push_str(&log.err);
    report.bytes += u64::try_from(bytes.load(Ordering::Relaxed)).unwrap_or(0);
    match (result, task.timeout) {
        (Err(ActionError::Cancelled), Some(timeout)) if timed_out && !shared.cancelled() => {
            Err(ActionError::broken(format!("took longer than {timeout:?}")))
        }
        (result, _) => result,
    }
}
