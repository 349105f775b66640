//! What `docker save` writes: a configuration and uncompressed layers, but no manifest.

use std::io::{BufRead as _, BufReader, Read, Write};

use content::Digest;
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use serde_json::json;

use super::files::SourceFiles;
use super::{SavedImage, no_choice, position, same_name};
use crate::error::{Error, Result, io};
use crate::manifest::{MANIFEST_MAX, MediaKind, Platform, null_is_default};
use crate::{Store, json, platform};

const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar";
/// The largest layer once it is decompressed, in bytes.
const LAYER_MAX: u64 = 1 << 36;

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

/// Takes the image over, and makes the Docker manifest that it lost. Layers that are compressed with gzip are decompressed, so
/// that the manifest is that of the configuration, whatever wrote the archive.
pub(super) fn import(
    files: &SourceFiles,
    name: Option<&str>,
    platforms: &[Platform],
    store: &Store,
) -> Result<SavedImage> {
    let bad = |file: &str, reason: String| Error::Layout { path: files.display(file), reason };
    let all = saved(files)?;
    let found = matching(&all, name);
    let [(_, image)] = found.as_slice() else {
        let found: Vec<_> = found.into_iter().map(named).collect();
        let all: Vec<_> = all.iter().enumerate().map(named).collect();
        return Err(bad("manifest.json", no_choice(name, &found, &all)));
    };
    let config_bytes = files.read(&image.config, MANIFEST_MAX)?;
    let rootfs = rootfs(&config_bytes).map_err(|reason| bad(&image.config, reason))?;
    if rootfs.diff_ids.len() != image.layers.len() {
        let (expected, found) = (rootfs.diff_ids.len(), image.layers.len());
        return Err(bad("manifest.json", format!("expected {expected} layers, found {found}")));
    }
    let mut layers = Vec::new();
    for (file, expected) in image.layers.iter().zip(&rootfs.diff_ids) {
        let size = take_layer(files, file, expected, store)?;
        layers.push((*expected, size));
    }
    let offered = super::platform_of(&config_bytes, || files.display(&image.config))?;
    let id = store.put(&config_bytes)?;
    let digest = put_manifest((&id, config_bytes.len()), &layers, store)?;
    platform::confirm(platforms, offered.into_iter().collect())
        .map_err(|missing| Error::NoPlatform { image: digest, missing })?;
    Ok(SavedImage { digest, id })
}

/// The image with the configuration `id`, made from what [`import`] stored of it; `None` if the store lacks a part of it.
pub(super) fn stored(id: &Digest, platforms: &[Platform], store: &Store) -> Result<Option<SavedImage>> {
    if !store.is_intact(id)? {
        return Ok(None);
    }
    let config_bytes = store.read(id, MANIFEST_MAX)?;
    let path = || store.blob_path(id);
    let rootfs = rootfs(&config_bytes).map_err(|reason| Error::Layout { path: path(), reason })?;
    let mut layers = Vec::new();
    for layer in rootfs.diff_ids {
        match store.size(&layer)? {
            Some(size) if store.has(&layer, size)? => layers.push((layer, size)),
            _ => return Ok(None),
        }
    }
    let offered = super::platform_of(&config_bytes, path)?;
    let digest = put_manifest((id, config_bytes.len()), &layers, store)?;
    platform::confirm(platforms, offered.into_iter().collect())
        .map_err(|missing| Error::NoPlatform { image: digest, missing })?;
    Ok(Some(SavedImage { digest, id: *id }))
}

fn rootfs(config: &[u8]) -> Result<RootFs, String> {
    json::parse(config, &json::CONFIG).map(|Config { rootfs }| rootfs).map_err(|error| error.to_string())
}

/// Stores the manifest of a configuration and its layers, each with its size in bytes; its digest.
fn put_manifest(config: (&Digest, usize), layers: &[(Digest, u64)], store: &Store) -> Result<Digest> {
    let layer =
        |(digest, size): &(Digest, u64)| json!({ "mediaType": LAYER_TYPE, "size": size, "digest": digest });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MediaKind::DockerManifest.media_type(),
        "config": { "mediaType": CONFIG_TYPE, "size": config.1, "digest": config.0 },
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    store.put(manifest.to_string().as_bytes())
}

/// Stores a layer if its tar has the digest the configuration gives; its size in bytes.
fn take_layer(files: &SourceFiles, file: &str, expected: &Digest, store: &Store) -> Result<u64> {
    let path = files.display(file);
    let mut reader = BufReader::new(files.open(file)?);
    // Docker's containerd image store saves layers as they were pulled or built.
    let is_compressed = reader.fill_buf().map_err(io("read", &path))?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read> =
        if is_compressed { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
    let mut left = LAYER_MAX;
    let mut blob = store.create()?;
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let count = reader.read(&mut buffer).map_err(io("read", &path))?;
        if count == 0 {
            break;
        }
        left = match left.checked_sub(count as u64) {
            None if is_compressed => return Err(Error::TooLarge { path, limit: LAYER_MAX }),
            rest => rest.unwrap_or_default(),
        };
        blob.write_all(buffer.get(..count).unwrap_or_default()).map_err(io("store", &path))?;
    }
    blob.finish_as(expected).map_err(|error| super::at(&path, error))
}
