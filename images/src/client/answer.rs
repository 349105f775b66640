//! Responses: bodies within bounds, pages of lists, error messages.

use std::io::Read as _;
use std::time::Duration;

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, Url};
use serde::Deserialize;

use super::{RegistryFault, words};

/// The largest token or error document that is read, in bytes.
pub(super) const DOCUMENT_MAX: u64 = 1 << 20;
/// The longest error message that is passed on, in characters.
const MESSAGE_MAX: usize = 300;

/// How the body of a response is encoded (RFC 9110, section 8.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Encoding {
    None,
    Gzip,
    Other(String),
}

impl Encoding {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let value = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
        match value.unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Self::None,
            "gzip" | "x-gzip" => Self::Gzip,
            other => Self::Other(other.into()),
        }
    }

    /// The error for a response in an encoding that was not requested and is not supported.
    pub(crate) fn fault(&self) -> Option<RegistryFault> {
        match self {
            Self::Other(found) => {
                let found = content::printable(found).to_string();
                Some(RegistryFault::ContentType { expected: "no content encoding".into(), found })
            }
            _ => None,
        }
    }
}

/// Undoes the encoding of a document, if it has one: some proxies compress content that must not be.
pub(crate) fn decoded(body: Vec<u8>, encoding: &Encoding, limit: u64) -> Result<Vec<u8>, RegistryFault> {
    // Storage may call its objects compressed that are not.
    if *encoding != Encoding::Gzip || !body.starts_with(&[0x1f, 0x8b]) {
        return Ok(body);
    }
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(body.as_slice()).take(limit.saturating_add(1));
    decoder.read_to_end(&mut plain).map_err(|error| RegistryFault::Broken(error.to_string()))?;
    if plain.len() as u64 > limit { Err(RegistryFault::TooLarge { limit }) } else { Ok(plain) }
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(
    mut response: Response,
    limit: u64,
    stall: Duration,
) -> Result<Vec<u8>, RegistryFault> {
    if response.content_length().is_some_and(|announced| announced > limit) {
        return Err(RegistryFault::TooLarge { limit });
    }
    let mut body = Vec::new();
    while let Some(chunk) = next_chunk(&mut response, stall).await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(RegistryFault::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The next piece of a body; `None` at its end.
pub(crate) async fn next_chunk(
    response: &mut Response,
    stall: Duration,
) -> Result<Option<bytes::Bytes>, RegistryFault> {
    match tokio::time::timeout(stall, response.chunk()).await {
        Ok(Ok(chunk)) => Ok(chunk),
        Ok(Err(error)) => Err(RegistryFault::Broken(words::chain(&error))),
        Err(_) => Err(RegistryFault::Stalled(stall)),
    }
}

/// The URL of the next page of a list (RFC 8288), at the registry that it came from.
pub(crate) fn next_page(asked: &Url, headers: &HeaderMap) -> Result<Option<Url>, RegistryFault> {
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
                .ok_or_else(|| RegistryFault::Redirect("the next page of a list is elsewhere".into()));
        }
    }
    Ok(None)
}

/// The media type of a response without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// What the registry says in its JSON error (distribution specification, "Error Codes") or in plain text, shortened; else
/// nothing.
pub(super) async fn error_message(response: Response, stall: Duration) -> String {
    let plain = media_type(response.headers()).is_none_or(|kind| kind == "text/plain");
    match read_body(response, DOCUMENT_MAX, stall).await {
        Ok(body) => message(&body, plain),
        Err(_) => String::new(),
    }
}

fn message(body: &[u8], plain: bool) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<One>,
        /// Token servers say it in this form.
        #[serde(default)]
        details: String,
        /// OAuth2 (RFC 6749, section 5.2).
        #[serde(default)]
        error: String,
        #[serde(default)]
        error_description: String,
        /// Services of sigstore.
        #[serde(default)]
        message: String,
    }
    #[derive(Deserialize)]
    struct One {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    if tells_of_tls(body) {
        return "this port requires HTTPS, and the request had no TLS (--plain-http, `plainHttp` or an http:// mirror)".into();
    }
    let text = match serde_json::from_slice::<Errors>(body) {
        Ok(found) => {
            let errors = found.errors.iter().map(|one| format!("{} {}", one.code, one.message));
            let others = [found.details, found.error, found.error_description, found.message].into_iter();
            let all: Vec<String> = errors.chain(others).filter(|text| !text.trim().is_empty()).collect();
            all.join(", ")
        }
        Err(_) if plain => String::from_utf8_lossy(body).trim().lines().next().unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    };
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(MESSAGE_MAX).collect()
}

/// What servers written in Go and nginx say at a port for TLS to those who come without.
fn tells_of_tls(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body);
    ["HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port"]
        .iter()
        .any(|text| body.contains(text))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
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
            assert!(matches!(found, Err(RegistryFault::Redirect(_))), "{link}");
        }
    }

    #[test]
    fn errors_are_read_as_registries_and_token_servers_write_them() {
        for (body, plain, expected) in [
            (r#"{"errors":[{"code":"A","message":"b"},{"code":"C"}]}"#, false, "A b, C "),
            (r#"{"details":"incorrect username or password"}"#, false, "incorrect username or password"),
            (r#"{"error":"invalid_grant","error_description":"gone"}"#, false, "invalid_grant, gone"),
            ("too many requests\nfor one day", true, "too many requests"),
            ("\u{1b}[31mred\nsecond", true, " [31mred"),
            ("<html>", false, ""),
            ("", true, ""),
        ] {
            assert_eq!(message(body.as_bytes(), plain), expected.trim_end_matches(' '), "{body}");
        }
    }
}
