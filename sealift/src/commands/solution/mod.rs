//! `sealift solution`: the active version of a Solution.

mod activate;

use clap::Subcommand;

use crate::failure::CommandResult;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Activate a version of a Solution; at most one is active
    #[command(after_help = "Example:\n  sealift solution activate --name example --version 1.0.0\n\n\
                            The command changes the SolutionsConfiguration. The cluster deploys the version when its Salt master applies it.")]
    Activate {
        /// The version, or `latest` for the newest imported one
        #[arg(long)]
        version: String,
        #[command(flatten)]
        arguments: activate::Arguments,
    },
    /// Deactivate a Solution
    Deactivate(activate::Arguments),
}

pub(crate) fn run(command: &Command) -> CommandResult {
    match command {
        Command::Activate { version, arguments } => activate::run(arguments, Some(version)),
        Command::Deactivate(arguments) => activate::run(arguments, None),
    }
}
