//! What a release is checked against.

use std::path::PathBuf;

use super::error::Error;
use super::git::GitRepository;
use super::model::Project;

/// The changelog of a project that names no other.
pub(super) const CHANGELOG: &str = "CHANGELOG.md";

/// What the tag of a release is compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleaseDefinition {
    /// The changelog, relative to the project, if there is one.
    pub changelog: Option<PathBuf>,
    /// Files that have the version of the release.
    pub versions: Vec<ReleaseVersion>,
}

/// A file that has the version of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseVersion {
    /// The file, relative to the project.
    pub file: PathBuf,
    /// The key in it; without one, its first line is the version.
    pub key: Option<String>,
}

impl Project {
    /// The repository that holds the project.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] for a project outside of git.
    pub(crate) fn repository(&self) -> Result<&GitRepository, Error> {
        self.repository.as_ref().ok_or_else(|| Error::Repository {
            path: self.root.clone(),
            message: "the project is in no git repository, so it has no tags".to_owned(),
            help: "create one: git init".to_owned(),
        })
    }
}
