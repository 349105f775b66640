//! Container images, as `spec.images`, catalogues and `build.yaml` list them.

use std::collections::BTreeMap;
use std::fmt;

use content::Digest;
use images::Platform;
use images::build::Created;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{ImageName, ImageSource, InnerPath, Tag, Text};

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
    pub(in crate::project) fn named(entry: &Spanned<Self>) -> NamedImage {
        match &entry.value {
            Self::Named(image) => (**image).clone(),
            Self::Folder(folder) => {
                let (referenced, defined) = (entry.referenced, entry.defined);
                let folder = Spanned { value: folder.clone(), referenced, defined };
                NamedImage {
                    folder: Field::new(folder),
                    name: None,
                    tag: None,
                    tags: Vec::new(),
                    settings: None,
                    when: None,
                    for_each: ForEach::new(),
                }
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
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other.
    #[serde(default)]
    pub for_each: ForEach,
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
