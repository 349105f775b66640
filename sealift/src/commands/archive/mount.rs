//! `sealift archive mount` and `unmount`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use node::archives::{self, MountChoice, MountMode};

use super::steps::{machine, report, verifying};
use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO file or a folder
    archive: PathBuf,
    /// Mount it at DIR [default: NAME-VERSION in the folder of mounts]
    #[arg(long, value_name = "DIR")]
    at: Option<PathBuf>,
    /// Set how the archive is mounted
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    by: MountMethod,
    /// Mount it without verifying it
    #[arg(long)]
    unverified: bool,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

#[derive(Debug, Args)]
pub(crate) struct UnmountArguments {
    /// The archive: NAME-VERSION, its path, or its mount point
    archive: String,
    /// Continue even if the archive is in use
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

/// Whether and how an archive is mounted.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum MountMethod {
    /// By the kernel if possible; otherwise `import` mounts nothing and `mount` uses FUSE
    #[default]
    Auto,
    /// By the kernel, again at each boot; fail if that is impossible
    Kernel,
    /// By FUSE, until the system stops; fail if that is impossible
    Fuse,
    /// Mount nothing
    Never,
}

impl MountMethod {
    pub(crate) fn mounting(self) -> MountChoice {
        match self {
            Self::Auto => MountChoice::Auto,
            Self::Kernel => MountChoice::By(MountMode::Kernel),
            Self::Fuse => MountChoice::By(MountMode::Fuse),
            Self::Never => MountChoice::Never,
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let options = archives::MountOptions {
        at: arguments.at.clone(),
        verify: !arguments.unverified,
        mounting: arguments.by.mounting(),
        dry_run: arguments.dry_run,
    };
    let mounted = {
        let bar = verifying(&arguments.archive);
        archives::mount(&arguments.paths.paths(), &arguments.archive, &options, &machine()?, &bar)
    };
    report(&[mounted.map_err(explained)?], arguments.dry_run, arguments.output)
}

pub(super) fn unmount(arguments: &UnmountArguments) -> CommandResult {
    let paths = arguments.paths.paths();
    let unmounted = archives::unmount(&paths, &arguments.archive, arguments.force, &machine()?);
    report(&[unmounted.map_err(explained)?], false, arguments.output)
}
