//! `sealift registry containerd-config` and `crio-config`, `sealift repository dnf-config` and `apt-config`: what the nodes of
//! a site need to know of those that serve.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use runtime::archives::configured;
use runtime::clients::{self, Error, File, Keys, Node, Packages};

use crate::commands::node::Places;
use crate::failure::{Failure, Outcome};
use crate::output;

/// Where the configuration goes.
#[derive(Debug, Args)]
struct Target {
    /// A node that serves, `http://HOST[:PORT]`; repeat it in the order in which they are to be tried
    #[arg(long, value_name = "URL", required = true)]
    node: Vec<String>,
    /// Write the files below DIR, `/` for this machine, where the program looks for them [default: print them]
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Replace files that were not generated, too
    #[arg(long, requires = "root")]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Registry {
    /// The host in the names of the images
    #[arg(long, value_name = "HOST", default_value = clients::HOST)]
    host: String,
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
    /// The repository file for dnf and yum: every RPM repository of the archives, on all nodes
    #[command(
        after_help = "Example:\n  sealift repository dnf-config --configured --node http://10.0.0.1:8080 --node http://10.0.0.2:8080 --root /"
    )]
    DnfConfig(Dnf),
    /// The repository files for apt: every DEB repository of the archives, on all nodes
    AptConfig(Repositories),
}

#[derive(Debug, Args)]
pub(crate) struct Dnf {
    /// The release of the distribution on the clients, where the archives have packages for several: `8`
    #[arg(long, value_name = "RELEASE")]
    release: Option<String>,
    #[command(flatten)]
    repositories: Repositories,
}

#[derive(Debug, Args)]
pub(crate) struct Repositories {
    /// The archives: ISO files or folders
    #[arg(required_unless_present = "configured")]
    archives: Vec<PathBuf>,
    /// The archives that this node's configuration lists
    #[arg(long, conflicts_with = "archives")]
    configured: bool,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    places: Places,
}

pub(crate) fn containerd(arguments: &Containerd) -> Outcome {
    let registry = &arguments.registry;
    let file = clients::containerd(&registry.host, &registry.target.nodes()?, arguments.ca.as_deref());
    registry.target.put(&[file.map_err(explained)?])
}

pub(crate) fn crio(arguments: &Registry) -> Outcome {
    let file = clients::crio(&arguments.host, &arguments.target.nodes()?).map_err(explained)?;
    arguments.target.put(&[file])
}

pub(crate) fn repository(command: &Repository) -> Outcome {
    let (arguments, release) = match command {
        Repository::DnfConfig(arguments) => (&arguments.repositories, Some(arguments.release.as_deref())),
        Repository::AptConfig(arguments) => (arguments, None),
    };
    let archives = if arguments.configured {
        configured(&arguments.places.paths()).map_err(Failure::usage_by)?
    } else {
        arguments.archives.clone()
    };
    let packages = archives.iter().map(|archive| Packages::of(archive)).collect::<Result<Vec<_>, _>>();
    let keys = if arguments.target.root.is_some() { Keys::OnClient } else { Keys::AtNode };
    let (packages, nodes) = (packages.map_err(explained)?, arguments.target.nodes()?);
    let files = match release {
        Some(release) => clients::dnf(&packages, &nodes, keys, release),
        None => clients::apt(&packages, &nodes, keys),
    };
    arguments.target.put(&files.map_err(explained)?)
}

impl Target {
    fn nodes(&self) -> Result<Vec<Node>, Failure> {
        self.node.iter().map(|text| text.parse().map_err(explained)).collect()
    }

    /// Prints the files, or writes them and says which changed.
    fn put(&self, files: &[File]) -> Outcome {
        let text = match &self.root {
            None => files.iter().map(|file| file.content.clone()).collect::<String>(),
            Some(root) => {
                let changed = clients::write(root, files, self.force).map_err(explained)?;
                changed.iter().map(|path| format!("{}\n", path.display())).collect()
            }
        };
        output::print(&text)?;
        Ok(())
    }
}

fn explained(error: Error) -> Failure {
    match error {
        Error::NotOurs(_) => Failure::failed(error).remedy("--force replaces it"),
        Error::Release { .. } => Failure::usage_by(error).remedy("--release names that of the clients"),
        Error::Node { .. } | Error::NoNode | Error::NodeTwice(_) | Error::Twice(_) => {
            Failure::usage_by(error)
        }
        error => error.into(),
    }
}
