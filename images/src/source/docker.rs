//! What `docker save` writes: a configuration and uncompressed layers, but no manifest.

use std::io::{Read, Write};

use serde::Deserialize;
use serde_json::json;

use super::files::Files;
use crate::error::{Error, Result, io};
use crate::manifest::{Kind, MANIFEST_MAX};
use crate::{Digest, Store};

const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// An entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// Takes the image over, and makes the Docker manifest that it lost.
pub(super) fn import(files: &Files, name: Option<&str>, store: &Store) -> Result<Digest> {
    let bad = |file: &str, reason: String| Error::Layout { path: files.display(file), reason };
    let bytes = files.read("manifest.json", MANIFEST_MAX)?;
    let saved: Vec<Saved> =
        serde_json::from_slice(&bytes).map_err(|error| bad("manifest.json", error.to_string()))?;
    let mut found: Vec<Saved> = saved
        .into_iter()
        .filter(|image| name.is_none_or(|name| image.repo_tags.iter().flatten().any(|tag| tag == name)))
        .collect();
    let count = found.len();
    let image = match (found.pop(), count) {
        (Some(image), 1) => image,
        _ => return Err(bad("manifest.json", format!("{count} images match; say which by its name"))),
    };
    let config_bytes = files.read(&image.config, MANIFEST_MAX)?;
    let config: Config =
        serde_json::from_slice(&config_bytes).map_err(|error| bad(&image.config, error.to_string()))?;
    if config.rootfs.diff_ids.len() != image.layers.len() {
        let (expected, found) = (config.rootfs.diff_ids.len(), image.layers.len());
        return Err(bad("manifest.json", format!("expected {expected} layers, found {found}")));
    }
    let mut layers = Vec::new();
    for (file, expected) in image.layers.iter().zip(&config.rootfs.diff_ids) {
        let size = take_layer(files, file, expected, store)?;
        layers.push(json!({ "mediaType": LAYER_TYPE, "size": size, "digest": expected }));
    }
    let config = store.put(&config_bytes)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": Kind::DockerManifest.media_type(),
        "config": { "mediaType": CONFIG_TYPE, "size": config_bytes.len(), "digest": config },
        "layers": layers,
    });
    store.put(manifest.to_string().as_bytes())
}

/// Stores a layer if its tar has the digest the configuration gives; its size in bytes.
fn take_layer(files: &Files, file: &str, expected: &Digest, store: &Store) -> Result<u64> {
    let path = files.display(file);
    let mut reader = files.open(file)?;
    let mut blob = store.create()?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = reader.read(&mut buffer).map_err(io("read", &path))?;
        if count == 0 {
            break;
        }
        blob.write_all(buffer.get(..count).unwrap_or_default()).map_err(io("store", &path))?;
    }
    blob.finish_as(expected).map_err(|error| super::at(&path, error))
}
