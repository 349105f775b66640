//! The plan of a pull: an image's manifests, and which of its blobs are missing.

use std::collections::HashMap;
use std::sync::Arc;

use content::{Digest, parallel};

use super::blob::BlobToFetch;
use super::fetch::Fetcher;
use super::parts::Parts;
use super::{Error, PullRequest, PulledImage, RegistryFault, referrers};
use crate::client::TransferEvent;
use crate::manifest::Manifest;
use crate::{Store, error};

/// An image whose manifests are all in the store.
pub(super) struct PlannedPull {
    /// What is said of it once its blobs are, too.
    pub(super) pulled: PulledImage,
    /// Its distinct blobs.
    pub(super) blobs: Vec<BlobToFetch>,
}

/// Fetches the manifest of an image and, where it is an index, those of the chosen platforms.
pub(super) async fn image(fetcher: &Fetcher, request: PullRequest) -> Result<PlannedPull, Error> {
    let request = Arc::new(request);
    let name = request.label();
    let here = |content: &str, fault| Error::new(&name, content, "", fault);
    let pinned = match (request.expected, request.reference.digest()) {
        (Some(expected), Some(found)) if expected != *found => {
            return Err(here("manifest", RegistryFault::DigestMismatch { expected, found: *found }));
        }
        (expected, found) => expected.or(found.copied()),
    };
    let bytes = match (pinned, request.reference.tag()) {
        (Some(expected), Some(tag)) if fetcher.options().check_tags => {
            match fetcher.manifest_by_tag(&name, &request.reference, tag).await {
                Ok(bytes) => {
                    let found = Digest::of(&bytes);
                    if found != expected {
                        return Err(here(
                            "manifest",
                            RegistryFault::TagMoved { tag: tag.into(), expected, found },
                        ));
                    }
                    bytes
                }
                // A digest needs no tag.
                Err(error) if error.is_unknown() => {
                    let bytes = fetcher.manifest(&name, &request.reference, &expected, None).await?;
                    let text =
                        format!("{}: the tag no longer exists; its locked digest is used", request.reference);
                    fetcher.report(TransferEvent::Warn { text });
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
    let size = parts.size();
    let (name, tag) = (request.name.clone(), request.tag.clone());
    Ok(PlannedPull { pulled: PulledImage { name, tag, digest, kind, size, referrers }, blobs: parts.blobs })
}

/// The distinct of these blobs that the store lacks, the largest first: a large one started last would be waited for
/// alone.
pub(super) fn missing(
    blobs: impl Iterator<Item = BlobToFetch>,
    store: &Store,
) -> Result<Vec<BlobToFetch>, Error> {
    let mut sizes: HashMap<Digest, u64> = HashMap::new();
    let mut distinct = Vec::new();
    for blob in blobs {
        match sizes.insert(blob.digest, blob.size) {
            Some(known) if known == blob.size => {}
            Some(expected) => {
                let fault = RegistryFault::SizeMismatch { expected, found: blob.size };
                return Err(Error::new(&blob.request.label(), &format!("blob {}", blob.digest), "", fault));
            }
            None => distinct.push(blob),
        }
    }
    // What is not recorded as unchanged is read, on all processors.
    let there =
        parallel::try_map(parallel::processors(), &distinct, |blob| store.has(&blob.digest, blob.size))
            .map_err(|error: error::Error| Error::of_all(error.into()))?;
    let mut missing: Vec<BlobToFetch> =
        distinct.into_iter().zip(there).filter(|(_, there)| !there).map(|(blob, _)| blob).collect();
    missing.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
    Ok(missing)
}
