//! Package repositories of the archive.

use std::path::PathBuf;

use super::error::Origin;
use super::names::{Release, RepositoryName};
use super::upstream::Upstream;

/// A package repository of the archive.
#[derive(Debug)]
pub struct RepositoryDefinition {
    /// Its name: `scality`.
    pub name: RepositoryName,
    /// The release of the distribution: `8`.
    pub release: Release,
    /// The packages to build for it.
    pub packages: Vec<PackageDefinition>,
    /// The packages that exist.
    pub rpms: Vec<RpmFile>,
    /// The upstream repository, if it has one.
    pub upstream: Option<Upstream>,
}

/// A package to build, and the file that defines it.
#[derive(Debug)]
pub struct PackageDefinition {
    /// The entry that asks for it.
    pub origin: Origin,
    /// Its `package.yaml`, relative to the project.
    pub path: PathBuf,
    /// The definition, rendered.
    pub definition: packages::RpmDefinition,
}

/// An RPM that is copied as it is.
#[derive(Debug, Clone)]
pub struct RpmFile {
    /// The entry that asks for it.
    pub origin: Origin,
    /// What the project calls it: its path before symbolic links are followed.
    pub name: PathBuf,
    /// Where it is.
    pub path: PathBuf,
    /// Its name in the repository.
    pub file_name: String,
    /// Its architecture, which is its folder in the repository.
    pub arch: String,
    /// When it was built, in seconds since 1970; unknown for one that a task produces.
    pub build_time: Option<i64>,
}
