//! The declaration of an image: `images/<name>/image.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::manifest::Platform;
use crate::reference::Reference;

/// An image that is built from its definition, without an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefinedImage {
    /// The base image, such as `docker.io/library/alpine:3.20`; the lock file has its digest. Without a base image, the
    /// image has only the files listed here.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "image-reference"))]
    pub base: Option<Reference>,
    /// Operating system and architecture, such as `linux/amd64`. Default: the platform that Sealift was compiled for.
    #[serde(with = "text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "platform"))]
    pub platform: Option<Platform>,
    /// The creation time of the image and its files, such as `2026-01-31T00:00:00Z`. Default: 1970, so that the image
    /// does not depend on the day of the build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Created>,
    /// Files to add. Missing parent folders are created; folders of the base image are not changed.
    pub files: Vec<LayerFile>,
    /// Folders that are empty, or need another mode or owner.
    pub directories: Vec<LayerDirectory>,
    /// Symbolic links.
    pub links: Vec<LayerLink>,
    /// The user to run as. Default: that of the base image, or root. Without a base image, `/etc/passwd` and `/etc/group`
    /// are created for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<ImageUser>,
    /// The program and its first arguments.
    pub entrypoint: Vec<String>,
    /// The arguments after the entrypoint, if the caller gives none.
    pub cmd: Vec<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Ports, such as `8080/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerFile {
    /// The source, relative to the project.
    pub from: PathBuf,
    /// The absolute path in the image.
    pub to: String,
    /// Permissions in octal, in quotes.
    #[serde(default = "LayerMode::file")]
    pub mode: LayerMode,
    /// The number of its owner.
    #[serde(default)]
    pub uid: u32,
    /// The number of its group.
    #[serde(default)]
    pub gid: u32,
}

/// A folder of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerDirectory {
    /// The absolute path in the image.
    pub path: String,
    /// Permissions in octal, in quotes.
    #[serde(default = "LayerMode::directory")]
    pub mode: LayerMode,
    /// The number of its owner.
    #[serde(default)]
    pub uid: u32,
    /// The number of its group.
    #[serde(default)]
    pub gid: u32,
}

/// A symbolic link of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LayerLink {
    /// The absolute path in the image.
    pub path: String,
    /// The target, written into the link as it is.
    pub target: String,
}

/// The user an image runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ImageUser {
    /// The name of the user and of the group.
    pub name: String,
    /// The user ID.
    pub uid: u32,
    /// The group ID. Default: the user ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The home folder; it is not created.
    #[serde(default = "ImageUser::root_folder")]
    pub home: String,
}

impl ImageUser {
    /// The group id.
    #[must_use]
    pub fn gid(&self) -> u32 {
        self.gid.unwrap_or(self.uid)
    }

    fn root_folder() -> String {
        "/".into()
    }
}

/// Permissions, written as text in octal: `"0755"`. A bare YAML number is refused, because `0755` would be read as decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerMode(u32);

impl LayerMode {
    /// The permission bits, set-user-id and sticky bits included.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    fn file() -> Self {
        Self(0o644)
    }

    fn directory() -> Self {
        Self(0o755)
    }
}

impl Serialize for LayerMode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:04o}", self.0))
    }
}

impl<'de> Deserialize<'de> for LayerMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octal = (3..=5).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if octal && bits <= 0o7777 => Ok(Self(bits)),
            _ => {
                Err(serde::de::Error::custom(format!("`{text}` is not a mode: expected text like \"0755\"")))
            }
        }
    }
}

impl JsonSchema for LayerMode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Mode".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "file-mode",
            "description": "Permissions in octal, such as \"0755\"",
            "pattern": "^0?[0-7]{3,4}$",
        })
    }
}

/// When an image was created, in RFC 3339: `2026-01-31T00:00:00Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Created(i64);

impl Created {
    /// Seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0
    }
}

impl From<i64> for Created {
    /// A time in seconds since 1970.
    fn from(seconds: i64) -> Self {
        Self(seconds)
    }
}

impl Serialize for Created {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => serializer.collect_str(&time),
            Err(error) => Err(serde::ser::Error::custom(error)),
        }
    }
}

impl<'de> Deserialize<'de> for Created {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let seconds = text.parse().ok().map(jiff::Timestamp::as_second).filter(|seconds| *seconds >= 0);
        let wrong =
            || format!("`{text}` is not a time since 1970: expected text like `2026-01-31T00:00:00Z`");
        seconds.map(Self).ok_or_else(|| serde::de::Error::custom(wrong()))
    }
}

impl JsonSchema for Created {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Created".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "A time in RFC 3339, such as `2026-01-31T00:00:00Z`",
        })
    }
}

/// A value as the text that users write.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => serializer.collect_str(value),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}

impl DefinedImage {
    /// The files the image is made of, below `base`: the inputs of the build.
    ///
    /// # Errors
    ///
    /// [`Error::Definition`] for a source outside `base`.
    pub fn inputs(&self, base: &Path) -> Result<Vec<PathBuf>> {
        self.files.iter().map(|file| source(base, &file.from)).collect()
    }
}

/// `from` below `base`; it may not lead out.
pub(super) fn source(base: &Path, from: &Path) -> Result<PathBuf> {
    if from.as_os_str().is_empty() || !from.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(Error::Definition {
            field: format!("files: from `{}`", from.display()),
            reason: "must be relative to the project and stay inside it".into(),
        });
    }
    Ok(base.join(from))
}

/// The name of a tar entry for an absolute path in the image: without the leading slash, in its plainest form.
pub(super) fn entry_name(path: &str) -> Result<String> {
    let bad =
        |reason: &str| Err(Error::Definition { field: format!("path `{path}`"), reason: reason.into() });
    let Some(relative) = path.strip_prefix('/') else {
        return bad("must be absolute");
    };
    if relative.is_empty() {
        return bad("is the root itself");
    }
    for part in relative.split('/') {
        match part {
            "" | "." | ".." => return bad("must be plain: no empty parts, `.` or `..`"),
            part if part.starts_with(".wh.") => return bad("would hide files (`.wh.` is how layers delete)"),
            part if part.contains('\0') => return bad("contains a NUL"),
            _ => {}
        }
    }
    Ok(relative.into())
}
