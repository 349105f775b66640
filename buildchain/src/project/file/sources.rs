//! Sources outside the project, as `spec.sources` lists them.

use content::Digest;
use schemars::JsonSchema;
use serde::Deserialize;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{
    CommitHash, FileMode, FileName, FileUrl, GitLocation, GitRef, InnerPath, Pattern, SourceName, Text,
};

/// What becomes the folder `{{ build_root }}/sources/<name>`: a file or an archive by `url`, or a git repository by `git`. Exactly
/// one of the two is required.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceEntry {
    /// The name of the source and of its folder.
    pub name: Field<SourceName>,
    /// The URL of a file.
    #[serde(default)]
    pub url: Option<Field<FileUrl>>,
    /// Other URLs of the file, which are tried in this order if the first one fails.
    #[serde(default)]
    pub mirrors: Vec<Field<FileUrl>>,
    /// The SHA-256 of the file: `sha256:` and 64 digits. Without it, `sealift lock` writes the digest to `sealift.lock`.
    #[serde(default)]
    pub digest: Option<Field<Digest>>,
    /// The name of the file in the folder. Default: the last part of `url`.
    #[serde(default)]
    pub filename: Option<Field<FileName>>,
    /// The permissions of the file: `0644` or `0755`, in quotes. Default: `0644`.
    #[serde(default)]
    pub mode: Option<Field<FileMode>>,
    /// The file is a tar or tar.gz: what to unpack of it. `{}` unpacks all.
    #[serde(default)]
    pub unpack: Option<UnpackEntry>,
    /// A git repository: an `https://`, `http://`, `ssh://` or `file://` URL, or a path, absolute or relative to the project.
    #[serde(default)]
    pub git: Option<Field<GitLocation>>,
    /// The commit, as a whole hash of 40 digits.
    #[serde(default)]
    pub commit: Option<Field<CommitHash>>,
    /// A tag or branch instead of a commit. `sealift lock` writes its commit to `sealift.lock`.
    #[serde(default, rename = "ref")]
    pub reference: Option<Field<GitRef>>,
    /// A folder of the repository. Default: all of it.
    #[serde(default)]
    pub folder: Option<Field<InnerPath>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other. The name of the source must name them.
    #[serde(default)]
    pub for_each: ForEach,
}

/// What is unpacked of an archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnpackEntry {
    /// How many leading parts of each name are removed. What has no more parts is left out.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub strip: u32,
    /// Patterns of the only files and folders to unpack, as in a `.gitignore` in the unpacked folder. Default: all.
    #[serde(default)]
    pub only: Vec<Field<Pattern>>,
    /// Patterns of files and folders to leave out, as in a `.gitignore` in the unpacked folder.
    #[serde(default)]
    pub exclude: Vec<Field<Pattern>>,
}
