//! Blobs from whichever endpoint delivers them, retried and resumed.

use std::io::Write as _;
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode, Url};

use super::attempts::{Attempts, Unreachable};
use super::blob::BlobToFetch;
use super::{Error, RegistryFault, RegistryOptions};
use crate::Store;
use crate::client::{
    Caller, Encoding, Events, RegistryEndpoint, RegistrySession, TransferEvent, media_type, next_chunk,
};
use crate::store::{BlobSlot, PartialBlob};

/// A resumed transfer that brought this much gets its attempts back.
pub(super) const PROGRESS_MIN: u64 = 64 << 10;
/// How many compressed bytes are decoded before the result is written.
const DECODED_AT_ONCE: usize = 16 << 10;
/// How often a blob is looked for that another process is fetching.
pub(super) const BUSY_POLL: Duration = Duration::from_millis(100);

/// The network and the store of one pull.
pub(super) struct Fetcher {
    caller: Caller,
    pub(super) store: Option<Store>,
    unreachable: Unreachable,
}

impl Fetcher {
    pub(super) fn new(session: &RegistrySession, store: Store, events: Events) -> Self {
        Self { store: Some(store), ..Self::resolver(session, events) }
    }

    /// A fetcher that keeps nothing.
    pub(super) fn resolver(session: &RegistrySession, events: Events) -> Self {
        Self { caller: Caller::pulling(session, events), store: None, unreachable: Unreachable::default() }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        self.caller.options()
    }

    /// The attempts at `endpoint`; `last` if there is no endpoint after it.
    pub(super) fn attempts<'a>(&'a self, endpoint: &'a RegistryEndpoint, last: bool) -> Attempts<'a> {
        Attempts::new(&self.caller, &self.unreachable, endpoint, last)
    }

    pub(super) async fn get(
        &self,
        endpoint: &RegistryEndpoint,
        url: Url,
        headers: &HeaderMap,
    ) -> Result<Response, RegistryFault> {
        self.caller.get(endpoint, url, headers).await
    }

    /// Gets a file that is in no registry.
    pub(super) async fn file(
        &self,
        endpoint: &RegistryEndpoint,
        url: Url,
        headers: &HeaderMap,
    ) -> Result<Response, RegistryFault> {
        self.caller.file(endpoint, url, headers).await
    }

    pub(super) fn store(&self) -> Result<&Store, RegistryFault> {
        self.store
            .as_ref()
            .ok_or_else(|| RegistryFault::Configuration("there is no store to fetch into".into()))
    }

    /// Fetches a blob into the store; returns it, after a moment, while another process fetches it.
    pub(super) async fn blob(&self, blob: BlobToFetch) -> Result<Option<BlobToFetch>, Error> {
        let image = blob.request.label();
        let content = format!("blob {}", blob.digest);
        let here = |fault| Error::new(&image, &content, "", fault);
        let permit = self.options().limits.any().await;
        match self.slot(&blob).await.map_err(here)? {
            BlobSlot::Present => {}
            BlobSlot::Partial(partial) => self.fill(&blob, partial, &image, &content).await?,
            BlobSlot::Busy => {
                // Whoever waits takes nobody's place meanwhile.
                drop(permit);
                tokio::time::sleep(BUSY_POLL).await;
                return Ok(Some(blob));
            }
        }
        Ok(None)
    }

    /// Fetches a blob whose slot is ours.
    async fn fill(
        &self,
        blob: &BlobToFetch,
        mut partial: Box<PartialBlob>,
        image: &str,
        content: &str,
    ) -> Result<(), Error> {
        let here = |fault| Error::new(image, content, "", fault);
        let endpoints = RegistryEndpoint::all(&blob.request.reference, self.options()).map_err(here)?;
        let present = partial.written();
        self.report(TransferEvent::Begin {
            blob: blob.digest,
            image: image.into(),
            size: blob.size,
            present,
        });
        let mut failures = Vec::new();
        for (position, endpoint) in endpoints.iter().enumerate() {
            let mut attempts = self.attempts(endpoint, position + 1 == endpoints.len());
            let url = endpoint.url("blobs", &blob.digest.to_string());
            let mut pieced = partial.written() > 0;
            while attempts.next() {
                let before = partial.written();
                match self.transfer(endpoint, blob, &mut partial).await {
                    Ok(()) => match run_blocking(move || partial.finish().map_err(wrong_content)).await {
                        Ok(()) => {
                            self.report(TransferEvent::End { blob: blob.digest });
                            return Ok(());
                        }
                        Err(fault) => {
                            self.report(TransferEvent::Advance {
                                blob: blob.digest,
                                bytes: -signed(blob.size),
                            });
                            partial = match self.slot(blob).await.map_err(here)? {
                                BlobSlot::Partial(fresh) => fresh,
                                // Another process took it up at once.
                                BlobSlot::Present => return Ok(()),
                                BlobSlot::Busy => return Err(here(fault)),
                            };
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
            if attempts.into_failures(&url, &mut failures) {
                break;
            }
        }
        partial.abandon().map_err(|error| here(error.into()))?;
        Err(Error { image: image.into(), content: content.into(), failures })
    }

    /// Looks who is to fetch a blob, off the network threads.
    async fn slot(&self, blob: &BlobToFetch) -> Result<BlobSlot, RegistryFault> {
        let (store, digest, size) = (self.store()?.clone(), blob.digest, blob.size);
        run_blocking(move || Ok(store.slot(&digest, size)?)).await
    }

    /// Fetches what is missing of a blob.
    async fn transfer(
        &self,
        endpoint: &RegistryEndpoint,
        blob: &BlobToFetch,
        partial: &mut PartialBlob,
    ) -> Result<(), RegistryFault> {
        let _permit = self.options().limits.host(endpoint.host()).await;
        let start = partial.written();
        if start == blob.size {
            return Ok(());
        }
        let mut headers = HeaderMap::new();
        if start > 0 {
            let range = HeaderValue::try_from(format!("bytes={start}-"))
                .map_err(|error| RegistryFault::Configuration(error.to_string()))?;
            headers.insert(header::RANGE, range);
        }
        let answer = self.get(endpoint, endpoint.url("blobs", &blob.digest.to_string()), &headers).await;
        let mut response = match answer {
            Err(RegistryFault::Status { status: 404, .. }) if blob.foreign => {
                return Err(RegistryFault::ForeignLayer { media_type: blob.media_type.clone() });
            }
            Err(RegistryFault::Status { status: 416, .. }) if start > 0 => {
                self.restart(blob, partial)?;
                return Err(RegistryFault::Broken(format!("the registry has nothing after byte {start}")));
            }
            other => other?,
        };
        if start > 0 && !continues(&response, start) {
            self.restart(blob, partial)?;
            if response.status() == StatusCode::PARTIAL_CONTENT {
                return Err(RegistryFault::Broken(format!("the response does not continue at byte {start}")));
            }
        }
        let expected = blob.size - partial.written();
        let encoding = Encoding::of(response.headers());
        if encoding != Encoding::None && response.content_length() != Some(expected) {
            return self.decode(blob, partial, response, &encoding).await;
        }
        if let Some(found) = response.content_length().filter(|found| *found != expected) {
            let kind = media_type(response.headers()).unwrap_or_default();
            return Err(if kind == "text/html" {
                RegistryFault::ContentType { expected: blob.media_type.clone(), found: kind }
            } else {
                RegistryFault::SizeMismatch {
                    expected: blob.size,
                    found: partial.written().saturating_add(found),
                }
            });
        }
        while let Some(chunk) = next_chunk(&mut response, self.options().stall).await? {
            // Written here and now: the page cache takes it faster than a thread could be woken for it.
            partial.write(&chunk).map_err(wrong_content)?;
            self.report(TransferEvent::Advance { blob: blob.digest, bytes: signed(chunk.len() as u64) });
        }
        whole(blob, partial)
    }

    /// As [`transfer`](Self::transfer), of an answer that somebody on the way compressed.
    async fn decode(
        &self,
        blob: &BlobToFetch,
        partial: &mut PartialBlob,
        mut response: Response,
        encoding: &Encoding,
    ) -> Result<(), RegistryFault> {
        if let Some(fault) = encoding.fault() {
            return Err(fault);
        }
        if partial.written() > 0 {
            // A part is one of the encoded bytes, and we have others.
            self.restart(blob, partial)?;
            return Err(RegistryFault::Broken("the rest of the response is compressed".into()));
        }
        let broken = |error: std::io::Error| RegistryFault::Broken(error.to_string());
        let mut decoder = flate2::write::GzDecoder::new(Vec::new());
        let mut ended = false;
        while !ended {
            let chunk = next_chunk(&mut response, self.options().stall).await?;
            ended = chunk.is_none();
            // A little at a time: each byte may stand for a thousand.
            for piece in chunk.unwrap_or_default().chunks(DECODED_AT_ONCE) {
                decoder.write_all(piece).map_err(broken)?;
                self.take(blob, partial, decoder.get_mut())?;
            }
        }
        // What is missing shows in the length and the digest.
        let _ = decoder.try_finish();
        self.take(blob, partial, decoder.get_mut())?;
        whole(blob, partial)
    }

    fn take(
        &self,
        blob: &BlobToFetch,
        partial: &mut PartialBlob,
        bytes: &mut Vec<u8>,
    ) -> Result<(), RegistryFault> {
        partial.write(bytes).map_err(wrong_content)?;
        self.report(TransferEvent::Advance { blob: blob.digest, bytes: signed(bytes.len() as u64) });
        bytes.clear();
        Ok(())
    }

    fn restart(&self, blob: &BlobToFetch, partial: &mut PartialBlob) -> Result<(), RegistryFault> {
        self.report(TransferEvent::Advance { blob: blob.digest, bytes: -signed(partial.written()) });
        Ok(partial.restart()?)
    }

    pub(super) fn report(&self, event: TransferEvent) {
        self.caller.report(event);
    }
}

/// What the store finds wrong with content is the endpoint's fault, not the store's.
pub(super) fn wrong_content(error: crate::Error) -> RegistryFault {
    match error {
        crate::Error::SizeMismatch { expected, found, .. } => RegistryFault::SizeMismatch { expected, found },
        crate::Error::DigestMismatch { expected, found, .. } => {
            RegistryFault::DigestMismatch { expected, found }
        }
        other => other.into(),
    }
}

/// A response that has ended has the whole blob.
fn whole(blob: &BlobToFetch, partial: &PartialBlob) -> Result<(), RegistryFault> {
    let (found, expected) = (partial.written(), blob.size);
    if found < expected {
        return Err(RegistryFault::Broken(format!("it ended after {found} of {expected} bytes")));
    }
    Ok(())
}

/// Whether a 206 begins where we stopped (RFC 9110, section 14.4).
pub(super) fn continues(response: &Response, start: u64) -> bool {
    response.status() == StatusCode::PARTIAL_CONTENT
        && response.headers().get(header::CONTENT_RANGE).and_then(|value| {
            value.to_str().ok()?.strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
        }) == Some(start)
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Runs what waits for the disk off the network threads.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RegistryFault> + Send + 'static,
) -> Result<T, RegistryFault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(RegistryFault::Broken(error.to_string())),
    }
}
