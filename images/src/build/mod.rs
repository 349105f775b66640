//! Building images: from a definition, by this program alone, and from a `Containerfile`, by an installed engine.
//!
//! A declared image ([`build`]) has one layer (a gzip of a tar whose entries are sorted and carry the given time) on
//! those of its base, a configuration and a manifest: the same to the byte every time. Nothing is run, so no engine is
//! needed. A `Containerfile` ([`containerfile`], [`context`], [`engine`]) is run, and what comes out is kept as the engine
//! made it.

mod base;
pub mod container;
pub mod containerfile;
pub mod context;
mod definition;
pub mod engine;
mod layer;

use std::path::Path;

use content::Digest;
use serde_json::{Map, Value, json};

use self::base::{BaseImage, overlay, overlay_environment};
pub use self::definition::{
    Created, DefinedImage, ImageUser, LayerDirectory, LayerFile, LayerLink, LayerMode,
};
use crate::Store;
use crate::error::{Error, Result};
use crate::manifest::{MediaKind, Platform};

/// Builds the image into the store: the digest of its manifest.
///
/// `project` is what the `from` paths are relative to; `source_date` (seconds since 1970) is the time of every file, and
/// the image's; `base` is the digest of the definition's base image, whose content is in the store.
///
/// # Errors
///
/// [`Error::Definition`] for a declaration that cannot be met, [`Error::NoPlatform`] and [`Error::NotInStore`] for a base
/// that is not there, [`Error::Io`].
pub fn build(
    definition: &DefinedImage,
    project: &Path,
    source_date: i64,
    base: Option<&Digest>,
    store: &Store,
) -> Result<Digest> {
    let wrong = |field: &str, reason: &str| Error::Definition { field: field.into(), reason: reason.into() };
    if definition.base.is_some() != base.is_some() {
        return Err(wrong("base", "its digest is not known"));
    }
    let created = jiff::Timestamp::from_second(source_date)
        .map_err(|error| wrong("source date", &error.to_string()))?
        .to_string();
    let platform = definition.platform.clone().unwrap_or_else(Platform::host);
    let base = base.map(|digest| BaseImage::read(digest, &platform, store)).transpose()?;
    let layer = layer::write(definition, project, source_date, store)?;
    let kind = base.as_ref().map_or(MediaKind::OciManifest, |base| base.kind);
    let (config_type, layer_type) = media_types(kind);
    let diff_id = layer.as_ref().map(|layer| layer.diff_id);
    let config = json_bytes(&config(definition, &platform, &created, diff_id, base.as_ref()));
    let config_digest = store.put(&config)?;
    let mut layers: Vec<Value> =
        base.iter().flat_map(|base| &base.layers).map(|below| json!(below)).collect();
    layers.extend(
        layer.map(|layer| json!({ "mediaType": layer_type, "digest": layer.digest, "size": layer.size })),
    );
    let manifest = json_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": kind.media_type(),
        "config": { "mediaType": config_type, "digest": config_digest, "size": config.len() },
        "layers": layers,
    }));
    store.put(&manifest)
}

/// The media types of configuration and layer that go with a kind of manifest.
fn media_types(kind: MediaKind) -> (&'static str, &'static str) {
    match kind {
        MediaKind::DockerManifest | MediaKind::DockerList => (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        MediaKind::OciManifest | MediaKind::OciIndex => {
            ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip")
        }
    }
}

/// The configuration: OCI image specification, "Image Configuration". What the definition says lies over what the base says.
fn config(
    definition: &DefinedImage,
    platform: &Platform,
    created: &str,
    diff_id: Option<Digest>,
    base: Option<&BaseImage>,
) -> Value {
    let mut run = base.map(BaseImage::run).unwrap_or_default();
    if let Some(user) = &definition.user {
        // By number: the kubelet cannot tell from a name whether it is root.
        run.insert("User".into(), format!("{}:{}", user.uid, user.gid()).into());
    }
    if !definition.exposed_ports.is_empty() {
        let ports = definition.exposed_ports.iter().map(|port| (port.clone(), json!({}))).collect();
        run.insert("ExposedPorts".into(), overlay(run.get("ExposedPorts"), ports));
    }
    if !definition.env.is_empty() {
        run.insert("Env".into(), overlay_environment(run.get("Env"), definition.env.iter()));
    }
    if !definition.entrypoint.is_empty() {
        // The base's arguments were for its own entrypoint.
        run.shift_remove("Cmd");
        run.insert("Entrypoint".into(), json!(definition.entrypoint));
    }
    if !definition.cmd.is_empty() {
        run.insert("Cmd".into(), json!(definition.cmd));
    }
    if let Some(folder) = &definition.workdir {
        run.insert("WorkingDir".into(), folder.clone().into());
    }
    if !definition.labels.is_empty() {
        let labels = definition.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        run.insert("Labels".into(), overlay(run.get("Labels"), labels));
    }
    let mut diff_ids = base.map(BaseImage::diff_ids).unwrap_or_default();
    diff_ids.extend(diff_id.map(|digest| json!(digest)));
    let mut history = base.map(BaseImage::history).unwrap_or_default();
    let mut step = json!({ "created": created, "created_by": "sealift" });
    if diff_id.is_none() {
        step["empty_layer"] = true.into();
    }
    history.push(step);
    let mut config = Map::new();
    config.insert("created".into(), created.into());
    config.insert("architecture".into(), platform.architecture.clone().into());
    config.insert("os".into(), platform.os.clone().into());
    let variant = base
        .map_or_else(|| platform.variant.clone().map(Into::into), |base| base.config.get("variant").cloned());
    config.extend(variant.map(|variant| ("variant".into(), variant)));
    config.insert("config".into(), run.into());
    config.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": diff_ids }));
    config.insert("history".into(), history.into());
    config.into()
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
