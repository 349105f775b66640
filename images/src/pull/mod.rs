//! Pulling images from registries into the store.
//!
//! All images of a call are planned first (their manifests and indexes, a few KiB each); then every distinct blob
//! that the store lacks is fetched once, in parallel, whatever number of images share it. Each byte is hashed
//! as it arrives and nothing enters the store under a digest it does not have. What broke off is resumed.
//!
//! [`pull`] and [`resolve`] block; they run an asynchronous runtime of their own inside.

mod attempts;
mod auth;
mod error;
mod fetch;
mod http;
mod plan;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

pub use self::error::{Error, Failure, Fault};
use self::fetch::Fetcher;
use crate::manifest::{Kind, Platform};
use crate::{Digest, Reference, Store};

/// An image to pull.
#[derive(Debug, Clone)]
pub struct Request {
    /// The name to save it as, such as `alpine`; errors and progress use it.
    pub name: String,
    /// The tag to save it as.
    pub tag: String,
    /// Where it is.
    pub reference: Reference,
    /// Which platforms of an index to keep; all where empty. An image that is no index is taken as it is.
    pub platforms: Vec<Platform>,
    /// The digest it must have, from the lock. Then no tag is resolved.
    pub expected: Option<Digest>,
}

/// How to pull.
#[derive(Debug, Clone)]
pub struct Options {
    /// URL prefixes to try before a registry (`docker.io`, `quay.io:443`, …), in their order. A path in
    /// the prefix goes before the repository: `https://mirror/hub` asks for `/v2/hub/<repository>/…`.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Registries (`host[:port]`) that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// Transfers at a time, over all registries.
    pub concurrency: usize,
    /// Transfers at a time from one host.
    pub concurrency_per_host: usize,
    /// Docker's `config.json` or podman's `auth.json`.
    pub auth_file: Option<PathBuf>,
    /// PEM files of certificate authorities to trust beside the system's.
    pub certificate_authorities: Vec<PathBuf>,
    /// PEM files of a client certificate (with its chain) and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether to use the proxies that the environment names (`HTTPS_PROXY`, `NO_PROXY`, …).
    pub system_proxy: bool,
    /// Whether to check that a tag still names the digest that goes with it. Off in a locked build: it needs
    /// the registry even where the store has everything.
    pub check_tags: bool,
    /// Whether to pull what is attached to the images as well: signatures, SBOMs. They are not pinned by any lock, so the
    /// registry is asked for them even where the store has the images.
    pub referrers: bool,
    /// How often a request is made before its failure counts.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there, up to 30 s, with jitter.
    pub first_delay: Duration,
    /// How long nothing may arrive before a transfer counts as stalled.
    pub stall: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mirrors: BTreeMap::new(),
            plain_http: BTreeSet::new(),
            concurrency: 12,
            concurrency_per_host: 6,
            auth_file: None,
            certificate_authorities: Vec::new(),
            client_certificate: None,
            system_proxy: true,
            check_tags: false,
            referrers: false,
            attempts: 5,
            first_delay: Duration::from_millis(500),
            stall: Duration::from_secs(30),
        }
    }
}

/// An image that is in the store, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// From the request.
    pub name: String,
    /// From the request.
    pub tag: String,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// What it is.
    pub kind: Kind,
    /// Bytes of all its distinct manifests and blobs.
    pub size: u64,
    /// What is attached to its manifests, where that was asked for.
    pub referrers: Vec<Referrers>,
}

/// What is attached to one manifest: an index of signatures, SBOMs and the like.
///
/// Saved beside the image under its tag, the index is what clients look for when a registry has no interface for
/// referrers, and [`crate::registry::index`] lists its manifests for those that use the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The tag to save it as: `sha256-<hex>`.
    pub tag: String,
    /// The digest of the index.
    pub digest: Digest,
}

/// Told how a pull goes. Called from the thread that called [`pull`].
pub trait Progress {
    /// All is planned: so many blobs and bytes are not in the store yet.
    fn planned(&self, blobs: usize, bytes: u64) {
        let _ = (blobs, bytes);
    }

    /// A blob of `size` bytes begins; `present` of them are there from an earlier attempt.
    fn begin(&self, blob: &Digest, image: &str, size: u64, present: u64) {
        let _ = (blob, image, size, present);
    }

    /// More bytes of a blob have come; negative where some were thrown away.
    fn advance(&self, blob: &Digest, bytes: i64) {
        let _ = (blob, bytes);
    }

    /// A blob is in the store.
    fn end(&self, blob: &Digest) {
        let _ = blob;
    }

    /// A request failed and is made again after `wait`.
    fn retry(&self, url: &str, fault: &str, wait: Duration) {
        let _ = (url, fault, wait);
    }
}

impl Progress for () {}

/// What tasks report to the caller's thread.
#[derive(Debug)]
enum Event {
    Begin { blob: Digest, image: String, size: u64, present: u64 },
    Advance { blob: Digest, bytes: i64 },
    End { blob: Digest },
    Retry { url: String, fault: String, wait: Duration },
}

type Events = mpsc::UnboundedSender<Event>;

/// Pulls images into the store; the answer is in the order of the requests.
///
/// What is in the store already is not asked for again: with digests for all requests and a warm store no request
/// leaves the machine.
///
/// # Errors
///
/// The first image that could not be pulled. What was fetched until then stays in the store, broken-off blobs
/// included, and the next call carries on from there.
pub fn pull(
    requests: &[Request],
    store: &Store,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Pulled>, Error> {
    let here = |fault| Error::here("the images", fault);
    let runtime = runtime().map_err(here)?;
    let (events, mut inbox) = mpsc::unbounded_channel();
    let fetcher = Arc::new(Fetcher::new(options, store.clone(), events));
    let pulled = runtime.block_on(async {
        let images = plan_all(requests, &fetcher, progress, &mut inbox).await?;
        let missing = plan::missing(&images, store)?;
        let bytes = missing.iter().map(|blob| blob.size).sum();
        progress.planned(missing.len(), bytes);
        let free = store.free_space().map_err(|error| here(error.into()))?;
        if bytes > free {
            return Err(here(Fault::NoSpace { needed: bytes, free }));
        }
        let limit = Arc::new(Semaphore::new(options.concurrency.max(1)));
        let mut tasks = JoinSet::new();
        for blob in missing {
            let (fetcher, limit) = (fetcher.clone(), limit.clone());
            tasks.spawn(async move {
                let _permit = limit.acquire().await;
                fetcher.blob(&blob).await
            });
        }
        drain(tasks, progress, &mut inbox).await?;
        Ok(images.iter().map(plan::Image::pulled).collect())
    });
    // A task that was broken off may still be inside a system call; it is not waited for.
    runtime.shutdown_background();
    pulled
}

/// The digest that a reference names now, from the registry, checked against the bytes of the manifest.
/// A digest in the reference is taken as it is.
///
/// # Errors
///
/// The registry cannot be reached, does not know the tag, or lies.
pub fn resolve(reference: &Reference, options: &Options) -> Result<Digest, Error> {
    let here = |fault| Error::here(&reference.to_string(), fault);
    if let Some(digest) = reference.digest() {
        return Ok(*digest);
    }
    let runtime = runtime().map_err(here)?;
    let (events, _inbox) = mpsc::unbounded_channel();
    let fetcher = Fetcher::resolver(options, events);
    let resolved = runtime.block_on(async {
        let tag = reference.tag().unwrap_or("latest");
        fetcher.manifest_by_tag(&reference.to_string(), reference, tag).await
    });
    runtime.shutdown_background();
    resolved.map(|bytes| Digest::of(&bytes))
}

async fn plan_all(
    requests: &[Request],
    fetcher: &Arc<Fetcher>,
    progress: &dyn Progress,
    inbox: &mut mpsc::UnboundedReceiver<Event>,
) -> Result<Vec<plan::Image>, Error> {
    let limit = Arc::new(Semaphore::new(fetcher.options.concurrency.max(1)));
    let mut tasks = JoinSet::new();
    for (position, request) in requests.iter().cloned().enumerate() {
        let (fetcher, limit) = (fetcher.clone(), limit.clone());
        tasks.spawn(async move {
            let _permit = limit.acquire().await;
            plan::image(&fetcher, request).await.map(|image| (position, image))
        });
    }
    let mut images = drain(tasks, progress, inbox).await?;
    images.sort_by_key(|(position, _)| *position);
    Ok(images.into_iter().map(|(_, image)| image).collect())
}

/// Waits for all tasks, passing on what they report; the first failure breaks off the rest.
async fn drain<T: 'static>(
    mut tasks: JoinSet<Result<T, Error>>,
    progress: &dyn Progress,
    inbox: &mut mpsc::UnboundedReceiver<Event>,
) -> Result<Vec<T>, Error> {
    let mut done = Vec::new();
    loop {
        tokio::select! {
            // Reports first, so that a blob's end is told before the pull's.
            biased;
            Some(event) = inbox.recv() => tell(progress, event),
            next = tasks.join_next() => match next {
                Some(Ok(result)) => done.push(result?),
                Some(Err(broken)) => return Err(Error::here("the images", Fault::Broken(broken.to_string()))),
                None => {
                    while let Ok(event) = inbox.try_recv() {
                        tell(progress, event);
                    }
                    return Ok(done);
                }
            },
        }
    }
}

fn tell(progress: &dyn Progress, event: Event) {
    match event {
        Event::Begin { blob, image, size, present } => progress.begin(&blob, &image, size, present),
        Event::Advance { blob, bytes } => progress.advance(&blob, bytes),
        Event::End { blob } => progress.end(&blob),
        Event::Retry { url, fault, wait } => progress.retry(&url, &fault, wait),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Fault> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::Configuration(format!("cannot start the network threads: {error}")))
}
