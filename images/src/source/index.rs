//! `index.json` of an OCI layout.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::files::Files;
use super::{Layout, Local, position, same_name};
use crate::error::{Error, Result};
use crate::manifest::{Descriptor, MANIFEST_MAX, null_is_default};
use crate::{Digest, json};

/// What the names of an image are kept under: of the layout, and of docker, which has the full name there and in the other
/// the tag alone.
const NAMES: [&str; 2] = ["io.containerd.image.name", "org.opencontainers.image.ref.name"];

/// The image of the layout: the only one, or the one with the name or at the position. `None` where this is only what
/// `docker save` writes.
pub(super) fn choose(files: &Files, local: &Local) -> Option<Result<Descriptor>> {
    let docker = local.layout == Layout::DockerArchive;
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

fn found(files: &Files, local: &Local) -> Result<Descriptor> {
    let bad = |reason: String| Error::Layout { path: files.display("index.json"), reason };
    let mut manifests = matching(files, local)?;
    // One image under several names is one image.
    let distinct: BTreeSet<Digest> = manifests.iter().map(|descriptor| descriptor.digest).collect();
    match (manifests.pop(), distinct.len(), local.name.as_deref()) {
        (Some(descriptor), 1, _) => Ok(descriptor),
        (None, _, Some(name)) => Err(bad(format!("no image named `{}`", content::printable(name)))),
        (None, _, None) => Err(bad("no image".into())),
        (_, count, _) => Err(bad(format!("{count} images match; name one"))),
    }
}

/// The names of the image, if there is only one.
pub(super) fn names(files: &Files, local: &Local) -> Result<Vec<String>> {
    let manifests = matching(files, local)?;
    let distinct: BTreeSet<Digest> = manifests.iter().map(|descriptor| descriptor.digest).collect();
    if distinct.len() != 1 {
        return Ok(Vec::new());
    }
    let named = NAMES.iter().flat_map(|key| manifests.iter().filter_map(|found| annotation(found, key)));
    Ok(named.map(ToOwned::to_owned).collect())
}

fn matching(files: &Files, local: &Local) -> Result<Vec<Descriptor>> {
    #[derive(Deserialize)]
    struct Index {
        #[serde(default, deserialize_with = "null_is_default")]
        manifests: Vec<Descriptor>,
    }
    let bytes = files.read("index.json", MANIFEST_MAX)?;
    let bad = |error: serde_json::Error| Error::Layout {
        path: files.display("index.json"),
        reason: error.to_string(),
    };
    let Index { manifests } = json::parse(&bytes, &json::MANIFEST).map_err(bad)?;
    let Some(name) = local.name.as_deref() else { return Ok(manifests) };
    if let Some(position) = position(name) {
        return Ok(manifests.into_iter().skip(position).take(1).collect());
    }
    let exact = |found: &Descriptor| NAMES.iter().any(|key| annotation(found, key) == Some(name));
    let alike = |found: &Descriptor| {
        NAMES.iter().any(|key| annotation(found, key).is_some_and(|found| same_name(found, name)))
    };
    let exactly: Vec<Descriptor> = manifests.iter().filter(|found| exact(found)).cloned().collect();
    Ok(if exactly.is_empty() { manifests.into_iter().filter(alike).collect() } else { exactly })
}

fn annotation<'a>(descriptor: &'a Descriptor, key: &str) -> Option<&'a str> {
    descriptor.annotations.as_ref()?.get(key)?.as_str()
}
