//! Where the time went: a trace for the browser, and a JUnit file for CI.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::model::task::Task;
use crate::query::export::{attribute, escape};
use crate::report::console::title;
use crate::report::events::{Event, Reporter, TaskReport, Verdict};

/// Writes a trace in Chrome's format when the run is over: one row per worker, one bar per action. For
/// `chrome://tracing`, Perfetto, speedscope.
///
/// It needs the times of the reports, so a run with a clock.
pub struct TraceReporter<W: Write> {
    to: W,
    events: Vec<Value>,
    /// The rows in use; the place is the row.
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
        if let Some(place) = self.rows.get_mut(row) {
            *place = None;
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
                "title": title(task),
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
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { task, .. } => self.enter(&task.name),
            Event::Finished { task, report } => self.leave(task, report),
            Event::Ended { .. } => {
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

/// Writes a JUnit file when the run is over: a test case per task, so that CI shows which task failed and
/// why.
pub struct JunitReporter<W: Write> {
    to: W,
    suite: String,
    cases: String,
    counts: HashMap<&'static str, usize>,
    time: Duration,
    error: Option<io::Error>,
}

impl<W: Write> JunitReporter<W> {
    /// A reporter that writes a suite of this name to `to` when the run is over.
    pub fn new(to: W, suite: impl Into<String>) -> Self {
        Self {
            to,
            suite: suite.into(),
            cases: String::new(),
            counts: HashMap::new(),
            time: Duration::ZERO,
            error: None,
        }
    }

    fn case(&mut self, task: &Task, report: &TaskReport) {
        let elapsed = report.elapsed.unwrap_or_default();
        self.time += elapsed;
        let message = attribute(report.error.as_deref().unwrap_or_default());
        let (count, inner) = match report.verdict {
            Verdict::Failed => ("failures", format!("<failure message=\"{message}\"/>")),
            Verdict::Broken => ("errors", format!("<error message=\"{message}\"/>")),
            Verdict::Blocked => ("skipped", format!("<skipped message=\"needs {message}\"/>")),
            Verdict::Succeeded => ("run", String::new()),
            verdict => ("skipped", format!("<skipped message=\"{}\"/>", verdict.word())),
        };
        *self.counts.entry(count).or_insert(0) += 1;
        self.cases.push_str(&format!(
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">{inner}",
            attribute(&self.suite),
            attribute(&task.name),
            elapsed.as_secs_f64()
        ));
        for (stream, text) in [("system-out", &report.out), ("system-err", &report.err)] {
            if !text.is_empty() {
                self.cases.push_str(&format!("<{stream}>{}</{stream}>", escape(text)));
            }
        }
        self.cases.push_str("</testcase>\n");
    }

    fn write(&mut self) -> io::Result<()> {
        let count = |kind| self.counts.get(kind).copied().unwrap_or(0);
        let all: usize = self.counts.values().sum();
        write!(
            self.to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{all}\" failures=\"{}\" \
             errors=\"{}\" skipped=\"{}\" time=\"{:.3}\">\n{}</testsuite>\n</testsuites>\n",
            attribute(&self.suite),
            count("failures"),
            count("errors"),
            count("skipped"),
            self.time.as_secs_f64(),
            self.cases
        )?;
        self.to.flush()
    }
}

impl<W: Write> Reporter for JunitReporter<W> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Finished { task, report } if !task.is_group() => self.case(task, report),
            Event::Ended { .. } => self.error = self.write().err(),
            _ => {}
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}
