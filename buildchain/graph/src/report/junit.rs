//! A JUnit file of a run, for CI.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::json::utc;
use crate::report::outcome::{Artifact, TaskReport, TaskVerdict};
use crate::report::xml::{attribute, escape};

/// A suite of a JUnit file: its cases, as they come.
///
/// ```
/// let mut suite = graph::JunitSuite::new("checks");
/// suite.case("names", Default::default(), &graph::JunitResult::Passed, "");
/// let failed = graph::JunitResult::Failed { kind: "error", message: "too long", text: "a: too long" };
/// suite.case("lengths", Default::default(), &failed, "");
/// assert!(suite.render("", "").contains("tests=\"2\" failures=\"1\""));
/// ```
#[derive(Debug)]
pub struct JunitSuite {
    name: String,
    cases: String,
    counts: HashMap<&'static str, usize>,
    time: Duration,
}

/// How a case ended.
#[derive(Clone, Copy, Debug)]
pub enum JunitResult<'a> {
    /// It succeeded.
    Passed,
    /// It ended with a negative result.
    Failed {
        /// What kind of failure it is, in a word.
        kind: &'a str,
        /// The failure on one line.
        message: &'a str,
        /// All that is known, for tools that show only the text.
        text: &'a str,
    },
    /// It could not be run to its end.
    Broken {
        /// The error on one line.
        message: &'a str,
        /// All that is known.
        text: &'a str,
    },
    /// It was not run.
    Skipped {
        /// Why.
        message: &'a str,
    },
}

impl JunitSuite {
    /// A suite without cases.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), cases: String::new(), counts: HashMap::new(), time: Duration::ZERO }
    }

    /// Adds a case. `output` is what it wrote, as elements of [`JunitSuite::stream`].
    pub fn case(&mut self, name: &str, time: Duration, result: &JunitResult<'_>, output: &str) {
        let (count, inner) = match result {
            JunitResult::Passed => ("run", String::new()),
            JunitResult::Failed { kind, message, text } => {
                ("failures", fault("failure", kind, message, text))
            }
            JunitResult::Broken { message, text } => ("errors", fault("error", "error", message, text)),
            JunitResult::Skipped { message } => {
                ("skipped", format!("<skipped message=\"{}\"/>", attribute(message)))
            }
        };
        *self.counts.entry(count).or_insert(0) += 1;
        self.time += time;
        self.cases.push_str(&format!(
            "  <testcase classname=\"{}\" name=\"{}\" time=\"{:.3}\">{inner}{output}</testcase>\n",
            attribute(&self.name),
            attribute(name),
            time.as_secs_f64()
        ));
    }

    /// What a case wrote to `system-out` or `system-err`, as an element; empty for an empty text.
    #[must_use]
    pub fn stream(name: &str, text: &str) -> String {
        if text.is_empty() { String::new() } else { format!("<{name}>{}</{name}>", escape(text)) }
    }

    /// The file. `properties` is an element, or empty; `timestamp` the time of the start in RFC 3339, or empty.
    #[must_use]
    pub fn render(&self, properties: &str, timestamp: &str) -> String {
        let count = |kind| self.counts.get(kind).copied().unwrap_or(0);
        let all: usize = self.counts.values().sum();
        let began = if timestamp.is_empty() {
            String::new()
        } else {
            format!(" timestamp=\"{}\"", attribute(timestamp))
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n<testsuite name=\"{}\" tests=\"{all}\" failures=\"{}\" \
             errors=\"{}\" skipped=\"{}\" time=\"{:.3}\"{began}>\n{properties}{}</testsuite>\n</testsuites>\n",
            attribute(&self.name),
            count("failures"),
            count("errors"),
            count("skipped"),
            self.time.as_secs_f64(),
            self.cases
        )
    }
}

/// Writes a JUnit file when the run is over: a test case for each task under its
/// [public name](Task::public_name), so that CI shows which task failed and why. The properties of the suite are the files that
/// the run built.
pub struct JunitReporter<W: Write> {
    to: W,
    suite: JunitSuite,
    /// The public names of the tasks that have ended, by their names.
    public: HashMap<String, String>,
    /// The names of the cases. Several tasks may have one public name.
    named: HashSet<String>,
    started: Option<SystemTime>,
    artifacts: Vec<Artifact>,
    error: Option<io::Error>,
}

impl<W: Write> JunitReporter<W> {
    /// A reporter that writes a suite with this name to `to` when the run is over.
    pub fn new(to: W, suite: impl Into<String>) -> Self {
        Self {
            to,
            suite: JunitSuite::new(suite),
            public: HashMap::new(),
            named: HashSet::new(),
            started: None,
            artifacts: Vec::new(),
            error: None,
        }
    }

    fn case(&mut self, task: &Task, report: &TaskReport) {
        let message = report.error.as_deref().unwrap_or_default();
        let help = report.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
        let text = format!("{message}{help}");
        let needs = format!("needs {}", self.public.get(message).map_or(message, String::as_str));
        let result = match report.verdict {
            TaskVerdict::Failed => JunitResult::Failed { kind: "failed", message, text: &text },
            TaskVerdict::Broken => JunitResult::Broken { message, text: &text },
            TaskVerdict::Blocked => JunitResult::Skipped { message: &needs },
            TaskVerdict::Succeeded => JunitResult::Passed,
            verdict => JunitResult::Skipped { message: verdict.word() },
        };
        let mut name = task.public_name().to_owned();
        if !self.named.insert(name.clone()) {
            name = format!("{name} ({})", task.name);
        }
        let output =
            JunitSuite::stream("system-out", &report.out) + &JunitSuite::stream("system-err", &report.err);
        self.suite.case(&name, report.elapsed.unwrap_or_default(), &result, &output);
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
        let began = self.started.map(utc).unwrap_or_default();
        self.to.write_all(self.suite.render(&self.properties(), &began).as_bytes())?;
        self.to.flush()
    }
}

/// The element of a failure: the message, then all that is known, for tools that show the text only.
fn fault(element: &str, kind: &str, message: &str, text: &str) -> String {
    format!(
        "<{element} type=\"{}\" message=\"{}\">{}</{element}>",
        attribute(kind),
        attribute(message),
        escape(text)
    )
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
