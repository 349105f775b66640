//! The image that a declared image is built on.

use content::Digest;
use serde_json::{Map, Value};

use crate::error::{Error, Result};
use crate::manifest::{Descriptor, MANIFEST_MAX, Manifest, MediaKind, MissingPlatform, Platform};
use crate::{Store, json};

/// The layers and the configuration of the base image, unchanged.
pub(super) struct BaseImage {
    /// Of the base's manifest, and so of the image's.
    pub(super) kind: MediaKind,
    pub(super) layers: Vec<Descriptor>,
    pub(super) config: Map<String, Value>,
}

impl BaseImage {
    /// Reads the image `digest`, or what it has for `platform` if it is an index.
    pub(super) fn read(digest: &Digest, platform: &Platform, store: &Store) -> Result<Self> {
        let wrong = |reason: String| Error::Definition { field: format!("base {digest}"), reason };
        let (_, manifest) = manifest_for(digest, platform, store)?;
        let Some(config) = manifest.config else { return Err(wrong("is an index of indexes".into())) };
        let bytes = store.read(&config.digest, MANIFEST_MAX)?;
        let config: Map<String, Value> = json::parse(&bytes, &json::CONFIG)
            .map_err(|error| wrong(format!("its configuration {}: {error}", config.digest)))?;
        let offered = platform_of(&config);
        if !platform.accepts(&offered) {
            return Err(wrong(format!("is for {offered}, expected {platform}")));
        }
        Ok(Self { kind: manifest.kind, layers: manifest.layers, config })
    }

    /// The digests of the base's uncompressed layers.
    pub(super) fn diff_ids(&self) -> Vec<Value> {
        list(self.config.get("rootfs").and_then(|rootfs| rootfs.get("diff_ids")))
    }

    /// The history of the base, from its configuration.
    pub(super) fn history(&self) -> Vec<Value> {
        list(self.config.get("history"))
    }

    /// What a container of the base runs, and how.
    pub(super) fn run(&self) -> Map<String, Value> {
        self.config.get("config").and_then(Value::as_object).cloned().unwrap_or_default()
    }
}

/// Lays one map over another: `{"A": 1}` over `{"A": 0, "B": 0}`.
pub(super) fn overlay(under: Option<&Value>, over: Map<String, Value>) -> Value {
    let mut merged = under.and_then(Value::as_object).cloned().unwrap_or_default();
    merged.extend(over);
    merged.into()
}

/// Lays `NAME=value` pairs over those of the base; a name keeps its place.
pub(super) fn overlay_environment<'a>(
    under: Option<&Value>,
    over: impl Iterator<Item = (&'a String, &'a String)>,
) -> Value {
    let mut pairs: Vec<String> =
        list(under).iter().filter_map(|pair| pair.as_str().map(ToOwned::to_owned)).collect();
    for (name, value) in over {
        let pair = format!("{name}={value}");
        match pairs.iter_mut().find(|old| old.split('=').next() == Some(name)) {
            Some(old) => *old = pair,
            None => pairs.push(pair),
        }
    }
    pairs.into()
}

/// The manifest of an image for `platform`: its own, or the one that its index lists.
pub(super) fn manifest_for(
    digest: &Digest,
    platform: &Platform,
    store: &Store,
) -> Result<(Digest, Manifest)> {
    let root = read(digest, store)?;
    if !root.kind.is_index() {
        return Ok((*digest, root));
    }
    let wanted = std::slice::from_ref(platform);
    let chosen = root
        .select(wanted)
        .and_then(|selection| {
            let missing = || Box::new(MissingPlatform { platform: platform.clone(), offered: Vec::new() });
            selection.kept.first().map(|found| found.digest).ok_or_else(missing)
        })
        .map_err(|missing| Error::NoPlatform { image: *digest, missing })?;
    Ok((chosen, read(&chosen, store)?))
}

/// A manifest in the store.
pub(super) fn read(digest: &Digest, store: &Store) -> Result<Manifest> {
    Manifest::parse(&store.read(digest, MANIFEST_MAX)?)
        .map_err(|reason| Error::Manifest { path: store.blob_path(digest), reason })
}

fn platform_of(config: &Map<String, Value>) -> Platform {
    let text = |key: &str| config.get(key).and_then(Value::as_str).map(ToOwned::to_owned);
    Platform {
        os: text("os").unwrap_or_default(),
        architecture: text("architecture").unwrap_or_default(),
        variant: text("variant").filter(|variant| !variant.is_empty()),
    }
}

fn list(value: Option<&Value>) -> Vec<Value> {
    value.and_then(Value::as_array).cloned().unwrap_or_default()
}
