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
    #[arg(long, value_name = "HOST", default_value = HOST, value_parser = registry)]
    registry: String,
}

/// A registry and perhaps a path in it, such as `registry.example.com:5000/site`, without a slash at its end.
fn registry(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    // References take a host without a dot for a repository of Docker Hub; here it is a host.
    let forms = ["", "host."].map(|start| format!("{start}{text}"));
    let is_registry = forms.iter().any(|text| {
        let reference = format!("{text}/image:1").parse::<images::Reference>();
        reference.is_ok_and(|reference| text.split('/').next() == Some(reference.registry()))
    });
    if is_registry && !text.is_empty() {
        return Ok(text.to_owned());
    }
    Err("expected a host, perhaps with a port and a path, such as `registry.example.com:5000/site`"
        .to_owned())
}

impl RegistryArguments {
    /// The host, without a slash at its end.
    pub(super) fn host(&self) -> &str {
        &self.registry
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

#[cfg(test)]
mod tests {
    use super::registry;

    #[test]
    fn a_registry_can_start_the_names_of_images() {
        for (text, expected) in [
            ("registry.example.com/site/", Some("registry.example.com/site")),
            ("localhost:5000", Some("localhost:5000")),
            ("metalk8s-registry", Some("metalk8s-registry")),
            ("10.0.0.1:8080/a/b", Some("10.0.0.1:8080/a/b")),
            ("", None),
            ("/", None),
            ("https://registry.example.com", None),
            ("registry.example.com/Site", None),
            ("a b", None),
            ("a@b", None),
        ] {
            assert_eq!(registry(text).ok().as_deref(), expected, "{text:?}");
        }
    }
}
