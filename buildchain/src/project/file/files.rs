//! Files of the archive, as `spec.files` lists them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{DataFormat, DataTree, ForEach};
use crate::project::field::Field;
use crate::project::names::{Delimiter, FileMode, InnerPath, Pattern, ProjectPath, TemplateSuffix, Text};

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LinkHandling {
    /// They are links in the archive, too.
    #[default]
    Keep,
    /// What they lead to is copied.
    Follow,
}

/// Which files are templates, and how they are written.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateSettings {
    /// How templates name values. Default: `jinja`.
    #[serde(default)]
    pub syntax: Option<SyntaxName>,
    /// Other delimiters for Jinja, for files that have its own delimiters themselves.
    #[serde(default)]
    pub delimiters: Option<Delimiters>,
    /// The ending of the names of templates, which they lose; `none` for no ending. Default: `.in`.
    #[serde(default)]
    pub suffix: Option<Field<TemplateSuffix>>,
    /// Patterns of further templates, which keep their names, as in a `.gitignore` in the folder.
    #[serde(default)]
    pub patterns: Option<Vec<Field<Pattern>>>,
}

/// How templates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum SyntaxName {
    /// Jinja: `{{ name }}`.
    Jinja,
    /// `@@name` and `@@{name}`; `@@@@` stands for `@@`.
    At,
}

/// The delimiters of templates: the opening and the closing one of each kind.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delimiters {
    /// Those of values. Default: `{{` and `}}`.
    #[serde(default)]
    pub variable: Option<[Field<Delimiter>; 2]>,
    /// Those of blocks. Default: `{%` and `%}`.
    #[serde(default)]
    pub block: Option<[Field<Delimiter>; 2]>,
    /// Those of comments. Default: `{#` and `#}`.
    #[serde(default)]
    pub comment: Option<[Field<Delimiter>; 2]>,
}

/// Files that go into the archive, from exactly one source: `from` or `data`. A file whose name ends in `.in` is a template: it is
/// rendered, and loses that ending.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilesEntry {
    /// A file or folder, relative to the project. A symbolic link is followed. The build root is left out. What a task writes
    /// need not exist; it is copied as it is.
    #[serde(default)]
    pub from: Option<Field<ProjectPath>>,
    /// The path in the archive; `.` is its root. A single file keeps its name if this is `.` or ends in `/`.
    pub to: Field<InnerPath>,
    /// Patterns of files and folders to leave out, as in a `.gitignore` in that folder.
    #[serde(default)]
    pub exclude: Vec<Field<Pattern>>,
    /// Patterns of the only files and folders to take, as in a `.gitignore` in that folder. Default: all.
    #[serde(default)]
    pub only: Vec<Field<Pattern>>,
    /// What becomes of the symbolic links in a folder.
    #[serde(default)]
    pub links: LinkHandling,
    /// Which files are templates, and how they are written. A key that is not here is taken from `spec.templates`.
    #[serde(default)]
    pub templates: TemplateSettings,
    /// The values of a file that is written: keys with values, or a list. All texts are templates. In place of a value,
    /// `{textOf: FILE}`, `{base64Of: FILE}` and `{dataOf: FILE}` stand for the text of a file of the project, its bytes in base64, and
    /// the values in it (JSON, YAML or TOML); `{base64LinesOf: FILE}` for base64 on lines of 76 characters, as `base64` writes it;
    /// `{valueOf: EXPRESSION}` for a variable of any form.
    #[serde(default)]
    pub data: Option<DataTree>,
    /// The format of `data`. Default: by the ending of `to`: `.json`, `.yaml`, `.yml`, `.sls`, `.toml` or `.env`.
    #[serde(default)]
    pub format: Option<DataFormat>,
    /// How many blanks indent a level of JSON, at most 8; 0 writes all on one line.
    #[serde(default)]
    #[schemars(range(max = 8))]
    pub indent: Option<u8>,
    /// Whether the file of `data` ends with a line end. Default: true.
    #[serde(default)]
    pub final_newline: Option<bool>,
    /// Text to write before the `data`, such as `#!jinja|yaml`.
    #[serde(default)]
    pub header: Option<Field<Text>>,
    /// The permissions in the archive: `0644` or `0755`. Default: those that git keeps of the file.
    #[serde(default)]
    pub mode: Option<Field<FileMode>>,
    /// Values that the templates and the data of this entry can name, in addition to those of the project.
    #[serde(default)]
    pub variables: BTreeMap<String, Field<Text>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

impl FilesEntry {
    /// The folder `from` as `to`: every other key has its default.
    pub(in crate::project) fn folder(from: Field<ProjectPath>, to: Field<InnerPath>) -> Self {
        Self {
            from: Some(from),
            to,
            exclude: Vec::new(),
            only: Vec::new(),
            links: LinkHandling::default(),
            templates: TemplateSettings::default(),
            data: None,
            format: None,
            indent: None,
            final_newline: None,
            header: None,
            mode: None,
            variables: BTreeMap::new(),
            when: None,
            for_each: ForEach::new(),
        }
    }
}
