//! A trace of a run, for a browser.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::TaskReport;

/// Writes a trace in the format of Chrome when the run is over: a row for each worker, a bar for each action. For
/// `chrome://tracing`, Perfetto and speedscope.
///
/// The run must have a clock.
pub struct TraceReporter<W: Write> {
    to: W,
    events: Vec<Value>,
    /// The task in each row.
    rows: Vec<Option<String>>,
    error: Option<io::Error>,
}

impl<W: Write> TraceReporter<W> {
    /// A reporter that writes to `to` when the run is over.
    pub fn new(to: W) -> Self {
        Self { to, events: Vec::new(), rows: Vec::new(), error: None }
    }

    fn enter(&mut self, name: &str) {
        match self.rows.iter_mut().find(|row| row.is_none()) {
            Some(row) => *row = Some(name.to_owned()),
            None => self.rows.push(Some(name.to_owned())),
        }
    }

    fn leave(&mut self, task: &Task, report: &TaskReport) {
        let Some(row) = self.rows.iter().position(|row| row.as_deref() == Some(&task.name)) else { return };
        if let Some(task) = self.rows.get_mut(row) {
            *task = None;
        }
        let (Some(started), Some(elapsed)) = (report.started, report.elapsed) else { return };
        self.events.push(json!({
            "name": task.name,
            "cat": report.verdict.word(),
            "ph": "X",
            "pid": 1,
            "tid": row + 1,
            "ts": microseconds(started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()),
            "dur": microseconds(elapsed),
            "args": {
                "title": task.shown_title(),
                "reason": report.reasons.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "error": report.error,
            },
        }));
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl<W: Write> Reporter for TraceReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Started { task, .. } => self.enter(&task.name),
            RunEvent::Finished { task, report } => self.leave(task, report),
            RunEvent::Ended { .. } => {
                let whole = json!({"traceEvents": std::mem::take(&mut self.events), "displayTimeUnit": "ms"});
                self.error = writeln!(self.to, "{}", content::printable_json(&whole.to_string()))
                    .and_then(|()| self.to.flush())
                    .err();
            }
            _ => {}
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}
