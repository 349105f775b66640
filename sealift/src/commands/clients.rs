//! `sealift registry containerd-config` and `crio-config`, `sealift repository dnf-config` and `apt-config`: what the nodes of
//! a site need to know of those that serve.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use runtime::archives::configured;
use runtime::clients::{self, Error, File, Keys, Node, Packages, Source};

use crate::commands::node::{self, Places};
use crate::failure::{Failure, Outcome};
use crate::output;

/// The nodes that serve.
#[derive(Debug, Args)]
struct Nodes {
    /// A node that serves, `http://HOST[:PORT]`; repeat it in the order in which they are to be tried
    #[arg(long, value_name = "URL", required = true)]
    node: Vec<String>,
}

/// Where the configuration goes.
#[derive(Debug, Args)]
struct Target {
    /// Write the files below DIR, `/` for this machine, where the program looks for them [default: print them]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Replace files that were not generated, too
    #[arg(long, requires = "root")]
    force: bool,
    /// Only say which files would change
    #[arg(long, requires = "root")]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Registry {
    /// The host in the names of the images
    #[arg(long, value_name = "HOST", default_value = clients::HOST)]
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
    /// The certificate authority of the nodes, a file on the client
    #[arg(long, value_name = "FILE")]
    ca: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Repository {
    /// Configure dnf and yum: every RPM repository of the archives, on all nodes
    #[command(
        after_help = "Examples:\n  sealift repository dnf-config --configured --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /\n  \
                            sealift repository dnf-config --served metalk8s-2.11.0/redhat/8/scality-el8 --node http://10.0.0.1:8080 --root /\n  \
                            sealift repository dnf-config --folders /srv/scality/metalk8s-2.11.0 --release 8 --root /"
    )]
    DnfConfig(Dnf),
    /// Configure apt: every DEB repository of the archives, on all nodes
    AptConfig(Apt),
}

#[derive(Debug, Args)]
pub(crate) struct Dnf {
    /// The archives: ISO files or folders
    #[arg(required_unless_present_any = ["configured", "served"])]
    archives: Vec<PathBuf>,
    /// The archives that this node's configuration lists
    #[arg(long, conflicts_with_all = ["archives", "folders"])]
    configured: bool,
    /// A repository as nodes serve it, NAME-VERSION/redhat/RELEASE/REPOSITORY, where there is no archive to look into (repeatable)
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["archives", "configured", "folders"])]
    served: Vec<String>,
    /// The release of the distribution on the clients, where the archives have packages for several: `8`
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    /// A node that serves, `http://HOST[:PORT]`; repeat it in the order in which they are to be tried
    #[arg(long, value_name = "URL", required_unless_present = "folders")]
    node: Vec<String>,
    /// Take the packages from the archives themselves, which are folders here: mounted, or unpacked
    #[arg(long, conflicts_with = "node")]
    folders: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    places: Places,
}

#[derive(Debug, Args)]
pub(crate) struct Apt {
    /// The archives: ISO files or folders
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// The archives that this node's configuration lists
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    places: Places,
}

pub(crate) fn containerd(arguments: &Containerd) -> Outcome {
    let Registry { host, nodes, target } = &arguments.registry;
    let file = clients::containerd(host, &parsed(&nodes.node)?, arguments.ca.as_deref());
    target.put(&[file.map_err(explained)?])
}

pub(crate) fn crio(arguments: &Registry) -> Outcome {
    let file = clients::crio(&arguments.host, &parsed(&arguments.nodes.node)?).map_err(explained)?;
    arguments.target.put(&[file])
}

pub(crate) fn repository(command: &Repository) -> Outcome {
    match command {
        Repository::DnfConfig(arguments) => dnf(arguments),
        Repository::AptConfig(arguments) => apt(arguments),
    }
}

fn dnf(arguments: &Dnf) -> Outcome {
    let packages = if arguments.served.is_empty() {
        packages(&arguments.archives, arguments.configured, &arguments.places)?
    } else {
        Packages::served(&arguments.served).map_err(explained)?
    };
    let nodes = parsed(&arguments.node)?;
    let source = if arguments.folders { Source::Folders } else { Source::Nodes(&nodes) };
    let files = clients::dnf(&packages, source, arguments.target.keys(), arguments.release.as_deref());
    arguments.target.put(&files.map_err(explained)?)
}

fn apt(arguments: &Apt) -> Outcome {
    let packages = packages(&arguments.archives, arguments.configured, &arguments.places)?;
    let files = clients::apt(&packages, &parsed(&arguments.nodes.node)?, arguments.target.keys());
    arguments.target.put(&files.map_err(explained)?)
}

/// The repositories of the archives that are given, or that this node has.
fn packages(given: &[PathBuf], of_this_node: bool, places: &Places) -> Result<Vec<Packages>, Failure> {
    if !of_this_node {
        return given.iter().map(|archive| Packages::of(archive).map_err(explained)).collect();
    }
    let listed = configured(&places.paths()).map_err(node::explained)?;
    let mut found = Vec::new();
    for archive in &listed {
        match Packages::of(archive) {
            Ok(packages) => found.push(packages),
            // The others serve their packages all the same.
            Err(error @ Error::Archive(_)) => output::warn(&format!("left out: {error}")),
            Err(error) => return Err(explained(error)),
        }
    }
    if found.is_empty() && !listed.is_empty() {
        return Err(none_is_readable());
    }
    Ok(found)
}

/// A configuration without any archive would take away what clients have.
pub(crate) fn none_is_readable() -> Failure {
    Failure::failed(anyhow::anyhow!("none of this node's archives can be read"))
        .remedy("run `sealift archive get` to see what is wrong with each")
}

fn parsed(nodes: &[String]) -> Result<Vec<Node>, Failure> {
    nodes.iter().map(|text| text.parse().map_err(explained)).collect()
}

impl Target {
    fn keys(&self) -> Keys {
        if self.root.is_some() { Keys::OnClient } else { Keys::AtNode }
    }

    /// Prints the files, or writes them and says which changed.
    fn put(&self, files: &[File]) -> Outcome {
        let text = match &self.root {
            None => files.iter().map(|file| file.content.clone()).collect::<String>(),
            Some(root) => {
                let changed = if self.dry_run {
                    clients::stale(root, files, self.force)
                        .map(|stale| stale.into_iter().map(|(path, _)| path).collect::<Vec<_>>())
                } else {
                    clients::write(root, files, self.force)
                };
                changed.map_err(explained)?.iter().map(|path| format!("{}\n", path.display())).collect()
            }
        };
        output::print(&text)?;
        Ok(())
    }
}

fn explained(error: Error) -> Failure {
    match error {
        Error::NotOurs(_) => Failure::failed(error).remedy("--force replaces it"),
        Error::NoFolder(_) => Failure::failed(error)
            .remedy("name the folder that it is mounted at; `sealift archive get` shows it"),
        Error::Unusable { .. } => {
            Failure::usage_by(error).remedy("name the node by its host name or its IPv4 address")
        }
        Error::Release { .. } => Failure::usage_by(error).remedy("--release names that of the clients"),
        Error::Node { .. } | Error::NoNode | Error::NodeTwice(_) | Error::Address(_) | Error::Twice(_) => {
            Failure::usage_by(error)
        }
        error => error.into(),
    }
}
