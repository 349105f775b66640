//! Speaking to registries: what pulls and pushes share.
//!
//! [`Client`] makes one request: credentials, tokens, redirections, limits. Retrying is the caller's, by [`Backoff`].

mod auth;
mod backoff;
mod endpoint;
mod fault;
mod helper;
mod limits;
mod options;
mod progress;
mod tls;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use self::auth::{Challenge, Credentials};
pub(crate) use self::backoff::Backoff;
pub(crate) use self::endpoint::{Endpoint, shown};
use self::endpoint::{asked_as, authority};
pub use self::fault::Fault;
pub use self::limits::Limits;
pub use self::options::{Options, Tls};
pub use self::progress::Progress;
pub(crate) use self::progress::{Event, Events, drain, runtime};

/// All manifests we can keep, in one line: every registry reads the first.
pub(crate) const ACCEPT_MANIFESTS: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.docker.distribution.manifest.list.v2+json",
);
/// Redirections followed for one request.
const REDIRECTS: usize = 5;
/// The largest token or error document read.
const DOCUMENT_MAX: u64 = 1 << 20;
/// The longest wait a registry can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// An HTTP client with the credentials and tokens of one pull.
pub(crate) struct Client {
    http: reqwest::Client,
    /// For hosts with certificates of their own.
    special: HashMap<String, reqwest::Client>,
    credentials: Arc<[Credentials]>,
    /// The `Authorization` that worked last, by endpoint and repository.
    authorizations: Mutex<HashMap<(String, String), HeaderValue>>,
    stall: Duration,
}

impl Client {
    pub(crate) fn new(options: &Options) -> Result<Self, Fault> {
        let credentials: Vec<_> =
            options.auth_files.iter().map(|file| Credentials::read(file)).collect::<Result<_, _>>()?;
        let http = client(options, None)?;
        let special =
            options.tls.iter().map(|(host, tls)| Ok((asked_as(host)?, client(options, Some(tls))?)));
        let special = special.collect::<Result<_, Fault>>()?;
        Ok(Self {
            http,
            special,
            credentials: credentials.into(),
            authorizations: Mutex::default(),
            stall: options.stall,
        })
    }

    /// The client with what TLS needs towards the host of `url`.
    fn towards(&self, url: &Url) -> &reqwest::Client {
        self.special.get(&authority(url)).unwrap_or(&self.http)
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
        let asked = Asked { method, url, headers, payload, origin: &endpoint.base };
        let key = (endpoint.host(), endpoint.repository.clone());
        let cached = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let response = self.follow(&asked, cached.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.success(response).await;
        }
        // A first request, one that needs more rights, or a token that has run out meanwhile.
        let challenge = response
            .headers()
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| Challenge::parse(value.to_str().ok()?))
            .min_by_key(|challenge| *challenge == Challenge::Basic)
            .ok_or_else(|| {
                Fault::Unauthorized("the registry answered 401 without a challenge we know".into())
            })?;
        let authorization = self.authorize(endpoint, challenge).await?;
        let response = self.follow(&asked, Some(&authorization)).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(Fault::Unauthorized(error_message(response, self.stall).await));
        }
        self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).insert(key, authorization);
        self.success(response).await
    }

    async fn success(&self, response: Response) -> Result<Response, Fault> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let retry_after = retry_after(response.headers());
        let message = error_message(response, self.stall).await;
        match status {
            StatusCode::FORBIDDEN => Err(Fault::Unauthorized(message)),
            _ => Err(Fault::Status { status: status.as_u16(), message, retry_after }),
        }
    }

    /// A request with redirections; credentials stay with the origin (scheme, host and port) they are for.
    async fn follow(
        &self,
        asked: &Asked<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Fault> {
        let mut url = asked.url.clone();
        for _ in 0..=REDIRECTS {
            let client = self.towards(&url);
            let mut request =
                client.request(asked.method.clone(), url.clone()).headers(asked.headers.clone());
            if let Some(value) = authorization.filter(|_| url.origin() == asked.origin.origin()) {
                request = request.header(header::AUTHORIZATION, value.clone());
            }
            if let Some(payload) = asked.payload {
                request = request.body(payload.body()?);
            }
            let response = self.send(request, asked.payload).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            if !matches!(asked.method, Method::GET | Method::HEAD) {
                return Err(Fault::Redirect(format!("a {} is not sent elsewhere", asked.method)));
            }
            let target = response
                .headers()
                .get(header::LOCATION)
                .and_then(|location| url.join(location.to_str().ok()?).ok())
                .ok_or_else(|| Fault::Redirect("without a usable Location".into()))?;
            if !keeps_tls(&url, &target) {
                return Err(Fault::Redirect(format!("from {} to {}", shown(&url), shown(&target))));
            }
            url = target;
        }
        Err(Fault::Redirect(format!("more than {REDIRECTS} in a row")))
    }

    async fn send(
        &self,
        request: reqwest::RequestBuilder,
        payload: Option<&dyn Payload>,
    ) -> Result<Response, Fault> {
        let mut answer = std::pin::pin!(request.send());
        let mut sent = 0;
        loop {
            match tokio::time::timeout(self.stall, &mut answer).await {
                Ok(Ok(response)) => return Ok(response),
                Ok(Err(error)) if error.is_builder() => return Err(Fault::Configuration(chain(&error))),
                Ok(Err(error)) if error.is_connect() => return Err(Fault::Unreachable(chain(&error))),
                Ok(Err(error)) => return Err(Fault::Broken(chain(&error))),
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
    {
        let _ = realm.parse::<Url>();
    }
}

/// A client that trusts the system's authorities, the site's, and those of one host.
fn client(options: &Options, own: Option<&Tls>) -> Result<reqwest::Client, Fault> {
    let mut builder = reqwest::Client::builder()
        // One connection per transfer: a single HTTP/2 connection would be one TCP window for all blobs.
        .http1_only()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("sealift/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls::config(options, own)?);
    if !options.system_proxy {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|error| Fault::Configuration(chain(&error)))
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
    origin: &'a Url,
}

/// Whether going from one URL to the other gives up no TLS.
pub(crate) fn keeps_tls(from: &Url, to: &Url) -> bool {
    to.scheme() == "https" || (to.scheme() == "http" && from.scheme() == "http")
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(mut response: Response, limit: u64, stall: Duration) -> Result<Vec<u8>, Fault> {
    if response.content_length().is_some_and(|announced| announced > limit) {
        return Err(Fault::TooLarge { limit });
    }
    let mut body = Vec::new();
    while let Some(chunk) = next_chunk(&mut response, stall).await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Fault::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next_chunk(
    response: &mut Response,
    stall: Duration,
) -> Result<Option<bytes::Bytes>, Fault> {
    match tokio::time::timeout(stall, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(Fault::Broken(chain(&error))),
        Err(_) => Err(Fault::Stalled(stall)),
    }
}

/// Where a list goes on (RFC 8288): at the registry that it came from.
pub(crate) fn next_page(asked: &Url, headers: &HeaderMap) -> Result<Option<Url>, Fault> {
    for value in headers.get_all(header::LINK) {
        let Some((target, parameters)) =
            value.to_str().ok().and_then(|value| value.trim().strip_prefix('<')?.split_once('>'))
        else {
            continue;
        };
        let next = |parameter: &str| matches!(parameter.trim(), "rel=\"next\"" | "rel=next");
        if parameters.split(';').any(next) {
            let url = asked.join(target).ok().filter(|url| url.origin() == asked.origin());
            return url
                .map(Some)
                .ok_or_else(|| Fault::Redirect("the next page of a list is elsewhere".into()));
        }
    }
    Ok(None)
}

/// The media type of an answer without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// What the registry says in its JSON error (distribution specification, "Error Codes"), shortened; else nothing.
async fn error_message(response: Response, stall: Duration) -> String {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<One>,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let Ok(body) = read_body(response, DOCUMENT_MAX, stall).await else { return String::new() };
    let Ok(Errors { errors }) = serde_json::from_slice(&body) else { return String::new() };
    let text: Vec<String> = errors.iter().map(|one| format!("{} {}", one.code, one.message)).collect();
    text.join(", ").chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// `Retry-After` in seconds or as a date, which is read against the server's own clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let value = text(header::RETRY_AFTER)?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let then = httpdate::parse_http_date(value).ok()?;
            let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
            then.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

/// An error with its causes, the URL left out: it may carry a signature.
fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = if text.is_empty() { inner.to_string() } else { format!("{text}: {inner}") };
        cause = inner.source();
    }
    if text.is_empty() { "the request failed".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        use header::{DATE, RETRY_AFTER};
        let date = "Fri, 20 Nov 2026 10:00:00 GMT";
        for (pairs, expected) in [
            (&[][..], None),
            (&[(RETRY_AFTER, "3")], Some(3)),
            (&[(RETRY_AFTER, "999999999999")], Some(300)),
            (&[(RETRY_AFTER, "-1")], None),
            (&[(RETRY_AFTER, "Fri, 20 Nov 2026 10:00:07 GMT"), (DATE, date)], Some(7)),
            (&[(RETRY_AFTER, "Fri, 20 Nov 2020 10:00:07 GMT"), (DATE, date)], Some(0)),
            (&[(RETRY_AFTER, "Fri, 20 Nov 2026 10:00:07 GMT")], None),
        ] {
            assert_eq!(retry_after(&headers(pairs)), expected.map(Duration::from_secs), "{pairs:?}");
        }
    }

    #[test]
    fn the_next_page_is_at_the_same_registry() {
        let asked: Url = "https://r.example/v2/a/referrers/x".parse().unwrap();
        for (link, expected) in [
            ("</v2/a/referrers/x?last=1>; rel=\"next\"", Some("https://r.example/v2/a/referrers/x?last=1")),
            ("<?n=1>;rel=next", Some("https://r.example/v2/a/referrers/x?n=1")),
            ("</v2/b>; rel=\"prev\"", None),
            ("nonsense", None),
        ] {
            let found = next_page(&asked, &headers(&[(header::LINK, link)])).unwrap();
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{link}");
        }
        for link in ["<https://other.example/v2/>; rel=\"next\"", "<http://r.example/>; rel=next"] {
            let found = next_page(&asked, &headers(&[(header::LINK, link)]));
            assert!(matches!(found, Err(Fault::Redirect(_))), "{link}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let url = Url::parse("https://user:pass@host/x?X-Amz-Signature=abc").unwrap();
        assert_eq!(shown(&url), "https://host/x");
    }
}
