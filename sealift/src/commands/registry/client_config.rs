//! `sealift registry containerd-config`, `crio-config` and `k3s-config`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use archive::{Tree, image};
use clap::Args;
use node::client_config::{
    self, CONFIG_PATH, ClientConfigFile, K3sDistribution, NodeAddress, OriginalNames, PolicyNames,
    SignedRepositories, SignedRepository,
};

use crate::args::client_config::{ConfigDestination, NodeArguments, parsed};
use crate::args::node_paths::NodePaths;
use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::remedies::serving::client as explained;

/// Which images are configured, and whether under their original names.
#[derive(Debug, Args)]
pub(crate) struct RegistryArguments {
    /// Configure what the images in these ISO files or folders need
    #[arg(value_name = "ARCHIVE")]
    archives: Vec<PathBuf>,
    /// Configure images under their original names, such as docker.io/library/nginx:1.25
    #[arg(long)]
    original_names: bool,
    /// Configure this host in the names of the images (repeatable)
    /// [default: metalk8s-registry-from-config.invalid; all with --original-names]
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Configure what the images in the archives of this node need
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    /// Pull an image that no node has from its own registry
    #[arg(long, requires = "original_names")]
    fallback: bool,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    target: ConfigDestination,
    #[command(flatten)]
    paths: NodePaths,
}

#[derive(Debug, Args)]
pub(crate) struct ContainerdArguments {
    #[command(flatten)]
    registry: RegistryArguments,
    /// Trust the certificate authority in FILE, a path on the client
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    /// With --original-names: write to DIR, the config_path of containerd
    #[arg(long, value_name = "DIR", default_value = CONFIG_PATH, requires = "original_names")]
    config_path: String,
    /// Also let containerd ask before each pull whether the rules of the archives for signatures allow it
    #[arg(long)]
    policy: bool,
}

#[derive(Debug, Args)]
#[command(mut_arg("trust_config", |option| option.requires("configured").conflicts_with("archives")))]
pub(crate) struct CrioArguments {
    #[command(flatten)]
    registry: RegistryArguments,
    /// Also require the signatures that the projects of the archives require, in /etc/containers/policy.json
    #[arg(long)]
    policy: bool,
}

#[derive(Debug, Args)]
pub(crate) struct K3sArguments {
    /// Configure RKE2 instead of k3s
    #[arg(long)]
    rke2: bool,
    /// Configure this host in the names of the images (repeatable) [default: all]
    #[arg(long, value_name = "HOST")]
    host: Vec<String>,
    /// Pull an image that no node has from its own registry
    #[arg(long)]
    fallback: bool,
    /// Trust the certificate authority in FILE, a path on the client
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
    #[command(flatten)]
    nodes: NodeArguments,
    #[command(flatten)]
    target: ConfigDestination,
}

pub(super) fn containerd(arguments: &ContainerdArguments) -> CommandResult {
    let (registry, authority) = (&arguments.registry, arguments.ca.as_deref());
    let nodes = parsed(&registry.nodes.node)?;
    if arguments.policy && !registry.archives.is_empty() && !registry.original_names {
        return Err(Failure::usage("--policy uses the archives of this node, and no others")
            .remedy("leave the archives out, or add --original-names"));
    }
    if !arguments.policy {
        registry.check(false)?;
    }
    let verifier = match arguments.policy {
        true => {
            let options = registry.paths.options()?;
            Some(client_config::containerd_verifier(&nodes, &options).map_err(explained)?)
        }
        false => None,
    };
    if !registry.original_names {
        let files = registry.platform_hosts().map(|host| client_config::containerd(host, &nodes, authority));
        let mut files = files.collect::<Result<Vec<_>, _>>().map_err(explained)?;
        files.extend(verifier);
        return registry.target.put(&files);
    }
    let (hosts, fallback) = (registry.hosts(&registry.archives()?)?, registry.fallback);
    let names = OriginalNames { nodes: &nodes, hosts: &hosts, fallback, authority };
    let files = client_config::containerd_original_names(&names, &arguments.config_path);
    let mut files = files.map_err(explained)?;
    files.extend(verifier);
    registry.target.put_original_names(&files, |_| None)
}

pub(super) fn crio(arguments: &CrioArguments) -> CommandResult {
    let registry = &arguments.registry;
    let nodes = parsed(&registry.nodes.node)?;
    registry.check(arguments.policy)?;
    if arguments.policy && registry.configured {
        registry.paths.check_named()?;
    }
    let archives = registry.archives()?;
    let mut files = if registry.original_names {
        let (hosts, fallback) = (registry.hosts(&archives)?, registry.fallback);
        let names = OriginalNames { nodes: &nodes, hosts: &hosts, fallback, authority: None };
        vec![client_config::crio_original_names(&names).map_err(explained)?]
    } else {
        let files = registry.platform_hosts().map(|host| client_config::crio(host, &nodes));
        files.collect::<Result<Vec<_>, _>>().map_err(explained)?
    };
    if arguments.policy {
        files.extend(registry.policy(&archives, &nodes)?);
    }
    if registry.original_names || arguments.policy {
        registry.target.put_original_names(&files, |_| None)
    } else {
        registry.target.put(&files)
    }
}

pub(super) fn k3s(arguments: &K3sArguments) -> CommandResult {
    let K3sArguments { rke2, host, fallback, ca, nodes, target } = arguments;
    let distribution = if *rke2 { K3sDistribution::Rke2 } else { K3sDistribution::K3s };
    let nodes = parsed(&nodes.node)?;
    let names = OriginalNames { nodes: &nodes, hosts: host, fallback: *fallback, authority: ca.as_deref() };
    let file = client_config::k3s(&names, distribution).map_err(explained)?;
    let open = |root: &Path| client_config::k3s_obstacle(root, distribution).filter(|_| !*fallback);
    target.put_original_names(&[file], open)
}

impl RegistryArguments {
    /// The hosts in the names of the platform's images.
    fn platform_hosts(&self) -> impl Iterator<Item = &str> {
        let default = self.host.is_empty().then_some(client_config::HOST);
        self.host.iter().map(String::as_str).chain(default)
    }

    /// Refuses archives that have no effect, and a policy without archives.
    fn check(&self, policy: bool) -> CommandResult {
        let has_archives = !self.archives.is_empty() || self.configured;
        match (has_archives, policy || self.original_names) {
            (true, false) => Err(Failure::usage("archives are given, but nothing is configured from them")
                .remedy("add --original-names, or leave the archives out")),
            (false, _) if policy => {
                Err(Failure::usage("--policy needs archives: they have the rules and the keys")
                    .remedy("name them, or use those of this node with --configured"))
            }
            _ => Ok(()),
        }
    }

    /// The archives that are named, or those of this node that it serves. Warns of the others.
    fn archives(&self) -> Result<Vec<PathBuf>, Failure> {
        match self.configured {
            true => self.paths.served_archives(),
            false => Ok(self.archives.clone()),
        }
    }

    /// The files that require signatures of the images in the archives.
    fn policy(&self, archives: &[PathBuf], nodes: &[NodeAddress]) -> Result<Vec<ClientConfigFile>, Failure> {
        let repositories = signed_repositories(archives)?;
        let hosts: Vec<String> = self.platform_hosts().map(str::to_owned).collect();
        let names = match self.original_names {
            true => PolicyNames::Original { fallback: self.fallback },
            false => PolicyNames::Served(&hosts),
        };
        let existing = self.target.root().map(client_config::existing_policy).transpose();
        let existing = existing.map_err(explained)?.flatten();
        let files =
            client_config::image_policy(&repositories, names, nodes, existing.as_ref(), self.target.force());
        files.map_err(explained)
    }

    /// The hosts in the original names: those that are given, and those of the images in the archives.
    fn hosts(&self, archives: &[PathBuf]) -> Result<Vec<String>, Failure> {
        let mut hosts = self.host.clone();
        if self.archives.is_empty() && !self.configured {
            return Ok(hosts);
        }
        let mut found = BTreeSet::new();
        for archive in archives {
            match hosts_of(archive) {
                Ok(hosts) => found.extend(hosts),
                // The images of the others are still served.
                Err(error) if self.configured => {
                    output::warn(&output::left_out(archive, &error.to_string()));
                }
                Err(error) => return Err(error.in_archive(archive).into()),
            }
        }
        hosts.extend(found);
        if hosts.is_empty() {
            return Err(explained(client_config::Error::NoHost));
        }
        Ok(hosts)
    }
}

/// The archives with the rules for images: those that are named, or those that this node serves. Warns of the others.
pub(super) fn named_archives(
    archives: &[PathBuf],
    is_configured: bool,
    paths: &NodePaths,
) -> Result<Vec<PathBuf>, Failure> {
    match is_configured {
        true => {
            paths.check_named()?;
            paths.served_archives()
        }
        false if archives.is_empty() => {
            Err(Failure::usage("no archive is named: archives have the rules and the keys")
                .remedy("name archives, or use those of this node with --configured"))
        }
        false => Ok(archives.to_vec()),
    }
}

/// The repositories of archives whose images need signatures. Warns of images without one that the clients read.
pub(super) fn signed_repositories(archives: &[PathBuf]) -> Result<Vec<SignedRepository>, Failure> {
    let (mut repositories, mut reported) = (Vec::new(), Vec::new());
    for archive in archives {
        let tree = Tree::open(archive).map_err(|error| error.in_archive(archive))?;
        let found = SignedRepositories::read(&tree).map_err(explained)?;
        repositories.extend(found.repositories);
        reported.extend(found.reported.iter().map(|image| format!("{image}; its repository needs none")));
    }
    output::warn_of(&reported, "images");
    Ok(repositories)
}

/// The hosts in the original names of the images of an archive, or of a folder of images.
fn hosts_of(archive: &Path) -> archive::Result<Vec<String>> {
    let tree = Tree::open(archive)?;
    let Some(folder) = image::folder_of(&tree)? else { return Ok(Vec::new()) };
    Ok(image::original_names(&tree, folder)?.hosts().map(str::to_owned).collect())
}
