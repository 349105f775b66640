//! Speaking to registries: what pulls and pushes share.
//!
//! [`Client`] makes one request: credentials, tokens, redirections, limits. Retrying is the caller's, by [`Backoff`].

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

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};

use self::answer::{error_message, retry_after};
pub(crate) use self::answer::{media_type, next_chunk, next_page, read_body};
use self::auth::{Challenge, Credentials};
pub(crate) use self::backoff::Backoff;
use self::clients::Clients;
pub use self::endpoint::redacted;
pub(crate) use self::endpoint::{Endpoint, shown};
pub use self::fault::Fault;
pub use self::limits::Limits;
pub use self::options::{Options, Tls};
pub(crate) use self::origin::location;
use self::origin::{REDIRECTS, Route, is_redirection};
pub use self::progress::Progress;
pub(crate) use self::progress::{Event, Events, drain, runtime};
pub use self::proxy::Proxies;
use self::token::with_problems;

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
    /// The `Authorization` that worked last, by the origin of the endpoint and its repository.
    authorizations: Mutex<HashMap<(String, String), HeaderValue>>,
    stall: Duration,
    events: Events,
    /// What the caller has been warned of.
    warned: Mutex<HashSet<String>>,
}

impl Client {
    pub(crate) fn new(options: &Options, events: Events) -> Result<Self, Fault> {
        let credentials: Vec<_> =
            options.auth_files.iter().map(|file| Credentials::read(file)).collect::<Result<_, _>>()?;
        Ok(Self {
            clients: Clients::new(options)?,
            credentials: credentials.into(),
            authorizations: Mutex::default(),
            stall: options.stall,
            events,
            warned: Mutex::default(),
        })
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
        let (response, route) = self.follow(&asked, cached.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED || !route.at_origin() {
            return self.success(&route, response).await;
        }
        // A first request, one that needs more rights, or a token that has run out meanwhile.
        let challenges = response.headers().get_all(header::WWW_AUTHENTICATE);
        let challenge = Challenge::find(challenges.iter().filter_map(|value| value.to_str().ok()))
            .ok_or_else(|| {
                Fault::Unauthorized("the registry answered 401 without a challenge we know".into())
            })?;
        let authorization = self.authorize(endpoint, challenge, asked.scope()).await?;
        let (response, route) = self.follow(&asked, Some(&authorization.header)).await?;
        if response.status() == StatusCode::UNAUTHORIZED && route.at_origin() {
            let message = error_message(response, self.stall).await;
            return Err(Fault::Unauthorized(with_problems(message, &authorization.problems)));
        }
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).insert(key, authorization.header);
        self.success(&route, response).await.map_err(|fault| match fault {
            Fault::Unauthorized(reason) => {
                Fault::Unauthorized(with_problems(reason, &authorization.problems))
            }
            fault => fault,
        })
    }

    async fn success(&self, route: &Route, response: Response) -> Result<Response, Fault> {
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
        match status {
            StatusCode::UNAUTHORIZED => Err(Fault::Unauthorized(format!(
                "a host that the registry led to asks for credentials, which only the registry may: {message}"
            ))),
            StatusCode::FORBIDDEN => Err(Fault::Unauthorized(message)),
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
    fn scope(&self) -> String {
        let rights = if matches!(self.method, Method::GET | Method::HEAD) { "pull" } else { "pull,push" };
        let mut scope = format!("repository:{}:{rights}", self.endpoint.repository);
        // A blob is mounted from another repository.
        if let Some((_, from)) = self.url.query_pairs().find(|(name, _)| name == "from") {
            scope = format!("{scope} repository:{from}:pull");
        }
        scope
    }
}
