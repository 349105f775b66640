//! `sealift registry containerd-config` and `crio-config`.

use clap::Args;
use node::client_config;

use crate::args::client_config::{Nodes, Target, parsed};
use crate::failure::Outcome;
use crate::remedies::serving::client as explained;

#[derive(Debug, Args)]
pub(crate) struct Registry {
    /// Configure this host in the names of the images
    #[arg(long, value_name = "HOST", default_value = client_config::HOST)]
    host: String,
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, Args)]
pub(crate) struct Containerd {
    #[command(flatten)]
    registry: Registry,
    /// Trust the certificate authority in FILE, a path on the client
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
}

pub(super) fn containerd(arguments: &Containerd) -> Outcome {
    let Registry { host, nodes, target } = &arguments.registry;
    let file = client_config::containerd(host, &parsed(&nodes.node)?, arguments.ca.as_deref());
    target.put(&[file.map_err(explained)?])
}

pub(super) fn crio(arguments: &Registry) -> Outcome {
    let file = client_config::crio(&arguments.host, &parsed(&arguments.nodes.node)?).map_err(explained)?;
    arguments.target.put(&[file])
}
