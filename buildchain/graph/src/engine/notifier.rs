//! Passing the messages of workers on to the reporter.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::engine::shared::{Message, SharedRun};
use crate::model::linked::TaskId;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::RunOutcome;

/// The time between two calls of [`Reporter::tick`].
const TICK: Duration = Duration::from_millis(100);

/// Calls the reporter for all messages, until the last worker has ended. Counts the verdicts in `outcome`.
pub(crate) fn notify(
    shared: &SharedRun<'_>,
    messages: &Receiver<Message>,
    reporter: &mut dyn Reporter,
    outcome: &mut RunOutcome,
) {
    let mut is_quiet = false;
    let mut read = 0;
    let mut tick = |reporter: &mut dyn Reporter| {
        let bytes = shared.evidence.files.bytes_read();
        if bytes != std::mem::replace(&mut read, bytes) {
            reporter.event(&RunEvent::Reading { bytes });
        }
        reporter.tick();
    };
    loop {
        let message = match messages.try_recv() {
            Ok(message) => message,
            Err(_) => {
                if !is_quiet {
                    tick(reporter);
                }
                match messages.recv_timeout(TICK) {
                    Ok(message) => message,
                    Err(RecvTimeoutError::Timeout) => {
                        tick(reporter);
                        is_quiet = true;
                        if shared.cancelled() {
                            shared.wake.notify_all();
                        }
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        is_quiet = false;
        let task = |id: &TaskId| shared.graph.task(*id);
        match &message {
            Message::Started(id, reasons) => reporter.event(&RunEvent::Started { task: task(id), reasons }),
            Message::Line(id, stream, line) => {
                reporter.event(&RunEvent::Line { task: task(id), stream: *stream, line });
            }
            Message::Transfer(id, step) => reporter.event(&RunEvent::Transfer { task: task(id), step }),
            Message::Retrying(id, error, pause) => {
                reporter.event(&RunEvent::Retrying { task: task(id), error, pause: *pause });
            }
            Message::Finished(reports) => {
                for (id, report) in reports {
                    let task = task(id);
                    if !task.is_group() {
                        *outcome.counts.entry(report.verdict).or_insert(0) += 1;
                    }
                    if report.verdict.is_failure() {
                        outcome.failed.push(task.public_name().to_owned());
                    }
                    reporter.event(&RunEvent::Finished { task, report });
                }
            }
        }
    }
}
