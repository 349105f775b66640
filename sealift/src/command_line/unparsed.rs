//! What is read from the command line before it is parsed.

use std::ffi::{OsStr, OsString};

use super::Color;
use crate::output::ReportForm;

/// Commands whose `-v` took a level in former versions.
const LEVELLED: [&str; 3] = ["run", "lint", "watch"];

/// Turns `-v LEVEL` of the commands that run tasks, the form of doit and of former versions, into `--verbosity=LEVEL`. No task is
/// named by a single digit.
pub(crate) fn current(words: Vec<OsString>) -> Vec<OsString> {
    let command = words.iter().position(|word| LEVELLED.iter().any(|name| word == *name));
    let first =
        words.iter().skip(1).position(|word| !word.to_string_lossy().starts_with('-')).map(|at| at + 1);
    let Some(start) = command.filter(|command| Some(*command) == first) else { return words };
    let level = |word: &OsStr| ["0", "1", "2"].into_iter().find(|level| word == *level);
    let mut changed = Vec::with_capacity(words.len());
    let mut words = words.into_iter().enumerate().peekable();
    while let Some((at, word)) = words.next() {
        let attached = word.to_str().and_then(|word| level(OsStr::new(word.strip_prefix("-v")?)));
        let next = words.peek().and_then(|(_, next)| level(next)).filter(|_| word == "-v");
        match attached.or(next) {
            Some(level) if at > start => {
                if attached.is_none() {
                    let _ = words.next();
                }
                changed.push(format!("--verbosity={level}").into());
            }
            _ => changed.push(word),
        }
    }
    changed
}

/// The options that choose the form of a report.
const FORMS: [&str; 3] = ["-o", "--output", "--reporter"];

/// The form of the report that is asked for, in which errors are reported, too.
pub(crate) fn form(words: &[OsString]) -> ReportForm {
    let words: Vec<_> = words.iter().map_while(|word| word.to_str().filter(|word| *word != "--")).collect();
    let value = |at: usize| {
        let word = words.get(at)?;
        FORMS.iter().find_map(|option| match word.strip_prefix(option)? {
            "" => words.get(at + 1).copied(),
            attached => {
                attached.strip_prefix('=').or(option.strip_prefix("--").is_none().then_some(attached))
            }
        })
    };
    match (0..words.len()).filter_map(value).next_back() {
        Some("json" | "json-lines") => ReportForm::Json,
        Some("yaml") => ReportForm::Yaml,
        _ => ReportForm::Text,
    }
}

/// The value of `--color`, for the messages of the parser itself.
pub(crate) fn color<'a>(words: &'a [OsString]) -> Color {
    let value = |(at, word): (usize, &'a OsString)| {
        let word = word.to_str()?;
        match word.strip_prefix("--color")? {
            "" => words.get(at + 1)?.to_str(),
            attached => attached.strip_prefix('='),
        }
    };
    let before_end = words.iter().enumerate().take_while(|(_, word)| *word != "--");
    match before_end.filter_map(value).last() {
        Some("always") => Color::Always,
        Some("never") => Color::Never,
        _ => Color::Auto,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_level_of_former_versions_is_understood() {
        for (typed, read) in [
            ("sealift run -v 2 iso", "sealift run --verbosity=2 iso"),
            ("sealift run iso -v0", "sealift run iso --verbosity=0"),
            ("sealift --color=never lint -v 1", "sealift --color=never lint --verbosity=1"),
            ("sealift run -v iso", "sealift run -v iso"),
            ("sealift -v run iso", "sealift -v run iso"),
            ("sealift run -n 2 iso -v", "sealift run -n 2 iso -v"),
            ("sealift archive verify -v 2", "sealift archive verify -v 2"),
        ] {
            assert_eq!(current(words(typed)), words(read), "{typed}");
        }
    }

    #[test]
    fn a_color_is_found_before_the_command_line_is_parsed() {
        for (typed, color) in [
            ("sealift --color always archve", Color::Always),
            ("sealift archve --color=never", Color::Never),
            ("sealift archve", Color::Auto),
            ("sealift complete 1 -- --color=never", Color::Auto),
        ] {
            assert_eq!(super::color(&words(typed)), color, "{typed}");
        }
    }

    #[test]
    fn the_form_of_errors_is_that_of_the_report() {
        for (typed, form) in [
            ("sealift archive get -o json", ReportForm::Json),
            ("sealift archve get -ojson", ReportForm::Json),
            ("sealift -q archive get --output=yaml", ReportForm::Yaml),
            ("sealift run --reporter json-lines iso", ReportForm::Json),
            ("sealift run -o json -o yaml", ReportForm::Yaml),
            ("sealift graph -o svg", ReportForm::Text),
            ("sealift archive get -- -o json", ReportForm::Text),
            ("sealift archive get", ReportForm::Text),
        ] {
            assert_eq!(super::form(&words(typed)), form, "{typed}");
        }
    }
}
