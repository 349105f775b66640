//! What a run prints, in doit's manner.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use super::report::{Event, Reporter, TaskReport, Verdict};
use super::task::Task;

/// How much the console says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// What of the output of tasks that succeed is printed: 0 nothing, 1 warnings (the error stream), 2 all.
    pub verbosity: u8,
    /// What of the output of tasks that fail is printed at the end: 0 nothing, 1 the error stream, 2 all.
    pub failure_verbosity: u8,
    /// What runs a task alone when its name is put behind it: `cargo xtask`.
    pub command: String,
    /// Say below each task why it runs.
    pub reasons: bool,
}

impl Default for ConsoleOptions {
    fn default() -> Self {
        Self { verbosity: 1, failure_verbosity: 2, command: "sealift run".to_owned(), reasons: false }
    }
}

/// Prints a line per task: `.  TITLE` it runs, `-- TITLE` it is up to date, `<- TITLE` its outputs are put back
/// from the cache, `!! TITLE` it is ignored. Private tasks are printed like all others.
///
/// The output of a task is printed as one block, below its own line or under its name. Failures are told as
/// they happen and, with their output and the command that runs them alone, again at the end.
pub struct ConsoleReporter<W: Write> {
    to: BufWriter<W>,
    options: ConsoleOptions,
    /// The task whose line was printed last.
    last: String,
    failures: Vec<(String, TaskReport)>,
    error: Option<io::Error>,
}

impl<W: Write> ConsoleReporter<W> {
    /// A reporter that prints to `to`.
    pub fn new(to: W, options: ConsoleOptions) -> Self {
        Self { to: BufWriter::new(to), options, last: String::new(), failures: Vec::new(), error: None }
    }

    fn print(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = self.to.write_all(text.as_bytes()).and_then(|()| self.to.write_all(b"\n")).err();
        }
    }

    fn title(&mut self, mark: &str, task: &Task) {
        self.print(&format!("{mark:<2} {}", title(task)));
        self.last.clone_from(&task.name);
    }

    fn block(&mut self, name: &str, stream: &str, text: &str) {
        if text.is_empty() {
            return;
        }
        if self.last != name {
            self.print(&format!("{name} <{stream}>:"));
        }
        self.print(text.trim_end_matches('\n'));
    }

    fn finished(&mut self, task: &Task, report: &TaskReport) {
        match report.verdict {
            Verdict::UpToDate if !task.is_group() => self.title("--", task),
            Verdict::Ignored if !task.is_group() => self.title("!!", task),
            Verdict::Restored => self.title("<-", task),
            Verdict::WouldRun => {
                self.title(".", task);
                self.tell_reasons(report);
            }
            Verdict::Succeeded => {
                let streams = [("stderr", &report.err, 1), ("stdout", &report.out, 2)];
                for (stream, text, needed) in streams {
                    if self.options.verbosity >= needed {
                        self.block(&task.name, stream, text);
                    }
                }
            }
            Verdict::Failed | Verdict::Broken | Verdict::Blocked => {
                self.failure(&task.name, report);
                self.last.clear();
                self.failures.push((task.name.clone(), report.clone()));
            }
            Verdict::UpToDate | Verdict::Ignored | Verdict::Cancelled => {}
        }
    }

    fn tell_reasons(&mut self, report: &TaskReport) {
        for reason in &report.reasons {
            self.print(&format!("       {reason}"));
        }
    }

    fn failure(&mut self, name: &str, report: &TaskReport) {
        let kind = report.verdict.failure().unwrap_or_default();
        let error = report.error.as_deref().unwrap_or_default();
        self.print(&format!("{kind} - taskid:{name}"));
        match report.verdict {
            Verdict::Blocked => self.print(&format!("needs {error}, which did not succeed")),
            _ => self.print(error),
        }
    }

    fn ended(&mut self) {
        for (name, report) in std::mem::take(&mut self.failures) {
            if report.verdict == Verdict::Blocked {
                continue;
            }
            self.print(&"#".repeat(40));
            self.failure(&name, &report);
            self.last.clear();
            let streams = [("stderr", &report.err, 1), ("stdout", &report.out, 2)];
            for (stream, text, needed) in streams {
                if self.options.failure_verbosity >= needed {
                    self.block(&name, stream, text);
                }
            }
            self.print(&format!("to run it alone: {} {}", self.options.command, quoted(&name)));
        }
    }
}

impl<W: Write> Reporter for ConsoleReporter<W> {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Started { task, reasons } => {
                self.title(".", task);
                if self.options.reasons {
                    for reason in *reasons {
                        self.print(&format!("       {reason}"));
                    }
                }
            }
            Event::Pruned { path } => {
                self.last.clear();
                self.print(&format!("removed {}, which no task makes any more", path.display()));
            }
            Event::Retrying { task, error, pause } => {
                self.last.clear();
                self.print(&format!("{} broke off, again in {pause:?}: {error}", task.name));
            }
            Event::Warned { text } => {
                self.last.clear();
                self.print(&format!("warning: {text}"));
            }
            Event::Finished { task, report } => self.finished(task, report),
            Event::Ended { .. } => {
                self.ended();
                self.tick();
            }
            Event::Begun { .. } | Event::Line { .. } | Event::Progress { .. } => {}
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

/// A word as a shell takes it.
#[must_use]
pub fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', r"'\''")).into()
    }
}

/// The title of a task, or its name if it has none.
pub(super) fn title(task: &Task) -> String {
    if task.title.is_empty() { task.name.clone() } else { task.title.to_string() }
}
