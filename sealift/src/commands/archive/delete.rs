//! `sealift archive delete` and `solution unimport`.

use clap::Args;
use node::archives::{self, DeleteOptions, Only};

use super::steps::{machine, report};
use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archives: NAME-VERSION, path or mount point of each
    #[arg(required = true)]
    archives: Vec<String>,
    /// Continue even if an archive is in use
    #[arg(long)]
    force: bool,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

/// Deletes the archives that `only` accepts. One that the node does not have fails the command, but the others are deleted: a
/// command that was killed is finished by running it again.
pub(crate) fn run(arguments: &Arguments, only: Only) -> CommandResult {
    let (paths, machine) = (arguments.paths.paths(), machine()?);
    let options = DeleteOptions { only, force: arguments.force, dry_run: arguments.dry_run };
    let (mut done, mut unknown) = (Vec::new(), None);
    for archive in &arguments.archives {
        match archives::delete(&paths, archive, &options, &machine) {
            Ok(deleted) => done.push(deleted),
            Err(error @ archives::Error::Unknown(_)) => unknown = unknown.or(Some(error)),
            Err(error) => {
                if !done.is_empty() {
                    report(&done, arguments.dry_run, arguments.output)?;
                }
                return Err(explained(error));
            }
        }
    }
    match unknown {
        Some(error) if done.is_empty() => Err(explained(error)),
        Some(error) => {
            report(&done, arguments.dry_run, arguments.output)?;
            Err(explained(error))
        }
        None => report(&done, arguments.dry_run, arguments.output),
    }
}
