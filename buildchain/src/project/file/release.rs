//! What a release is checked against, as `spec.release` names it.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::project::field::Field;
use crate::project::names::{InnerPath, Text};

/// What `sealift release check` compares with the tag.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseEntry {
    /// The changelog, in Markdown, with a heading such as `## 1.2.0` for each version. Default: `CHANGELOG.md`, if the project has
    /// it.
    #[serde(default)]
    pub changelog: Option<Field<InnerPath>>,
    /// Files that have the version of the release, such as charts.
    #[serde(default)]
    pub versions: Vec<VersionPlace>,
}

/// A file that has the version of the release.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionPlace {
    /// The file, relative to the project: TOML, JSON or YAML by its extension, else lines `KEY=value`.
    pub file: Field<InnerPath>,
    /// The key in the file, such as `package.version`. Without one, the first line of the file is the version.
    #[serde(default)]
    pub key: Option<Field<Text>>,
}
