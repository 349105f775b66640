//! What an image consists of: its manifests, fetched, and its blobs, to be fetched.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use content::Digest;

use super::blob::BlobToFetch;
use super::fetch::Fetcher;
use super::{Error, PullRequest, RegistryFault};
use crate::closure::{Closure, Unconfirmed};
use crate::manifest::{MANIFEST_MAX, ManifestError, Platform};
use crate::platform;

/// What an image consists of.
#[derive(Default)]
pub(super) struct Parts {
    closure: Closure,
    /// In the order they were found; all are in the store.
    pub(super) manifests: Vec<Digest>,
    /// Each once; the set has their digests and sizes.
    pub(super) blobs: Vec<BlobToFetch>,
    named: HashSet<(Digest, u64)>,
}

impl Parts {
    /// Stores a manifest and, where it is an index, fetches those it lists for `platforms`, unless `at_hand` has them.
    /// Returns its digest.
    pub(super) async fn gather(
        &mut self,
        fetcher: &Fetcher,
        request: &Arc<PullRequest>,
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
                return Err(here(RegistryFault::TooLarge { limit: MANIFEST_MAX }));
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
            self.blobs.extend(unnamed.map(|blob| BlobToFetch::new(blob, request)));
        }
        Ok(digest)
    }

    /// Checks that the configurations name the platforms that no index says the image is for.
    pub(super) async fn confirm(
        &mut self,
        fetcher: &Fetcher,
        request: &Arc<PullRequest>,
    ) -> Result<(), Error> {
        let Unconfirmed { platforms, configs } = self.closure.take_unconfirmed();
        let Some(store) = fetcher.store.as_ref().filter(|_| !platforms.is_empty()) else { return Ok(()) };
        let name = request.label();
        let mut offered = Vec::new();
        for config in configs {
            let here = |fault| Error::new(&name, &format!("configuration {}", config.digest), "", fault);
            let mut blob = Some(BlobToFetch::new(&config, request));
            while let Some(waiting) = blob {
                blob = fetcher.blob(waiting).await?;
            }
            let bytes = store.read(&config.digest, MANIFEST_MAX).map_err(|error| here(error.into()))?;
            offered.extend(
                platform::of_config(&bytes)
                    .map_err(|error| here(ManifestError::Ambiguous { reason: error.to_string() }.into()))?,
            );
        }
        platform::confirm(&platforms, offered)
            .map_err(|missing| Error::new(&name, "the image", "", missing.into()))
    }

    /// Bytes of all manifests and blobs.
    pub(super) fn size(&self) -> u64 {
        self.blobs.iter().fold(self.closure.bytes(), |sum, blob| sum.saturating_add(blob.size))
    }
}
