//! Building an image from scratch out of a declaration, the same to the byte every time.
//!
//! The image has one layer (a gzip of a tar whose entries are sorted and carry the given time), a configuration and
//! an OCI manifest. Nothing is run, so no container engine is needed.

mod definition;
mod layer;

use std::path::Path;

use serde_json::{Map, Value, json};

pub use self::definition::{Definition, Directory, File, Link, Mode, User};
use crate::error::{Error, Result};
use crate::manifest::{Kind, Platform};
use crate::{Digest, Store};

const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Builds the image into the store: the digest of its manifest.
///
/// `base` is what the `from` paths are relative to; `source_date` (seconds since 1970) is the time of every file, and
/// the image's.
///
/// # Errors
///
/// [`Error::Definition`] for a declaration that cannot be met, [`Error::Io`].
pub fn build(definition: &Definition, base: &Path, source_date: i64, store: &Store) -> Result<Digest> {
    let created = jiff::Timestamp::from_second(source_date)
        .map_err(|error| Error::Definition { field: "source date".into(), reason: error.to_string() })?
        .to_string();
    let layer = layer::write(definition, base, source_date, store)?;
    let config = json_bytes(&config(definition, &created, &layer.diff_id.to_string()));
    let config_digest = store.put(&config)?;
    let manifest = json_bytes(&json!({
        "schemaVersion": 2,
        "mediaType": Kind::OciManifest.media_type(),
        "config": { "mediaType": CONFIG_TYPE, "digest": config_digest, "size": config.len() },
        "layers": [{ "mediaType": LAYER_TYPE, "digest": layer.digest, "size": layer.size }],
    }));
    store.put(&manifest)
}

/// The configuration: OCI image specification, "Image Configuration".
fn config(definition: &Definition, created: &str, diff_id: &str) -> Value {
    let Platform { os, architecture, variant } = definition.platform.clone().unwrap_or_else(host_platform);
    let mut run = Map::new();
    let mut set = |key: &str, value: Value| run.insert(key.into(), value);
    if let Some(user) = &definition.user {
        // By number: the kubelet cannot tell from a name whether it is root.
        set("User", format!("{}:{}", user.uid, user.gid()).into());
    }
    if !definition.exposed_ports.is_empty() {
        set("ExposedPorts", definition.exposed_ports.iter().map(|port| (port.clone(), json!({}))).collect());
    }
    if !definition.env.is_empty() {
        set("Env", definition.env.iter().map(|(name, value)| format!("{name}={value}")).collect());
    }
    for (key, words) in [("Entrypoint", &definition.entrypoint), ("Cmd", &definition.cmd)] {
        if !words.is_empty() {
            set(key, json!(words));
        }
    }
    if let Some(folder) = &definition.workdir {
        set("WorkingDir", folder.clone().into());
    }
    if !definition.labels.is_empty() {
        set("Labels", json!(definition.labels));
    }
    let mut config = Map::new();
    config.insert("created".into(), created.into());
    config.insert("architecture".into(), architecture.into());
    config.insert("os".into(), os.into());
    config.extend(variant.map(|variant| ("variant".into(), variant.into())));
    config.insert("config".into(), run.into());
    config.insert("rootfs".into(), json!({ "type": "layers", "diff_ids": [diff_id] }));
    config.insert("history".into(), json!([{ "created": created, "created_by": "sealift" }]));
    config.into()
}

/// The platform this program was compiled for.
fn host_platform() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    Platform { os: "linux".into(), architecture: architecture.into(), variant: None }
}

fn json_bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[cfg(test)]
mod tests;
