//! Completion: the scripts for shells, and `sealift complete`, which they call.
//!
//! Commands and options come from their definitions, without reading a file; names of tasks come from the project in the
//! current folder. The protocol between script and program is ours, so scripts of former versions keep working.

use std::ffi::{OsStr, OsString};

use clap::Command;
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};

use crate::failure::CommandResult;
use crate::output;
use crate::session::{Selector, Session};

/// Prints the script of a shell.
pub(crate) fn script(shell: Shell, command_line: fn() -> Command) -> CommandResult {
    let text = match shell {
        Shell::Bash => include_str!("sealift.bash"),
        Shell::Zsh => include_str!("sealift.zsh"),
        Shell::Fish => include_str!("sealift.fish"),
        // Only commands and options.
        other => {
            clap_complete::generate(other, &mut command_line(), "sealift", &mut std::io::stdout());
            return Ok(());
        }
    };
    Ok(output::print(text)?)
}

/// Prints the completions of the word at `index` of a command line, one per line: the word, a tab, its meaning.
pub(crate) fn complete(
    index: usize,
    mut words: Vec<OsString>,
    command_line: fn() -> Command,
) -> CommandResult {
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

/// Completes names of tasks; private ones after an underscore.
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
