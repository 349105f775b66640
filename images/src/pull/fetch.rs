//! Manifests and blobs from whichever endpoint delivers them, retried and resumed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode};
use tokio::sync::{OnceCell, Semaphore};

use super::attempts::Attempts;
use super::plan::Blob;
use super::{Error, Failure, Fault, Options, Request};
use crate::client::{
    ACCEPT_MANIFESTS, Client, Endpoint, Event, Events, media_type, next_chunk, read_body, shown,
};
use crate::manifest::{Kind, MANIFEST_MAX, Manifest};
use crate::store::{Partial, Slot};
use crate::{Digest, Reference, Store};

/// A resumed transfer that brought this much gets its attempts back.
const PROGRESS_MIN: u64 = 64 << 10;
/// How often a blob is looked for that another process is fetching.
const BUSY_POLL: Duration = Duration::from_millis(100);

/// The network and the store of one pull.
pub(super) struct Fetcher {
    /// Made at the first request: with a warm store there is none, and reading all certificate authorities takes longer
    /// than everything else.
    client: OnceCell<Client>,
    store: Option<Store>,
    pub(super) options: Options,
    events: Events,
    per_host: Mutex<HashMap<String, Arc<Semaphore>>>,
    /// Mirrors that nobody answers at; asked once per pull, not once per blob.
    pub(super) unreachable: Mutex<HashSet<String>>,
}

/// Which part of the registry's interface gives a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Api {
    Manifests,
    Referrers,
}

impl Api {
    fn path(self) -> &'static str {
        match self {
            Self::Manifests => "manifests",
            Self::Referrers => "referrers",
        }
    }
}

/// The tag under which clients keep the referrers of a manifest where the registry does not know them.
pub(super) fn referrers_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

impl Fetcher {
    pub(super) fn new(options: &Options, store: Store, events: Events) -> Self {
        Self { store: Some(store), ..Self::resolver(options, events) }
    }

    /// A fetcher that keeps nothing.
    pub(super) fn resolver(options: &Options, events: Events) -> Self {
        Self {
            client: OnceCell::new(),
            store: None,
            options: options.clone(),
            events,
            per_host: Mutex::default(),
            unreachable: Mutex::default(),
        }
    }

    async fn get(
        &self,
        endpoint: &Endpoint,
        kind: &str,
        name: &str,
        headers: &HeaderMap,
    ) -> Result<Response, Fault> {
        let client = self.client.get_or_try_init(|| async { Client::new(&self.options) }).await?;
        client.get(endpoint, endpoint.url(kind, name), headers).await
    }

    fn store(&self) -> Result<&Store, Fault> {
        self.store.as_ref().ok_or_else(|| Fault::Configuration("there is no store to fetch into".into()))
    }

    /// Puts a checked manifest into the store.
    pub(super) fn keep(&self, image: &str, bytes: &[u8]) -> Result<Digest, Error> {
        self.store()
            .and_then(|store| Ok(store.put(bytes)?))
            .map_err(|fault| Error::new(image, "manifest", "", fault))
    }

    /// The bytes of the manifest a tag names now.
    pub(super) async fn manifest_by_tag(
        &self,
        image: &str,
        reference: &Reference,
        tag: &str,
    ) -> Result<Vec<u8>, Error> {
        self.manifest_from(image, reference, Api::Manifests, tag, None).await
    }

    /// The bytes of a manifest, from the store or else from the registry.
    pub(super) async fn manifest(
        &self,
        image: &str,
        reference: &Reference,
        digest: &Digest,
        size: Option<u64>,
    ) -> Result<Vec<u8>, Error> {
        let here = |fault| Error::new(image, &format!("manifest {digest}"), "", fault);
        let store = self.store().map_err(here)?;
        match store.read(digest, MANIFEST_MAX) {
            Ok(bytes) => {
                let found = bytes.len() as u64;
                return match size.filter(|expected| *expected != found) {
                    Some(expected) => Err(here(Fault::SizeMismatch { expected, found })),
                    None => Ok(bytes),
                };
            }
            Err(crate::Error::NotInStore { .. }) => {}
            // A file damaged on disk is fetched anew.
            Err(crate::Error::DigestMismatch { path, .. } | crate::Error::TooLarge { path, .. }) => {
                crate::store::remove(&path).map_err(|error| here(error.into()))?;
            }
            Err(error) => return Err(here(error.into())),
        }
        let name = digest.to_string();
        self.manifest_from(image, reference, Api::Manifests, &name, Some((*digest, size))).await
    }

    /// What the registry says is attached to a manifest: by its own interface or, where it has none, under the tag that
    /// clients keep the list at instead (distribution specification 1.1, "Listing Referrers"). The bytes of an index.
    pub(super) async fn referrers(
        &self,
        image: &str,
        reference: &Reference,
        digest: &Digest,
    ) -> Result<Option<Vec<u8>>, Error> {
        let (name, tag) = (digest.to_string(), referrers_tag(digest));
        match self.manifest_from(image, reference, Api::Referrers, &name, None).await {
            Ok(bytes) => return Ok(Some(bytes)),
            Err(error) if error.is_unknown() => {}
            Err(error) => return Err(error),
        }
        match self.manifest_from(image, reference, Api::Manifests, &tag, None).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_unknown() => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn manifest_from(
        &self,
        image: &str,
        reference: &Reference,
        api: Api,
        name: &str,
        expected: Option<(Digest, Option<u64>)>,
    ) -> Result<Vec<u8>, Error> {
        let content = match api {
            Api::Manifests => format!("manifest {name}"),
            Api::Referrers => format!("referrers of {name}"),
        };
        let endpoints = Endpoint::all(reference, &self.options)
            .map_err(|fault| Error::new(image, &content, "", fault))?;
        let mut failures = Vec::new();
        for (position, endpoint) in endpoints.iter().enumerate() {
            let mut attempts = Attempts::new(self, endpoint, position + 1 == endpoints.len());
            let url = shown(&endpoint.url(api.path(), name));
            while attempts.next() {
                match self.manifest_at(endpoint, api, name, expected).await {
                    Ok(bytes) => return Ok(bytes),
                    Err(fault) => attempts.failed(&url, fault).await,
                }
            }
            if attempts.into_failures(url, &mut failures) {
                break;
            }
        }
        Err(Error { image: image.into(), content, failures })
    }

    async fn manifest_at(
        &self,
        endpoint: &Endpoint,
        api: Api,
        name: &str,
        expected: Option<(Digest, Option<u64>)>,
    ) -> Result<Vec<u8>, Fault> {
        let host = self.host_limit(endpoint);
        let _permit = host.acquire().await;
        let headers = HeaderMap::from_iter([(header::ACCEPT, ACCEPT_MANIFESTS)]);
        let response = self.get(endpoint, api.path(), name, &headers).await?;
        if api == Api::Referrers && response.headers().contains_key(header::LINK) {
            return Err(Fault::Paged);
        }
        let announced = media_type(response.headers());
        let claimed: Option<Digest> = response
            .headers()
            .get("docker-content-digest")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = read_body(response, MANIFEST_MAX, self.options.stall).await?;
        let parsed = Manifest::parse(&bytes);
        let wrong_type =
            |found: &str| Fault::ContentType { expected: "a manifest".into(), found: found.into() };
        let kind = announced.as_deref().and_then(Kind::from_media_type);
        if let (Some(found), None, Err(_)) = (&announced, kind, &parsed) {
            return Err(wrong_type(found));
        }
        let found = Digest::of(&bytes);
        if let Some(expected) =
            expected.map(|(digest, _)| digest).or(claimed).filter(|digest| *digest != found)
        {
            return Err(Fault::DigestMismatch { expected, found });
        }
        if let Some(expected) = expected.and_then(|(_, size)| size).filter(|size| *size != bytes.len() as u64)
        {
            return Err(Fault::SizeMismatch { expected, found: bytes.len() as u64 });
        }
        let parsed = parsed?;
        match kind {
            Some(kind) if kind != parsed.kind => {
                Err(Fault::ContentType { expected: parsed.kind.to_string(), found: kind.to_string() })
            }
            _ => Ok(bytes),
        }
    }

    /// Fetches a blob into the store, unless another process does.
    pub(super) async fn blob(&self, blob: &Blob) -> Result<(), Error> {
        let image = blob.request.label();
        let content = format!("blob {}", blob.digest);
        let here = |fault| Error::new(&image, &content, "", fault);
        let Some(mut partial) = self.slot(blob).await.map_err(here)? else { return Ok(()) };
        let endpoints = Endpoint::all(&blob.request.reference, &self.options).map_err(here)?;
        let present = partial.written();
        self.tell(Event::Begin { blob: blob.digest, image: image.clone(), size: blob.size, present });
        let mut failures = Vec::new();
        for (position, endpoint) in endpoints.iter().enumerate() {
            let mut attempts = Attempts::new(self, endpoint, position + 1 == endpoints.len());
            let url = shown(&endpoint.url("blobs", &blob.digest.to_string()));
            let mut pieced = partial.written() > 0;
            while attempts.next() {
                let before = partial.written();
                match self.transfer(endpoint, blob, &mut partial).await {
                    Ok(()) => match run_blocking(move || partial.finish().map_err(wrong_content)).await {
                        Ok(()) => {
                            self.tell(Event::End { blob: blob.digest });
                            return Ok(());
                        }
                        Err(fault) => {
                            self.tell(Event::Advance { blob: blob.digest, bytes: -signed(blob.size) });
                            let Some(fresh) = self.slot(blob).await.map_err(here)? else { return Ok(()) };
                            partial = fresh;
                            // A part from an earlier attempt may be what was wrong: once more, from the start.
                            let again = std::mem::take(&mut pieced);
                            attempts.mismatch(fault, again);
                        }
                    },
                    Err(fault) => {
                        pieced |= partial.written() > 0;
                        if partial.written().saturating_sub(before) >= PROGRESS_MIN {
                            attempts.refill();
                        }
                        attempts.failed(&url, fault).await;
                    }
                }
            }
            if attempts.into_failures(url, &mut failures) {
                break;
            }
        }
        partial.abandon().map_err(|error| here(error.into()))?;
        Err(Error { image, content, failures })
    }

    /// Waits for the right to fetch a blob; `None` where it is in the store meanwhile.
    async fn slot(&self, blob: &Blob) -> Result<Option<Box<Partial>>, Fault> {
        loop {
            let (store, digest, size) = (self.store()?.clone(), blob.digest, blob.size);
            match run_blocking(move || Ok(store.slot(&digest, size)?)).await? {
                Slot::Present => return Ok(None),
                Slot::Partial(partial) => return Ok(Some(partial)),
                Slot::Busy => tokio::time::sleep(BUSY_POLL).await,
            }
        }
    }

    /// Fetches what is missing of a blob.
    async fn transfer(&self, endpoint: &Endpoint, blob: &Blob, partial: &mut Partial) -> Result<(), Fault> {
        let host = self.host_limit(endpoint);
        let _permit = host.acquire().await;
        let start = partial.written();
        if start == blob.size {
            return Ok(());
        }
        let mut headers = HeaderMap::new();
        if start > 0 {
            let range = HeaderValue::try_from(format!("bytes={start}-"))
                .map_err(|error| Fault::Configuration(error.to_string()))?;
            headers.insert(header::RANGE, range);
        }
        let answer = self.get(endpoint, "blobs", &blob.digest.to_string(), &headers).await;
        let mut response = match answer {
            Err(Fault::Status { status: 404, .. }) if blob.foreign => {
                return Err(Fault::ForeignLayer { media_type: blob.media_type.clone() });
            }
            Err(Fault::Status { status: 416, .. }) if start > 0 => {
                self.restart(blob, partial)?;
                return Err(Fault::Broken(format!("the registry has nothing after byte {start}")));
            }
            other => other?,
        };
        if start > 0 && !continues(&response, start) {
            self.restart(blob, partial)?;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(Fault::Broken(format!("the answer does not continue at byte {start}")));
            }
        }
        let expected = blob.size - partial.written();
        if let Some(found) = response.content_length().filter(|found| *found != expected) {
            let kind = media_type(response.headers()).unwrap_or_default();
            return Err(if kind == "text/html" {
                Fault::ContentType { expected: blob.media_type.clone(), found: kind }
            } else {
                Fault::SizeMismatch { expected: blob.size, found: partial.written().saturating_add(found) }
            });
        }
        while let Some(chunk) = next_chunk(&mut response, self.options.stall).await? {
            // Written here and now: the page cache takes it faster than a thread could be woken for it.
            partial.write(&chunk).map_err(wrong_content)?;
            self.tell(Event::Advance { blob: blob.digest, bytes: signed(chunk.len() as u64) });
        }
        if partial.written() < blob.size {
            return Err(Fault::Broken(format!(
                "it ended after {} of {} bytes",
                partial.written(),
                blob.size
            )));
        }
        Ok(())
    }

    fn restart(&self, blob: &Blob, partial: &mut Partial) -> Result<(), Fault> {
        self.tell(Event::Advance { blob: blob.digest, bytes: -signed(partial.written()) });
        Ok(partial.restart()?)
    }

    fn host_limit(&self, endpoint: &Endpoint) -> Arc<Semaphore> {
        let limit = self.options.concurrency_per_host.max(1);
        let mut hosts = self.per_host.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.entry(endpoint.host()).or_insert_with(|| Arc::new(Semaphore::new(limit))).clone()
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody listens any more when the pull was broken off.
        let _ = self.events.send(event);
    }
}

impl Error {
    pub(super) fn new(image: &str, content: &str, url: &str, fault: Fault) -> Self {
        Self {
            image: image.into(),
            content: content.into(),
            failures: vec![Failure { url: url.into(), fault }],
        }
    }

    /// Whether no endpoint knows what was asked for, or the question.
    pub(super) fn is_unknown(&self) -> bool {
        self.failures
            .iter()
            .all(|failure| matches!(failure.fault, Fault::Status { status: 400 | 404 | 405 | 501, .. }))
    }

    /// A failure before anything was asked of a registry.
    pub(super) fn here(image: &str, fault: Fault) -> Self {
        Self::new(image, "anything", "", fault)
    }
}

impl Request {
    /// How errors and progress name the image.
    pub(super) fn label(&self) -> String {
        format!("{}:{}", self.name, self.tag)
    }
}

/// What the store finds wrong with content is the endpoint's fault, not the store's.
fn wrong_content(error: crate::Error) -> Fault {
    match error {
        crate::Error::SizeMismatch { expected, found, .. } => Fault::SizeMismatch { expected, found },
        crate::Error::DigestMismatch { expected, found, .. } => Fault::DigestMismatch { expected, found },
        other => other.into(),
    }
}

/// Whether a 206 begins where we stopped (RFC 9110, section 14.4).
fn continues(response: &Response, start: u64) -> bool {
    response.status() == StatusCode::PARTIAL_CONTENT
        && response.headers().get(header::CONTENT_RANGE).and_then(|value| {
            value.to_str().ok()?.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
        }) == Some(start)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Runs what waits for the disk off the network threads.
async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Fault::Broken(error.to_string())),
    }
}
