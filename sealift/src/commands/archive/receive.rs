//! `sealift archive receive`: the receiving end of `copy-to`.

use std::path::{Path, PathBuf};

use clap::Args;
use node::archives::{self, ImportOptions, LinuxMachine};
use node::copy;

use crate::args::node_paths::NodePaths;
use crate::failure::{CommandResult, Failure};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder for the archive
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Import it even if it cannot be verified
    #[arg(long)]
    unverified: bool,
    #[command(flatten)]
    paths: NodePaths,
}

/// Talks to `copy-to` over standard input and output.
pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let paths = arguments.paths.paths();
    let archives = archives::configured(&paths)?;
    content::create_folder(&arguments.into)?;
    let publish = |path: &Path| {
        // The node that sends a Solution checked it when it imported it.
        let options =
            ImportOptions { unverified: arguments.unverified, check: false, ..ImportOptions::default() };
        archives::import(&paths, path, &options, &LinuxMachine::default(), &())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let check_bundle = |archive: &Path, digest, bundle: &Path| {
        archives::check_bundle(&paths, archive, bundle, digest).map_err(|error| error.to_string())
    };
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    // The other end reports the error to the user.
    copy::receive(input, output, &arguments.into, &archives, &check_bundle, &publish)
        .map(drop)
        .map_err(|_| Failure::Reported)
}
