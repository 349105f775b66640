//! The registry of one push: requests that are repeated where that helps.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use content::Digest;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};
use tokio::sync::OnceCell;

use super::content::Content;
use crate::client::{Backoff, Client, Endpoint, Event, Events, Fault, Options, Payload};

/// The network and the content of one push.
pub(super) struct Pusher {
    /// Made at the first request, as for pulls.
    client: OnceCell<Client>,
    pub(super) content: Arc<dyn Content>,
    pub(super) options: Options,
    pub(super) events: Events,
    /// Registries that take a blob in one request only.
    no_pieces: Mutex<HashSet<String>>,
}

impl Pusher {
    pub(super) fn new(content: Arc<dyn Content>, options: &Options, events: Events) -> Self {
        let (client, options, no_pieces) = (OnceCell::new(), options.clone(), Mutex::default());
        Self { client, content, options, events, no_pieces }
    }

    /// Whether the registry has been found to take blobs in one request only.
    pub(super) fn takes_no_pieces(&self, endpoint: &Endpoint) -> bool {
        self.no_pieces.lock().unwrap_or_else(PoisonError::into_inner).contains(&endpoint.host())
    }

    pub(super) fn remember_no_pieces(&self, endpoint: &Endpoint) {
        self.no_pieces.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.host());
    }

    /// One request, made once.
    pub(super) async fn ask(
        &self,
        endpoint: &Endpoint,
        method: Method,
        url: Url,
        headers: &HeaderMap,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, Fault> {
        let client = self
            .client
            .get_or_try_init(|| async { Client::pushing(&self.options, self.events.clone()) })
            .await?;
        client.request(endpoint, method, url, headers, payload).await
    }

    /// One request, made again after failures that may pass.
    pub(super) async fn insist(
        &self,
        endpoint: &Endpoint,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, Fault> {
        let mut backoff = Backoff::new(&self.options);
        // The first attempt is always allowed.
        backoff.next();
        loop {
            match self.ask(endpoint, method.clone(), url.clone(), headers, payload).await {
                Ok(response) => return Ok(response),
                Err(fault) => {
                    if !self.pause(&mut backoff, url, &fault).await {
                        return Err(fault);
                    }
                }
            }
        }
    }

    /// Waits after a failure; whether to try again.
    pub(super) async fn pause(&self, backoff: &mut Backoff, url: &Url, fault: &Fault) -> bool {
        let Some(wait) = backoff.wait(fault) else { return false };
        self.tell(Event::retry(url, fault, wait, backoff.left()));
        tokio::time::sleep(wait).await;
        backoff.next()
    }

    /// The headers of HEAD for a manifest or blob; `None` where the registry does not have it, or does not know HEAD.
    pub(super) async fn head(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        accept: Option<HeaderValue>,
    ) -> Result<Option<HeaderMap>, Fault> {
        let headers: HeaderMap = accept.map(|value| (header::ACCEPT, value)).into_iter().collect();
        match self.insist(endpoint, Method::HEAD, url, &headers, None).await {
            Ok(response) => Ok(Some(response.headers().clone())),
            Err(Fault::Status { status: 404 | 405 | 501, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn tell(&self, event: Event) {
        // Nobody listens any more when the push was broken off.
        let _ = self.events.send(event);
    }
}

/// What the registry says the digest of the content is.
pub(super) fn claimed(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// Checks that the registry accepted the content and reports no other digest. Some registries answer a manifest with 202; a 200
/// comes from servers that are not registries.
pub(super) fn accepted(response: &Response, expected: &Digest) -> Result<(), Fault> {
    let status = response.status().as_u16();
    if !matches!(status, 201 | 202 | 204) {
        let message = "expected 201, the content is taken".into();
        return Err(Fault::Status { status, message, retry_after: None });
    }
    match claimed(response.headers()).filter(|found| found != expected) {
        Some(found) => Err(Fault::DigestMismatch { expected: *expected, found }),
        None => Ok(()),
    }
}
