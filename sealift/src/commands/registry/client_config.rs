//! `sealift registry containerd-config` and `crio-config`.

use clap::Args;
use node::client_config;

use crate::args::client_config::{ConfigDestination, NodeArguments, parsed};
use crate::failure::CommandResult;
use crate::remedies::serving::client as explained;

#[derive(Debug, Args)]
pub(crate) struct RegistryArguments {
    /// Configure this host in the names of the images
    #[arg(long, value_name = "HOST", default_value = client_config::HOST)]
    host: String,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    target: ConfigDestination,
}

#[derive(Debug, Args)]
pub(crate) struct ContainerdArguments {
    #[command(flatten)]
    registry: RegistryArguments,
    /// Trust the certificate authority in FILE, a path on the client
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
}

pub(super) fn containerd(arguments: &ContainerdArguments) -> CommandResult {
    let RegistryArguments { host, nodes, target } = &arguments.registry;
    let file = client_config::containerd(host, &parsed(&nodes.node)?, arguments.ca.as_deref());
    target.put(&[file.map_err(explained)?])
}

pub(super) fn crio(arguments: &RegistryArguments) -> CommandResult {
    let file = client_config::crio(&arguments.host, &parsed(&arguments.nodes.node)?).map_err(explained)?;
    arguments.target.put(&[file])
}
