//! The registry of one push: requests that are repeated where that helps.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use content::Digest;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, Url};

use super::content::BlobSource;
use crate::client::{
    Backoff, Caller, Events, Payload, RegistryEndpoint, RegistryFault, RegistryOptions, RegistrySession,
    TransferEvent,
};

/// The network and the content of one push.
pub(super) struct Pusher {
    pub(super) caller: Caller,
    pub(super) content: Arc<dyn BlobSource>,
    /// Registries that take a blob in one request only.
    no_pieces: Mutex<HashSet<String>>,
}

impl Pusher {
    pub(super) fn new(content: Arc<dyn BlobSource>, session: &RegistrySession, events: Events) -> Self {
        Self { caller: Caller::pushing(session, events), content, no_pieces: Mutex::default() }
    }

    pub(super) fn options(&self) -> &RegistryOptions {
        self.caller.options()
    }

    pub(super) fn events(&self) -> &Events {
        self.caller.events()
    }

    /// Whether the registry has been found to take blobs in one request only.
    pub(super) fn takes_no_pieces(&self, endpoint: &RegistryEndpoint) -> bool {
        self.no_pieces.lock().unwrap_or_else(PoisonError::into_inner).contains(&endpoint.host())
    }

    pub(super) fn remember_no_pieces(&self, endpoint: &RegistryEndpoint) {
        self.no_pieces.lock().unwrap_or_else(PoisonError::into_inner).insert(endpoint.host());
    }

    /// Sends a request, and repeats it after failures that may pass.
    pub(super) async fn request(
        &self,
        endpoint: &RegistryEndpoint,
        method: Method,
        url: &Url,
        headers: &HeaderMap,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, RegistryFault> {
        let mut backoff = Backoff::new(self.options());
        // The first attempt is always allowed.
        backoff.next();
        loop {
            match self.caller.request(endpoint, method.clone(), url.clone(), headers, payload).await {
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
    pub(super) async fn pause(&self, backoff: &mut Backoff, url: &Url, fault: &RegistryFault) -> bool {
        let wait = backoff.wait(fault);
        self.sleep(wait, backoff, url, fault).await
    }

    /// Waits after a refusal that is not transient by itself; whether to try again.
    pub(super) async fn pause_anyway(&self, backoff: &mut Backoff, url: &Url, fault: &RegistryFault) -> bool {
        let wait = backoff.delay();
        self.sleep(wait, backoff, url, fault).await
    }

    async fn sleep(
        &self,
        wait: Option<Duration>,
        backoff: &mut Backoff,
        url: &Url,
        fault: &RegistryFault,
    ) -> bool {
        let Some(wait) = wait else { return false };
        self.report(TransferEvent::retry(url, fault, wait, backoff.left()));
        tokio::time::sleep(wait).await;
        backoff.next()
    }

    /// The headers of HEAD for a manifest or blob; `None` where the registry does not have it, or does not know HEAD.
    pub(super) async fn head(
        &self,
        endpoint: &RegistryEndpoint,
        url: &Url,
        accept: Option<HeaderValue>,
    ) -> Result<Option<HeaderMap>, RegistryFault> {
        let headers: HeaderMap = accept.map(|value| (header::ACCEPT, value)).into_iter().collect();
        match self.request(endpoint, Method::HEAD, url, &headers, None).await {
            Ok(response) => Ok(Some(response.headers().clone())),
            Err(RegistryFault::Status { status: 404 | 405 | 501, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(super) fn report(&self, event: TransferEvent) {
        self.caller.report(event);
    }
}

/// What the registry says the digest of the content is.
pub(super) fn claimed(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// Checks that the registry accepted the content and reports no other digest. Some registries answer a manifest with 202; a 200
/// comes from servers that are not registries.
pub(super) fn accepted(response: &Response, expected: &Digest) -> Result<(), RegistryFault> {
    let status = response.status().as_u16();
    if !matches!(status, 201 | 202 | 204) {
        let message = "expected 201, the content is taken".into();
        return Err(RegistryFault::Status { status, message, retry_after: None });
    }
    match claimed(response.headers()).filter(|found| found != expected) {
        Some(found) => Err(RegistryFault::DigestMismatch { expected: *expected, found }),
        None => Ok(()),
    }
}
