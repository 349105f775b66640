//! The lines that a run prints, with the marks of doit.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};

use crate::model::task::Task;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::{TaskReport, TaskVerdict};

/// What the console shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleOptions {
    /// Which output of successful tasks is printed: 0 none, 1 standard error, 2 all.
    pub verbosity: u8,
    /// Which output of failed tasks is printed: 0 none, 1 standard error, 2 all.
    pub failure_verbosity: u8,
    /// The command that runs a single task, without the name of the task: `cargo xtask`. `None` if there is no such command.
    pub command: Option<String>,
    /// Whether the reasons are printed below the line of each task.
    pub reasons: bool,
    /// Whether marks and labels have colors, as on a terminal.
    pub color: bool,
}

impl Default for ConsoleOptions {
    fn default() -> Self {
        Self {
            verbosity: 1,
            failure_verbosity: 2,
            command: Some("sealift run".to_owned()),
            reasons: false,
            color: false,
        }
    }
}

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const DIM: Style = Style::new().dimmed();

/// Prints a line for each task at its end: `.  TITLE` its action ran, `-- TITLE` it was up to date, `<- TITLE` its outputs were
/// restored from the cache, `!! TITLE` it is ignored, `XX TITLE` it failed. Private tasks are printed too. If the action took
/// longer than a second, its time follows, and the bytes that it fetched or wrote.
///
/// The output of a task is printed as one block below its line. So is its failure, once: the error, the output, and what to do
/// about it, or the command that runs the task alone. Tasks that did not run because of it have no line.
pub struct ConsoleReporter<W: Write> {
    to: BufWriter<W>,
    options: ConsoleOptions,
    error: Option<io::Error>,
}

impl<W: Write> ConsoleReporter<W> {
    /// A reporter that prints to `to`.
    pub fn new(to: W, options: ConsoleOptions) -> Self {
        Self { to: BufWriter::new(to), options, error: None }
    }

    /// Prints text as one line, escaped.
    fn line(&mut self, text: &str) {
        self.print(&content::printable(text).to_string());
    }

    /// Prints a line that begins with `start` in a style; `rest` is escaped, and may have several lines.
    fn styled(&mut self, style: Style, start: &str, rest: &str) {
        let style = if self.options.color { style } else { Style::new() };
        self.print(&format!("{style}{start}{style:#}{}", content::printable_lines(rest)));
    }

    fn print(&mut self, text: &str) {
        if self.error.is_none() {
            self.error = self.to.write_all(text.as_bytes()).and_then(|()| self.to.write_all(b"\n")).err();
        }
    }

    fn title(&mut self, mark: &str, style: Style, task: &Task, report: &TaskReport) {
        let long = report.elapsed.filter(|elapsed| *elapsed >= SHOWN_FROM).map(content::duration);
        let bytes =
            if report.bytes > 0 { format!(", {}", content::size(report.bytes)) } else { String::new() };
        let figures = long.map(|long| format!(" ({long}{bytes})")).unwrap_or_default();
        let title = content::printable(&task.shown_title()).to_string();
        self.styled(style, &format!("{mark:<2}"), &format!(" {title}{figures}"));
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
            let marked = match report.verdict {
                TaskVerdict::UpToDate => Some(("--", DIM)),
                TaskVerdict::Ignored => Some(("!!", YELLOW)),
                TaskVerdict::Restored => Some(("<-", GREEN)),
                TaskVerdict::WouldRun | TaskVerdict::Succeeded => Some((".", GREEN)),
                TaskVerdict::Failed | TaskVerdict::Broken => Some(("XX", RED)),
                TaskVerdict::Blocked | TaskVerdict::Cancelled => None,
            };
            if let Some((mark, style)) = marked {
                self.title(mark, style, task, report);
            }
        }
        if report.verdict.is_failure() {
            self.failed(task, report);
        } else if report.verdict == TaskVerdict::Succeeded {
            for (text, needed) in [(&report.err, 1), (&report.out, 2)] {
                if self.options.verbosity >= needed {
                    self.block(text);
                }
            }
        }
    }

    fn failed(&mut self, task: &Task, report: &TaskReport) {
        let error = report.error.as_deref().unwrap_or("no reason is known");
        self.styled(RED, "error", &format!(": {error}"));
        for (stream, text, needed) in [("stderr", &report.err, 1), ("stdout", &report.out, 2)] {
            if self.options.failure_verbosity >= needed && !text.is_empty() {
                self.line(&format!("--- {stream}"));
                self.block(text);
            }
        }
        let command = self.options.command.as_ref();
        let alone =
            || command.map(|command| format!("run it alone: {command} {}", quoted(task.public_name())));
        if let Some(help) = report.help.clone().or_else(alone) {
            self.styled(CYAN, "help", &format!(": {help}"));
        }
    }
}

/// Time and bytes of shorter actions are not shown.
const SHOWN_FROM: Duration = Duration::from_secs(1);

impl<W: Write> Reporter for ConsoleReporter<W> {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Pruned { path } => {
                self.line(&format!("removed {}, which no task produces", content::printable_path(path)));
            }
            RunEvent::Retrying { task, error, pause } => {
                self.line(&format!("{} failed, retrying in {pause:?}: {error}", task.public_name()));
            }
            RunEvent::Warned { text } => {
                self.styled(YELLOW, "warning", &format!(": {}", content::printable(text)))
            }
            RunEvent::Finished { task, report } => self.finished(task, report),
            RunEvent::Ended { .. } => self.tick(),
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
