//! `sealift archive delete`.

use clap::Args;
use node::archives;

use super::steps::{machine, report};
use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: NAME-VERSION, its path, or its mount point
    archive: String,
    /// Continue even if the archive is in use
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

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let paths = arguments.paths.paths();
    let deleted =
        archives::delete(&paths, &arguments.archive, arguments.force, arguments.dry_run, &machine()?);
    report(&[deleted.map_err(explained)?], arguments.dry_run, arguments.output)
}
