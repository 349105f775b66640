//! Manifests and indexes: what is read from them. Their bytes are never rewritten.
//!
//! Four kinds are known: the Docker image manifest (version 2, schema 2) and manifest list, the OCI image
//! manifest and image index. A document that could be read as two of them is refused, because clients
//! would disagree about what it names; so is one with keys that some clients match without regard to case.
//! What Go programs write for nothing (`null`, no key at all) is read as they read it.

use std::collections::BTreeMap;
use std::fmt;

use content::Digest;
use serde::{Deserialize, Deserializer, Serialize};

use crate::json;
pub use crate::platform::{MissingPlatform, Platform, PlatformError};

/// The largest manifest or index accepted, in bytes. Registries and clients draw the line at the same place.
pub const MANIFEST_MAX: u64 = 4 << 20;
/// The most bytes all manifests of one image may have together, which bounds the memory that they take.
pub const MANIFESTS_MAX: u64 = 8 << 20;
/// How deep indexes may be nested: an index of indexes exists, deeper ones are an attack.
pub const DEPTH_MAX: usize = 2;

/// What a manifest is, which its media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "&'static str")]
pub enum MediaKind {
    /// `application/vnd.oci.image.manifest.v1+json`
    OciManifest,
    /// `application/vnd.oci.image.index.v1+json`
    OciIndex,
    /// `application/vnd.docker.distribution.manifest.v2+json`
    DockerManifest,
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    DockerList,
}

impl MediaKind {
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

    /// The file name extension that stands for the kind in the registry tree (see [`crate::registry`]).
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

impl fmt::Display for MediaKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.media_type())
    }
}

impl From<MediaKind> for &'static str {
    fn from(kind: MediaKind) -> Self {
        kind.media_type()
    }
}

/// Why bytes are not a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
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
    /// Two readings are possible, or its declared type is not its content's.
    #[error("the manifest contradicts itself: {reason}")]
    Ambiguous {
        /// How.
        reason: String,
    },
}

/// A pointer to content: OCI image specification, "Content descriptors".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the content; may be empty.
    #[serde(default, deserialize_with = "null_is_default")]
    pub media_type: String,
    /// Digest of the content.
    pub digest: Digest,
    /// Size of the content in bytes.
    pub size: u64,
    /// Where else a foreign layer can be had.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
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

/// Go writes `null` for a list or text that it does not have.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl Descriptor {
    /// Whether it is a foreign layer: one that clients may fetch from other places than the registry, or that must not be
    /// distributed.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        !self.urls.is_empty()
            || self.media_type.contains("foreign")
            || self.media_type.contains("nondistributable")
    }
}

/// What a manifest or index names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// What it is.
    pub kind: MediaKind,
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

/// The part of an index that is kept.
#[derive(Debug, PartialEq, Eq)]
pub struct PlatformSelection<'a> {
    /// The manifests, in their order. None where this is not an index.
    pub kept: Vec<&'a Descriptor>,
    /// Platforms that were asked for and that only the configurations of what is kept can confirm.
    pub unconfirmed: Vec<Platform>,
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
    /// [`ManifestError`]; never panics, whatever the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        json::check(bytes, &json::MANIFEST).map_err(|error| {
            if error.is_data() {
                ManifestError::Ambiguous { reason: error.to_string() }
            } else {
                ManifestError::Syntax { reason: error.to_string(), start: printable(bytes) }
            }
        })?;
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| ManifestError::Syntax { reason: error.to_string(), start: printable(bytes) })?;
        if document.fs_layers.is_some() || document.schema_version == Some(1) {
            return Err(ManifestError::Unsupported { found: "Docker schema 1".into() });
        }
        let ambiguous = |reason: &str| Err(ManifestError::Ambiguous { reason: reason.into() });
        let known = match document.media_type.as_deref().filter(|found| !found.is_empty()) {
            Some(found) => Some(
                MediaKind::from_media_type(found)
                    .ok_or_else(|| ManifestError::Unsupported { found: found.chars().take(200).collect() })?,
            ),
            None => None,
        };
        let lists = document.manifests.is_some();
        let index = match (lists, document.config.is_some(), document.layers.is_some()) {
            (true, false, false) => true,
            (true, ..) => return ambiguous("it lists manifests and also a configuration or layers"),
            (false, true, _) => false,
            // An empty index, as Go writes it.
            (false, false, false) if known.is_some_and(MediaKind::is_index) => true,
            (false, false, _) => {
                return Err(ManifestError::Syntax {
                    reason: "neither `manifests` nor `config`".into(),
                    start: printable(bytes),
                });
            }
        };
        let kind = known.unwrap_or(if index { MediaKind::OciIndex } else { MediaKind::OciManifest });
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

    /// The manifests of an index that are kept for `platforms`: for each the nearest that the index has, or else those that it
    /// gives no platform. All of them where the list is empty.
    ///
    /// # Errors
    ///
    /// The first platform that nothing in the index is for.
    pub fn select<'a>(
        &'a self,
        platforms: &'a [Platform],
    ) -> Result<PlatformSelection<'a>, Box<MissingPlatform>> {
        let mut unconfirmed = Vec::new();
        if platforms.is_empty() || !self.kind.is_index() {
            unconfirmed.extend(platforms.iter().cloned());
            return Ok(PlatformSelection { kept: self.manifests.iter().collect(), unconfirmed });
        }
        let mut kept = vec![false; self.manifests.len()];
        for wanted in platforms {
            let distance = |found: &Descriptor| wanted.distance(found.platform.as_ref()?);
            let nearest = self.manifests.iter().filter_map(distance).min();
            let mut any = false;
            for (found, kept) in self.manifests.iter().zip(&mut kept) {
                let chosen = match nearest {
                    Some(_) => distance(found) == nearest,
                    None => found.platform.is_none(),
                };
                any |= chosen;
                *kept |= chosen;
            }
            if !any {
                return Err(Box::new(MissingPlatform {
                    platform: wanted.clone(),
                    offered: self.platforms().into_keys().collect(),
                }));
            }
            if nearest.is_none() {
                unconfirmed.push(wanted.clone());
            }
        }
        let chosen = self.manifests.iter().zip(kept).filter(|(_, kept)| *kept);
        Ok(PlatformSelection { kept: chosen.map(|(found, _)| found).collect(), unconfirmed })
    }

    /// The manifest that an index lists first for each platform. What is for no platform that can be asked for is left out:
    /// attestations are listed for `unknown/unknown`, and a name need not be one.
    #[must_use]
    pub fn platforms(&self) -> BTreeMap<Platform, Digest> {
        let mut found = BTreeMap::new();
        for descriptor in &self.manifests {
            let Some(platform) = &descriptor.platform else { continue };
            if platform.os != "unknown" && platform.is_named() {
                found.entry(platform.clone()).or_insert(descriptor.digest);
            }
        }
        found
    }
}

/// The first characters of what should have been JSON, so that an error page can be recognized.
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
            (format!(r#"{{"schemaVersion":2,"config":{one},"layers":[{one}]}}"#), MediaKind::OciManifest),
            (format!(r#"{{"schemaVersion":2,"manifests":[{one}]}}"#), MediaKind::OciIndex),
            (
                format!(r#"{{"mediaType":"{}","config":{one},"layers":[]}}"#, MediaKind::DockerManifest),
                MediaKind::DockerManifest,
            ),
            (format!(r#"{{"mediaType":"{}","manifests":[]}}"#, MediaKind::DockerList), MediaKind::DockerList),
        ] {
            assert_eq!(Manifest::parse(text.as_bytes()).map(|m| m.kind), Ok(kind), "{text}");
        }
    }

    #[test]
    fn what_clients_would_read_differently_is_refused() {
        let one = descriptor("x/y");
        for text in [
            format!(r#"{{"config":{one},"layers":[],"manifests":[{one}]}}"#),
            format!(r#"{{"mediaType":"{}","config":{one},"layers":[]}}"#, MediaKind::OciIndex),
            format!(r#"{{"mediaType":"{}","manifests":[]}}"#, MediaKind::DockerManifest),
            format!(r#"{{"config":{one},"config":{one},"layers":[]}}"#),
            format!(r#"{{"mediaType":"application/json","manifests":[{one}]}}"#),
            r#"{"schemaVersion":1,"fsLayers":[]}"#.into(),
            r#"{"schemaVersion":2}"#.into(),
            r#"{"schemaVersion":2,"manifests":null}"#.into(),
            format!(r#"{{"mediaType":"{}","layers":[]}}"#, MediaKind::DockerManifest),
            format!(r#"{{"config":{one},"layers":[],"CONFIG":{one}}}"#),
            format!(r#"{{"config":{one},"layers":[],"Layers":[]}}"#),
            format!(r#"{{"config":{one},"layers":[],"Subject":{one}}}"#),
            format!(r#"{{"manifests":[{}]}}"#, one.replace("\"size\"", "\"Digest\":\"x\",\"size\"")),
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
    fn what_go_writes_for_nothing_is_nothing() {
        let one = descriptor("x/y");
        let nulls =
            one.replace('}', r#","urls":null,"annotations":null,"platform":null,"artifactType":null}"#);
        let no_type = one.replace(r#""mediaType":"x/y","#, "");
        let (image, index) = (MediaKind::OciManifest, MediaKind::OciIndex);
        for (text, kind, listed) in [
            (format!(r#"{{"schemaVersion":2,"config":{one},"layers":null}}"#), image, 0),
            (format!(r#"{{"schemaVersion":2,"config":{one}}}"#), image, 0),
            (
                format!(r#"{{"mediaType":null,"config":{nulls},"layers":[{nulls}],"manifests":null}}"#),
                image,
                1,
            ),
            (
                format!(r#"{{"config":{no_type},"layers":[{no_type}],"subject":null,"annotations":null}}"#),
                image,
                1,
            ),
            (format!(r#"{{"mediaType":"","manifests":[{nulls}],"config":null,"layers":null}}"#), index, 1),
            (format!(r#"{{"mediaType":"{index}","manifests":null}}"#), index, 0),
            (format!(r#"{{"mediaType":"{index}"}}"#), index, 0),
            (
                format!(
                    r#"{{"manifests":[{}]}}"#,
                    one.replace('}', r#","platform":{"os":null,"architecture":null,"variant":null}}"#)
                ),
                index,
                1,
            ),
        ] {
            let found = Manifest::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((found.kind, found.layers.len() + found.manifests.len()), (kind, listed), "{text}");
        }
    }

    #[test]
    fn what_an_index_gives_no_platform_is_kept_where_nothing_else_will_do() {
        let text = format!(r#"{{"manifests":[{}]}}"#, descriptor("x/y"));
        let index = Manifest::parse(text.as_bytes()).unwrap();
        let wanted = ["linux/arm64".parse().unwrap()];
        let chosen = index.select(&wanted).unwrap();
        assert_eq!((chosen.kept.len(), chosen.unconfirmed), (1, wanted.to_vec()));
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
            index
                .select(&platforms)
                .map(|chosen| chosen.kept.len())
                .map_err(|missing| missing.platform.to_string())
        };
        assert_eq!(count(&[]), Ok(4));
        assert_eq!(count(&["linux/amd64"]), Ok(1));
        assert_eq!(count(&["linux/arm"]), Ok(2));
        assert_eq!(count(&["linux/arm/v7", "linux/amd64"]), Ok(2));
        assert_eq!(count(&["linux/arm/v8"]), Ok(1));
        assert_eq!(count(&["linux/arm/v5"]), Err("linux/arm/v5".into()));
        assert_eq!(count(&["linux/x86_64"]), Ok(1));
        assert_eq!(count(&["linux/amd64", "linux/s390x"]), Err("linux/s390x".into()));
        let image = format!(r#"{{"config":{},"layers":[]}}"#, descriptor("x/y"));
        let anywhere = Manifest::parse(image.as_bytes()).unwrap();
        let wanted = ["linux/s390x".parse().unwrap()];
        let asked = anywhere.select(&wanted).unwrap();
        assert_eq!((asked.kept.len(), asked.unconfirmed), (0, wanted.to_vec()));
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
