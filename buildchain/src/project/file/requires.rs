//! Archives that the archive requires, as `spec.requires` names them.

use archive::requires::{RequiredImage, VersionRange};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{ArchiveName, PackageName, Text};

/// An archive that must be imported before this one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequirementEntry {
    /// Its name, as in its `product.txt` or `manifest.yaml`. Capitals do not count.
    pub name: Field<ArchiveName>,
    /// The range of its versions, such as `>=2.7 <2.8`. A pre-release is in it only if the range has one: `>=2.7-0`. Default: all.
    #[serde(default)]
    pub version: Option<Field<VersionRange>>,
    /// Images that this archive leaves out because that one has them: `nginx:1.25`, or `nginx:1.25@sha256:…`. The import of this
    /// archive checks that they are there.
    #[serde(default)]
    pub images: Vec<Field<RequiredImage>>,
    /// Packages that this archive leaves out because that one has them. The import of this archive checks that they are there.
    #[serde(default)]
    pub packages: Vec<Field<PackageName>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}
