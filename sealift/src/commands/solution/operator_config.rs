//! `sealift solution operator-config`.

use clap::Args;
use node::archives::Error;
use node::client_config::HOST;
use node::environments;

use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::output;
use crate::remedies::archives;
use crate::remedies::environments::explained;

/// The registry of the images.
#[derive(Debug, Args)]
pub(crate) struct RegistryArguments {
    /// Name the images in this registry: its host, perhaps with a port and a path
    #[arg(long, value_name = "HOST", default_value = HOST)]
    registry: String,
}

impl RegistryArguments {
    /// The host, without a slash at its end.
    pub(super) fn host(&self) -> &str {
        self.registry.trim_end_matches('/')
    }
}

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the Solution
    name: String,
    #[command(flatten)]
    registry: RegistryArguments,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let name = arguments.name.as_str();
    let imported = environments::imported(&arguments.paths.paths(), name).map_err(explained)?;
    if imported.is_empty() {
        return Err(archives::explained(Error::NotImported(name.to_owned())));
    }
    let config = environments::operator_config(&imported, arguments.registry.host()).map_err(explained)?;
    Ok(output::print(&config.render())?)
}
