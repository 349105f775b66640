//! A JUnit file of a run, for CI.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::json::utc;
use crate::report::outcome::{Artifact, TaskReport, TaskVerdict};
use crate::report::xml::{attribute, escape};

/// Writes a JUnit file when the run is over: a test case for each task under its
/// [public name](Task::public_name), so that CI shows which task failed and why. The properties of the suite are the files that
/// the run built.
pub struct JunitReporter<W: Write> {
    to: W,
    suite: String,
    cases: String,
    /// The public names of the tasks that have ended, by their names.
    public: HashMap<String, String>,
    /// The names of the cases. Several tasks may have one public name.
    named: HashSet<String>,
    counts: HashMap<&'static str, usize>,
    time: Duration,
    started: Option<SystemTime>,
    artifacts: Vec<Artifact>,
    error: Option<io::Error>,
}

impl<W: Write> JunitReporter<W> {
    /// A reporter that writes a suite with this name to `to` when the run is over.
    pub fn new(to: W, suite: impl Into<String>) -> Self {
        Self {
            to,
            suite: suite.into(),
            cases: String::new(),
            public: HashMap::new(),
            named: HashSet::new(),
            counts: HashMap::new(),
            time: Duration::ZERO,
            started: None,
            artifacts: Vec::new(),
            error: None,
        }
    }

    fn case(&mut self, task: &Task, report: &TaskReport) {
        let elapsed = report.elapsed.unwrap_or_default();
        self.time += elapsed;
        let error = report.error.as_deref().unwrap_or_default();
        let (count, inner) = match report.verdict {
            TaskVerdict::Failed => ("failures", fault("failure", "failed", error, report)),
            TaskVerdict::Broken => ("errors", fault("error", "error", error, report)),
            TaskVerdict::Blocked => {
                let blocker = self.public.get(error).map_or(error, String::as_str);
                ("skipped", format!("<skipped message=\"needs {}\"/>", attribute(blocker)))
            }
            TaskVerdict::Succeeded => ("run", String::new()),
            verdict => ("skipped", format!("<skipped message=\"{}\"/>", verdict.word())),
        };
        *self.counts.entry(count).or_insert(0) += 1;
        let mut name = task.public_name().to_owned();
        if !self.named.insert(name.clone()) {
            name = format!("{name} ({})", task.name);
        }
        self.cases.push_str(&format!(
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">{inner}",
            attribute(&self.suite),
            attribute(&name),
            elapsed.as_secs_f64()
        ));
        for (stream, text) in [("system-out", &report.out), ("system-err", &report.err)] {
            if !text.is_empty() {
                self.cases.push_str(&format!("<{stream}>{}</{stream}>", escape(text)));
            }
        }
        self.cases.push_str("</testcase>\n");
    }

    /// The properties of the suite: path, size and digest of each file that was built.
    fn properties(&self) -> String {
        if self.artifacts.is_empty() {
            return String::new();
        }
        let mut properties = "  <properties>\n".to_owned();
        for (index, Artifact { path, size, sha256, .. }) in self.artifacts.iter().enumerate() {
            let path = path.to_string_lossy().into_owned();
            for (name, value) in [("path", path), ("size", size.to_string()), ("sha256", sha256.hex())] {
                properties.push_str(&format!(
                    "    <property name=\"artifact.{index}.{name}\" value=\"{}\"/>\n",
                    attribute(&value)
                ));
            }
        }
        properties + "  </properties>\n"
    }

    fn write(&mut self) -> io::Result<()> {
        let count = |kind| self.counts.get(kind).copied().unwrap_or(0);
        let all: usize = self.counts.values().sum();
        let began =
            self.started.map(|started| format!(" timestamp=\"{}\"", utc(started))).unwrap_or_default();
        let properties = self.properties();
        write!(
            self.to,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{all}\" failures=\"{}\" \
             errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"{began}>\n{properties}{}</testsuite>\n</testsuites>\n",
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

/// The element of a failure: the message, then all that is known, for tools that show the text only.
fn fault(element: &str, kind: &str, error: &str, report: &TaskReport) -> String {
    let help = report.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
    let (message, text) = (attribute(error), escape(&format!("{error}{help}")));
    format!("<{element} type=\"{kind}\" message=\"{message}\">{text}</{element}>")
}

impl<W: Write> Reporter for JunitReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Finished { task, report } => {
                self.public.insert(task.name.clone(), task.public_name().to_owned());
                if !task.is_group() {
                    self.case(task, report);
                }
            }
            RunEvent::Summary { outcome } => {
                self.started = outcome.started;
                self.artifacts.clone_from(&outcome.artifacts);
            }
            RunEvent::Ended { .. } => self.error = self.write().err(),
            _ => {}
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}
