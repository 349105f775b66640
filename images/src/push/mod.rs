//! Pushing images into a registry that a site already runs.
//!
//! ```no_run
//! use std::path::Path;
//! use images::push::{self, RegistryOptions, PushRequest};
//! use images::{Reference, RegistrySession, Store};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = Store::open(Path::new("store"))?;
//! let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?;
//! let reference: Reference = "registry.example/platform/pause:3.9".parse()?;
//! let session = RegistrySession::new(RegistryOptions::default());
//! let report = push::push(&[PushRequest { reference, digest }], store, &session, &())?;
//! println!("{} bytes moved", report.bytes);
//! # Ok(())
//! # }
//! ```
//!
//! Nothing is named before it is whole: first all blobs of all images, then the manifests, each after those it lists, and
//! the tags last. An interrupted push leaves blobs and untagged manifests, which the next one finds.
//!
//! - A blob that the registry has is not sent (HEAD); one that it has in another repository of this push is mounted
//!   (distribution specification, "Mounting a blob from another repository").
//! - A blob of more than [`RegistryOptions::chunk`] bytes goes in pieces; after a failure the registry reports how much it has. Between
//!   two runs only whole blobs are kept: registries forget sessions, and where they lie.
//! - Referrers of an image (signatures, SBOMs) are pushed by digest, which is enough if the registry supports referrers.
//!   Where it does not, the list under the tag `sha256-<hex>` is what clients read; an existing list is extended.
//!
//! [`push()`] blocks; its requests run on the network threads of the session.

mod blob_set;
mod blobs;
mod content;
mod error;
mod feed;
mod manifests;
mod plan;
mod pusher;

use std::sync::Arc;

use ::content::Digest;

pub use self::blob_set::BlobSet;
pub use self::content::BlobSource;
pub use self::error::Error;
use self::pusher::Pusher;
use crate::Reference;
use crate::client::{Inbox, RegistrySession, Worked, work_on};
pub use crate::client::{Login, RegistryFault, RegistryOptions, TransferProgress};

/// An image to push.
#[derive(Debug, Clone)]
pub struct PushRequest {
    /// Where to push it: registry, repository and tag; without a tag if there is only a digest.
    pub reference: Reference,
    /// The digest of its manifest or index.
    pub digest: Digest,
}

/// The result of a push.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PushReport {
    /// In the order of the requests.
    pub images: Vec<PushedReference>,
    /// Blobs, counted once per repository that needs them.
    pub blobs: BlobTotals,
    /// Bytes of the blobs that were uploaded.
    pub bytes: u64,
    /// Manifests and tags that were written.
    pub manifests: usize,
}

/// How blobs came to be where they should.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct BlobTotals {
    /// The registry had them.
    pub present: usize,
    /// Taken from another repository of the registry.
    pub mounted: usize,
    /// Sent.
    pub uploaded: usize,
}

/// An image that is in the registry, whole.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PushedReference {
    /// Where.
    pub reference: String,
    /// The digest of its manifest or index.
    pub digest: Digest,
    /// Whether it was not there, or its tag named something else.
    pub changed: bool,
}

/// Pushes images; those of one call share blobs, whatever number of repositories they go to.
///
/// # Errors
///
/// The first thing that could not be pushed. What was pushed before stays, and the next call carries on from there.
pub fn push(
    requests: &[PushRequest],
    content: impl BlobSource + 'static,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<PushReport, Error> {
    let options = session.options();
    let content: Arc<dyn BlobSource> = Arc::new(content);
    let images = requests
        .iter()
        .map(|request| plan::image(request, &*content, options).map(Arc::new))
        .collect::<Result<Vec<_>, _>>()?;
    let runtime = session.runtime().map_err(Error::of_all)?;
    let (events, mut inbox) = Inbox::new();
    let pusher = Arc::new(Pusher::new(content, session, events));
    let at_once = options.limits.per_host();
    runtime.block_on(async {
        let mut wanted = blobs::Wanted::of(&images);
        let look =
            |pusher: Arc<Pusher>, question| async move { pusher.look(question).await.map(Worked::Done) };
        let questions = wanted.questions();
        let reports = (progress, &mut inbox);
        wanted.answered(work_on(questions, at_once, &pusher, look, reports, Error::of_all).await?);
        progress.planned(wanted.missing(), wanted.missing_bytes());
        let present = wanted.present();
        let bring = |pusher: Arc<Pusher>, blob: blobs::BlobToPush| async move {
            pusher.bring(&blob).await.map(Worked::Done)
        };
        let reports = (progress, &mut inbox);
        let moved = work_on(wanted.blobs(), at_once, &pusher, bring, reports, Error::of_all).await?;
        let mut report = PushReport {
            images: Vec::new(),
            blobs: BlobTotals { present, ..BlobTotals::default() },
            bytes: 0,
            manifests: 0,
        };
        for moved in moved {
            report.blobs.mounted += moved.mounted;
            report.blobs.uploaded += moved.uploaded;
            report.bytes += moved.bytes;
        }
        let write = |pusher: Arc<Pusher>, image: Arc<plan::PlannedPush>| async move {
            pusher.manifests(&image).await.map(Worked::Done)
        };
        let reports = (progress, &mut inbox);
        let written = work_on(images.clone(), at_once, &pusher, write, reports, Error::of_all).await?;
        report.manifests += written.into_iter().sum::<usize>();
        let name = |pusher: Arc<Pusher>, image: Arc<plan::PlannedPush>| async move {
            pusher.name(&image).await.map(Worked::Done)
        };
        let reports = (progress, &mut inbox);
        let named = work_on(images.clone(), at_once, &pusher, name, reports, Error::of_all).await?;
        for (image, changed) in images.iter().zip(named) {
            report.manifests += usize::from(changed);
            report.images.push(PushedReference {
                reference: image.label.clone(),
                digest: image.digest,
                changed,
            });
        }
        Ok(report)
    })
}
