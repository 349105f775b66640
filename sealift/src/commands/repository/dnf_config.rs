//! `sealift repository dnf-config`.

use std::path::PathBuf;

use archive::PackageFormat;
use clap::Args;
use node::client_config::{self, ArchivePackages, PackageSource};

use super::packages::packages;
use crate::args::client_config::{ConfigDestination, parsed};
use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::remedies::serving::client as explained;

#[derive(Debug, Args)]
#[command(mut_arg("trust_config", |option| option.requires("configured").conflicts_with("archives")))]
pub(crate) struct Arguments {
    /// The archives: ISO files or folders
    #[arg(required_unless_present_any = ["configured", "served"])]
    archives: Vec<PathBuf>,
    /// Use the archives in this node's configuration
    #[arg(long, conflicts_with_all = ["archives", "folders"])]
    configured: bool,
    /// Configure NAME-VERSION/redhat/RELEASE/REPOSITORY, as nodes serve it, without reading an archive (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["archives", "configured", "folders"])]
    served: Vec<String>,
    /// Check signatures of --served repositories with the key NAME, such as RPM-GPG-KEY-metalk8s, which clients get from the node
    /// (repeatable)
    #[arg(long, value_name = "NAME", requires = "served")]
    served_key: Vec<String>,
    /// Choose the release of the distribution on the clients, such as `8`, if the archives have packages for several
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// Use this server, `http://HOST[:PORT]` (repeatable; clients try them in this order)
    #[arg(long, value_name = "URL", required_unless_present = "folders")]
    node: Vec<String>,
    /// Use the archives, which must be mount points or folders, as local repositories
    #[arg(long, conflicts_with = "node")]
    folders: bool,
    /// Trust the certificate authority in FILE, a path on the client
    #[arg(long, value_name = "FILE", requires = "node")]
    ca: Option<String>,
    #[command(flatten)]
    target: ConfigDestination,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let packages = if arguments.served.is_empty() {
        packages(&arguments.archives, arguments.configured, &arguments.paths, PackageFormat::Rpm)?
    } else {
        ArchivePackages::served(&arguments.served, &arguments.served_key).map_err(explained)?
    };
    let nodes = parsed(&arguments.node)?;
    let source = if arguments.folders { PackageSource::Folders } else { PackageSource::Nodes(&nodes) };
    let files = client_config::dnf(
        &packages,
        source,
        arguments.target.keys(),
        arguments.release.as_deref(),
        arguments.ca.as_deref(),
    );
    arguments.target.put(&files.map_err(explained)?)
}
