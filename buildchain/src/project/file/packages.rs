//! Package repositories, as `spec.packages` lists them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{InnerPath, PathPattern, Pattern, Release, RepositoryName, Text};

/// A package repository of the archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryEntry {
    /// The name. The folder in the archive is `packages/redhat/<release>/<project>-<name>-el<release>`.
    pub name: Field<RepositoryName>,
    /// The release of the distribution: `8`.
    pub release: Field<Release>,
    /// Folders of packages to build, each with a `package.yaml`. Either `build` or `rpms` is required; a repository can have
    /// both.
    #[serde(default)]
    pub build: Vec<Field<InnerPath>>,
    /// RPMs that exist: patterns of files of the project, such as `rpms/*.rpm` and `vendor/**/*.rpm`, or files in the build root
    /// that tasks produce. They are copied as they are, with their signatures.
    #[serde(default)]
    pub rpms: Vec<Field<PathPattern>>,
    /// Patterns of RPMs to leave out, as in a `.gitignore` in the folder of the project: `*.src.rpm`.
    #[serde(default)]
    pub exclude: Vec<Field<Pattern>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}
