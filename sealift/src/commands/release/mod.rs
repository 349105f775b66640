//! `sealift release`: check the tag of a release, and print what is new in it.

mod check;
mod notes;

use clap::Subcommand;

use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check whether a tag can be released: its name, versions, changelog and lock
    #[command(after_help = "Examples:\n  sealift release check\n  sealift release check v1.2.0-rc0\n  \
                      sealift release check v1.2.0 -o json")]
    Check(check::Arguments),
    /// Print what is new between two releases, in Markdown
    #[command(
        after_help = "Examples:\n  sealift release notes 1.1.0 1.2.0\n  sealift release notes v1.1.0 v1.2.0 > notes.md"
    )]
    Notes(notes::Arguments),
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Notes(arguments) => notes::run(arguments),
    }
}
