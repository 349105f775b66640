//! Who may see credentials: the origin (scheme, host and port) of a registry, and nobody that it points to.
//!
//! A registry redirects to storage hosts and names token servers. Neither may turn that into credentials:
//!
//! - A request that has left the origin carries no `Authorization` any more, also where it leads back.
//! - A challenge counts only if the origin itself sent it. What a storage host asks for is not given (CVE-2020-15157).
//! - A token server gets the credentials of the registry that named it, if it speaks HTTPS or the registry itself does not.
//! - Nothing leads from HTTPS to HTTP, and a user name or password in a URL that a server sent is ignored.

use reqwest::header::{self, HeaderMap};
use reqwest::{Response, Url};

use super::{RegistryFault, shown};

/// Redirections followed for one request.
pub(super) const REDIRECTS: usize = 5;

/// A request on its way through redirections.
pub(super) struct Route {
    origin: Url,
    url: Url,
    left: bool,
}

impl Route {
    /// A request to `url` on behalf of the registry or token server at `origin`.
    pub(super) fn new(origin: &Url, url: Url) -> Self {
        Self { left: url.origin() != origin.origin(), origin: origin.clone(), url }
    }

    /// Where the request goes now.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Whether the request has not left the origin: it may carry credentials, and its challenge counts.
    pub(super) fn at_origin(&self) -> bool {
        !self.left
    }

    /// Goes where a redirection points.
    pub(super) fn redirect(&mut self, response: &Response) -> Result<(), RegistryFault> {
        self.url = location(&self.url, response.headers())?;
        self.left |= self.url.origin() != self.origin.origin();
        Ok(())
    }
}

/// Whether a response is a redirection.
pub(super) fn is_redirection(response: &Response) -> bool {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where `Location` points, seen from the URL that was asked for.
pub(crate) fn location(asked: &Url, headers: &HeaderMap) -> Result<Url, RegistryFault> {
    let mut target = headers
        .get(header::LOCATION)
        .and_then(|location| asked.join(location.to_str().ok()?).ok())
        .ok_or_else(|| RegistryFault::Redirect("the response has no usable Location".into()))?;
    let keeps_tls = target.scheme() == "https" || (target.scheme() == "http" && asked.scheme() == "http");
    if !keeps_tls || !target.has_host() {
        return Err(RegistryFault::Redirect(format!("from {} to {}", shown(asked), shown(&target))));
    }
    drop_userinfo(&mut target);
    Ok(target)
}

/// The token server that the registry at `origin` names.
pub(super) fn realm(origin: &Url, text: &str) -> Result<Url, RegistryFault> {
    let unusable = || RegistryFault::Unauthorized("the challenge names no usable token server".into());
    let mut realm: Url = text.parse().map_err(|_| unusable())?;
    match (origin.scheme(), realm.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => {
            let host = origin.host_str().unwrap_or_default();
            let text = format!("{host} names a token server without TLS, {}", shown(&realm));
            return Err(RegistryFault::Unauthorized(text.into()));
        }
        _ => return Err(unusable()),
    }
    drop_userinfo(&mut realm);
    Ok(realm)
}

/// The HTTP client would send it as credentials.
fn drop_userinfo(url: &mut Url) {
    // Only URLs without a host refuse this, and they have none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    #[test]
    fn a_location_leads_anywhere_but_out_of_tls_and_brings_no_credentials() {
        for (asked, to, expected) in [
            ("https://r/v2/a", "/v2/b", Some("https://r/v2/b")),
            ("https://r/v2/a", "https://s/b?x=1", Some("https://s/b?x=1")),
            ("https://r/v2/a", "https://u:p@s/b", Some("https://s/b")),
            ("https://r/v2/a", "//u@s/b", Some("https://s/b")),
            ("https://r/v2/a", "https://r:8443/b", Some("https://r:8443/b")),
            ("https://r/v2/a", "http://r/v2/a", None),
            ("https://r/v2/a", "http://s/b", None),
            ("http://r/v2/a", "http://s/b", Some("http://s/b")),
            ("http://r/v2/a", "https://r/v2/a", Some("https://r/v2/a")),
            ("https://r/v2/a", "file:///etc/passwd", None),
            ("http://r/v2/a", "ftp://s/b", None),
            ("http://r/v2/a", "http://", None),
        ] {
            let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(to))]);
            let found = location(&asked.parse().unwrap(), &headers).ok();
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{asked} to {to}");
        }
        assert!(location(&"https://r/".parse().unwrap(), &HeaderMap::new()).is_err());
    }

    #[test]
    fn a_token_server_speaks_https_or_its_registry_does_not() {
        for (origin, text, expected) in [
            ("https://r", "https://r/token", Some("https://r/token")),
            ("https://r", "https://auth.example/token?a=b", Some("https://auth.example/token?a=b")),
            ("https://r", "https://u:p@auth.example/token", Some("https://auth.example/token")),
            ("https://r", "http://r/token", None),
            ("https://r", "http://auth.example/token", None),
            ("http://r:5000", "http://auth.example/token", Some("http://auth.example/token")),
            ("http://r:5000", "https://auth.example/token", Some("https://auth.example/token")),
            ("http://r:5000", "file:///token", None),
            ("https://r", "/token", None),
            ("https://r", "", None),
        ] {
            let found = realm(&origin.parse().unwrap(), text).ok();
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{origin}: {text}");
        }
    }

    #[test]
    fn what_has_left_its_origin_never_comes_back() {
        let origin: Url = "https://r".parse().unwrap();
        for (url, at_origin) in [
            ("https://r/v2/", true),
            ("https://r:443/v2/", true),
            ("https://r:8443/v2/", false),
            ("http://r/v2/", false),
            ("https://s.r/v2/", false),
        ] {
            assert_eq!(Route::new(&origin, url.parse().unwrap()).at_origin(), at_origin, "{url}");
        }
    }
}
