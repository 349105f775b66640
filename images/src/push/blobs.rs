//! Blobs: which exist, which can be mounted, and how the rest is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use content::Digest;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};

use super::error::Error;
use super::feed::{BlobPart, Feed};
use super::plan::PlannedPush;
use super::pusher::{Pusher, accepted};
use crate::client::{self, Backoff, RegistryEndpoint, RegistryFault, TransferEvent, shown};

/// A blob that one registry is to have.
#[derive(Clone)]
pub(super) struct BlobToPush {
    digest: Digest,
    size: u64,
    /// The repositories that need it, in the order of the images.
    places: Vec<Place>,
}

#[derive(Clone)]
struct Place {
    endpoint: RegistryEndpoint,
    image: String,
    present: bool,
}

/// All blobs of a push: of each registry, by digest.
pub(super) struct Wanted(BTreeMap<(String, Digest), BlobToPush>);

/// Whether a repository has a blob.
pub(super) struct Question {
    key: (String, Digest),
    place: usize,
    size: u64,
    endpoint: RegistryEndpoint,
    image: String,
}

/// What was done for one blob.
pub(super) struct Moved {
    pub(super) mounted: usize,
    pub(super) uploaded: usize,
    pub(super) bytes: u64,
}

impl Wanted {
    pub(super) fn of(images: &[Arc<PlannedPush>]) -> Self {
        let mut blobs: BTreeMap<_, BlobToPush> = BTreeMap::new();
        for image in images {
            for descriptor in &image.blobs {
                let (digest, size) = (descriptor.digest, descriptor.size);
                let blob = blobs.entry((image.endpoint.host(), digest)).or_insert_with(|| BlobToPush {
                    digest,
                    size,
                    places: Vec::new(),
                });
                if blob.places.iter().all(|place| place.endpoint.repository() != image.endpoint.repository())
                {
                    let (endpoint, image) = (image.endpoint.clone(), image.label.clone());
                    blob.places.push(Place { endpoint, image, present: false });
                }
            }
        }
        Self(blobs)
    }

    pub(super) fn questions(&self) -> Vec<Question> {
        let questions = |(key, blob): (&(String, Digest), &BlobToPush)| {
            let (key, size) = (key.clone(), blob.size);
            let places = blob.places.clone().into_iter().enumerate();
            places.map(move |(place, Place { endpoint, image, .. })| Question {
                key: key.clone(),
                place,
                size,
                endpoint,
                image,
            })
        };
        self.0.iter().flat_map(questions).collect()
    }

    /// Records which blobs exist.
    pub(super) fn answered(&mut self, present: Vec<Option<Question>>) {
        for Question { key, place, .. } in present.into_iter().flatten() {
            if let Some(place) = self.0.get_mut(&key).and_then(|blob| blob.places.get_mut(place)) {
                place.present = true;
            }
        }
    }

    /// How often a repository has what it needs.
    pub(super) fn present(&self) -> usize {
        self.0.values().flat_map(|blob| &blob.places).filter(|place| place.present).count()
    }

    /// The blobs that no repository of their registry has.
    fn unknown(&self) -> impl Iterator<Item = &BlobToPush> {
        self.0.values().filter(|blob| !blob.places.iter().any(|place| place.present))
    }

    pub(super) fn missing(&self) -> usize {
        self.unknown().count()
    }

    pub(super) fn missing_bytes(&self) -> u64 {
        self.unknown().fold(0, |sum, blob| sum.saturating_add(blob.size))
    }

    /// The blobs to transfer, the largest first: a large one started last would be waited for alone.
    pub(super) fn blobs(self) -> Vec<BlobToPush> {
        let mut blobs: Vec<_> =
            self.0.into_values().filter(|blob| !blob.places.iter().all(|place| place.present)).collect();
        blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size), blob.digest));
        blobs
    }
}

/// An upload under way.
struct Upload {
    url: Url,
    /// How many bytes the registry has.
    offset: u64,
    /// The smallest piece that it takes, but for the last (`OCI-Chunk-Min-Length`).
    chunk_min: u64,
}

impl Pusher {
    /// Returns the question if the answer is yes.
    pub(super) async fn look(&self, question: Question) -> Result<Option<Question>, Error> {
        let digest = question.key.1;
        let url = question.endpoint.url("blobs", &digest.to_string());
        let there = self.has_blob(&question.endpoint, &url, question.size).await;
        let there = there.map_err(|fault| Error {
            image: question.image.clone(),
            content: format!("blob {digest}"),
            url: shown(&url),
            fault: Box::new(fault),
        })?;
        Ok(there.then_some(question))
    }

    async fn has_blob(
        &self,
        endpoint: &RegistryEndpoint,
        url: &Url,
        size: u64,
    ) -> Result<bool, RegistryFault> {
        let Some(headers) = self.head(endpoint, url, None).await? else { return Ok(false) };
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        // Proxies say 0 where they do not know.
        match length.filter(|found| *found != size && *found != 0) {
            Some(found) => Err(RegistryFault::SizeMismatch { expected: size, found }),
            None => Ok(true),
        }
    }

    /// Brings a blob into every repository that needs it: sent at most once, mounted from there into the others.
    pub(super) async fn bring(&self, blob: &BlobToPush) -> Result<Moved, Error> {
        let mut moved = Moved { mounted: 0, uploaded: 0, bytes: 0 };
        let mut source = blob.places.iter().find(|place| place.present).map(|place| &place.endpoint);
        for place in blob.places.iter().filter(|place| !place.present) {
            let failed = |fault| Error {
                image: place.image.clone(),
                content: format!("blob {}", blob.digest),
                url: shown(&place.endpoint.url("blobs", "uploads/")),
                fault: Box::new(fault),
            };
            let session = match source {
                Some(from) => self.mount(&place.endpoint, blob, from).await.map_err(failed)?,
                None => Mount::Refused(None),
            };
            match session {
                Mount::Done => moved.mounted += 1,
                Mount::Refused(session) => {
                    let image = place.image.clone();
                    self.report(TransferEvent::Begin {
                        blob: blob.digest,
                        image,
                        size: blob.size,
                        present: 0,
                    });
                    self.upload(&place.endpoint, blob, session).await.map_err(failed)?;
                    self.report(TransferEvent::End { blob: blob.digest });
                    moved.uploaded += 1;
                    moved.bytes += blob.size;
                }
            }
            source = source.or(Some(&place.endpoint));
        }
        Ok(moved)
    }

    /// Asks for a blob of another repository.
    async fn mount(
        &self,
        endpoint: &RegistryEndpoint,
        blob: &BlobToPush,
        from: &RegistryEndpoint,
    ) -> Result<Mount, RegistryFault> {
        let mut url = endpoint.url("blobs", "uploads/");
        url.query_pairs_mut()
            .append_pair("mount", &blob.digest.to_string())
            .append_pair("from", from.repository());
        match self.request(endpoint, Method::POST, &url, &HeaderMap::new(), None).await {
            Ok(response) if response.status() == 201 => {
                accepted(&response, &blob.digest)?;
                Ok(Mount::Done)
            }
            // "Fall back to the standard upload process", for which this is the session.
            Ok(response) => Ok(Mount::Refused(Some(Upload::begun(&response)?))),
            Err(RegistryFault::Status { .. } | RegistryFault::Unauthorized(_)) => Ok(Mount::Refused(None)),
            Err(fault) => Err(fault),
        }
    }

    /// Sends a blob, carrying on after failures from where the registry is. A registry that takes no pieces gets the blob
    /// in one request.
    async fn upload(
        &self,
        endpoint: &RegistryEndpoint,
        blob: &BlobToPush,
        mut session: Option<Upload>,
    ) -> Result<(), RegistryFault> {
        let feed = Arc::new(Feed::new(self.content.clone(), blob.digest, blob.size, self.events().clone()));
        let url = endpoint.url("blobs", &blob.digest.to_string());
        let mut backoff = Backoff::new(self.options());
        backoff.next();
        let mut whole = blob.size <= self.options().chunk || self.takes_no_pieces(endpoint);
        // Whether the session is one that broke and was taken up again.
        let (mut furthest, mut resumed, mut restarted) = (0, false, false);
        loop {
            let Err(fault) = self.send(endpoint, blob, &feed, &mut session, whole).await else {
                return Ok(());
            };
            if let Some(damaged) = feed.fault() {
                return Err(damaged);
            }
            let after = session.as_ref().map_or(0, |session| session.offset);
            if after > furthest {
                furthest = after;
                backoff.refill();
            }
            if is_refusal(&fault) && session.is_some() {
                // What was sent before the last failure may be what is wrong: once more, from the start.
                let again = resumed && !std::mem::replace(&mut restarted, true);
                // Else it is the pieces (Artifact Registry, ECR and others): all at once, as skopeo and docker do.
                let unpieced = !again && !std::mem::replace(&mut whole, true);
                if again || unpieced {
                    (session, resumed) = (None, false);
                    continue;
                }
            }
            if !self.pause(&mut backoff, &url, &fault).await {
                let unpieced = matches!(fault, RegistryFault::Status { status: 500.., .. })
                    && !std::mem::replace(&mut whole, true);
                if unpieced {
                    session = None;
                    continue;
                }
                return Err(fault);
            }
            // An answer may have been lost on its way.
            if self.has_blob(endpoint, &url, blob.size).await? {
                feed.report(blob.size);
                return Ok(());
            }
            session = match session {
                Some(broken) if !whole => self.position(endpoint, broken).await,
                _ => None,
            };
            resumed = session.is_some();
        }
    }

    /// Sends what the registry does not have yet, and closes the session.
    async fn send(
        &self,
        endpoint: &RegistryEndpoint,
        blob: &BlobToPush,
        feed: &Arc<Feed>,
        session: &mut Option<Upload>,
        whole: bool,
    ) -> Result<(), RegistryFault> {
        if session.is_none() {
            let url = endpoint.url("blobs", "uploads/");
            let response = self.caller.request(endpoint, Method::POST, url, &HeaderMap::new(), None).await?;
            *session = Some(Upload::begun(&response)?);
        }
        let Some(session) = session else { return Ok(()) };
        let octets = (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let chunk = self.options().chunk.max(session.chunk_min).max(1);
        let whole = (whole || blob.size <= chunk) && session.offset == 0;
        while !whole && session.offset < blob.size {
            let (offset, len) = (session.offset, chunk.min(blob.size - session.offset));
            let end = offset + len;
            let range = HeaderValue::try_from(format!("{offset}-{}", end - 1))
                .map_err(|error| RegistryFault::Configuration(error.to_string()))?;
            let headers = HeaderMap::from_iter([octets.clone(), (header::CONTENT_RANGE, range)]);
            let piece = BlobPart { feed: feed.clone(), offset, len };
            let url = session.url.clone();
            let response = self.caller.request(endpoint, Method::PATCH, url, &headers, Some(&piece)).await?;
            let found = received(&response).unwrap_or(end);
            if found <= offset || found > end {
                return Err(RegistryFault::SizeMismatch { expected: end, found });
            }
            *session = Upload { url: location(&response)?, offset: found, chunk_min: session.chunk_min };
        }
        let mut url = session.url.clone();
        url.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
        let len = if whole { blob.size } else { 0 };
        let rest = BlobPart { feed: feed.clone(), offset: blob.size - len, len };
        let headers = HeaderMap::from_iter([octets]);
        let response = self.caller.request(endpoint, Method::PUT, url, &headers, Some(&rest)).await?;
        accepted(&response, &blob.digest)?;
        if whole && blob.size > chunk {
            self.remember_no_pieces(endpoint);
        }
        Ok(())
    }

    /// Asks how far an interrupted upload came; `None` if it must start again.
    async fn position(&self, endpoint: &RegistryEndpoint, broken: Upload) -> Option<Upload> {
        let response =
            self.caller.request(endpoint, Method::GET, broken.url, &HeaderMap::new(), None).await.ok()?;
        let url = location(&response).ok()?;
        Some(Upload { url, offset: received(&response)?, chunk_min: broken.chunk_min })
    }
}

/// Whether the registry refuses the upload in this form.
fn is_refusal(fault: &RegistryFault) -> bool {
    match fault {
        RegistryFault::Status { status, .. } => {
            matches!(status, 400 | 404..=407 | 409..=428 | 430..=499 | 501)
        }
        // It keeps nothing of a piece or more than there is, or does not say where to go on.
        RegistryFault::SizeMismatch { .. } | RegistryFault::Redirect(_) => true,
        _ => false,
    }
}

/// What came of a mount.
enum Mount {
    Done,
    Refused(Option<Upload>),
}

impl Upload {
    fn begun(response: &Response) -> Result<Self, RegistryFault> {
        let number = |value: &HeaderValue| value.to_str().ok()?.parse().ok();
        let chunk_min = response.headers().get("oci-chunk-min-length").and_then(number).unwrap_or(0);
        Ok(Self { url: location(response)?, offset: 0, chunk_min })
    }
}

/// The URL at which the upload continues. Credentials follow only to the registry itself, and nothing leaves TLS.
fn location(response: &Response) -> Result<Url, RegistryFault> {
    client::location(response.url(), response.headers())
}

/// How many bytes the registry has by its `Range: 0-<last>`. `0-0` is said both of none and of one; that is not an answer.
fn received(response: &Response) -> Option<u64> {
    let range = response.headers().get(header::RANGE)?.to_str().ok()?;
    let last: u64 = range.strip_prefix("bytes=").unwrap_or(range).strip_prefix("0-")?.parse().ok()?;
    (last > 0).then(|| last.saturating_add(1))
}
