//! `index.json` of an OCI layout.

use std::collections::BTreeSet;

use content::Digest;
use serde::Deserialize;

use super::files::SourceFiles;
use super::{LocalImage, LocalLayout, no_choice, position, same_name};
use crate::error::{Error, Result};
use crate::json;
use crate::manifest::{Descriptor, MANIFEST_MAX, null_is_default};

/// What the names of an image are kept under: of the layout, and of docker, which has the full name there and in the other
/// the tag alone.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// The image of the layout: the only one, or the one with the name or at the position. `None` where this is only what
/// `docker save` writes.
pub(super) fn choose(files: &SourceFiles, local: &LocalImage) -> Option<Result<Descriptor>> {
    let docker = local.layout == LocalLayout::DockerArchive;
    let saved = docker && files.contains("manifest.json");
    if docker && !files.contains("index.json") {
        return None;
    }
    match found(files, local) {
        // Its names may be in the other list alone.
        Err(_) if saved && local.name.is_some() => None,
        found => Some(found),
    }
}

fn found(files: &SourceFiles, local: &LocalImage) -> Result<Descriptor> {
    let all = manifests(files, local)?;
    let found = matching(&all, local);
    // One image under several names is one image.
    let distinct: BTreeSet<Digest> = found.iter().map(|(_, descriptor)| descriptor.digest).collect();
    if let ([(_, descriptor), ..], 1) = (found.as_slice(), distinct.len()) {
        return Ok((*descriptor).clone());
    }
    let found: Vec<_> = found.into_iter().map(named).collect();
    let all: Vec<_> = all.iter().enumerate().map(named).collect();
    let reason = no_choice(local.name.as_deref(), &found, &all);
    Err(Error::Layout { path: files.display("index.json"), reason })
}

/// An image and what it is called.
fn named((position, found): (usize, &Descriptor)) -> (usize, Option<&str>) {
    (position, NAMES.iter().find_map(|key| annotation(found, key)))
}

/// The names of the image, if there is only one.
pub(super) fn names(files: &SourceFiles, local: &LocalImage) -> Result<Vec<String>> {
    let all = manifests(files, local)?;
    let found = matching(&all, local);
    let distinct: BTreeSet<Digest> = found.iter().map(|(_, descriptor)| descriptor.digest).collect();
    if distinct.len() != 1 {
        return Ok(Vec::new());
    }
    let named = NAMES.iter().flat_map(|key| found.iter().filter_map(|(_, found)| annotation(found, key)));
    Ok(named.map(ToOwned::to_owned).collect())
}

/// All images that have a full name, each with its digest.
pub(super) fn listed(files: &SourceFiles, local: &LocalImage) -> Result<Vec<(String, Digest)>> {
    let all = manifests(files, local)?;
    let full = |found: &Descriptor| Some((annotation(found, NAMES[0])?.to_owned(), found.digest));
    Ok(all.iter().filter_map(full).collect())
}

fn manifests(files: &SourceFiles, local: &LocalImage) -> Result<Vec<Descriptor>> {
    #[derive(Deserialize)]
    struct Index {
        #[serde(default, deserialize_with = "null_is_default")]
        manifests: Vec<Descriptor>,
    }
    let bad = |reason: String| Error::Layout { path: files.display("index.json"), reason };
    let saved = local.layout != LocalLayout::DockerArchive && files.contains("manifest.json");
    if saved && !files.contains("index.json") {
        let reason = match local.layout {
            LocalLayout::OciArchive => "missing; this is what `docker save` writes: docker-archive:",
            _ => "missing; this is a folder of one image: dir:",
        };
        return Err(bad(reason.into()));
    }
    let bytes = files.read("index.json", MANIFEST_MAX)?;
    let Index { manifests } =
        json::parse(&bytes, &json::MANIFEST).map_err(|error: serde_json::Error| bad(error.to_string()))?;
    Ok(manifests)
}

/// Those that are meant, each with its position.
fn matching<'a>(all: &'a [Descriptor], local: &LocalImage) -> Vec<(usize, &'a Descriptor)> {
    let all = all.iter().enumerate();
    let Some(name) = local.name.as_deref() else { return all.collect() };
    if let Some(position) = position(name) {
        return all.skip(position).take(1).collect();
    }
    let exact = |found: &Descriptor| NAMES.iter().any(|key| annotation(found, key) == Some(name));
    let alike = |found: &Descriptor| {
        NAMES.iter().any(|key| annotation(found, key).is_some_and(|found| same_name(found, name)))
    };
    let exactly: Vec<_> = all.clone().filter(|(_, found)| exact(found)).collect();
    if exactly.is_empty() { all.filter(|(_, found)| alike(found)).collect() } else { exactly }
}

fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> Option<&'a str> {
    descriptor.annotations.as_ref()?.get(key)?.as_str()
}
