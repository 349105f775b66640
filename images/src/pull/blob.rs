//! A blob to fetch.

use std::sync::Arc;

use content::Digest;

use super::PullRequest;
use crate::manifest::Descriptor;

/// A blob, and an image that it can be fetched for. There may be a hundred thousand of them in manifests that are
/// made for it: what is not needed is not kept.
#[derive(Debug)]
pub(super) struct BlobToFetch {
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) media_type: String,
    pub(super) foreign: bool,
    pub(super) request: Arc<PullRequest>,
}

impl BlobToFetch {
    pub(super) fn new(descriptor: &Descriptor, request: &Arc<PullRequest>) -> Self {
        let media_type = descriptor.media_type.clone();
        Self {
            digest: descriptor.digest,
            size: descriptor.size,
            foreign: descriptor.is_foreign(),
            media_type,
            request: Arc::clone(request),
        }
    }
}
