//! The text that a run prints, in the form of doit.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::{TaskReport, TaskVerdict};

/// What the console shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// Which output of successful tasks is printed: 0 none, 1 standard error, 2 all.
    pub verbosity: u8,
    /// Which output of failed tasks is printed at the end: 0 none, 1 standard error, 2 all.
    pub failure_verbosity: u8,
    /// The command that runs a single task, without the name of the task: `cargo xtask`.
    pub command: String,
    /// Whether the reasons are printed below the line of each task.
    pub reasons: bool,
}

impl Default for ConsoleOptions {
    fn default() -> Self {
        Self { verbosity: 1, failure_verbosity: 2, command: "sealift run".to_owned(), reasons: false }
    }
}

/// Prints a line for each task at its end: `.  TITLE` its action ran, `-- TITLE` it was up to date, `<- TITLE` its outputs were
/// restored from the cache, `!! TITLE` it is ignored, `XX TITLE` it failed. Private tasks are printed too. The time follows if
/// the action took longer than a second.
///
/// The output of a task is printed as one block below its line. A failure is printed once, at the end, with the
/// [public name](Task::public_name) of the task, its output, and the command that runs it alone.
pub struct ConsoleReporter<W: Write> {
    to: BufWriter<W>,
    options: ConsoleOptions,
    failures: Vec<(Names, TaskReport)>,
    error: Option<io::Error>,
}

/// The names of a task: in the graph, and for people.
struct Names {
    name: String,
    public: String,
}

impl<W: Write> ConsoleReporter<W> {
    /// A reporter that prints to `to`.
    pub fn new(to: W, options: ConsoleOptions) -> Self {
        Self { to: BufWriter::new(to), options, failures: Vec::new(), error: None }
    }

    /// Prints text as one line, escaped.
    fn line(&mut self, text: &str) {
        self.print(&content::printable(text).to_string());
    }

    fn print(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = self.to.write_all(text.as_bytes()).and_then(|()| self.to.write_all(b"\n")).err();
        }
    }

    fn title(&mut self, mark: &str, task: &Task, report: &TaskReport) {
        let long = report.elapsed.filter(|elapsed| *elapsed >= SHOWN_FROM);
        let took = long.map(|elapsed| format!(" ({})", duration(elapsed))).unwrap_or_default();
        self.line(&format!("{mark:<2} {}{took}", task.shown_title()));
        if self.options.reasons {
            for reason in &report.reasons {
                self.line(&format!("       {reason}"));
            }
        }
    }

    /// Prints lines that a task wrote, escaped.
    fn block(&mut self, text: &str) {
        if !text.is_empty() {
            self.print(&content::printable_lines(text.trim_end_matches('\n')));
        }
    }

    fn finished(&mut self, task: &Task, report: &TaskReport) {
        if !task.is_group() {
            match report.verdict {
                TaskVerdict::UpToDate => self.title("--", task, report),
                TaskVerdict::Ignored => self.title("!!", task, report),
                TaskVerdict::Restored => self.title("<-", task, report),
                TaskVerdict::WouldRun | TaskVerdict::Succeeded => self.title(".", task, report),
                TaskVerdict::Failed | TaskVerdict::Broken => self.title("XX", task, report),
                TaskVerdict::Blocked | TaskVerdict::Cancelled => {}
            }
        }
        match report.verdict {
            TaskVerdict::Succeeded => {
                for (text, needed) in [(&report.err, 1), (&report.out, 2)] {
                    if self.options.verbosity >= needed {
                        self.block(text);
                    }
                }
            }
            TaskVerdict::Failed | TaskVerdict::Broken | TaskVerdict::Blocked => {
                let names = Names { name: task.name.clone(), public: task.public_name().to_owned() };
                self.failures.push((names, report.clone()));
            }
            _ => {}
        }
    }

    fn failed(&mut self, name: &str, report: &TaskReport) {
        let kind = report.verdict.failure().unwrap_or_default();
        self.line(&"#".repeat(40));
        self.line(&format!("{kind} - taskid:{name}"));
        self.print(&content::printable_lines(report.error.as_deref().unwrap_or_default()));
        for (stream, text, needed) in [("stderr", &report.err, 1), ("stdout", &report.out, 2)] {
            if self.options.failure_verbosity >= needed && !text.is_empty() {
                self.line(&format!("{name} <{stream}>:"));
                self.block(text);
            }
        }
        self.line(&format!("to run it alone: {} {}", self.options.command, quoted(name)));
    }

    fn ended(&mut self) {
        let failures = std::mem::take(&mut self.failures);
        let (blocked, failed): (Vec<_>, Vec<_>) =
            failures.iter().partition(|(_, report)| report.verdict == TaskVerdict::Blocked);
        let public: HashMap<&str, &str> =
            failures.iter().map(|(names, _)| (names.name.as_str(), names.public.as_str())).collect();
        for (names, report) in blocked.iter().take(BLOCKED_MAX) {
            let blocker = report.error.as_deref().unwrap_or_default();
            let blocker = public.get(blocker).copied().unwrap_or(blocker);
            let kind = report.verdict.failure().unwrap_or_default();
            self.line(&format!("{kind} - taskid:{}", names.public));
            self.line(&format!("needs {blocker}, which did not succeed"));
        }
        if let Some(more) = blocked.len().checked_sub(BLOCKED_MAX).filter(|more| *more > 0) {
            self.line(&format!("and {more} more tasks that depend on failed ones"));
        }
        for (names, report) in failed {
            self.failed(&names.public, report);
        }
    }
}

/// The time of shorter actions is not shown.
const SHOWN_FROM: Duration = Duration::from_secs(1);

/// How many blocked tasks are named.
const BLOCKED_MAX: usize = 20;

/// A duration for people: `2.3 s`, `4 min 10 s`.
#[must_use]
pub fn duration(elapsed: Duration) -> String {
    match elapsed.as_secs() {
        0..60 => format!("{:.1} s", elapsed.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

impl<W: Write> Reporter for ConsoleReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Pruned { path } => {
                self.line(&format!("removed {}, which no task produces", content::printable_path(path)));
            }
            RunEvent::Retrying { task, error, pause } => {
                self.line(&format!("{} failed, retrying in {pause:?}: {error}", task.public_name()));
            }
            RunEvent::Warned { text } => self.line(&format!("warning: {text}")),
            RunEvent::Finished { task, report } => self.finished(task, report),
            RunEvent::Ended { .. } => {
                self.ended();
                self.tick();
            }
            _ => {}
        }
    }

    fn tick(&mut self) {
        if self.error.is_none() {
            self.error = self.to.flush().err();
        }
    }

    fn take_error(&mut self) -> Option<io::Error> {
        self.error.take()
    }
}

/// A word, quoted for a shell if needed. Always one line: control characters are written as `$'\n'`.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else if word.contains(content::is_unsafe) {
        let mut text = String::from("$'");
        for c in word.chars() {
            match c {
                '\'' | '\\' => text.extend(['\\', c]),
                c if content::is_unsafe(c) => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| text += &format!("\\x{byte:02x}"));
                }
                c => text.push(c),
            }
        }
        (text + "'").into()
    } else {
        // The only error is NUL, a control character.
        shlex::try_quote(word).unwrap_or_default()
    }
}
