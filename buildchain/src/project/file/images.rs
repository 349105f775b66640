//! Container images, as `spec.images`, catalogues and `build.yaml` list them.

use std::collections::BTreeMap;

use content::Digest;
use images::Platform;
use images::build::Created;
use schemars::JsonSchema;
use serde::Deserialize;

use super::short::{HasShortForm, Short};
use super::{FileEntry, ForEach, ImageSignatureEntry};
use crate::project::field::Field;
use crate::project::names::{ImageName, ImageSource, InnerPath, Tag, TagPattern, TagRange, Text};

/// Container images.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImagesSpec {
    /// Files that list images to pull.
    #[serde(default)]
    pub catalogues: Vec<Short<FileEntry>>,
    /// Lists of images to pull, as other tools have them: files, or keys with values.
    #[serde(default)]
    pub lists: Vec<Short<ImageList>>,
    /// Images to pull: references with a tag, such as `docker.io/library/nginx:1.27`, or keys with values.
    #[serde(default)]
    pub pull: Vec<Short<PullImage>>,
    /// Images to build: folders with an `image.yaml`, or with a `Containerfile` and its settings in `build.yaml`, or keys with
    /// values.
    #[serde(default)]
    pub build: Vec<Short<NamedImage>>,
    /// Which images need signatures, and by whom. An entry covers images to pull and base images from a registry.
    #[serde(default)]
    pub signatures: Vec<ImageSignatureEntry>,
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
    /// Its tag. Default: the version of the project.
    #[serde(default)]
    pub tag: Option<Field<Tag>>,
    /// Further tags. They share the files of the image.
    #[serde(default)]
    pub tags: Vec<Field<Tag>>,
    /// How its `Containerfile` is built, if the folder has no `build.yaml`.
    #[serde(default)]
    pub settings: Option<ContainerBuild>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

impl HasShortForm for NamedImage {
    type Main = InnerPath;
    const MAIN: &'static str = "a folder";

    fn of(folder: Field<InnerPath>) -> Self {
        Self {
            folder,
            name: None,
            tag: None,
            tags: Vec::new(),
            settings: None,
            when: None,
            for_each: ForEach::new(),
        }
    }
}

/// A file of images to pull.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Catalogue {
    /// The images: references with a tag, or keys with values.
    pub images: Vec<Short<PullImage>>,
}

/// An image to pull. Its tag is in `source`, or under exactly one of `tag`, `tags`, `tagPattern` and `semver`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PullImage {
    /// The name that servers use for it; it can contain `/`. Default: the last part of the repository.
    #[serde(default)]
    pub name: Option<Field<ImageName>>,
    /// Where it comes from: a repository such as `docker.io/library/alpine`, perhaps with a tag and a digest; an image of a
    /// container engine of this machine: `docker-daemon:NAME:TAG`, `containers-storage:NAME:TAG`; or a file or folder of the
    /// project: `oci:FOLDER[:NAME]`, `oci-archive:FILE[:NAME]`, `docker-archive:FILE[:NAME]`, `dir:FOLDER`. Files and folders
    /// need a `name` and a `tag`, and no lock. In the build root they are the outputs of tasks.
    pub source: Field<ImageSource>,
    /// The tag to pull, which servers use too. The lock file has the digest that it had in the repository.
    #[serde(default)]
    pub tag: Option<Field<Tag>>,
    /// Several tags to pull.
    #[serde(default)]
    pub tags: Vec<Field<Tag>>,
    /// A regular expression: pull the tags in which it finds something, such as `^1\.27\.`. The lock file has their names.
    #[serde(default)]
    pub tag_pattern: Option<Field<TagPattern>>,
    /// A range of versions: pull the tags in it, such as `>=1.27 <1.28`. The lock file has their names.
    #[serde(default)]
    pub semver: Option<Field<TagRange>>,
    /// Of the tags of `tagPattern` or `semver`, pull only so many of the newest.
    #[serde(default)]
    pub latest: Option<u32>,
    /// Further tags of the same image for servers. They share its files. They need a single tag.
    #[serde(default)]
    pub aliases: Vec<Field<Tag>>,
    /// The digest to pull: `sha256:…`. It replaces the entry in the lock file. For an image of a container engine, it is the
    /// image's ID.
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
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

impl HasShortForm for PullImage {
    type Main = ImageSource;
    const MAIN: &'static str = "a reference";

    fn of(source: Field<ImageSource>) -> Self {
        Self {
            name: None,
            source,
            tag: None,
            tags: Vec::new(),
            tag_pattern: None,
            semver: None,
            latest: None,
            aliases: Vec::new(),
            digest: None,
            platforms: Vec::new(),
            referrers: false,
            tar: false,
            when: None,
            for_each: ForEach::new(),
        }
    }
}

/// A list of images, with what counts for all of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageList {
    /// A file with a reference on each line; with the ending `.yaml` or `.yml`, a file for `skopeo sync --src yaml`.
    pub file: Field<InnerPath>,
    /// Name each image by the whole path of its repository instead of its last part: `library/alpine`.
    #[serde(default)]
    pub scoped: bool,
    /// The platforms of image indexes to keep, such as `linux/amd64`. Default: all.
    #[serde(default)]
    pub platforms: Vec<Field<Platform>>,
    /// Also pull the referrers of the images.
    #[serde(default)]
    pub referrers: bool,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
}

impl HasShortForm for ImageList {
    type Main = InnerPath;
    const MAIN: &'static str = "a file";

    fn of(file: Field<InnerPath>) -> Self {
        Self {
            file,
            scoped: false,
            platforms: Vec::new(),
            referrers: false,
            when: None,
            for_each: ForEach::new(),
        }
    }
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
    pub arguments: BTreeMap<String, Field<Text>>,
    /// The stage to build. Default: the last.
    #[serde(default)]
    pub target: Option<Field<Text>>,
    /// The platform to build for, such as `linux/arm64`. Default: that of this machine.
    #[serde(default)]
    pub platform: Option<Field<Platform>>,
    /// The creation time, such as `2026-01-31T00:00:00Z`. Default: 1970.
    #[serde(default)]
    pub created: Option<Field<Created>>,
}
