//! The commands in the documents of the repository are commands of this program.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Command;

/// The documents for users.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files: Vec<PathBuf> =
        ["README.md", "SECURITY.md", "RELEASE.md", "CONTRIBUTING.md"].map(|name| root.join(name)).into();
    let mut folders = vec![root.join("docs"), root.join("examples")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                files.push(path);
            }
        }
    }
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
}

/// The words of a line of a shell, up to a comment, a pipe or a redirection; without settings before the program.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote) = (None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '|' | '>') => break,
            (None, '#') if word.is_none() => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let program = words.iter().position(|word| !word.contains('=')).unwrap_or_default();
    words.split_off(program)
}

#[test]
fn every_command_that_is_shown_can_be_parsed() {
    let mut count = 0;
    for (file, text) in documents() {
        for block in text.split("\n```console\n").skip(1) {
            let block = block.split("```").next().unwrap_or_default().replace("\\\n", " ");
            let lines = block.lines().filter_map(|line| line.strip_prefix("$ ").or(line.strip_prefix("# ")));
            for line in lines {
                let words = words(line);
                let program = words.first().map(String::as_str);
                if program != Some("sealift") && program != Some("_build/bin/sealift") {
                    continue;
                }
                if let Err(error) = super::command().try_get_matches_from(&words) {
                    panic!("{}: {line}\n{error}", file.display());
                }
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn every_command_in_a_sentence_has_its_name_and_options() {
    let mut count = 0;
    for (file, text) in documents() {
        let prose: String = text.split("```").step_by(2).collect();
        for code in prose.split('`').skip(1).step_by(2).filter(|code| code.starts_with("sealift ")) {
            let mut command = super::command();
            command.build();
            let mut inner: &Command = &command;
            for (place, word) in words(code).iter().enumerate().skip(1) {
                if let Some(option) = word.strip_prefix("--") {
                    let option = option.split(['=', '[']).next().unwrap_or_default();
                    let known = inner.get_arguments().any(|argument| {
                        argument.get_long() == Some(option)
                            || argument.get_all_aliases().is_some_and(|all| all.contains(&option))
                    });
                    assert!(known, "{}: `{code}`: no option --{option}", file.display());
                } else if let Some(next) = inner.find_subcommand(word) {
                    inner = next;
                } else {
                    let may_be_an_argument = place > 1 || inner.get_subcommands().next().is_none();
                    assert!(may_be_an_argument, "{}: `{code}`: no command `{word}`", file.display());
                }
            }
            count += 1;
        }
    }
    assert!(count > 40, "{count}");
}

#[test]
fn words_are_those_of_a_shell() {
    for (line, expected) in [
        ("sealift run > x", vec!["sealift", "run"]),
        ("A=1 sealift  run 'a b' \"c\"  # comment", vec!["sealift", "run", "a b", "c"]),
        ("sealift list | head", vec!["sealift", "list"]),
        ("sealift cat a#b ''", vec!["sealift", "cat", "a#b", ""]),
    ] {
        assert_eq!(words(line), expected, "{line}");
    }
}
