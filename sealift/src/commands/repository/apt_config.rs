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
#[command(mut_arg("trust_config", |option| option.requires("configured").conflicts_with("archives")))]
pub(crate) struct Arguments {
    /// The archives: ISO files or folders
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// Use the archives in this node's configuration
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// Choose the release of the distribution on the clients, such as `bookworm`, if the archives have packages for several
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Trust the certificate authority in FILE, a path on the client
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    target: ConfigDestination,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let packages = packages(&arguments.archives, arguments.configured, &arguments.paths, PackageFormat::Deb)?;
    let nodes = parsed(&arguments.nodes.node)?;
    let (release, authority) = (arguments.release.as_deref(), arguments.ca.as_deref());
    let files = client_config::apt(&packages, &nodes, arguments.target.keys(), release, authority);
    arguments.target.put(&files.map_err(explained)?)
}
