//! What an image consists of: its manifests, fetched, and its blobs, to be fetched.

use std::collections::{BTreeMap, HashMap};

use super::fetch::Fetcher;
use super::manifests::{index, referrers_tag};
use super::{Error, Fault, Pulled, Referrers, Request};
use crate::error;
use crate::manifest::{DEPTH_MAX, Descriptor, Kind, MANIFEST_MAX, MANIFESTS_MAX, Manifest, Platform};
use crate::{Digest, Store};

/// An image whose manifests are all in the store.
pub(super) struct Image {
    request: Request,
    digest: Digest,
    kind: Kind,
    parts: Parts,
    referrers: Vec<Referrers>,
}

impl Image {
    pub(super) fn pulled(&self) -> Pulled {
        let sizes: BTreeMap<Digest, u64> =
            self.parts.blobs.iter().map(|blob| (blob.digest, blob.size)).collect();
        Pulled {
            name: self.request.name.clone(),
            tag: self.request.tag.clone(),
            digest: self.digest,
            kind: self.kind,
            size: sizes.values().fold(self.parts.manifest_bytes, |sum, size| sum.saturating_add(*size)),
            referrers: self.referrers.clone(),
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
        (Some(expected), Some(tag)) if fetcher.options.check_tags => {
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
    let kind = Manifest::parse(&bytes).map_err(|error| here("manifest", error.into()))?.kind;
    let mut parts = Parts::default();
    let digest = parts.gather(fetcher, &request, bytes, &request.platforms).await?;
    let mut referrers = Vec::new();
    if request.referrers {
        for subject in parts.manifests.clone() {
            referrers.extend(attached(fetcher, &request, &subject, &mut parts).await?);
        }
    }
    Ok(Image { request, digest, kind, parts, referrers })
}

/// What hangs on a manifest, gathered with the image's parts.
async fn attached(
    fetcher: &Fetcher,
    request: &Request,
    subject: &Digest,
    parts: &mut Parts,
) -> Result<Option<Referrers>, Error> {
    let name = request.label();
    let bytes = fetcher.referrers(&name, &request.reference, subject).await?;
    let here = |fault| Error::new(&name, &format!("referrers of {subject}"), "", fault);
    let list = canonical(bytes.as_deref()).map_err(here)?;
    if list.is_empty() {
        return Ok(None);
    }
    let digest = parts.gather(fetcher, request, index(&list), &[]).await?;
    Ok(Some(Referrers { tag: referrers_tag(subject), digest }))
}

/// What a list of referrers names. Registries make the list anew for each answer; in this form it is the same as long as its
/// content is.
pub(super) fn canonical(list: Option<&[u8]>) -> Result<Vec<Descriptor>, Fault> {
    let Some(list) = list else { return Ok(Vec::new()) };
    let mut manifests = Manifest::parse(list)?.manifests;
    manifests.sort_by_key(|descriptor| descriptor.digest);
    manifests.dedup_by_key(|descriptor| descriptor.digest);
    Ok(manifests)
}

/// What an image consists of.
#[derive(Default)]
struct Parts {
    /// In the order they were found; all are in the store.
    manifests: Vec<Digest>,
    manifest_bytes: u64,
    blobs: Vec<Descriptor>,
}

impl Parts {
    /// Stores a manifest and, where it is an index, fetches those it lists for `platforms`. Its digest.
    async fn gather(
        &mut self,
        fetcher: &Fetcher,
        request: &Request,
        root: Vec<u8>,
        platforms: &[Platform],
    ) -> Result<Digest, Error> {
        let name = request.label();
        let root_digest = Digest::of(&root);
        let mut root = Some(root);
        // Fetched when their turn comes: a list of a thousand large manifests must not be held in memory.
        let mut waiting = vec![(root_digest, None, 0)];
        while let Some((digest, size, depth)) = waiting.pop() {
            let here = |fault| Error::new(&name, &format!("manifest {digest}"), "", fault);
            let bytes = match root.take() {
                Some(root) => root,
                None => fetcher.manifest(&name, &request.reference, &digest, size).await?,
            };
            let manifest = Manifest::parse(&bytes).map_err(|error| here(error.into()))?;
            let wanted = if depth == 0 { platforms } else { &[] };
            let kept = manifest
                .select(wanted)
                .map_err(|platform| here(Fault::NoPlatform { platform: platform.clone() }))?;
            if !kept.is_empty() && depth == DEPTH_MAX {
                return Err(here(Fault::TooDeep { limit: DEPTH_MAX }));
            }
            fetcher.keep(&name, &bytes)?;
            self.manifests.push(digest);
            self.manifest_bytes += bytes.len() as u64;
            if self.manifest_bytes > MANIFESTS_MAX {
                return Err(here(Fault::TooLarge { limit: MANIFESTS_MAX }));
            }
            self.blobs.extend(manifest.blobs().cloned());
            for child in kept {
                let waits = waiting.iter().any(|(digest, ..)| *digest == child.digest);
                if waits || self.manifests.contains(&child.digest) {
                    continue;
                }
                if child.size > MANIFEST_MAX {
                    return Err(here(Fault::TooLarge { limit: MANIFEST_MAX }));
                }
                waiting.push((child.digest, Some(child.size), depth + 1));
            }
        }
        Ok(root_digest)
    }
}

/// The distinct blobs of all images that the store lacks, the largest first: a large one started last would be
/// waited for alone.
pub(super) fn missing(images: &[Image], store: &Store) -> Result<Vec<Blob>, Error> {
    missing_of(
        images.iter().flat_map(|image| image.parts.blobs.iter().map(|blob| (blob, &image.request))),
        store,
    )
}

/// The distinct of these blobs that the store lacks.
pub(super) fn missing_of<'a>(
    blobs: impl Iterator<Item = (&'a Descriptor, &'a Request)>,
    store: &Store,
) -> Result<Vec<Blob>, Error> {
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut missing = Vec::new();
    for (Descriptor { digest, size, media_type, urls, .. }, request) in blobs {
        let here = |fault| Error::new(&request.label(), &format!("blob {digest}"), "", fault);
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
            request: request.clone(),
        });
    }
    missing.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
    Ok(missing)
}
