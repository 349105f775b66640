//! Hints for commands and options that do not exist.

use std::ffi::OsString;

use clap::Command;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::output::documents;

/// Words that people type for commands with another name: the word, the commands before it, the command that is meant.
const WORDS: [(&str, &[&str], &str); 27] = [
    ("build", &[], "run"),
    ("make", &[], "run"),
    ("tasks", &[], "list"),
    ("why", &[], "explain"),
    ("gc", &[], "cache gc"),
    ("iso-create", &[], "iso create"),
    ("load", &[], "archive import"),
    ("cp", &[], "archive copy-to"),
    ("sync", &[], "archive copy-to"),
    ("add", &["archive"], "import"),
    ("load", &["archive"], "import"),
    ("install", &["archive"], "import"),
    ("rm", &["archive"], "delete"),
    ("remove", &["archive"], "delete"),
    ("unimport", &["archive"], "delete"),
    ("show", &["archive"], "inspect"),
    ("info", &["archive"], "inspect"),
    ("describe", &["archive"], "inspect"),
    ("copy", &["archive"], "copy-to"),
    ("upload", &["archive"], "push"),
    ("serve", &["archive"], "registry serve"),
    ("verify", &["image"], "check"),
    ("prune", &["image"], "gc"),
    ("get", &["image"], "ls"),
    ("unpack", &["iso"], "extract"),
    ("make", &["iso"], "create"),
    ("prune", &["cache"], "gc"),
];

/// Options that people type for options with another name.
const OPTIONS: [(&str, &str); 22] = [
    ("--json", "--output json"),
    ("--yaml", "--output yaml"),
    ("--format", "--output"),
    ("--dir", "--into"),
    ("--directory", "--into"),
    ("--dest", "--into"),
    ("--destination", "--into"),
    ("--output-dir", "--into"),
    ("--insecure", "--plain-http"),
    ("--http", "--plain-http"),
    ("--tls-verify", "--plain-http"),
    ("--src-tls-verify", "--plain-http"),
    ("--dest-tls-verify", "--plain-http"),
    ("--authfile", "--auth-file"),
    ("--cacert", "--ca"),
    ("--cert-dir", "--ca"),
    ("--threads", "--jobs"),
    ("--parallel", "--jobs"),
    ("-j", "--jobs"),
    ("--keep-going", "--continue"),
    ("--check", "--dry-run"),
    ("--volid", "--volume-id"),
];

/// Adds a hint to an error about a command or option that does not exist. `words` is the command line.
pub(crate) fn near(mut error: Error, root: &Command, words: &[OsString]) -> Error {
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
                return error;
            };
            let above = above(&error, root);
            let meant = meant(word, &above, root);
            if !meant.is_empty() {
                error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(meant));
            }
        }
        ErrorKind::UnknownArgument => {
            if let Some(hint) = known_option(&error, called(root, words)) {
                let _ = error.remove(ContextKind::SuggestedArg);
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
            }
        }
        ErrorKind::InvalidValue if has(called(root, words), "--file") => {
            let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
            if argument.starts_with("--output") {
                let hint = "to write to a file, use '--file <FILE>'".to_owned();
                error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![hint.into()]));
            }
        }
        _ => {}
    }
    error
}

/// The hint for an option that has another name in `command`.
fn known_option(error: &Error, command: &Command) -> Option<String> {
    let ContextValue::String(typed) = error.get(ContextKind::InvalidArg)? else { return None };
    let typed = typed.split('=').next().unwrap_or_default();
    let (_, meant) = OPTIONS.iter().find(|(word, meant)| *word == typed && has(command, meant))?;
    Some(format!("use '{meant}'"))
}

/// Whether `command` has the first word of `option`.
fn has(command: &Command, option: &str) -> bool {
    let long = option.trim_start_matches('-').split(' ').next();
    command.get_arguments().any(|arg| arg.get_long() == long)
}

/// The command that `words` call.
fn called<'a>(root: &'a Command, words: &[OsString]) -> &'a Command {
    let names = words.iter().skip(1).filter_map(|word| word.to_str());
    names.fold(root, |command, name| command.find_subcommand(name).unwrap_or(command))
}

/// The commands above the unknown word, as the usage in the error has them: `Usage: sealift archive [OPTIONS] <COMMAND>`.
fn above(error: &Error, root: &Command) -> Vec<String> {
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return Vec::new() };
    let usage = usage.to_string();
    let words = usage.split_whitespace().skip_while(|word| *word != root.get_name()).skip(1);
    words.take_while(|word| word.starts_with(|c: char| c.is_ascii_lowercase())).map(str::to_owned).collect()
}

/// The commands that `word` after the commands `above` may mean: the one for this word, else those of this name elsewhere.
fn meant(word: &str, above: &[String], root: &Command) -> Vec<String> {
    let known = WORDS.iter().find(|(typed, parents, _)| *typed == word && *parents == above);
    if let Some((.., command)) = known {
        return vec![(*command).to_owned()];
    }
    if !above.is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for noun in root.get_subcommands().filter(|noun| !noun.is_hide_set()) {
        let verbs = noun.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help");
        for verb in verbs {
            if verb.get_name() == word || verb.get_visible_aliases().any(|alias| alias == word) {
                found.push(format!("{} {}", noun.get_name(), verb.get_name()));
            }
        }
    }
    found
}

/// A wrong command line as a document: its message, and the tips as help.
pub(crate) fn document(error: &Error) -> documents::error::ErrorDocument {
    let text = error.to_string();
    let mut parts = text.split("\n\n");
    let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let message = line(parts.next().unwrap_or_default().trim_start_matches("error:"));
    let tips: Vec<String> =
        parts.flat_map(str::lines).filter_map(|part| part.trim().strip_prefix("tip: ")).map(line).collect();
    let help = if tips.is_empty() { None } else { Some(tips.join("; ")) };
    documents::error::ErrorDocument { message, causes: Vec::new(), help, exit_code: 3 }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn a_command_that_does_not_exist_suggests_one_that_does() {
        for (typed, suggested) in [
            (&["build"][..], "'run'"),
            (&["verify", "a.iso"], "'archive verify'"),
            (&["import", "a.iso"], "'archive import'"),
            (&["pull", "alpine"], "'image pull'"),
            (&["push"], "'archive push'"),
            (&["create"], "'iso create'"),
            (&["archive", "rm", "a"], "'delete'"),
            (&["archive", "info", "a"], "'inspect'"),
            (&["archve"], "'archive'"),
            (&["archive", "verfy"], "'verify'"),
            (&["image", "prune"], "'gc'"),
        ] {
            let mut command = crate::command_line::command();
            let words = std::iter::once(&"./renamed").chain(typed);
            let error = near(command.try_get_matches_from_mut(words).unwrap_err(), &command, &[]);
            assert_eq!(error.kind(), ErrorKind::InvalidSubcommand, "{typed:?}");
            let text = error.to_string();
            assert!(text.contains("tip:") && text.contains(suggested), "{typed:?}: {text}");
        }
    }

    #[test]
    fn an_option_that_does_not_exist_suggests_one_that_does() {
        for (typed, suggested) in [
            ("archive get --json", "--output json"),
            ("archive inspect a.iso --format json", "--output"),
            ("image pull a --dest images", "--into"),
            ("image pull a --into i --tls-verify=false", "--plain-http"),
            ("run -j 4", "--jobs"),
            ("iso create d --volume-id V -o d.iso", "--file <FILE>"),
        ] {
            let words: Vec<OsString> =
                ["sealift"].into_iter().chain(typed.split(' ')).map(Into::into).collect();
            let mut command = crate::command_line::command();
            let error = command.try_get_matches_from_mut(&words).unwrap_err();
            let text = near(error, &command, &words).to_string();
            assert!(text.contains("tip: ") && text.contains(suggested), "{typed}: {text}");
        }
        let command = crate::command_line::command();
        for (typed, meant) in OPTIONS {
            let known = |option: &str| {
                command
                    .get_subcommands()
                    .chain(command.get_subcommands().flat_map(Command::get_subcommands))
                    .any(|one| has(one, option))
            };
            assert!(known(meant), "no command has {meant}, for {typed}");
        }
    }

    #[test]
    fn every_suggestion_exists_and_no_word_is_a_command() {
        let mut root = crate::command_line::command();
        root.build();
        for (word, above, command) in WORDS {
            let below = above.iter().fold(&root, |one, name| one.find_subcommand(name).unwrap());
            assert!(below.find_subcommand(word).is_none(), "{word}");
            let start = if command.contains(' ') { &root } else { below };
            assert!(
                command.split(' ').try_fold(start, |one, name| one.find_subcommand(name)).is_some(),
                "{command}"
            );
        }
    }
}
