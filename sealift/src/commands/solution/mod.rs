//! `sealift solution activate` and `deactivate`: which version of a Solution the cluster is to have.

use ::node::archives::{self, Activation};
use clap::{Args, Subcommand};

use crate::args::node_paths::NodePaths;
use crate::commands::archive;
use crate::failure::Outcome;
use crate::output::Output;

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
        arguments: Arguments,
    },
    /// Deactivate a Solution
    Deactivate(Arguments),
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The Solution
    #[arg(long)]
    name: String,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    paths: NodePaths,
}

pub(crate) fn run(command: &Command) -> Outcome {
    let (version, arguments) = match command {
        Command::Activate { version, arguments } => (Some(version.as_str()), arguments),
        Command::Deactivate(arguments) => (None, arguments),
    };
    let paths = arguments.paths.paths();
    let activation = archives::activate(&paths, &arguments.name, version, arguments.dry_run);
    let activation = activation.map_err(archive::explained)?;
    Ok(arguments.output.report(&activation, || told(&activation, arguments.dry_run))?)
}

fn told(activation: &Activation, dry_run: bool) -> String {
    let Activation { solution, version, former, file } = activation;
    let version_or_none = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    if version == former {
        return format!("{solution}: nothing to do\n");
    }
    format!(
        "{solution}: {}active in {}: {}, before: {}\n",
        if dry_run { "would be " } else { "" },
        content::printable_path(file),
        version_or_none(version),
        version_or_none(former)
    )
}
