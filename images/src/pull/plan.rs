//! What an image consists of: its manifests, fetched, and its blobs, to be fetched.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use content::{Digest, parallel};

use super::fetch::Fetcher;
use super::{Error, Fault, Pulled, Request, referrers};
use crate::client::Event;
use crate::closure::{Closure, Unconfirmed};
use crate::error;
use crate::manifest::{Descriptor, MANIFEST_MAX, Manifest, ParseError, Platform};
use crate::{Store, platform};

/// An image whose manifests are all in the store.
pub(super) struct Image {
    /// What is said of it once its blobs are, too.
    pub(super) pulled: Pulled,
    /// Its distinct blobs.
    pub(super) blobs: Vec<Blob>,
}

/// A blob, and an image that it can be fetched for. There may be a hundred thousand of them in manifests that are
/// made for it: what is not needed is not kept.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) media_type: String,
    pub(super) foreign: bool,
    pub(super) request: Arc<Request>,
}

impl Blob {
    pub(super) fn new(descriptor: &Descriptor, request: &Arc<Request>) -> Self {
        let media_type = descriptor.media_type.clone();
        Self {
            digest: descriptor.digest,
            size: descriptor.size,
            foreign: !descriptor.urls.is_empty()
                || media_type.contains("foreign")
                || media_type.contains("nondistributable"),
            media_type,
            request: Arc::clone(request),
        }
    }
}

/// Fetches the manifest of an image and, where it is an index, those of the chosen platforms.
pub(super) async fn image(fetcher: &Fetcher, request: Request) -> Result<Image, Error> {
    let request = Arc::new(request);
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
            match fetcher.manifest_by_tag(&name, &request.reference, tag).await {
                Ok(bytes) => {
                    let found = Digest::of(&bytes);
                    if found != expected {
                        return Err(here("manifest", Fault::TagMoved { tag: tag.into(), expected, found }));
                    }
                    bytes
                }
                // A digest needs no tag.
                Err(error) if error.is_unknown() => {
                    let bytes = fetcher.manifest(&name, &request.reference, &expected, None).await?;
                    let text = format!("{}: the tag is gone, the digest counts", request.reference);
                    fetcher.tell(Event::Warn { text });
                    bytes
                }
                Err(error) => return Err(error),
            }
        }
        (Some(digest), _) => fetcher.manifest(&name, &request.reference, &digest, None).await?,
        (None, tag) => fetcher.manifest_by_tag(&name, &request.reference, tag.unwrap_or("latest")).await?,
    };
    let kind = Manifest::parse(&bytes).map_err(|error| here("manifest", error.into()))?.kind;
    let mut parts = Parts::default();
    let digest = parts.gather(fetcher, &request, bytes, &request.platforms, HashMap::new()).await?;
    parts.confirm(fetcher, &request).await?;
    let mut referrers = Vec::new();
    if request.referrers {
        for subject in parts.manifests.clone() {
            referrers::gather(fetcher, &request, &subject, &mut parts, &mut referrers).await?;
        }
    }
    let size = parts.blobs.iter().fold(parts.closure.bytes(), |sum, blob| sum.saturating_add(blob.size));
    let (name, tag) = (request.name.clone(), request.tag.clone());
    Ok(Image { pulled: Pulled { name, tag, digest, kind, size, referrers }, blobs: parts.blobs })
}

/// What an image consists of.
#[derive(Default)]
pub(super) struct Parts {
    closure: Closure,
    /// In the order they were found; all are in the store.
    manifests: Vec<Digest>,
    /// Each once; the set has their digests and sizes.
    blobs: Vec<Blob>,
    named: HashSet<(Digest, u64)>,
}

impl Parts {
    /// Stores a manifest and, where it is an index, fetches those it lists for `platforms`, unless `at_hand` has them.
    /// Returns its digest.
    pub(super) async fn gather(
        &mut self,
        fetcher: &Fetcher,
        request: &Arc<Request>,
        root: Vec<u8>,
        platforms: &[Platform],
        mut at_hand: HashMap<Digest, Vec<u8>>,
    ) -> Result<Digest, Error> {
        let name = request.label();
        let digest = Digest::of(&root);
        at_hand.insert(digest, root);
        self.closure.enter(digest);
        // Fetched when their turn comes: a list of a thousand large manifests must not be held in memory.
        while let Some(node) = self.closure.next() {
            let here = |fault| Error::new(&name, &format!("manifest {}", node.digest), "", fault);
            let size = node.descriptor.as_ref().map(|descriptor| descriptor.size);
            if size.is_some_and(|size| size > MANIFEST_MAX) {
                return Err(here(Fault::TooLarge { limit: MANIFEST_MAX }));
            }
            let bytes = match at_hand.remove(&node.digest) {
                Some(bytes) => bytes,
                None => fetcher.manifest(&name, &request.reference, &node.digest, size).await?,
            };
            let manifest =
                self.closure.read(&node, &bytes, platforms).map_err(|refusal| here(refusal.into()))?;
            fetcher.keep(&name, &bytes)?;
            self.manifests.push(node.digest);
            let unnamed = manifest.blobs().filter(|blob| self.named.insert((blob.digest, blob.size)));
            self.blobs.extend(unnamed.map(|blob| Blob::new(blob, request)));
        }
        Ok(digest)
    }

    /// Checks that the configurations name the platforms that no index says the image is for.
    async fn confirm(&mut self, fetcher: &Fetcher, request: &Arc<Request>) -> Result<(), Error> {
        let Unconfirmed { platforms, configs } = self.closure.take_unconfirmed();
        let Some(store) = fetcher.store.as_ref().filter(|_| !platforms.is_empty()) else { return Ok(()) };
        let name = request.label();
        let mut offered = Vec::new();
        for config in configs {
            let here = |fault| Error::new(&name, &format!("configuration {}", config.digest), "", fault);
            let mut blob = Some(Blob::new(&config, request));
            while let Some(waiting) = blob {
                blob = fetcher.blob(waiting).await?;
            }
            let bytes = store.read(&config.digest, MANIFEST_MAX).map_err(|error| here(error.into()))?;
            offered.extend(
                platform::of_config(&bytes)
                    .map_err(|error| here(ParseError::Ambiguous { reason: error.to_string() }.into()))?,
            );
        }
        platform::confirm(&platforms, offered)
            .map_err(|missing| Error::new(&name, "the image", "", missing.into()))
    }
}

/// The distinct of these blobs that the store lacks, the largest first: a large one started last would be waited for
/// alone.
pub(super) fn missing(blobs: impl Iterator<Item = Blob>, store: &Store) -> Result<Vec<Blob>, Error> {
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut distinct = Vec::new();
    for blob in blobs {
        match sizes.insert(blob.digest, blob.size) {
            Some(known) if known == blob.size => {}
            Some(expected) => {
                let fault = Fault::SizeMismatch { expected, found: blob.size };
                return Err(Error::new(&blob.request.label(), &format!("blob {}", blob.digest), "", fault));
            }
            None => distinct.push(blob),
        }
    }
    // What is not recorded as unchanged is read, on all processors.
    let there =
        parallel::try_map(parallel::processors(), &distinct, |blob| store.has(&blob.digest, blob.size))
            .map_err(|error: error::Error| Error::here("the images", error.into()))?;
    let mut missing: Vec<Blob> =
        distinct.into_iter().zip(there).filter(|(_, there)| !there).map(|(blob, _)| blob).collect();
    missing.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
    Ok(missing)
}
