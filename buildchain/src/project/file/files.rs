//! Files of the archive, as `spec.files` lists them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{InnerPath, Pattern, Text};

/// Files that go into the archive, from exactly one source: `from`. A file whose name ends in `.in` is a template: it is rendered, and loses
/// that ending.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilesEntry {
    /// A file or folder, relative to the project. A symbolic link is followed. The build root is left out.
    #[serde(default)]
    pub from: Option<Field<InnerPath>>,
    /// The path in the archive; `.` is its root. A single file keeps its name if this is `.` or ends in `/`.
    pub to: Field<InnerPath>,
    /// Patterns of files and folders to leave out, as in a `.gitignore` in that folder.
    #[serde(default)]
    pub exclude: Vec<Field<Pattern>>,
    /// Values that the templates of this entry can name, in addition to those of the project.
    #[serde(default)]
    pub variables: BTreeMap<String, Field<Text>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}
