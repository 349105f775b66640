//! What the user sees: messages on standard error, reports on standard output.

pub(crate) mod document;
pub(crate) mod documents;
mod report;
pub(crate) mod sarif;
mod table;

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};

use anstyle::{AnsiColor, Style};

use crate::failure::{Failure, FailureReport};

pub(crate) use content::size;
pub(crate) use report::{ReportForm, ReportOutput, json, set_wanted, write, yaml_value};
pub(crate) use table::table;

const RED: Style = AnsiColor::Red.on_default().bold();
const CYAN: Style = AnsiColor::Cyan.on_default().bold();
const GREEN: Style = AnsiColor::Green.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default().bold();

/// How much is written to standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Warnings and errors.
    Quiet,
    /// Also notes and progress.
    Normal,
    /// Also the causes of errors, and the programs that are run.
    Verbose,
}

/// The [`Level`] of this process.
static LEVEL: AtomicU8 = AtomicU8::new(Level::Normal as u8);

/// Sets the level for the rest of this process.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

/// Whether notes and progress are left out.
pub(crate) fn is_quiet() -> bool {
    LEVEL.load(Ordering::Relaxed) == Level::Quiet as u8
}

/// Whether details are asked for.
pub(crate) fn is_verbose() -> bool {
    LEVEL.load(Ordering::Relaxed) == Level::Verbose as u8
}

/// Whether text on `stream` has colors: on a terminal, unless `NO_COLOR` or `--color` says otherwise.
pub(crate) fn is_colored(stream: &impl anstream::stream::RawStream) -> bool {
    anstream::AutoStream::choice(stream) != anstream::ColorChoice::Never
}

/// Writes text to standard output. Only the ends of lines and tabs act on the terminal, whatever names from outside are in it.
pub(crate) fn print(text: &str) -> io::Result<()> {
    print_bytes(content::printable_lines(text).as_bytes())
}

fn print_bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// Writes a file that the user named: whole or not at all, through a symbolic link, into a pipe or a device; `-` is
/// standard output.
pub(crate) fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if content::is_standard_output(path) {
        return Ok(print_bytes(bytes)?);
    }
    Ok(content::write_output(path, bytes)?)
}

/// Writes a note to standard error, unless `--quiet` is given.
pub(crate) fn note(text: &str) {
    if is_quiet() {
        return;
    }
    // Nobody is left to notify if standard error is gone.
    let _ = writeln!(anstream::stderr(), "{CYAN}note{CYAN:#}: {}", content::printable_lines(text));
}

/// Passes a line of a program that this command runs to standard error, unless `--quiet` is given.
pub(crate) fn forward(line: &str) {
    if !is_quiet() {
        let _ = writeln!(anstream::stderr(), "{}", content::printable(line));
    }
}

/// Notes a detail on standard error if `--verbose` is given.
pub(crate) fn detail(text: &str) {
    if is_verbose() {
        note(text);
    }
}

/// Notes a program that is about to be run, if `--verbose` is given.
pub(crate) fn running(command: &std::process::Command) {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| graph::quoted(&word.to_string_lossy()).into_owned()).collect();
    detail(&format!("running `{}`", words.join(" ")));
}

/// A path as a word of a command that the user may type: in quotes where a shell would read it otherwise.
pub(crate) fn shell_word(path: &std::path::Path) -> String {
    graph::quoted(&content::printable_path(path).to_string()).into_owned()
}

/// Reports on standard error what a command has done, unless `--quiet` is given.
pub(crate) fn done(text: &str) {
    if is_quiet() {
        return;
    }
    let text = content::printable_lines(text).replace('\n', "\n  ");
    let _ = writeln!(anstream::stderr(), "{GREEN}done{GREEN:#}: {text}");
}

/// Warns on standard error.
pub(crate) fn warn(text: &str) {
    let _ = writeln!(anstream::stderr(), "{YELLOW}warning{YELLOW:#}: {}", content::printable_lines(text));
}

/// Reports on standard error why the command ended and what to do about it: as text, or as a document if the command reports
/// in such a form.
pub(crate) fn failure(failure: &Failure) {
    let Some(report) = failure.report() else { return };
    let form = report::wanted();
    if form == ReportForm::Text {
        text_failure(report);
    } else {
        let document = documents::error::ErrorDocument {
            message: chain(&report.error),
            causes: report.error.chain().skip(1).map(ToString::to_string).collect(),
            help: report.remedy.clone(),
            exit_code: failure.code(),
        };
        document_failure(&document, form);
    }
}

/// Writes `document` to standard error: JSON as one line, so that it is found after warnings; YAML as a document of its own.
pub(crate) fn document_failure(document: &documents::error::ErrorDocument, form: ReportForm) {
    let text = match form {
        ReportForm::Yaml => report::yaml(document).map(|text| format!("---\n{text}")),
        _ => report::json_line(document),
    };
    // Nobody is left to notify if standard error is gone.
    let _ = text.map(|text| io::stderr().write_all(text.as_bytes()));
}

fn text_failure(report: &FailureReport) {
    let _ = anstream::stderr().write_all(failure_text(report).as_bytes());
}

/// An error for people: its message, the place in a file and the help; with `--verbose` its causes.
pub(crate) fn failure_text(report: &FailureReport) -> String {
    let mut text = format!("{RED}error{RED:#}: {}\n", content::printable_lines(&chain(&report.error)));
    if is_verbose() {
        for cause in report.error.chain().skip(1) {
            let cause = cause.to_string();
            text.push_str(&format!("{CYAN}caused by{CYAN:#}: {}\n", content::printable_lines(&cause)));
        }
    }
    if let Some(snippet) = &report.snippet {
        text.push_str(&format!("{}\n", content::printable_lines(snippet.trim_end())));
    }
    if let Some(remedy) = &report.remedy {
        text.push_str(&format!("{CYAN}help{CYAN:#}: {}\n", content::printable_lines(remedy)));
    }
    text
}

/// A message about a path: with the path before it, unless the message has it.
pub(crate) fn about(path: &Path, message: &str) -> String {
    let path = content::printable_path(path).to_string();
    if message.contains(&path) { message.to_owned() } else { format!("{path}: {message}") }
}

/// An archive that a configuration lacks, and why.
pub(crate) fn left_out(archive: &Path, problem: &str) -> String {
    format!("left out: {}", about(archive, &content::printable(problem).to_string()))
}

/// The most lines of one kind that a text report has.
pub(crate) const LINES_MAX: usize = 20;

/// The first of `lines`, and how many more there are: "and 3 more NOUN".
pub(crate) fn bounded(lines: &[String], noun: &str) -> Vec<String> {
    let mut shown: Vec<String> = lines.iter().take(LINES_MAX).cloned().collect();
    if let Some(more) = lines.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
        shown.push(format!("and {more} more {noun}"));
    }
    shown
}

/// Warns of the first of `lines`, and of how many more there are.
pub(crate) fn warn_of(lines: &[String], noun: &str) {
    bounded(lines, noun).iter().for_each(|line| warn(line));
}

/// The error and its sources, without repeating a source that the text has.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for source in error.chain().skip(1) {
        let message = source.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
    }
    text
}

/// A number with its noun: `1 file`, `2 files`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    match number.try_into().unwrap_or(u64::MAX) {
        1 => format!("1 {noun}"),
        number => format!("{number} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LINES_MAX, about, bounded, chain, count};

    #[test]
    fn a_message_names_its_path_once() {
        let path = Path::new("some.iso");
        assert_eq!(about(path, "cannot open some.iso: no"), "cannot open some.iso: no");
        assert_eq!(about(path, "it does not exist"), "some.iso: it does not exist");
    }

    #[test]
    fn a_long_list_is_summed_up() {
        let lines = |count: usize| vec!["x".to_owned(); count];
        assert_eq!(bounded(&lines(LINES_MAX), "warnings"), lines(LINES_MAX));
        let shown = bounded(&lines(LINES_MAX + 3), "warnings");
        assert_eq!((shown.len(), shown[LINES_MAX].as_str()), (LINES_MAX + 1, "and 3 more warnings"));
    }

    #[test]
    fn an_error_repeats_nothing() {
        let source = std::io::Error::other("no space");
        let error = anyhow::Error::new(source).context("cannot write f: no space").context("iso");
        assert_eq!(chain(&error), "iso: cannot write f: no space");
    }

    #[test]
    fn a_noun_agrees_with_its_number() {
        assert_eq!([0_usize, 1, 2].map(|number| count(number, "file")), ["0 files", "1 file", "2 files"]);
    }
}
