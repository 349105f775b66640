//! Repositories of Debian packages.

mod locked;
mod request;

use std::fmt::Write as _;
use std::path::PathBuf;

use content::Digest;

pub use self::locked::{LockedDeb, LockedDebSet, LockedDebs};
pub use self::request::DebRequest;
use super::error::Origin;
use super::model::Project;
use super::names::{Release, RepositoryName};
use super::repository::PackageDefinition;

/// The architecture of an upstream repository for which the project has none.
pub(super) const ARCHITECTURE: &str = "amd64";

/// A repository of Debian packages of the archive: one suite, whose name is that of the release.
#[derive(Debug)]
pub struct DebRepositoryDefinition {
    /// Its name: `scality`.
    pub name: RepositoryName,
    /// The release of the distribution: `bookworm`.
    pub release: Release,
    /// The packages to build for it.
    pub packages: Vec<PackageDefinition>,
    /// The packages that exist.
    pub debs: Vec<DebFile>,
    /// The packages to download, if there are any.
    pub downloads: Option<DebDownloads>,
}

/// A Debian package that is copied as it is.
#[derive(Debug, Clone)]
pub struct DebFile {
    /// The entry that asks for it.
    pub origin: Origin,
    /// What the project calls it: its path before symbolic links are followed.
    pub name: PathBuf,
    /// Where it is.
    pub path: PathBuf,
    /// Its place in the repository.
    pub place: String,
}

/// The packages that a repository downloads.
#[derive(Debug, Clone)]
pub struct DebDownloads {
    /// The place of the name of the repository.
    pub origin: Origin,
    /// The upstream repository, if the entry has one.
    pub source: Option<DebSource>,
    /// What the project asks for.
    pub requests: Vec<DebRequest>,
    /// What the lock file has; `None` if the project has changed since, or was never locked.
    pub locked: Option<LockedDebSet>,
}

/// An upstream repository of Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebSource {
    /// Its URLs, the first one first.
    pub urls: Vec<String>,
    /// The suite; without it, `Packages` lie in the folder of the URL.
    pub suite: Option<String>,
    /// The components of the suite.
    pub components: Vec<String>,
    /// The architectures, `all` aside.
    pub architectures: Vec<String>,
    /// Files with the keys that sign `Release`, absolute.
    pub keys: Vec<PathBuf>,
    /// Whether `Release` must be signed.
    pub is_signed: bool,
}

impl DebSource {
    /// The URLs of servers that may ask for credentials.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        self.urls.iter().filter(|url| !url.starts_with("file:")).cloned().collect()
    }
}

impl DebDownloads {
    /// The URLs of servers that may ask for credentials: those that the project names.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        let files = self.requests.iter().filter_map(|request| match request {
            DebRequest::File(url) => Some(url.to_string()),
            DebRequest::Package { .. } => None,
        });
        files.chain(self.source.iter().flat_map(DebSource::accounts)).collect()
    }
}

impl DebRepositoryDefinition {
    /// The folder of the repository in the archive.
    #[must_use]
    pub fn folder(&self, project: &str) -> String {
        archive::layout::deb_repository(project, self.name.as_str(), self.release.as_str())
    }

    /// A digest of all that the project says about what is downloaded: what was locked for it is for nothing else.
    #[must_use]
    pub fn download_inputs(&self) -> Option<Digest> {
        let downloads = self.downloads.as_ref()?;
        let mut text = String::new();
        if let Some(DebSource { urls, suite, components, architectures, is_signed, .. }) = &downloads.source {
            // Writing to a string cannot fail. `{:?}` quotes each text.
            let _ = writeln!(text, "{urls:?} {suite:?} {components:?} {architectures:?} {is_signed}");
        }
        for request in &downloads.requests {
            let _ = writeln!(text, "{:?}", request.to_string());
        }
        Some(Digest::of(text.as_bytes()))
    }
}

impl Project {
    /// Takes the packages from the lock file for repositories whose downloads are those of this project.
    pub(super) fn look_up_debs(&mut self, lock: &LockedDebs) {
        for repository in &mut self.deb_repositories {
            let Some(inputs) = repository.download_inputs() else { continue };
            let locked = lock.set(&repository.release, &repository.name, &inputs).cloned();
            if let Some(downloads) = &mut repository.downloads {
                downloads.locked = locked;
            }
        }
    }
}
