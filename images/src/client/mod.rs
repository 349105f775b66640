//! Speaking to registries: what pulls and pushes share.
//!
//! [`Client`] makes one request: credentials, tokens, redirections, limits. Retrying is the caller's, by [`Backoff`].

mod account;
mod answer;
mod auth;
mod backoff;
mod clients;
mod endpoint;
mod fault;
mod helper;
mod limits;
mod options;
mod origin;
mod progress;
mod proxy;
mod tls;
mod token;
mod words;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

pub(crate) use self::answer::{Encoding, decoded, media_type, next_chunk, next_page, read_body};
use self::answer::{error_message, retry_after};
use self::auth::{Challenge, Credentials};
pub(crate) use self::backoff::Backoff;
use self::clients::Clients;
pub use self::endpoint::redacted;
pub(crate) use self::endpoint::{Endpoint, shown};
pub use self::fault::{Denial, Fault, Login};
pub use self::limits::Limits;
pub use self::options::{Options, Tls};
pub(crate) use self::origin::location;
use self::origin::{REDIRECTS, Route, is_redirection};
pub use self::progress::Progress;
pub(crate) use self::progress::{Event, Events, Inbox, drain, runtime};
pub use self::proxy::Proxies;
use self::token::Authorization;

/// All manifests we can keep, in one line: every registry reads the first.
pub(crate) const ACCEPT_MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json",
);
/// The largest token or error document read.
const DOCUMENT_MAX: u64 = 1 << 20;

/// An HTTP client with the credentials and tokens of one pull.
pub(crate) struct Client {
    clients: Clients,
    credentials: Arc<[Credentials]>,
    /// Where credentials were looked for.
    places: Arc<[PathBuf]>,
    /// The `Authorization` that worked last, by the origin of the endpoint and its repository.
    authorizations: Mutex<HashMap<(String, String), Arc<Authorization>>>,
    /// Whether tokens are for pushing: each request may be followed by one that writes.
    pushes: bool,
    stall: Duration,
    events: Events,
}

impl Client {
    pub(crate) fn new(options: &Options, events: Events) -> Result<Self, Fault> {
        // What is no file where users keep one is not there.
        let places = options.auth_places.iter().filter(|place| place.is_file());
        let credentials: Vec<_> = options
            .auth_files
            .iter()
            .chain(places)
            .map(|file| Credentials::read(file))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            clients: Clients::new(options)?,
            credentials: credentials.into(),
            places: options.auth_files.iter().chain(&options.auth_places).cloned().collect(),
            authorizations: Mutex::default(),
            pushes: false,
            stall: options.stall,
            events,
        })
    }

    /// A client for pushes.
    pub(crate) fn pushing(options: &Options, events: Events) -> Result<Self, Fault> {
        Ok(Self { pushes: true, ..Self::new(options, events)? })
    }

    /// Sends GET and comes back with a success, having met challenges and followed redirections.
    pub(crate) async fn get(
        &self,
        endpoint: &Endpoint,
        url: Url,
        headers: &HeaderMap,
    ) -> Result<Response, Fault> {
        self.request(endpoint, Method::GET, url, headers, None).await
    }

    /// Sends a request and comes back with a success, having met challenges and, where nothing is sent along, followed
    /// redirections.
    pub(crate) async fn request(
        &self,
        endpoint: &Endpoint,
        method: Method,
        url: Url,
        headers: &HeaderMap,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, Fault> {
        let asked = Asked { method, url, headers, payload, endpoint };
        let key = (endpoint.base.origin().ascii_serialization(), endpoint.repository.clone());
        let cached = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let header = cached.as_ref().map(|authorization| &authorization.header);
        let (response, route) = self.follow(&asked, header).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !route.at_origin() {
            return self.success(&route, response, cached.as_deref()).await;
        }
        // A first request, one that needs more rights, or a token that has run out meanwhile.
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
        let Some(challenge) = Challenge::find(challenges.iter().filter_map(|value| value.to_str().ok()))
        else {
            let host = endpoint.host();
            let text = format!("{host} answered 401 and asks for no kind of credentials that is supported");
            return Err(Fault::Unauthorized(text.into()));
        };
        let authorization = Arc::new(self.authorize(endpoint, challenge, asked.scope(self.pushes)).await?);
        let (response, route) = self.follow(&asked, Some(&authorization.header)).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !route.at_origin() {
            let mut authorizations = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner);
            authorizations.insert(key, Arc::clone(&authorization));
        }
        self.success(&route, response, Some(&authorization)).await
    }

    /// The response, if it is a success. `authorization` is what the request carried.
    async fn success(
        &self,
        route: &Route,
        response: Response,
        authorization: Option<&Authorization>,
    ) -> Result<Response, Fault> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers());
        let mut message = error_message(response, self.stall).await;
        if !route.at_origin() {
            let place = shown(route.url());
            let place = content::printable(&place);
            message = if message.is_empty() { place.to_string() } else { format!("{place}: {message}") };
        }
        match (status, authorization.filter(|_| route.at_origin())) {
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(authorization)) => {
                Err(authorization.refused(status, &message))
            }
            (StatusCode::UNAUTHORIZED, None) => Err(Fault::Unauthorized(
                format!("a host that the registry led to asks for credentials, which only the registry may: {message}")
                    .into(),
            )),
            (StatusCode::FORBIDDEN, None) => {
                let text = if message.is_empty() { "the registry answered 403".into() } else { message };
                Err(Fault::Unauthorized(text.into()))
            }
            _ => Err(Fault::Status { status: status.as_u16(), message, retry_after }),
        }
    }

    /// A request with redirections; credentials stay with the origin (scheme, host and port) they are for.
    async fn follow(
        &self,
        asked: &Asked<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<(Response, Route), Fault> {
        let mut route = Route::new(&asked.endpoint.base, asked.url.clone());
        for _ in 0..=REDIRECTS {
            let client = self.clients.towards(asked.endpoint, route.url())?;
            let mut request =
                client.request(asked.method.clone(), route.url().clone()).headers(asked.headers.clone());
            if let Some(value) = authorization.filter(|_| route.at_origin()) {
                request = request.header(header::AUTHORIZATION, value.clone());
            }
            if let Some(payload) = asked.payload {
                request = request.body(payload.body()?);
            }
            let response = self.send(asked.endpoint, route.url(), request, asked.payload).await?;
            if !is_redirection(&response) {
                return Ok((response, route));
            }
            if !matches!(asked.method, Method::GET | Method::HEAD) {
                return Err(Fault::Redirect(format!("a {} is not sent elsewhere", asked.method)));
            }
            route.redirect(&response)?;
        }
        Err(Fault::Redirect(format!("more than {REDIRECTS} in a row")))
    }

    async fn send(
        &self,
        endpoint: &Endpoint,
        url: &Url,
        request: reqwest::RequestBuilder,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, Fault> {
        let mut answer = std::pin::pin!(request.send());
        let mut sent = 0;
        loop {
            match tokio::time::timeout(self.stall, &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) => return Err(words::fault(&error, url, endpoint)),
                // As long as bytes leave, the answer is not late.
                Err(_) => match payload.map_or(0, Payload::sent) {
                    now if now == sent => return Err(Fault::Stalled(self.stall)),
                    now => sent = now,
                },
            }
        }
    }
}

/// What a registry's challenge and a configuration file say, for the fuzzer.
#[cfg(fuzzing)]
pub fn fuzz_credentials(input: &[u8]) {
    let _ = Credentials::parse(input);
    if let Some(Challenge::Bearer { realm, .. }) = std::str::from_utf8(input).ok().and_then(Challenge::parse)
        && let Ok(origin) = Url::parse("https://registry.example")
    {
        let _ = origin::realm(&origin, &realm);
    }
}

/// What is sent along, made anew for each attempt.
pub(crate) trait Payload: Send + Sync {
    /// The body, from its start.
    fn body(&self) -> Result<reqwest::Body, Fault>;
    /// How many bytes have left; a change is a sign of life.
    fn sent(&self) -> u64;
}

/// One question to a registry.
struct Asked<'a> {
    method: Method,
    url: Url,
    headers: &'a HeaderMap,
    payload: Option<&'a dyn Payload>,
    /// Who may see the credentials.
    endpoint: &'a Endpoint,
}

impl Asked<'_> {
    /// The rights that it needs, as token servers write them.
    fn scope(&self, pushes: bool) -> String {
        let reads = matches!(self.method, Method::GET | Method::HEAD) && !pushes;
        let rights = if reads { "pull" } else { "pull,push" };
        let mut scope = format!("repository:{}:{rights}", self.endpoint.repository);
        // A blob is mounted from another repository.
        if let Some((_, from)) = self.url.query_pairs().find(|(name, _)| name == "from") {
            scope = format!("{scope} repository:{from}:pull");
        }
        scope
    }
}
