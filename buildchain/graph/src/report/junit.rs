//! A JUnit file of a run, for CI.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::{TaskReport, TaskVerdict};
use crate::report::xml::{attribute, escape};

/// Writes a JUnit file when the run is over: a test case for each task, so that CI shows which task failed and why.
pub struct JunitReporter<W: Write> {
    to: W,
    suite: String,
    cases: String,
    counts: HashMap<&'static str, usize>,
    time: Duration,
    error: Option<io::Error>,
}

impl<W: Write> JunitReporter<W> {
    /// A reporter that writes a suite with this name to `to` when the run is over.
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
            TaskVerdict::Failed => ("failures", format!("<failure message=\"{message}\"/>")),
            TaskVerdict::Broken => ("errors", format!("<error message=\"{message}\"/>")),
            TaskVerdict::Blocked => ("skipped", format!("<skipped message=\"needs {message}\"/>")),
            TaskVerdict::Succeeded => ("run", String::new()),
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
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished { task, report } if !task.is_group() => self.case(task, report),
            RunEvent::Ended { .. } => self.error = self.write().err(),
            _ => {}
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}
