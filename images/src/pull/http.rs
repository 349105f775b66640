//! One request to a registry: credentials, tokens, redirections, limits. Retrying is the caller's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Response, StatusCode, Url};
use serde::Deserialize;

use super::auth::{Challenge, Credentials, Secret};
use super::{Fault, Options, tls};
use crate::reference::{DOCKER_HUB, Reference, is_domain};

/// Redirections followed for one request.
const REDIRECTS: usize = 5;
/// The largest token or error document read.
const DOCUMENT_MAX: u64 = 1 << 20;
/// The longest wait a registry can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// One way to a repository: the registry itself or a mirror of it.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Scheme, host and port.
    base: Url,
    /// The repository there, a mirror's path before it.
    repository: String,
}

impl Endpoint {
    /// The mirrors for the reference's registry in their order, then the registry itself.
    pub(super) fn all(reference: &Reference, options: &Options) -> Result<Vec<Self>, Fault> {
        let registry = reference.registry();
        let mut endpoints = Vec::new();
        for mirror in options.mirrors.get(registry).into_iter().flatten() {
            let bad =
                || Fault::Configuration(format!("the mirror `{mirror}` of {registry} is not an http(s) URL"));
            let mut base: Url = mirror.parse().map_err(|_| bad())?;
            if !matches!(base.scheme(), "http" | "https")
                || base.query().is_some()
                || !base.username().is_empty()
            {
                return Err(bad());
            }
            let path = base.path().trim_matches('/').to_owned();
            base.set_path("");
            let slash = if path.is_empty() { "" } else { "/" };
            endpoints.push(Self { base, repository: format!("{path}{slash}{}", reference.repository()) });
        }
        let host = if registry == DOCKER_HUB { "registry-1.docker.io" } else { registry };
        let scheme = if options.plain_http.contains(registry) { "http" } else { "https" };
        let base = is_domain(host)
            .then(|| format!("{scheme}://{host}").parse().ok())
            .flatten()
            .ok_or_else(|| Fault::Configuration(format!("`{host}` is no host")))?;
        endpoints.push(Self { base, repository: reference.repository().to_owned() });
        Ok(endpoints)
    }

    /// `<base>/v2/<repository>/<kind>/<name>`; all parts have been checked against their grammar.
    pub(super) fn url(&self, kind: &str, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/{kind}/{name}", self.repository));
        url
    }

    /// Host and port, for limits and for remembering that nobody is there.
    pub(super) fn host(&self) -> String {
        authority(&self.base)
    }
}

fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}"))
}

/// The URL as it may be shown: signed storage links carry secrets in their query.
pub(super) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

/// An HTTP client with the credentials and tokens of one pull.
pub(super) struct Client {
    http: reqwest::Client,
    credentials: Credentials,
    /// The `Authorization` that worked last, by endpoint and repository.
    authorizations: Mutex<HashMap<(String, String), HeaderValue>>,
    stall: Duration,
}

impl Client {
    pub(super) fn new(options: &Options) -> Result<Self, Fault> {
        let credentials = match &options.auth_file {
            Some(file) => Credentials::read(file)?,
            None => Credentials::default(),
        };
        let mut builder = reqwest::Client::builder()
            // One connection per transfer: a single HTTP/2 connection would be one TCP window for all blobs.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("sealift/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(tls::config(options)?);
        if !options.system_proxy {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Fault::Configuration(chain(&error)))?;
        Ok(Self { http, credentials, authorizations: Mutex::default(), stall: options.stall })
    }

    /// Sends GET and comes back with a success, having met challenges and followed redirections.
    pub(super) async fn get(
        &self,
        endpoint: &Endpoint,
        url: Url,
        headers: &HeaderMap,
    ) -> Result<Response, Fault> {
        let key = (endpoint.host(), endpoint.repository.clone());
        let cached = self.authorizations.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let response = self.follow(url.clone(), headers, cached.as_ref()).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return self.success(response).await;
        }
        // A first request, or a token that has run out meanwhile.
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
        let response = self.follow(url, headers, Some(&authorization)).await?;
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

    /// GET with redirections; credentials stay with the origin (scheme, host and port) they are for.
    async fn follow(
        &self,
        start: Url,
        headers: &HeaderMap,
        authorization: Option<&HeaderValue>,
    ) -> Result<Response, Fault> {
        let mut url = start.clone();
        for _ in 0..=REDIRECTS {
            let mut request = self.http.get(url.clone()).headers(headers.clone());
            if let Some(value) = authorization.filter(|_| url.origin() == start.origin()) {
                request = request.header(header::AUTHORIZATION, value.clone());
            }
            let response = self.send(request).await?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return Ok(response);
            }
            let target = response
                .headers()
                .get(header::LOCATION)
                .and_then(|location| url.join(location.to_str().ok()?).ok())
                .ok_or_else(|| Fault::Redirect("without a usable Location".into()))?;
            let safe = target.scheme() == "https" || (target.scheme() == "http" && url.scheme() == "http");
            if !safe {
                return Err(Fault::Redirect(format!("from {} to {}", shown(&url), shown(&target))));
            }
            url = target;
        }
        Err(Fault::Redirect(format!("more than {REDIRECTS} in a row")))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Response, Fault> {
        match tokio::time::timeout(self.stall, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) if error.is_builder() => Err(Fault::Configuration(chain(&error))),
            Ok(Err(error)) if error.is_connect() => Err(Fault::Unreachable(chain(&error))),
            Ok(Err(error)) => Err(Fault::Broken(chain(&error))),
            Err(_) => Err(Fault::Stalled(self.stall)),
        }
    }

    /// Meets a challenge: the value of `Authorization`.
    async fn authorize(&self, endpoint: &Endpoint, challenge: Challenge) -> Result<HeaderValue, Fault> {
        let host = endpoint.host();
        let secret = self.credentials.find(&host, &endpoint.repository)?;
        match (challenge, secret) {
            (Challenge::Basic, Some(Secret::Basic { user, password })) => basic(&user, &password),
            (Challenge::Basic, _) => {
                Err(Fault::Unauthorized(format!("{host} asks for a user name and a password")))
            }
            (Challenge::Bearer { realm, service, scope }, secret) => {
                let realm: Url = realm
                    .parse()
                    .map_err(|_| Fault::Unauthorized("the challenge names no usable token server".into()))?;
                if realm.scheme() != "https" && (realm.scheme(), endpoint.base.scheme()) != ("http", "http") {
                    let text = format!("{host} sends to a token server without TLS, {}", shown(&realm));
                    return Err(Fault::Unauthorized(text));
                }
                let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", endpoint.repository));
                self.token(realm, service, scope, secret).await
            }
        }
    }

    /// Fetches a token (distribution specification of tokens: GET, or POST with a refresh token).
    async fn token(
        &self,
        mut realm: Url,
        service: Option<String>,
        scope: String,
        secret: Option<Secret>,
    ) -> Result<HeaderValue, Fault> {
        #[derive(Deserialize)]
        struct Token {
            token: Option<String>,
            access_token: Option<String>,
        }
        let refused =
            |reason: String| Fault::Unauthorized(format!("token server {}: {reason}", shown(&realm)));
        let mut fields = vec![("scope", scope)];
        fields.extend(service.map(|service| ("service", service)));
        let request = if let Some(Secret::Identity(token)) = secret {
            fields.extend([
                ("grant_type", "refresh_token".to_owned()),
                ("refresh_token", token),
                ("client_id", "sealift".to_owned()),
            ]);
            let mut form = Url::parse("form:").map_err(|error| refused(error.to_string()))?;
            form.query_pairs_mut().extend_pairs(&fields);
            self.http
                .post(realm.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.query().unwrap_or_default().to_owned())
        } else {
            let mut url = realm.clone();
            url.query_pairs_mut().extend_pairs(&fields);
            let request = self.http.get(url);
            match secret {
                Some(Secret::Basic { user, password }) => {
                    request.header(header::AUTHORIZATION, basic(&user, &password)?)
                }
                _ => request,
            }
        };
        let response = self.send(request).await?;
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = retry_after(response.headers());
            return Err(Fault::Status {
                status: status.as_u16(),
                message: "token server".into(),
                retry_after,
            });
        }
        if !status.is_success() {
            let message = error_message(response, self.stall).await;
            return Err(refused(format!("{status} {message}")));
        }
        let body = read_body(response, DOCUMENT_MAX, self.stall).await?;
        // The parser's words could quote the token; they are not passed on.
        let answer: Token =
            serde_json::from_slice(&body).map_err(|_| refused("no token in the answer".into()))?;
        let token = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        realm.set_query(None);
        let token = token
            .ok_or_else(|| Fault::Unauthorized(format!("token server {realm}: no token in the answer")))?;
        secret_header(format!("Bearer {token}"))
    }
}

fn basic(user: &str, password: &str) -> Result<HeaderValue, Fault> {
    use base64::Engine as _;
    secret_header(format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    ))
}

/// A header value that no log shows.
fn secret_header(text: String) -> Result<HeaderValue, Fault> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| Fault::Unauthorized("a credential cannot be sent in a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_body(mut response: Response, limit: u64, stall: Duration) -> Result<Vec<u8>, Fault> {
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
pub(super) async fn next_chunk(
    response: &mut Response,
    stall: Duration,
) -> Result<Option<bytes::Bytes>, Fault> {
    match tokio::time::timeout(stall, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(Fault::Broken(chain(&error))),
        Err(_) => Err(Fault::Stalled(stall)),
    }
}

/// The media type of an answer without its parameters.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
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
    fn mirrors_come_first_and_keep_their_path() {
        let reference: Reference = "alpine:3".parse().unwrap();
        let mut options = Options::default();
        options.mirrors.insert(
            "docker.io".into(),
            vec!["http://127.0.0.1:5000".into(), "https://m.example/hub/".into()],
        );
        let urls = |options: &Options| -> Vec<String> {
            let endpoints = Endpoint::all(&reference, options).unwrap();
            endpoints.iter().map(|endpoint| endpoint.url("manifests", "3").to_string()).collect()
        };
        assert_eq!(
            urls(&options),
            [
                "http://127.0.0.1:5000/v2/library/alpine/manifests/3",
                "https://m.example/v2/hub/library/alpine/manifests/3",
                "https://registry-1.docker.io/v2/library/alpine/manifests/3",
            ]
        );
        for bad in ["ftp://x", "nonsense", "https://user@host", "https://h/?q"] {
            options.mirrors.insert("docker.io".into(), vec![bad.into()]);
            assert!(matches!(Endpoint::all(&reference, &options), Err(Fault::Configuration(_))), "{bad}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let url = Url::parse("https://user:pass@host/x?X-Amz-Signature=abc").unwrap();
        assert_eq!(shown(&url), "https://host/x");
        assert!(!format!("{:?}", basic("user", "pass").unwrap()).contains("dXNlcjpwYXNz"));
    }
}
