//! The requests of one pull or push.

use reqwest::header::HeaderMap;
use reqwest::{Method, Response, Url};

use super::request::RegistryRequest;
use super::{
    Events, Payload, RegistryEndpoint, RegistryFault, RegistryOptions, RegistrySession, TransferEvent,
};

/// Who makes the requests of one pull or push, through a session that it shares with others.
pub(crate) struct Caller {
    session: RegistrySession,
    /// Whether tokens are for pushing: each request may be followed by one that writes.
    pushes: bool,
    events: Events,
}

impl Caller {
    /// Makes the requests of a pull, and reports to `events`.
    pub(crate) fn pulling(session: &RegistrySession, events: Events) -> Self {
        Self { session: session.clone(), pushes: false, events }
    }

    /// Makes the requests of a push, and reports to `events`.
    pub(crate) fn pushing(session: &RegistrySession, events: Events) -> Self {
        Self { session: session.clone(), pushes: true, events }
    }

    pub(crate) fn options(&self) -> &RegistryOptions {
        self.session.options()
    }

    /// Sends GET once and returns a successful response, having met challenges and followed redirections.
    pub(crate) async fn get(
        &self,
        endpoint: &RegistryEndpoint,
        url: Url,
        headers: &HeaderMap,
    ) -> Result<Response, RegistryFault> {
        self.request(endpoint, Method::GET, url, headers, None).await
    }

    /// Sends a request once and returns a successful response, having met challenges and, where nothing is sent along,
    /// followed redirections.
    pub(crate) async fn request(
        &self,
        endpoint: &RegistryEndpoint,
        method: Method,
        url: Url,
        headers: &HeaderMap,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, RegistryFault> {
        let (pushes, stall) = (self.pushes, self.options().stall);
        let asked = RegistryRequest { method, url, headers, payload, endpoint, pushes, stall };
        self.session.client()?.request(&asked, &self.events).await
    }

    /// Gets a file: once; redirections are followed. Only a server that has an account gets credentials.
    pub(crate) async fn file(
        &self,
        endpoint: &RegistryEndpoint,
        url: Url,
        headers: &HeaderMap,
    ) -> Result<Response, RegistryFault> {
        let stall = self.options().stall;
        let asked = RegistryRequest {
            method: Method::GET,
            url,
            headers,
            payload: None,
            endpoint,
            pushes: false,
            stall,
        };
        self.session.client()?.file(&asked, &self.events).await
    }

    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Reports to the thread that started the pull or push.
    pub(crate) fn report(&self, event: TransferEvent) {
        // Nobody listens any more once it was cancelled.
        let _ = self.events.send(event);
    }
}
