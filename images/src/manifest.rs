//! Manifests and indexes: what is read from them. Their bytes are never rewritten.
//!
//! Four kinds are known: the Docker image manifest (version 2, schema 2) and manifest list, the OCI image
//! manifest and image index. A document that could be read as two of them is refused, because clients
//! would disagree about what it names.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Digest;

/// The largest manifest or index accepted, in bytes. Registries and clients draw the line at the same place.
pub const MANIFEST_MAX: u64 = 4 << 20;
/// The most bytes all manifests of one image may have together, which bounds the memory that they take.
pub const MANIFESTS_MAX: u64 = 8 << 20;
/// How deep indexes may be nested: an index of indexes exists, deeper ones are an attack.
pub const DEPTH_MAX: usize = 2;

/// What a manifest is, which its media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "&'static str")]
pub enum Kind {
    /// `application/vnd.oci.image.manifest.v1+json`
    OciManifest,
    /// `application/vnd.oci.image.index.v1+json`
    OciIndex,
    /// `application/vnd.docker.distribution.manifest.v2+json`
    DockerManifest,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    DockerList,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::OciManifest, Self::OciIndex, Self::DockerManifest, Self::DockerList];

    /// The media type, without parameters.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerList => "application/vnd.docker.distribution.manifest.list.v2+json",
        }
    }

    /// The kind with this media type.
    #[must_use]
    pub fn from_media_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.media_type() == text)
    }

    /// Whether it lists manifests rather than layers.
    #[must_use]
    pub const fn is_index(self) -> bool {
        matches!(self, Self::OciIndex | Self::DockerList)
    }

    /// The file name extension that tells the kind in the static registry tree (see [`crate::registry`]).
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::OciManifest => "ociman",
            Self::OciIndex => "ociidx",
            Self::DockerManifest => "dkrman",
            Self::DockerList => "dkrlist",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.media_type())
    }
}

impl From<Kind> for &'static str {
    fn from(kind: Kind) -> Self {
        kind.media_type()
    }
}

/// Why bytes are no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// No JSON, or not of the shape.
    #[error("not a manifest: {reason}; it starts with `{start}`")]
    Syntax {
        /// What the JSON parser says.
        reason: String,
        /// The first characters, made printable.
        start: String,
    },
    /// A media type or schema version that is not one of the four.
    #[error("the manifest is of the unsupported type {found}")]
    Unsupported {
        /// Media type or schema version.
        found: String,
    },
    /// Two readings are possible, or what it says of itself is not what it is.
    #[error("the manifest contradicts itself: {reason}")]
    Ambiguous {
        /// How.
        reason: &'static str,
    },
}

/// A pointer to content: OCI image specification, "Content descriptors".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content.
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
    /// Where else a foreign layer can be had.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// The platform of a manifest in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The type of an artifact in a list of referrers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations, in the order they stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

/// An operating system and processor architecture: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// Operating system, as Go names it.
    pub os: String,
    /// Architecture, as Go names it.
    pub architecture: String,
    /// Variant of the architecture.
    pub variant: Option<String>,
}

impl Platform {
    /// Whether `offered` will do where `self` is asked for; without a variant any is good.
    #[must_use]
    pub fn accepts(&self, offered: &Self) -> bool {
        self.os == offered.os
            && self.architecture == offered.architecture
            && (self.variant.is_none() || self.variant == offered.variant)
    }
}

/// Text that is no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a platform: expected `os/architecture` or `os/architecture/variant`")]
pub struct PlatformError(String);

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let part = |part: &&str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        let parts: Vec<&str> = text.split('/').collect();
        match parts.as_slice() {
            [os, architecture, variant @ ..] if variant.len() <= 1 && parts.iter().all(part) => Ok(Self {
                os: (*os).into(),
                architecture: (*architecture).into(),
                variant: variant.first().map(|variant| (*variant).into()),
            }),
            _ => Err(PlatformError(text.chars().take(100).collect())),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

/// In a manifest a platform is an object; `os.version` and features are not looked at.
#[derive(Serialize, Deserialize)]
struct PlatformObject {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    variant: Option<String>,
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { os, architecture, variant } = self.clone();
        PlatformObject { architecture, os, variant }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let PlatformObject { architecture, os, variant } = PlatformObject::deserialize(deserializer)?;
        Ok(Self { os, architecture, variant: variant.filter(|variant| !variant.is_empty()) })
    }
}

/// What a manifest or index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub kind: Kind,
    /// The image configuration; `None` in an index.
    pub config: Option<Descriptor>,
    /// The layers, lowest first; empty in an index.
    pub layers: Vec<Descriptor>,
    /// The manifests of an index.
    pub manifests: Vec<Descriptor>,
    /// What this manifest is attached to (a signature, an SBOM): OCI image specification 1.1, `subject`.
    pub subject: Option<Descriptor>,
    /// The type of artifact: `artifactType`, else the media type of the configuration.
    pub artifact_type: Option<String>,
    /// Annotations of the manifest itself.
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    subject: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest or index of any of the four kinds.
    ///
    /// A missing `mediaType` (allowed by OCI) is inferred from what the document lists.
    ///
    /// # Errors
    ///
    /// [`ParseError`]; never panics, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| ParseError::Syntax { reason: error.to_string(), start: printable(bytes) })?;
        if document.fs_layers.is_some() || document.schema_version == Some(1) {
            return Err(ParseError::Unsupported { found: "Docker schema 1".into() });
        }
        let ambiguous = |reason| Err(ParseError::Ambiguous { reason });
        let index = match (&document.manifests, &document.config, &document.layers) {
            (Some(_), None, None) => true,
            (None, Some(_), Some(_)) => false,
            (Some(_), _, _) => return ambiguous("it lists manifests and also a configuration or layers"),
            (None, _, _) => {
                return Err(match document.media_type {
                    Some(found) if Kind::from_media_type(&found).is_none() => {
                        ParseError::Unsupported { found }
                    }
                    _ => ParseError::Syntax {
                        reason: "neither `manifests` nor `config` with `layers`".into(),
                        start: printable(bytes),
                    },
                });
            }
        };
        let kind = match document.media_type.as_deref().filter(|found| !found.is_empty()) {
            Some(found) => Kind::from_media_type(found)
                .ok_or_else(|| ParseError::Unsupported { found: found.chars().take(200).collect() })?,
            None if index => Kind::OciIndex,
            None => Kind::OciManifest,
        };
        if kind.is_index() != index {
            return ambiguous("its media type is not that of what it lists");
        }
        let artifact_type = document
            .artifact_type
            .or_else(|| document.config.as_ref().map(|config| config.media_type.clone()))
            .filter(|found| !found.is_empty());
        Ok(Self {
            kind,
            config: document.config,
            layers: document.layers.unwrap_or_default(),
            manifests: document.manifests.unwrap_or_default(),
            subject: document.subject,
            artifact_type,
            annotations: document.annotations,
        })
    }

    /// Configuration and layers: the blobs an image manifest names, in that order. None for an index.
    pub fn blobs(&self) -> impl Iterator<Item = &Descriptor> {
        self.config.iter().chain(&self.layers)
    }

    /// The manifests of an index that are kept for `platforms`; all of them where the list is empty.
    ///
    /// # Errors
    ///
    /// The first platform that nothing in the index is for.
    pub fn select<'a>(&'a self, platforms: &'a [Platform]) -> Result<Vec<&'a Descriptor>, &'a Platform> {
        let offers = |descriptor: &Descriptor, wanted: &Platform| {
            descriptor.platform.as_ref().is_some_and(|offered| wanted.accepts(offered))
        };
        // An image that is no index is for whatever its configuration says, and is taken as it is.
        if platforms.is_empty() || !self.kind.is_index() {
            return Ok(self.manifests.iter().collect());
        }
        if let Some(missing) =
            platforms.iter().find(|wanted| !self.manifests.iter().any(|d| offers(d, wanted)))
        {
            return Err(missing);
        }
        Ok(self.manifests.iter().filter(|d| platforms.iter().any(|wanted| offers(d, wanted))).collect())
    }

    /// The manifest that an index lists first for each platform. What is for no platform that can be asked for is left out:
    /// attestations are listed for `unknown/unknown`, and a name need not be one.
    #[must_use]
    pub fn platforms(&self) -> BTreeMap<Platform, Digest> {
        let mut found = BTreeMap::new();
        for descriptor in &self.manifests {
            let Some(platform) = &descriptor.platform else { continue };
            if platform.os != "unknown" && platform.to_string().parse().as_ref() == Ok(platform) {
                found.entry(platform.clone()).or_insert(descriptor.digest);
            }
        }
        found
    }
}

/// The first characters of what should have been JSON, so that an error page can be recognised.
fn printable(bytes: &[u8]) -> String {
    let start = bytes.get(..80).unwrap_or(bytes);
    String::from_utf8_lossy(start).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"{}","size":3}}"#, Digest::of(b"abc"))
    }

    #[test]
    fn the_kind_is_the_media_type_or_inferred() {
        let one = descriptor("x/y");
        for (text, kind) in [
            (format!(r#"{{"schemaVersion":2,"config":{one},"layers":[{one}]}}"#), Kind::OciManifest),
            (format!(r#"{{"schemaVersion":2,"manifests":[{one}]}}"#), Kind::OciIndex),
            (
                format!(r#"{{"mediaType":"{}","config":{one},"layers":[]}}"#, Kind::DockerManifest),
                Kind::DockerManifest,
            ),
            (format!(r#"{{"mediaType":"{}","manifests":[]}}"#, Kind::DockerList), Kind::DockerList),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()).map(|m| m.kind), Ok(kind), "{text}");
        }
    }

    #[test]
    fn what_clients_would_read_differently_is_refused() {
        let one = descriptor("x/y");
        for text in [
            format!(r#"{{"config":{one},"layers":[],"manifests":[{one}]}}"#),
            format!(r#"{{"mediaType":"{}","config":{one},"layers":[]}}"#, Kind::OciIndex),
            format!(r#"{{"mediaType":"{}","manifests":[]}}"#, Kind::DockerManifest),
            format!(r#"{{"config":{one},"config":{one},"layers":[]}}"#),
            format!(r#"{{"mediaType":"application/json","manifests":[{one}]}}"#),
            r#"{"schemaVersion":1,"fsLayers":[]}"#.into(),
            r#"{"schemaVersion":2}"#.into(),
            r#"{"manifests":[{"mediaType":"x","digest":"sha256:../../etc","size":1}]}"#.into(),
            r#"{"manifests":[{"mediaType":"x","size":1}]}"#.into(),
            one.replace("3", "-1"),
            "<!doctype html>".into(),
            "[]".into(),
            String::new(),
            "[".repeat(100_000),
        ] {
            let found = Manifest::parse(text.as_bytes());
            assert!(found.is_err(), "{} -> {found:?}", text.chars().take(100).collect::<String>());
        }
    }

    #[test]
    fn platforms_select_from_an_index() {
        let entry = |os: &str, architecture: &str, variant: &str| {
            format!(
                r#"{{"mediaType":"m","digest":"{}","size":1,"platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}}}"#,
                Digest::of(format!("{os}{architecture}{variant}").as_bytes()),
            )
        };
        let text = format!(
            r#"{{"manifests":[{},{},{},{}]}}"#,
            entry("linux", "amd64", ""),
            entry("linux", "arm", "v7"),
            entry("linux", "arm", "v6"),
            entry("unknown", "unknown", "")
        );
        let index = Manifest::parse(text.as_bytes()).unwrap();
        let count = |platforms: &[&str]| {
            let platforms: Vec<Platform> = platforms.iter().map(|p| p.parse().unwrap()).collect();
            index.select(&platforms).map(|kept| kept.len()).map_err(ToString::to_string)
        };
        assert_eq!(count(&[]), Ok(4));
        assert_eq!(count(&["linux/amd64"]), Ok(1));
        assert_eq!(count(&["linux/arm"]), Ok(2));
        assert_eq!(count(&["linux/arm/v7", "linux/amd64"]), Ok(2));
        assert_eq!(count(&["linux/amd64", "linux/s390x"]), Err("linux/s390x".into()));
        let image = format!(r#"{{"config":{},"layers":[]}}"#, descriptor("x/y"));
        let anywhere = Manifest::parse(image.as_bytes()).unwrap();
        assert_eq!(anywhere.select(&["linux/s390x".parse().unwrap()]), Ok(Vec::new()));
        let listed: Vec<String> = index.platforms().keys().map(ToString::to_string).collect();
        assert_eq!(listed, ["linux/amd64", "linux/arm/v6", "linux/arm/v7"]);
        assert!(anywhere.platforms().is_empty());
        for bad in ["", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux/a b"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_platform_is_one_name_and_its_first_manifest() {
        let entry = |os: &str, content: &str| {
            let digest = Digest::of(content.as_bytes());
            let platform = serde_json::json!({ "os": os, "architecture": "amd64" });
            serde_json::json!({ "mediaType": "m", "digest": digest, "size": 1, "platform": platform })
        };
        let entries = [
            entry("linux", "first"),
            entry("linux", "second"),
            entry("unknown", "attestation"),
            entry("", "nothing"),
            entry("x: y\n  z", "a line of a file"),
            entry("a/b", "two parts"),
        ];
        let index = serde_json::json!({ "schemaVersion": 2, "manifests": entries }).to_string();
        let found = Manifest::parse(index.as_bytes()).unwrap().platforms();
        assert_eq!(found, BTreeMap::from([("linux/amd64".parse().unwrap(), Digest::of(b"first"))]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Manifest::parse(&bytes);
        }
    }
}
