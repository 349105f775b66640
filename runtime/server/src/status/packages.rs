//! The files for package managers.

use std::path::Path;

/// Writes the files with which dnf and apt use the packages of an archive. The server knows no format of clients.
pub trait PackageFiles: Send + Sync + std::fmt::Debug {
    /// The files for the archive at `archive`, with packages from the node at the URL `node`.
    ///
    /// # Errors
    ///
    /// Why they cannot be written, in a line.
    fn files(&self, archive: &Path, node: &str) -> Result<Vec<PackageFile>, String>;
}

/// A file for a package manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageFile {
    /// The package manager: `dnf`, `apt`.
    pub manager: &'static str,
    /// The release of the distribution that it is for; `None` for all.
    pub release: Option<String>,
    /// Its content.
    pub content: String,
}

/// Writes no files.
impl PackageFiles for () {
    fn files(&self, _: &Path, _: &str) -> Result<Vec<PackageFile>, String> {
        Ok(Vec::new())
    }
}

impl PackageFile {
    /// Its name among the pages of the archive: `dnf-8.repo`, `apt.sources`.
    pub(super) fn name(&self) -> String {
        let release = self.release.as_ref().map(|release| format!("-{release}")).unwrap_or_default();
        format!("{}{release}.{}", self.manager, self.extension())
    }

    /// Its place on a client, for the archive with this name.
    pub(super) fn place(&self, archive: &str) -> String {
        let folder = if self.manager == "apt" { "/etc/apt/sources.list.d" } else { "/etc/yum.repos.d" };
        format!("{folder}/{archive}.{}", self.extension())
    }

    fn extension(&self) -> &'static str {
        if self.manager == "apt" { "sources" } else { "repo" }
    }
}
