//! `sealift solution activate` and `deactivate`: which version of a Solution the cluster is to have.

mod activate;

use clap::Subcommand;

use crate::failure::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Activate a version of a Solution; at most one is active
    #[command(after_help = "Example:\n  sealift solution activate --name example --version 1.0.0\n\n\
                            The SolutionsConfiguration says it from then on; the cluster deploys it when its Salt master applies that.")]
    Activate {
        /// The version, or `latest` for the newest that this node has
        #[arg(long)]
        version: String,
        #[command(flatten)]
        arguments: activate::Arguments,
    },
    /// Deactivate a Solution
    Deactivate(activate::Arguments),
}

pub(crate) fn run(command: &Command) -> Outcome {
    match command {
        Command::Activate { version, arguments } => activate::run(arguments, Some(version)),
        Command::Deactivate(arguments) => activate::run(arguments, None),
    }
}
