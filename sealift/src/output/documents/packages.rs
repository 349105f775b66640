//! Packages and their repositories.

use schemars::JsonSchema;
use serde::Serialize;

use crate::output::document::Document;

/// A package that was built.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageDocument {
    /// The path of the package.
    pub(crate) package: String,
    /// Warnings about the definition.
    pub(crate) warnings: Vec<String>,
}

impl Document for PackageDocument {
    const KIND: &'static str = "Package";
}

/// The metadata of a package repository.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PackageIndex {
    /// The path of `repomd.xml`.
    pub(crate) repomd: String,
    /// The number of packages.
    pub(crate) packages: usize,
    /// Warnings about packages.
    pub(crate) warnings: Vec<String>,
    /// Kinds of metadata that the repository had before.
    pub(crate) dropped: Vec<String>,
}

impl Document for PackageIndex {
    const KIND: &'static str = "PackageIndex";
}
