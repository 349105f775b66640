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

/// Deletes the archives that `only` accepts.
pub(crate) fn run(arguments: &Arguments, only: Only) -> CommandResult {
    let (paths, machine) = (arguments.paths.paths(), machine()?);
    let options = DeleteOptions { only, force: arguments.force, dry_run: arguments.dry_run };
    let mut done = Vec::new();
    for archive in &arguments.archives {
        match archives::delete(&paths, archive, &options, &machine) {
            Ok(deleted) => done.push(deleted),
            Err(error) => {
                if !done.is_empty() {
                    report(&done, arguments.dry_run, arguments.output)?;
                }
                return Err(explained(error));
            }
        }
    }
    report(&done, arguments.dry_run, arguments.output)
}
