//! The types of `sealift.yaml`, exactly as written; the JSON Schema is generated from them.

mod data;
mod debian;
mod evidence;
mod files;
mod images;
mod lock;
mod packages;
mod registries;
mod release;
mod repeated;
mod requires;
mod short;
mod signatures;
mod signing;
mod solution;
mod sources;
mod sync;
mod tasks;
mod variables;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

pub(in crate::project) use self::data::DataShape;
pub use self::data::{DataFormat, DataTree};
pub use self::debian::{LockedDebEntry, LockedDebSetEntry};
pub use self::evidence::EvidenceEntry;
pub use self::files::{Delimiters, FilesEntry, LinkHandling, SyntaxName, TemplateSettings};
pub use self::images::{Catalogue, ContainerBuild, ImageList, ImagesSpec, NamedImage, PullImage};
pub use self::lock::{
    LockFileContent, LockedDownloadEntry, LockedPackageEntry, LockedPackageSet, LockedReferrersEntry,
    LockedRepositoryEntry, LockedWhyEntry,
};
pub use self::packages::{
    BuilderEntry, DistributionEntry, PackageFamily, RepositoryEntry, SignatureRule, UpstreamEntry,
};
pub use self::registries::{ClientCertificate, RegistryEntry};
pub use self::release::{ReleaseEntry, VersionPlace};
use self::repeated::repeated;
pub use self::repeated::{ForEach, LoopList, LoopValues, Repeated};
pub use self::requires::RequirementEntry;
pub use self::short::{HasShortForm, Short};
pub use self::signatures::{
    ImageSignatureEntry, LockedSignatureEntry, LockedSignatureForm, RequireSignature,
};
pub use self::signing::SigningEntry;
pub use self::solution::{OperatorEntry, SolutionEntry, UiEntry};
pub use self::sources::{SourceEntry, UnpackEntry};
pub use self::sync::{SyncEntries, SyncFile, SyncRegistry};
pub use self::tasks::{TaskEntries, TaskEntry, TaskInputEntry, TaskInputSource, ToolEntry};
pub use self::variables::{GitValue, VariableEntry, VariableSource};
use super::field::Field;
use super::names::{ArchiveName, CargoPackage, InnerPath, Text, Version};

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
    /// A Solution: an application that a platform deploys, with its images and its operator.
    Solution,
}

/// The archive's name and version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectMetadata {
    /// The name, as in `product.txt` and the volume ID of the ISO. In lower case it is the name of the ISO file and that of a
    /// Solution.
    pub name: Field<ArchiveName>,
    /// The version. Either this or `versionFrom` is required.
    #[serde(default)]
    pub version: Option<Field<Version>>,
    /// The file or the tag that has the version.
    #[serde(default)]
    pub version_from: Option<VersionSource>,
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

/// Where the version is: in a file, or in the tag of the commit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionSource {
    /// The file, relative to the project: TOML, JSON or YAML by its extension, else lines `KEY=value`.
    #[serde(default)]
    pub file: Option<Field<InnerPath>>,
    /// The key in the file, such as `package.version`. Without one, the first line of the file is the version.
    #[serde(default)]
    pub key: Option<Field<Text>>,
    /// `tag`: the tag of the commit is the version. It is `X.Y.Z` or `vX.Y.Z`, with `-rcN` for a release candidate. Of several
    /// ones, the last version counts; a release comes after its candidates.
    #[serde(default)]
    pub git: Option<VersionFact>,
    /// The version of a commit without such a tag, such as `1.2.0-dev`.
    #[serde(default)]
    pub default: Option<Field<Version>>,
}

/// A fact about the commit that is a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum VersionFact {
    /// Its tag.
    Tag,
}

/// Defines the types that have the keys of content: the project itself and its parts, profiles, and what the two have in common.
macro_rules! content {
    ($($(#[$attribute:meta])* $key:ident: $type:ty,)*) => {
        /// What goes into the archive.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct ProjectSpec {
            /// Other files with the keys of `spec`, relative to the file that names them. What they have comes first. Paths in
            /// them start from the project, as everywhere.
            #[serde(default)]
            pub include: Vec<Field<Text>>,
            $($(#[$attribute])* #[serde(default)] pub $key: $type,)*
            /// Named additions to the project. `--profile` chooses one or several.
            #[serde(default)]
            pub profiles: BTreeMap<String, Profile>,
        }

        /// The additions of a profile.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields)]
        pub struct Profile {
            /// Lists of the project that those of the profile replace. All others are extended.
            #[serde(default)]
            pub replace: Vec<ReplacedList>,
            $($(#[$attribute])* #[serde(default)] pub $key: $type,)*
        }

        /// What one file or one profile adds to the archive.
        #[derive(Debug, Default)]
        pub struct Content {
            $(pub(in crate::project) $key: $type,)*
        }

        impl ProjectSpec {
            /// The content of the file, without its profiles.
            pub(in crate::project) fn take_content(&mut self) -> Content {
                Content { $($key: std::mem::take(&mut self.$key),)* }
            }
        }

        impl Profile {
            /// The content of the profile.
            pub(in crate::project) fn into_content(self) -> Content {
                Content { $($key: self.$key,)* }
            }
        }
    };
}

content! {
    /// Values that all strings of the project and its templates can name: `{{ name }}`.
    #[schemars(with = "BTreeMap<String, VariableEntry>")]
    variables: BTreeMap<String, Spanned<VariableEntry>>,
    /// Folders outside the project that its symbolic links can lead to, absolute or relative to the project. A link to
    /// any other place outside is an error.
    external_folders: Vec<Field<Text>>,
    /// Files, archives and git repositories from elsewhere. Each becomes the folder `{{ build_root }}/sources/<name>`.
    sources: Vec<SourceEntry>,
    /// Programs built from the project's own sources.
    binaries: Vec<Binary>,
    /// How to reach registries.
    registries: Vec<RegistryEntry>,
    /// Container images.
    images: ImagesSpec,
    /// Package repositories.
    packages: Vec<RepositoryEntry>,
    /// How upstream packages are chosen, by the release of the distribution.
    distributions: Vec<DistributionEntry>,
    /// The OpenPGP key that signs the project's own packages and the metadata of all package repositories. What a profile has here
    /// replaces what the project has.
    signing: Option<SigningEntry>,
    /// What `sealift release check` compares with the tag. What a profile has here replaces what the project has.
    release: Option<ReleaseEntry>,
    /// What the archive states about itself. What a profile has here replaces what the project has.
    evidence: Option<EvidenceEntry>,
    /// Archives that must be imported before this one, since it leaves out what they have.
    requires: Vec<RequirementEntry>,
    /// What makes the archive a Solution. What a profile has here replaces what the project has.
    solution: SolutionEntry,
    /// Which files are templates, and how they are written. The entries of `files` can override each key.
    templates: TemplateSettings,
    /// Tasks of the project's own, by name. `codegen:dex` is a member of the group `codegen`.
    tasks: TaskEntries,
    /// How many tasks of `spec.tasks` run at once, by the name of their pool.
    #[schemars(with = "BTreeMap<String, u32>")]
    pools: BTreeMap<String, Spanned<u32>>,
    /// Files and folders that are copied or rendered into the archive.
    files: Vec<FilesEntry>,
    /// Documents for the archive's `documentation/`, relative to the project. Markdown files become pages, with their
    /// pictures; `README.md` becomes `index.html`. A `SUMMARY.md` is a book in mdBook's format: its chapters become pages with a
    /// table of contents. Other files are copied.
    documentation: Vec<Short<FileEntry>>,
}

/// A list of the project that a profile can replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ReplacedList {
    /// `binaries`.
    #[serde(rename = "binaries")]
    Binaries,
    /// All images. Rules for their signatures stay.
    #[serde(rename = "images")]
    Images,
    /// The images to pull, those of catalogues and lists included.
    #[serde(rename = "images.pull")]
    ImagesPull,
    /// The images to build.
    #[serde(rename = "images.build")]
    ImagesBuild,
    /// `packages`.
    #[serde(rename = "packages")]
    Packages,
    /// `files`.
    #[serde(rename = "files")]
    Files,
    /// `documentation`.
    #[serde(rename = "documentation")]
    Documentation,
    /// `tasks`.
    #[serde(rename = "tasks")]
    Tasks,
    /// `sources`.
    #[serde(rename = "sources")]
    Sources,
    /// `requires`.
    #[serde(rename = "requires")]
    Requires,
}

impl Content {
    /// Empties a list.
    pub(in crate::project) fn clear(&mut self, list: ReplacedList) {
        match list {
            ReplacedList::Binaries => self.binaries.clear(),
            // Rules for signatures stay: they protect all images.
            ReplacedList::Images => {
                let signatures = std::mem::take(&mut self.images.signatures);
                self.images = ImagesSpec { signatures, ..ImagesSpec::default() };
            }
            ReplacedList::ImagesPull => {
                self.images.pull.clear();
                self.images.catalogues.clear();
                self.images.lists.clear();
            }
            ReplacedList::ImagesBuild => self.images.build.clear(),
            ReplacedList::Packages => self.packages.clear(),
            ReplacedList::Files => self.files.clear(),
            ReplacedList::Documentation => self.documentation.clear(),
            ReplacedList::Tasks => self.tasks.0.clear(),
            ReplacedList::Sources => self.sources.clear(),
            ReplacedList::Requires => self.requires.clear(),
        }
    }
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
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

/// A file of the project.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FileEntry {
    /// Its path, relative to the project.
    pub file: Field<InnerPath>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

impl HasShortForm for FileEntry {
    type Main = InnerPath;
    const MAIN: &'static str = "a file";

    fn of(file: Field<InnerPath>) -> Self {
        Self { file, when: None, for_each: ForEach::new() }
    }
}

repeated!(
    Binary,
    DistributionEntry,
    FileEntry,
    FilesEntry,
    ImageList,
    ImageSignatureEntry,
    NamedImage,
    PullImage,
    RegistryEntry,
    RepositoryEntry,
    SourceEntry,
    RequirementEntry,
    TaskEntry
);

/// The JSON Schema of `sealift.yaml`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ProjectFile).to_value()
}
