//! `sealift archive import` and `solution import`.

use std::path::PathBuf;

use archive::check::CheckName;
use clap::Args;
use node::archives::{self, ImportOptions, Only};

use super::mount::MountMethod;
use super::steps::{machine, report, verifying};
use crate::args::node_paths::NodePaths;
use crate::commands::solution::check::allowed;
use crate::failure::{CommandResult, Failure};
use crate::output::{self, ReportOutput};
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archives: ISO files or folders
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// Import all that this node's configuration lists: verify them and mount those that are not mounted
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// Also import archives with neither SHA256SUMS nor an implanted MD5, which cannot be verified
    #[arg(long)]
    unverified: bool,
    /// Also import archives that require others that this node does not have
    #[arg(long)]
    ignore_requires: bool,
    /// Also import Solutions with errors of this check of `sealift solution check` (repeatable)
    #[arg(long, value_name = "CHECK", value_parser = allowed)]
    allow: Vec<CheckName>,
    /// Set how archives are mounted; serving needs no mount
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    mount: MountMethod,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

/// Imports the archives that `only` accepts.
pub(crate) fn run(arguments: &Arguments, only: Only) -> CommandResult {
    let options = ImportOptions {
        only,
        verify: true,
        unverified: arguments.unverified,
        ignore_requires: arguments.ignore_requires,
        check: true,
        allow: arguments.allow.clone(),
        mounting: arguments.mount.mounting(),
        dry_run: arguments.dry_run,
    };
    let (paths, machine) = (arguments.paths.paths(), machine()?);
    let configured = match only {
        _ if !arguments.configured => Ok(Vec::new()),
        Only::Any => archives::configured(&paths),
        Only::Solutions => archives::configured_solutions(&paths),
    };
    let configured = configured.map_err(explained)?;
    if arguments.configured && configured.is_empty() {
        output::note(
            "no archive is configured; import one: `sealift archive import FILE`, or iso-manager.sh -a FILE",
        );
    }
    let mut done = Vec::new();
    let mut failed = 0;
    for archive in arguments.archives.iter().chain(&configured) {
        let imported = {
            let bar = verifying(archive);
            archives::import(&paths, archive, &options, &machine, &bar).map_err(explained)
        };
        match imported {
            Ok(imported) => done.push(imported),
            // A missing archive does not keep the others from being mounted.
            Err(failure) if arguments.configured && configured.len() > 1 => {
                failed += 1;
                output::failure(&failure);
            }
            Err(failure) => {
                if !done.is_empty() {
                    report(&done, arguments.dry_run, arguments.output)?;
                }
                return Err(failure);
            }
        }
    }
    report(&done, arguments.dry_run, arguments.output)?;
    if arguments.dry_run && done.iter().any(|one| !one.steps.is_empty()) {
        output::note("a dry run does not verify archives; `sealift archive verify` does");
    }
    if failed == 0 {
        return Ok(());
    }
    let count = configured.len();
    Err(Failure::failed(anyhow::anyhow!("{failed} of {count} archives could not be imported")))
}
