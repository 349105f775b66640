//! The types of `sealift.yaml`, exactly as written; the JSON Schema is generated from them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

/// The only version of the format so far.
pub const API_VERSION: &str = "sealift.dev/v1alpha1";

/// A project: what goes into one archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProjectFile {
    /// `sealift.dev/v1alpha1`.
    #[schemars(with = "String", extend("const" = API_VERSION))]
    pub api_version: Spanned<String>,
    /// What kind of archive is built.
    pub kind: Kind,
    /// The archive's name and version.
    pub metadata: Metadata,
    /// What goes into the archive.
    pub spec: Spec,
}

/// The kinds of archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Kind {
    /// A platform: images, packages and the Salt tree that deploys them.
    Platform,
}

/// The archive's name and version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The name, as it stands in the ISO's volume id and in `product.txt`. In lower case it names the ISO file.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The version, if it is written here.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub version: Option<Spanned<String>>,
    /// The file that holds the version, if it is not.
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
    /// By its hash, which every clone knows.
    #[default]
    Commit,
    /// By the tag before it, the number of commits since, and its hash: `2.11.0-3-gHASH`. A shallow clone, or one without
    /// tags, cannot know that and is refused.
    Describe,
}

/// A file that holds the version.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VersionFile {
    /// The file, relative to the project. TOML, JSON or YAML by its ending, plain text otherwise.
    #[schemars(with = "String")]
    pub file: Spanned<String>,
    /// The key in it, its parts joined by dots. Not for plain text, where the first line is the version.
    #[serde(default)]
    pub key: Option<String>,
}

/// What goes into the archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// Folders outside the project, absolute or relative to it, that symbolic links of the project may lead into. A link
    /// to anywhere else outside is an error.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub external_folders: Vec<Spanned<String>>,
    /// Programs built from the project's own sources.
    #[serde(default)]
    pub binaries: Vec<Binary>,
    /// How registries are reached.
    #[serde(default)]
    pub registries: Vec<Registry>,
    /// Container images.
    #[serde(default)]
    pub images: Images,
    /// Package repositories.
    #[serde(default)]
    pub packages: Vec<Repository>,
    /// Files and folders that are copied or rendered into the archive.
    #[serde(default)]
    pub files: Vec<Files>,
    /// Files that go into the archive's `documentation/`, relative to the project. Markdown becomes pages, with the pictures
    /// that they show; `README.md` becomes `index.html`. Other files are copied.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub documentation: Vec<Spanned<String>>,
    /// Named additions, chosen with `--profile`.
    #[serde(default)]
    pub profiles: BTreeMap<String, Profile>,
}

/// What a profile adds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// Container images.
    #[serde(default)]
    pub images: Images,
    /// Package repositories.
    #[serde(default)]
    pub packages: Vec<Repository>,
    /// Files and folders.
    #[serde(default)]
    pub files: Vec<Files>,
}

/// A program built by cargo: statically linked and the same to the byte wherever it is built.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Binary {
    /// The cargo package and its binary.
    #[schemars(with = "String")]
    pub cargo: Spanned<String>,
    /// Where it lies in the archive, if it ships on its own. It always lies at `<build root>/bin/<name>` for images and packages.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub to: Option<Spanned<String>>,
}

/// How one registry is reached.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Registry {
    /// The registry's host, with its port if it has one: `docker.io`, `registry.example:5000`.
    #[schemars(with = "String")]
    pub host: Spanned<String>,
    /// Where to look first, in order: `https://mirror.example/docker.io`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub mirrors: Vec<Spanned<String>>,
    /// Speak HTTP without TLS to this host.
    #[serde(default)]
    pub plain_http: bool,
    /// PEM files, relative to the project, of certificate authorities to trust at this host beside the system's.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub certificate_authorities: Vec<Spanned<String>>,
    /// What proves to this host who asks.
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
pub struct Images {
    /// Files that list images to pull under a key `images`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub catalogues: Vec<Spanned<String>>,
    /// Images to pull.
    #[serde(default)]
    pub pull: Vec<PullImage>,
    /// Images to build.
    #[serde(default)]
    #[schemars(with = "Vec<BuildImage>")]
    pub build: Vec<Spanned<BuildImage>>,
}

/// An image to build: its folder, or its folder and what it is called.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum BuildImage {
    /// A folder that holds an `image.yaml`, or a `Containerfile` and, for its settings, a `build.yaml`. Its own name is the
    /// image's.
    Folder(String),
    /// A folder and what the image in it is called.
    Named(NamedImage),
}

/// An image to build and what it is called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NamedImage {
    /// A folder that holds an `image.yaml`, or a `Containerfile` and, for its settings, a `build.yaml`.
    #[schemars(with = "String")]
    pub folder: Spanned<String>,
    /// The name it is saved and served under; its parts may be joined by `/`. That of the folder, if not given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub name: Option<Spanned<String>>,
    /// Tags that it has besides the project's version; they share its files.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub tags: Vec<Spanned<String>>,
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
                NamedImage::deserialize(MapAccessDeserializer::new(entries)).map(BuildImage::Named)
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl BuildImage {
    /// What `entry` of the project file asks for, whichever form it has.
    pub(super) fn named(entry: &Spanned<Self>) -> NamedImage {
        match &entry.value {
            Self::Named(image) => image.clone(),
            Self::Folder(folder) => {
                let (referenced, defined) = (entry.referenced, entry.defined);
                let folder = Spanned { value: folder.clone(), referenced, defined };
                NamedImage { folder, name: None, tags: Vec::new() }
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
    /// The name it is saved and served under; its parts may be joined by `/`. Several tags of one name are several entries.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The repository it comes from: `docker.io/library/alpine`. Or a file or folder of the project: `oci:FOLDER[:NAME]`,
    /// `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, `dir:FOLDER`; these need no lock.
    #[schemars(with = "String")]
    pub source: Spanned<String>,
    /// The tag it is saved and served under; and pulled by from a repository, where neither `digest` nor the lock file says
    /// better.
    #[schemars(with = "String")]
    pub tag: Spanned<String>,
    /// The digest to pull: `sha256:…`. Without one the lock file pins the tag.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub digest: Option<Spanned<String>>,
    /// The platforms to keep of an image index: `linux/amd64`. All of them, if not given.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub platforms: Vec<Spanned<String>>,
    /// Also take what is attached to the image and, of an index, to the manifests that are kept: signatures, SBOMs. The lock
    /// file pins it as well.
    #[serde(default)]
    pub referrers: bool,
    /// Also save the image as a tar that a container engine loads before any registry is up.
    #[serde(default)]
    pub tar: bool,
}

impl PullImage {
    /// The platforms to keep, as they are written, with blanks between them.
    #[must_use]
    pub fn platform_names(&self) -> String {
        self.platforms.iter().map(|platform| platform.value.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// How a `Containerfile` is built: `build.yaml` beside it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContainerBuild {
    /// The folder to copy from, relative to the project. The image's own, if not given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub context: Option<Spanned<String>>,
    /// Values of the file's `ARG`s.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// The stage to build. The last, if not given.
    #[serde(default)]
    pub target: Option<String>,
    /// What to build for: `linux/arm64`. The platform of the machine that builds, if not given.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub platform: Option<Spanned<String>>,
    /// When the image was created, such as `2026-01-31T00:00:00Z`. 1970, if not given.
    #[serde(default)]
    pub created: Option<images::build::Created>,
}

/// A package repository of the archive.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repository {
    /// The repository's name; its folder is `packages/redhat/<release>/<project>-<name>-el<release>`.
    #[schemars(with = "String")]
    pub name: Spanned<String>,
    /// The release of the distribution: `8`.
    #[schemars(with = "String")]
    pub release: Spanned<String>,
    /// Folders of packages to build; each holds a `package.yaml`.
    #[schemars(with = "Vec<String>")]
    pub build: Vec<Spanned<String>>,
}

/// Files of the project that go into the archive. A file whose name ends in `.in` is a template: it is rendered, and
/// loses the ending.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Files {
    /// A file or folder, relative to the project; a symbolic link here is followed. The build root is never part of it.
    #[schemars(with = "String")]
    pub from: Spanned<String>,
    /// Where it goes in the archive; `.` is its root. A single file keeps its name where this is `.` or ends with `/`.
    #[schemars(with = "String")]
    pub to: Spanned<String>,
    /// Patterns of what to leave out, with the meaning of the lines of a `.gitignore` in the folder.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub exclude: Vec<Spanned<String>>,
}

/// The JSON Schema of `sealift.yaml`.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(ProjectFile).to_value()
}
