//! The types of `sealift.yaml`, exactly as written; the JSON Schema is generated from them.

use std::collections::BTreeMap;
use std::fmt;

use content::Digest;
use images::build::Created;
use images::{Platform, Reference};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::field::{ByName, Field, Named};
use super::names::{
    ArchiveName, CargoPackage, ImageName, ImageSource, InnerPath, Mirror, Pattern, RegistryHost, Release,
    RepositoryName, Subject, Tag, Version,
};

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

/// How to reach a registry.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegistryEntry {
    /// The host of the registry, with its port if it has one: `docker.io`, `registry.example:5000`.
    pub host: Field<RegistryHost>,
    /// Mirrors to try first, in order: `https://mirror.example/docker.io`.
    #[serde(default)]
    pub mirrors: Vec<Field<Mirror>>,
    /// Connect to this host over plain HTTP.
    #[serde(default)]
    pub plain_http: bool,
    /// PEM files, relative to the project: certificate authorities to trust for this host in addition to those of the system.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub certificate_authorities: Vec<Spanned<String>>,
    /// The client certificate for this host.
    #[serde(default)]
    pub client_certificate: Option<ClientCertificate>,
}

/// A client certificate.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientCertificate {
    /// A PEM file, relative to the project: the certificate with its chain.
    #[schemars(with = "String")]
    pub certificate: Spanned<String>,
    /// A PEM file, relative to the project: its key.
    #[schemars(with = "String")]
    pub key: Spanned<String>,
}

/// Container images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImagesSpec {
    /// Files that list images to pull.
    #[serde(default)]
    pub catalogues: Vec<Field<InnerPath>>,
    /// Images to pull.
    #[serde(default)]
    pub pull: Vec<PullImage>,
    /// Images to build.
    #[serde(default)]
    #[schemars(with = "Vec<BuildImage>")]
    pub build: Vec<Spanned<BuildImage>>,
}

/// An image to build: its folder, or its folder with a name and tags.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum BuildImage {
    /// A folder with an `image.yaml`, or with a `Containerfile` and its settings in `build.yaml`. The image has the name
    /// of the folder.
    Folder(#[schemars(with = "Field<InnerPath>")] String),
    /// A folder with the name of its image.
    Named(Box<NamedImage>),
}

/// An image to build, with its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedImage {
    /// A folder with an `image.yaml`, or with a `Containerfile` and its settings in `build.yaml`.
    pub folder: Field<InnerPath>,
    /// The name that servers use for it; it can contain `/`. Default: the name of the folder.
    #[serde(default)]
    pub name: Option<Field<ImageName>>,
    /// Further tags, in addition to the version of the project. They share the files of the image.
    #[serde(default)]
    pub tags: Vec<Field<Tag>>,
}

impl<'de> Deserialize<'de> for BuildImage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = BuildImage;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a folder, or keys with values")
            }

            fn visit_str<E>(self, folder: &str) -> Result<BuildImage, E> {
                Ok(BuildImage::Folder(folder.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<BuildImage, A::Error> {
                NamedImage::deserialize(MapAccessDeserializer::new(entries))
                    .map(Box::new)
                    .map(BuildImage::Named)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl BuildImage {
    /// What `entry` of the project file asks for, whichever form it has.
    pub(super) fn named(entry: &Spanned<Self>) -> NamedImage {
        match &entry.value {
            Self::Named(image) => (**image).clone(),
            Self::Folder(folder) => {
                let (referenced, defined) = (entry.referenced, entry.defined);
                let folder = Spanned { value: folder.clone(), referenced, defined };
                NamedImage { folder: Field::new(folder), name: None, tags: Vec::new() }
            }
        }
    }
}

/// A file of images to pull.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalogue {
    /// The images.
    pub images: Vec<PullImage>,
}

/// An image to pull.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullImage {
    /// The name that servers use for it; it can contain `/`. For several tags of one name, write several entries.
    pub name: Field<ImageName>,
    /// Where it comes from: a repository such as `docker.io/library/alpine`, or a file or folder of the project:
    /// `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, `dir:FOLDER`. Files and
    /// folders need no lock.
    pub source: Field<ImageSource>,
    /// The tag to pull, which servers use too. The lock file has the digest that it had in the repository.
    pub tag: Field<Tag>,
    /// The digest to pull: `sha256:…`. It replaces the entry in the lock file.
    #[serde(default)]
    pub digest: Option<Field<Digest>>,
    /// The platforms of an image index to keep, such as `linux/amd64`. Default: all.
    #[serde(default)]
    pub platforms: Vec<Field<Platform>>,
    /// Also pull its referrers: signatures, SBOMs. For an index, also those of the manifests that are kept. The lock file
    /// pins them.
    #[serde(default)]
    pub referrers: bool,
    /// Also save the image as a tar file, which a container engine can load before a registry runs.
    #[serde(default)]
    pub tar: bool,
}

/// How a `Containerfile` is built: `build.yaml` beside it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerBuild {
    /// The context, a folder relative to the project. Default: the folder of the image.
    #[serde(default)]
    pub context: Option<Field<InnerPath>>,
    /// Values for `ARG` instructions.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// The stage to build. Default: the last.
    #[serde(default)]
    pub target: Option<String>,
    /// The platform to build for, such as `linux/arm64`. Default: that of this machine.
    #[serde(default)]
    pub platform: Option<Field<Platform>>,
    /// The creation time, such as `2026-01-31T00:00:00Z`. Default: 1970.
    #[serde(default)]
    pub created: Option<Field<Created>>,
}

/// A package repository of the archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RepositoryEntry {
    /// The name. The folder in the archive is `packages/redhat/<release>/<project>-<name>-el<release>`.
    pub name: Field<RepositoryName>,
    /// The release of the distribution: `8`.
    pub release: Field<Release>,
    /// Folders of packages to build, each with a `package.yaml`.
    pub build: Vec<Field<InnerPath>>,
}

/// Files of the project that go into the archive. A file whose name ends in `.in` is a template: it is rendered, and loses
/// that ending.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FilesEntry {
    /// A file or folder, relative to the project. A symbolic link is followed. The build root is left out.
    pub from: Field<InnerPath>,
    /// The path in the archive; `.` is its root. A single file keeps its name if this is `.` or ends in `/`.
    pub to: Field<InnerPath>,
    /// Patterns of files and folders to leave out, as in a `.gitignore` in that folder.
    #[serde(default)]
    pub exclude: Vec<Field<Pattern>>,
}

/// `sealift.lock`: the digests that tags had when they were locked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockFileContent {
    /// The version of the format.
    pub version: u32,
    /// The digest of each reference with a tag, such as `docker.io/library/alpine:3.20.1`.
    #[serde(default)]
    pub images: ByName<Reference, Named<Digest>>,
    /// For an image index: the digest of the manifest of each platform. The digest of the index already pins them; they are
    /// listed so that a review shows what changed.
    #[serde(default)]
    pub platforms: ByName<Reference, ByName<Platform, Named<Digest>>>,
    /// For an image with `referrers: true`: the digests of the lists of its referrers.
    #[serde(default)]
    pub referrers: ByName<Reference, LockedReferrersEntry>,
}

/// The digests of the lists of referrers of an image.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum LockedReferrersEntry {
    /// That of the list for the image itself, as earlier versions locked it.
    Image(Named<Digest>),
    /// Those of all lists, by the digest of what they are of: the image and, where it is an index, the manifests that it
    /// lists.
    Each(ByName<Subject, Named<Digest>>),
}

/// The JSON Schema of `sealift.yaml`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ProjectFile).to_value()
}
