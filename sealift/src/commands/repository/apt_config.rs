//! `sealift repository apt-config`.

use std::path::PathBuf;

use archive::PackageFormat;
use clap::Args;
use node::client_config;

use super::packages::packages;
use crate::args::client_config::{ConfigDestination, NodeArguments, parsed};
use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::remedies::serving::client as explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archives: ISO files or folders
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// Use the archives in this node's configuration
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    target: ConfigDestination,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let packages = packages(&arguments.archives, arguments.configured, &arguments.paths, PackageFormat::Deb)?;
    let files = client_config::apt(&packages, &parsed(&arguments.nodes.node)?, arguments.target.keys());
    arguments.target.put(&files.map_err(explained)?)
}
