//! The types of `sealift.yaml`, exactly as written; the JSON Schema is generated from them.

mod files;
mod images;
mod lock;
mod packages;
mod registries;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

pub use self::files::FilesEntry;
pub use self::images::{BuildImage, Catalogue, ContainerBuild, ImagesSpec, NamedImage, PullImage};
pub use self::lock::{LockFileContent, LockedReferrersEntry};
pub use self::packages::RepositoryEntry;
pub use self::registries::{ClientCertificate, RegistryEntry};
use super::field::Field;
use super::names::{ArchiveName, CargoPackage, InnerPath, Version};

/// The only version of the format so far.
pub const API_VERSION: &str = "sealift.dev/v1alpha1";

/// A project: what goes into one archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectFile {
    /// The version of the format.
    #[schemars(with = "String", extend("const" = API_VERSION))]
    pub api_version: Spanned<String>,
    /// The kind of archive to build.
    pub kind: ProjectKind,
    /// The archive's name and version.
    pub metadata: ProjectMetadata,
    /// What goes into the archive.
    pub spec: ProjectSpec,
}

/// The kinds of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ProjectKind {
    /// A platform: images, packages and the Salt tree that deploys them.
    Platform,
}

/// The archive's name and version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectMetadata {
    /// The name, as in `product.txt` and the volume ID of the ISO. In lower case it is the name of the ISO file.
    pub name: Field<ArchiveName>,
    /// The version. Either this or `versionFrom` is required.
    #[serde(default)]
    pub version: Option<Field<Version>>,
    /// The file that has the version.
    #[serde(default)]
    pub version_from: Option<VersionFile>,
    /// How `product.txt` names the commit.
    #[serde(default)]
    pub revision: RevisionForm,
}

/// How a commit is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RevisionForm {
    /// By its hash.
    #[default]
    Commit,
    /// By the latest tag before it, the number of commits since, and its hash: `2.11.0-3-gHASH`. A shallow clone or one
    /// without tags is an error.
    Describe,
}

/// A file that has the version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionFile {
    /// The file, relative to the project: TOML, JSON or YAML by its extension, else plain text.
    pub file: Field<InnerPath>,
    /// The key in the file, such as `package.version`. Plain text has none: its first line is the version.
    #[serde(default)]
    pub key: Option<String>,
}

/// What goes into the archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectSpec {
    /// Folders outside the project that its symbolic links can lead to, absolute or relative to the project. A link to
    /// any other place outside is an error.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub external_folders: Vec<Spanned<String>>,
    /// Programs built from the project's own sources.
    #[serde(default)]
    pub binaries: Vec<Binary>,
    /// How to reach registries.
    #[serde(default)]
    pub registries: Vec<RegistryEntry>,
    /// Container images.
    #[serde(default)]
    pub images: ImagesSpec,
    /// Package repositories.
    #[serde(default)]
    pub packages: Vec<RepositoryEntry>,
    /// Files and folders that are copied or rendered into the archive.
    #[serde(default)]
    pub files: Vec<FilesEntry>,
    /// Documents for the archive's `documentation/`, relative to the project. Markdown files become pages, with their
    /// pictures; `README.md` becomes `index.html`. A `SUMMARY.md` is a book in mdBook's format: its chapters become pages with a
    /// table of contents. Other files are copied.
    #[serde(default)]
    pub documentation: Vec<Field<InnerPath>>,
    /// Named additions to the project. `--profile` chooses one.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// The additions of a profile.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Container images.
    #[serde(default)]
    pub images: ImagesSpec,
    /// Package repositories.
    #[serde(default)]
    pub packages: Vec<RepositoryEntry>,
    /// Files and folders.
    #[serde(default)]
    pub files: Vec<FilesEntry>,
}

/// A program that cargo builds: statically linked, and the same bytes on every machine.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binary {
    /// The cargo package and its binary.
    pub cargo: Field<CargoPackage>,
    /// Its path in the archive; without one, the program itself is not in the archive. Images and packages find it at
    /// `<build root>/bin/<name>`.
    #[serde(default)]
    pub to: Option<Field<InnerPath>>,
}

/// The JSON Schema of `sealift.yaml`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ProjectFile).to_value()
}
