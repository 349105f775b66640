//! Completion: scripts that ask `sealift complete`, and what that answers.
//!
//! Commands and options come from their own definitions, without a file being read; names of tasks from the project that the
//! shell is in. The scripts and the question are our own, so that a script written by one version is understood by the next.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::failure::Outcome;
use crate::output;
use crate::session::{Selector, Session};

/// Prints the script of a shell.
pub(crate) fn script(shell: Shell, command_line: fn() -> Command) -> Outcome {
    let text = match shell {
        Shell::Bash => include_str!("sealift.bash"),
        Shell::Zsh => include_str!("sealift.zsh"),
        Shell::Fish => include_str!("sealift.fish"),
        // Commands and options alone.
        other => {
            clap_complete::generate(other, &mut command_line(), "sealift", &mut std::io::stdout());
            return Ok(());
        }
    };
    Ok(output::print(text)?)
}

/// Prints what the word at `index` of a command line may become, a line each: the word, a tab, what it means.
pub(crate) fn complete(index: usize, mut words: Vec<OsString>, command_line: fn() -> Command) -> Outcome {
    if words.len() <= index {
        words.resize(index + 1, OsString::new());
    }
    let folder = std::env::current_dir()?;
    let mut text = String::new();
    for candidate in clap_complete::engine::complete(&mut command_line(), words, index, Some(&folder))? {
        text.push_str(&candidate.get_value().to_string_lossy());
        if let Some(help) = candidate.get_help() {
            text.push('\t');
            text.push_str(help.to_string().lines().next().unwrap_or_default());
        }
        text.push('\n');
    }
    Ok(output::print(&text)?)
}

/// Completes names of tasks; those of private ones once their underscore is typed.
pub(crate) fn tasks() -> ArgValueCompleter {
    ArgValueCompleter::new(|word: &OsStr| {
        let word = word.to_string_lossy();
        let Ok(session) = Session::open(&Selector::default()) else { return Vec::new() };
        let mut found: Vec<_> = session
            .graph
            .tasks()
            .filter(|(_, task)| {
                task.name.starts_with(&*word) && (!task.is_private() || word.starts_with('_'))
            })
            .map(|(_, task)| CompletionCandidate::new(&task.name).help(Some(task.doc.clone().into())))
            .collect();
        found.sort();
        found
    })
}
