//! What `docker save` writes: a configuration and uncompressed layers, but no manifest.

use std::io::{Read, Write};

use content::Digest;
use serde::Deserialize;
use serde_json::json;

use super::files::SourceFiles;
use super::{no_choice, position, same_name};
use crate::error::{Error, Result, io};
use crate::manifest::{MANIFEST_MAX, MediaKind, Platform, null_is_default};
use crate::{Store, json, platform};

const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";

/// An entry of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default, deserialize_with = "null_is_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    layers: Vec<String>,
}

#[derive(Deserialize)]
struct Config {
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    #[serde(default, deserialize_with = "null_is_default")]
    diff_ids: Vec<Digest>,
}

/// The names of the image, if there is only one.
pub(super) fn names(files: &SourceFiles, name: Option<&str>) -> Result<Vec<String>> {
    let all = saved(files)?;
    Ok(match matching(&all, name).as_slice() {
        [(_, image)] => image.repo_tags.clone(),
        _ => Vec::new(),
    })
}

fn saved(files: &SourceFiles) -> Result<Vec<Saved>> {
    let bytes = files.read("manifest.json", MANIFEST_MAX)?;
    let bad = |error: serde_json::Error| Error::Layout {
        path: files.display("manifest.json"),
        reason: error.to_string(),
    };
    json::parse(&bytes, &json::SAVED).map_err(bad)
}

/// Those that are meant, each with its position.
fn matching<'a>(all: &'a [Saved], name: Option<&str>) -> Vec<(usize, &'a Saved)> {
    let chosen = |(at, image): &(usize, &Saved)| match name.map(|name| (name, position(name))) {
        None => true,
        Some((_, Some(position))) => *at == position,
        Some((name, None)) => image.repo_tags.iter().any(|tag| same_name(tag, name)),
    };
    all.iter().enumerate().filter(chosen).collect()
}

/// An image and what it is called.
fn named((position, image): (usize, &Saved)) -> (usize, Option<&str>) {
    (position, image.repo_tags.first().map(String::as_str))
}

/// Takes the image over, and makes the Docker manifest that it lost.
pub(super) fn import(
    files: &SourceFiles,
    name: Option<&str>,
    platforms: &[Platform],
    store: &Store,
) -> Result<Digest> {
    let bad = |file: &str, reason: String| Error::Layout { path: files.display(file), reason };
    let all = saved(files)?;
    let found = matching(&all, name);
    let [(_, image)] = found.as_slice() else {
        let found: Vec<_> = found.into_iter().map(named).collect();
        let all: Vec<_> = all.iter().enumerate().map(named).collect();
        return Err(bad("manifest.json", no_choice(name, &found, &all)));
    };
    let config_bytes = files.read(&image.config, MANIFEST_MAX)?;
    let Config { rootfs } =
        json::parse(&config_bytes, &json::CONFIG).map_err(|error| bad(&image.config, error.to_string()))?;
    if rootfs.diff_ids.len() != image.layers.len() {
        let (expected, found) = (rootfs.diff_ids.len(), image.layers.len());
        return Err(bad("manifest.json", format!("expected {expected} layers, found {found}")));
    }
    let mut layers = Vec::new();
    for (file, expected) in image.layers.iter().zip(&rootfs.diff_ids) {
        let size = take_layer(files, file, expected, store)?;
        layers.push(json!({ "mediaType": LAYER_TYPE, "size": size, "digest": expected }));
    }
    let offered = super::platform_of(&config_bytes, || files.display(&image.config))?;
    let config = store.put(&config_bytes)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaKind::DockerManifest.media_type(),
        "config": { "mediaType": CONFIG_TYPE, "size": config_bytes.len(), "digest": config },
        "layers": layers,
    });
    let digest = store.put(manifest.to_string().as_bytes())?;
    platform::confirm(platforms, offered.into_iter().collect())
        .map_err(|missing| Error::NoPlatform { image: digest, missing })?;
    Ok(digest)
}

/// Stores a layer if its tar has the digest the configuration gives; its size in bytes.
fn take_layer(files: &SourceFiles, file: &str, expected: &Digest, store: &Store) -> Result<u64> {
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
