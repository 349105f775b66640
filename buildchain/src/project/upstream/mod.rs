//! Upstream package repositories, and how their packages are chosen.

mod locked;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use content::Digest;

pub use self::locked::{LockedOrigin, LockedPackage, LockedPackages, LockedRepository, LockedSet, LockedWhy};
use super::error::Origin;
use super::file::SignatureRule;
use super::model::Project;
use super::names::{Nevra, Release};
use super::repository::RepositoryDefinition;

/// The architecture of a release for which the project has none.
pub(super) const ARCHITECTURE: &str = "x86_64";
/// The priority of a repository that has none, as dnf has it.
pub(super) const PRIORITY: i32 = 99;

/// How the packages of one release are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistributionDefinition {
    /// The release: `8`.
    pub release: Release,
    /// The architectures of the nodes, at least one: the packages are chosen for each.
    pub architectures: Vec<String>,
    /// What the project asks for, from any repository.
    pub requests: Vec<String>,
    /// Whether recommended packages are downloaded too.
    pub weak_dependencies: bool,
    /// Streams of modules to use instead of the defaults.
    pub modules: Vec<String>,
    /// Patterns of packages to ignore.
    pub exclude: Vec<String>,
}

impl DistributionDefinition {
    /// The defaults of a release.
    #[must_use]
    pub fn new(release: Release) -> Self {
        Self {
            release,
            architectures: vec![ARCHITECTURE.to_owned()],
            requests: Vec::new(),
            weak_dependencies: false,
            modules: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

/// An upstream repository.
#[derive(Debug, Clone)]
pub struct Upstream {
    /// The place of its name.
    pub origin: Origin,
    /// The repository for each architecture of the release, in their order.
    pub parts: Vec<UpstreamPart>,
    /// Files with its keys, absolute.
    pub keys: Vec<PathBuf>,
    /// Which signatures are required.
    pub signatures: SignatureRule,
    /// Whether nodes have the repository, so that none of its packages is downloaded.
    pub on_nodes: bool,
    /// Packages of a repository with a lower number are better.
    pub priority: i32,
    /// Patterns of packages to ignore.
    pub exclude: Vec<String>,
    /// Patterns of the only packages that count.
    pub include: Vec<String>,
    /// Whether its packages count even if a stream of a module has packages of their names.
    pub module_hotfixes: bool,
    /// What the project asks for.
    pub requests: Vec<String>,
}

/// An upstream repository for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPart {
    /// The architecture.
    pub architecture: String,
    /// Where its URLs come from.
    pub location: UpstreamLocation,
    /// What the lock file has; `None` if the project has changed since, or was never locked.
    pub locked: Option<LockedRepository>,
}

impl Upstream {
    /// The repository for an architecture.
    #[must_use]
    pub fn part(&self, architecture: &str) -> Option<&UpstreamPart> {
        self.parts.iter().find(|part| part.architecture == architecture)
    }

    /// The architectures for which packages are downloaded, and none are locked.
    pub fn unlocked(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().filter(|part| !self.on_nodes && part.locked.is_none());
        parts.map(|part| part.architecture.as_str())
    }

    /// The packages that are locked, each once, with the architecture that they were chosen for.
    #[must_use]
    pub fn packages(&self) -> BTreeMap<&Nevra, (&UpstreamPart, &LockedPackage)> {
        let mut packages = BTreeMap::new();
        for part in &self.parts {
            for (name, package) in part.locked.iter().flat_map(|locked| &locked.packages) {
                packages.entry(name).or_insert((part, package));
            }
        }
        packages
    }

    /// When the newest locked package was built, in seconds since 1970.
    #[must_use]
    pub fn date(&self) -> Option<i64> {
        self.parts.iter().filter_map(|part| Some(part.locked.as_ref()?.date)).max()
    }
}

/// Where the URLs of a repository come from, with their variables replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamLocation {
    /// From the project, the first one first.
    Urls(Vec<String>),
    /// From a metalink at this URL.
    Metalink(String),
    /// From a list of mirrors at this URL.
    Mirrorlist(String),
}

impl UpstreamLocation {
    /// The URLs of servers that may ask for credentials: those that the project names. The servers that a metalink, a list of
    /// mirrors or metadata name are others.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        let urls = match self {
            Self::Urls(urls) => urls.as_slice(),
            Self::Metalink(url) | Self::Mirrorlist(url) => std::slice::from_ref(url),
        };
        urls.iter().filter(|url| !url.starts_with("file:")).cloned().collect()
    }
}

impl Project {
    /// How the packages of `release` are chosen.
    #[must_use]
    pub fn distribution(&self, release: &Release) -> DistributionDefinition {
        let known = self.distributions.iter().find(|one| one.release == *release);
        known.cloned().unwrap_or_else(|| DistributionDefinition::new(release.clone()))
    }

    /// The releases that download packages, each once, in the order of the project.
    #[must_use]
    pub fn upstream_releases(&self) -> Vec<&Release> {
        let mut releases: Vec<&Release> = Vec::new();
        for repository in &self.repositories {
            let downloads = repository.upstream.as_ref().is_some_and(|upstream| !upstream.on_nodes);
            if downloads && !releases.contains(&&repository.release) {
                releases.push(&repository.release);
            }
        }
        releases
    }

    /// The repositories of `release`, in the order of the project.
    pub fn repositories_of<'a>(
        &'a self,
        release: &'a Release,
    ) -> impl Iterator<Item = &'a RepositoryDefinition> {
        self.repositories.iter().filter(move |repository| repository.release == *release)
    }

    /// A digest of all that the project says about the packages of `release` for an architecture: a set that was locked for it
    /// answers no other.
    #[must_use]
    pub fn package_inputs(&self, release: &Release, architecture: &str) -> Digest {
        let DistributionDefinition { release, requests, weak_dependencies, modules, exclude, .. } =
            self.distribution(release);
        // Writing to a string cannot fail. `{:?}` quotes each text.
        let mut text = format!("{release:?} {architecture:?} {weak_dependencies} {modules:?} {exclude:?}\n");
        if !requests.is_empty() {
            let _ = writeln!(text, "download {requests:?}");
        }
        for repository in self.repositories_of(&release) {
            let _ = writeln!(text, "repository {:?}", repository.name.as_str());
            if let Some(one) = &repository.upstream {
                let Upstream { signatures, on_nodes, priority, exclude, include, .. } = one;
                let Some(UpstreamPart { location, .. }) = one.part(architecture) else { continue };
                let _ = writeln!(text, "{location:?} {signatures:?} {on_nodes} {priority}");
                let _ = writeln!(text, "{exclude:?} {include:?} {} {:?}", one.module_hotfixes, one.requests);
            }
            for package in &repository.packages {
                let _ =
                    writeln!(text, "build {:?} {:?}", package.definition.name, package.definition.requires);
            }
            for spec in repository.specs.iter().filter(|spec| !spec.needs.requires.is_empty()) {
                let _ = writeln!(text, "spec {:?} {:?}", spec.name.as_str(), spec.needs.requires);
            }
            for rpm in &repository.rpms {
                let _ = writeln!(text, "rpm {:?}", rpm.file_name);
            }
        }
        Digest::of(text.as_bytes())
    }
}
