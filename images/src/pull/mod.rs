//! Pulling images from registries into the store.
//!
//! All images of a call are planned first (their manifests and indexes, a few KiB each); then every distinct blob
//! that the store lacks is fetched once, in parallel, whatever number of images share it. Each byte is hashed
//! as it arrives and nothing enters the store under a digest it does not have. Interrupted transfers resume.
//!
//! [`pull`] and [`resolve`] block; their requests run on the network threads of the session.

mod attempts;
mod blob;
mod download;
mod error;
mod fetch;
mod manifests;
mod parts;
mod plan;
mod referrers;
mod request;
mod signatures;
mod tags;

use std::collections::BTreeMap;
use std::sync::Arc;

use content::Digest;
use tokio::task::JoinSet;

use self::blob::BlobToFetch;
pub use self::download::{DOWNLOAD_MAX, Download, download};
pub use self::error::{EndpointFailure, Error};
use self::fetch::Fetcher;
pub use self::request::{PullRequest, PulledImage, Referrers};
pub use self::signatures::signatures;
pub use crate::client::{
    Denial, HostTls, Login, Proxies, RegistryFault, RegistryOptions, RequestLimits, TransferProgress,
};
use crate::client::{Inbox, RegistrySession, Worked, drain, work_on};
use crate::manifest::{Descriptor, Manifest, Platform};
pub use crate::redact::redacted;
pub use crate::referrers::{attached_tag, is_attached_tag, referrers_tag};
use crate::{Reference, Store};

/// Pulls images into the store and returns them in the order of the requests.
///
/// What is in the store already is not asked for again: with digests for all requests and a warm store no request
/// leaves the machine.
///
/// # Errors
///
/// The first image that could not be pulled. What was fetched until then stays in the store, incomplete blobs
/// included, and the next call resumes from there.
pub fn pull(
    requests: &[PullRequest],
    store: &Store,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<Vec<PulledImage>, Error> {
    let runtime = session.runtime().map_err(Error::of_all)?;
    let (events, mut inbox) = Inbox::new();
    let fetcher = Arc::new(Fetcher::new(session, store.clone(), events));
    runtime.block_on(async {
        let mut images = plan_all(requests, &fetcher, progress, &mut inbox).await?;
        let blobs = images.iter_mut().flat_map(|image| std::mem::take(&mut image.blobs));
        let missing = plan::missing(blobs, store)?;
        fetch_all(missing, &fetcher, store, progress, &mut inbox).await?;
        Ok(images.into_iter().map(|image| image.pulled).collect())
    })
}

/// Brings blobs into the store that a manifest of `reference` names: for those who want some of them, or of what is no
/// image.
///
/// # Errors
///
/// The first blob that could not be fetched, as with [`pull`].
pub fn blobs(
    reference: &Reference,
    blobs: &[Descriptor],
    store: &Store,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<(), Error> {
    let request = Arc::new(PullRequest::of(reference));
    let missing = plan::missing(blobs.iter().map(|blob| BlobToFetch::new(blob, &request)), store)?;
    if missing.is_empty() {
        return Ok(());
    }
    let runtime = session.runtime().map_err(|fault| Error::here(&reference.to_string(), fault))?;
    let (events, mut inbox) = Inbox::new();
    let fetcher = Arc::new(Fetcher::new(session, store.clone(), events));
    runtime.block_on(fetch_all(missing, &fetcher, store, progress, &mut inbox))
}

/// Fetches blobs, as many at a time as the options allow.
async fn fetch_all(
    missing: Vec<BlobToFetch>,
    fetcher: &Arc<Fetcher>,
    store: &Store,
    progress: &dyn TransferProgress,
    inbox: &mut Inbox,
) -> Result<(), Error> {
    let bytes = missing.iter().map(|blob| blob.size).sum();
    progress.planned(missing.len(), bytes);
    let free = store.free_space().map_err(|error| Error::of_all(error.into()))?;
    if bytes > free {
        return Err(Error::of_all(RegistryFault::NoSpace {
            folder: store.root().to_owned(),
            needed: bytes,
            free,
        }));
    }
    let fetch = |fetcher: Arc<Fetcher>, blob| async move {
        Ok(fetcher.blob(blob).await?.map_or(Worked::Done(()), Worked::Later))
    };
    let at_once = fetcher.options().limits.all();
    work_on(missing, at_once, fetcher, fetch, (progress, inbox), Error::of_all).await.map(drop)
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// Of an index, the digest of the manifest for each platform: the first that it lists for it, which is the one clients
    /// take. Empty for an image that is not an index.
    pub platforms: BTreeMap<Platform, Digest>,
}

/// What a reference names now, from the registry, checked against the bytes of the manifest.
/// A digest in the reference is taken as it is, and no registry is asked what it lists.
///
/// # Errors
///
/// The registry cannot be reached, does not know the tag, or lies.
pub fn resolve(
    reference: &Reference,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<ResolvedImage, Error> {
    if let Some(digest) = reference.digest() {
        return Ok(ResolvedImage { digest: *digest, platforms: BTreeMap::new() });
    }
    let bytes = tagged(reference, session, progress)?;
    let name = reference.to_string();
    let manifest =
        Manifest::parse(&bytes).map_err(|error| Error::new(&name, "manifest", "", error.into()))?;
    Ok(ResolvedImage { digest: Digest::of(&bytes), platforms: manifest.platforms() })
}

/// The manifest that the digest of `reference`, or else its tag names now; `None` where the registry does not know it.
///
/// # Errors
///
/// The registry cannot be reached, or what it gives is not a manifest.
pub fn manifest(
    reference: &Reference,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<Option<Vec<u8>>, Error> {
    let found = match reference.digest() {
        None => tagged(reference, session, progress),
        Some(digest) => {
            let (name, asked, digest) = (reference.to_string(), reference.clone(), *digest);
            alone(&name.clone(), session, progress, |fetcher| async move {
                fetcher.manifest(&name, &asked, &digest, None).await
            })
        }
    };
    match found {
        Err(error) if error.is_unknown() => Ok(None),
        answer => answer.map(Some),
    }
}

/// The manifests that are attached to the manifest `subject` in the repository of `reference`, in the order of their digests, with
/// these: signatures, SBOMs. Those under tags of cosign's own are not among them.
///
/// # Errors
///
/// The registry cannot be reached, or lies.
pub fn attached(
    reference: &Reference,
    subject: &Digest,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<Vec<(Digest, Manifest)>, Error> {
    let (request, subject) = (Arc::new(PullRequest::of(reference)), *subject);
    let name = reference.to_string();
    alone(&name.clone(), session, progress, |fetcher| async move {
        let (list, manifests) = referrers::listed(&fetcher, &request, &subject).await?;
        let parse = |bytes: &Vec<u8>| {
            Manifest::parse(bytes).map_err(|error| Error::new(&name, "a referrer", "", error.into()))
        };
        let found = list.iter().filter_map(|listed| Some((listed.digest, manifests.get(&listed.digest)?)));
        found.map(|(digest, bytes)| Ok((digest, parse(bytes)?))).collect()
    })
}

fn tagged(
    reference: &Reference,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<Vec<u8>, Error> {
    let (name, asked) = (reference.to_string(), reference.clone());
    alone(&name.clone(), session, progress, |fetcher| async move {
        fetcher.manifest_by_tag(&name, &asked, asked.tag().unwrap_or("latest")).await
    })
}

/// Does one thing with a fetcher that keeps nothing.
fn alone<T: Send + 'static, F: Future<Output = Result<T, Error>> + Send + 'static>(
    name: &str,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
    work: impl FnOnce(Fetcher) -> F,
) -> Result<T, Error> {
    let here = |fault| Error::here(name, fault);
    let runtime = session.runtime().map_err(here)?;
    let (events, mut inbox) = Inbox::new();
    let work = work(Fetcher::resolver(session, events));
    let mut done = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        tasks.spawn(work);
        drain(tasks, progress, &mut inbox, here).await
    })?;
    done.pop().ok_or_else(|| here(RegistryFault::Cancelled))
}

/// The tags of the repository of `reference`, sorted by their bytes, each once.
///
/// # Errors
///
/// The registry cannot be reached, does not know the repository, lists what cannot be tags, or more than anybody has.
pub fn tags(
    reference: &Reference,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<Vec<String>, Error> {
    let (name, asked) = (reference.name(), reference.clone());
    let tags =
        alone(&name.clone(), session, progress, |fetcher| async move { fetcher.tags(&name, &asked).await });
    Ok(tags?.into_iter().collect())
}

/// The digests of the lists of what is attached to the image `digest` and, where it is an index, to the manifests that it
/// lists for `platforms` (all where that is empty), by [`Referrers::key`], as [`PulledImage::referrers`] has them: the
/// same as long as the same things are attached, in whatever order and form the registry says so. The image itself is
/// always among them, with an empty list where nothing is attached to it.
///
/// # Errors
///
/// The registry cannot be reached, or lies.
pub fn referrers(
    reference: &Reference,
    digest: &Digest,
    platforms: &[Platform],
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<BTreeMap<String, Digest>, Error> {
    let request = PullRequest {
        platforms: platforms.to_vec(),
        expected: Some(*digest),
        referrers: true,
        ..PullRequest::of(reference)
    };
    let image = alone(&reference.to_string(), session, progress, |fetcher| async move {
        plan::image(&fetcher, request).await
    });
    let mut lists = BTreeMap::from([(digest.to_string(), Digest::of(&no_referrers()))]);
    lists.extend(image?.pulled.referrers.iter().map(|list| (list.key(), list.digest)));
    Ok(lists)
}

/// The list of what is attached to an image that has nothing.
#[must_use]
pub fn no_referrers() -> Vec<u8> {
    manifests::index(&[])
}

async fn plan_all(
    requests: &[PullRequest],
    fetcher: &Arc<Fetcher>,
    progress: &dyn TransferProgress,
    inbox: &mut Inbox,
) -> Result<Vec<plan::PlannedPull>, Error> {
    let plan = |fetcher: Arc<Fetcher>, request| async move {
        let _permit = fetcher.options().limits.any().await;
        plan::image(&fetcher, request).await.map(Worked::Done)
    };
    let at_once = fetcher.options().limits.all();
    work_on(requests.to_vec(), at_once, fetcher, plan, (progress, inbox), Error::of_all).await
}
