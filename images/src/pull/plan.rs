//! What an image consists of: its manifests, fetched, and its blobs, to be fetched.

use std::collections::{BTreeMap, HashMap};

use super::fetch::Fetcher;
use super::{Error, Fault, Pulled, Request};
use crate::error;
use crate::manifest::{DEPTH_MAX, Descriptor, Kind, MANIFEST_MAX, Manifest};
use crate::{Digest, Store};

/// The most manifests one image may have; real indexes have a few dozen.
const MANIFESTS_MAX: usize = 1024;

/// An image whose manifests are all in the store.
pub(super) struct Image {
    request: Request,
    digest: Digest,
    kind: Kind,
    manifest_bytes: u64,
    blobs: Vec<Descriptor>,
}

impl Image {
    pub(super) fn pulled(&self) -> Pulled {
        let sizes: BTreeMap<Digest, u64> = self.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
        Pulled {
            name: self.request.name.clone(),
            tag: self.request.tag.clone(),
            digest: self.digest,
            kind: self.kind,
            size: sizes.values().fold(self.manifest_bytes, |sum, size| sum.saturating_add(*size)),
        }
    }
}

/// A blob to fetch, and every image it can be fetched for.
#[derive(Debug, Clone)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) media_type: String,
    pub(super) foreign: bool,
    pub(super) request: Request,
}

/// Fetches the manifest of an image and, where it is an index, those of the chosen platforms.
pub(super) async fn image(fetcher: &Fetcher, request: Request) -> Result<Image, Error> {
    let name = request.label();
    let here = |content: &str, fault| Error::new(&name, content, "", fault);
    let pinned = match (request.expected, request.reference.digest()) {
        (Some(expected), Some(found)) if expected != *found => {
            return Err(here("manifest", Fault::DigestMismatch { expected, found: *found }));
        }
        (expected, found) => expected.or(found.copied()),
    };
    let bytes = match (pinned, request.reference.tag()) {
        (Some(expected), Some(tag)) if fetcher.check_tags() => {
            let bytes = fetcher.manifest_by_tag(&name, &request.reference, tag).await?;
            let found = Digest::of(&bytes);
            if found != expected {
                return Err(here("manifest", Fault::TagMoved { tag: tag.into(), expected, found }));
            }
            bytes
        }
        (Some(digest), _) => fetcher.manifest(&name, &request.reference, &digest, None).await?,
        (None, tag) => fetcher.manifest_by_tag(&name, &request.reference, tag.unwrap_or("latest")).await?,
    };
    let digest = fetcher.keep(&name, &bytes)?;
    let root = Manifest::parse(&bytes).map_err(|error| here("manifest", error.into()))?;
    let mut image =
        Image { digest, kind: root.kind, manifest_bytes: bytes.len() as u64, blobs: Vec::new(), request };
    let mut seen = vec![digest];
    let mut waiting = vec![(root, 0)];
    while let Some((manifest, depth)) = waiting.pop() {
        image.blobs.extend(manifest.blobs().cloned());
        let kept = if depth == 0 { manifest.select(&image.request.platforms) } else { manifest.select(&[]) };
        let kept =
            kept.map_err(|platform| here("manifest", Fault::NoPlatform { platform: platform.clone() }))?;
        if !kept.is_empty() && depth == DEPTH_MAX {
            return Err(here("manifest", Fault::TooDeep { limit: DEPTH_MAX }));
        }
        for child in kept {
            if seen.contains(&child.digest) {
                continue;
            }
            if child.size > MANIFEST_MAX || seen.len() >= MANIFESTS_MAX {
                return Err(here(
                    &format!("manifest {}", child.digest),
                    Fault::TooLarge { limit: MANIFEST_MAX },
                ));
            }
            seen.push(child.digest);
            let bytes =
                fetcher.manifest(&name, &image.request.reference, &child.digest, Some(child.size)).await?;
            fetcher.keep(&name, &bytes)?;
            image.manifest_bytes += bytes.len() as u64;
            let parsed = Manifest::parse(&bytes)
                .map_err(|error| here(&format!("manifest {}", child.digest), error.into()))?;
            waiting.push((parsed, depth + 1));
        }
    }
    Ok(image)
}

/// The distinct blobs of all images that the store lacks, the largest first: a large one started last would be
/// waited for alone.
pub(super) fn missing(images: &[Image], store: &Store) -> Result<Vec<Blob>, Error> {
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut missing = Vec::new();
    for image in images {
        for Descriptor { digest, size, media_type, urls, .. } in &image.blobs {
            let here = |fault| Error::new(&image.request.label(), &format!("blob {digest}"), "", fault);
            match sizes.get(digest) {
                Some(known) if known == size => continue,
                Some(known) => return Err(here(Fault::SizeMismatch { expected: *known, found: *size })),
                None => sizes.insert(*digest, *size),
            };
            if store.has(digest, *size).map_err(|error: error::Error| here(error.into()))? {
                continue;
            }
            missing.push(Blob {
                digest: *digest,
                size: *size,
                media_type: media_type.clone(),
                foreign: !urls.is_empty()
                    || media_type.contains("foreign")
                    || media_type.contains("nondistributable"),
                request: image.request.clone(),
            });
        }
    }
    missing.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
    Ok(missing)
}
