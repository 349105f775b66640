//! Proxies, by the variables that name them: read as Go reads them, since that is what every other registry client does.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::RegistryFault;
use crate::redact::redacted;

/// The proxies that variables name, and the hosts that are reached without one. Loopback never uses one.
#[derive(Clone, Default)]
pub struct Proxies {
    http: String,
    https: String,
    no: String,
}

impl Proxies {
    /// From `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, each also in lower case; the first that is not empty
    /// counts. A value that cannot be used is an error of the first request.
    #[must_use]
    pub fn from_variables(variables: &BTreeMap<String, String>) -> Self {
        let value = |name: &str| {
            let found = [name.to_owned(), name.to_lowercase()].into_iter();
            found.filter_map(|name| variables.get(&name)).find(|value| !value.is_empty()).cloned()
        };
        let proxy = |name| value(name).or_else(|| value("ALL_PROXY")).unwrap_or_default();
        // For a CGI program HTTP_PROXY is the header `Proxy` of its client.
        let cgi = variables.get("REQUEST_METHOD").is_some_and(|method| !method.is_empty());
        let http = if cgi { String::new() } else { proxy("HTTP_PROXY") };
        Self { http, https: proxy("HTTPS_PROXY"), no: value("NO_PROXY").unwrap_or_default() }
    }

    pub(super) fn parse(&self) -> Result<Rules, RegistryFault> {
        let http = proxy("HTTP_PROXY", &self.http)?;
        let https = proxy("HTTPS_PROXY", &self.https)?;
        Ok(Rules { http, https, direct: self.no.split(',').filter_map(Direct::parse).collect() })
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [http, https] = [&self.http, &self.https].map(|text| redacted(text));
        f.debug_struct("Proxies").field("http", &http).field("https", &https).field("no", &self.no).finish()
    }
}

/// As Go: without a scheme it is `http://`.
fn proxy(name: &str, text: &str) -> Result<Option<Url>, RegistryFault> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = |reason: &str| {
        let text = content::printable(&redacted(text)).to_string();
        RegistryFault::Configuration(format!("{name} (or ALL_PROXY) is `{text}`: {reason}"))
    };
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url: Url = with_scheme.parse().map_err(|_| wrong("expected http://HOST[:PORT]"))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(Some(url)),
        "socks4" | "socks4a" | "socks5" | "socks5h" => Err(wrong("SOCKS proxies are not supported")),
        _ => Err(wrong("expected http://HOST[:PORT]")),
    }
}

/// What is reached by which proxy.
#[derive(Clone)]
pub(super) struct Rules {
    http: Option<Url>,
    https: Option<Url>,
    direct: Vec<Direct>,
}

impl Rules {
    /// The proxy for `url`, if it is to be reached by one.
    pub(super) fn of(&self, url: &Url) -> Option<&Url> {
        let host = url.host_str()?.to_ascii_lowercase();
        let port = url.port_or_known_default()?;
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        let loopback =
            host == "localhost" || address.is_some_and(|address| address.to_canonical().is_loopback());
        if loopback || self.direct.iter().any(|rule| rule.matches(&host, address, port)) {
            return None;
        }
        if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }

    /// A proxy that TLS is spoken to: it could ask for the client certificate.
    pub(super) fn tls(&self) -> Option<&Url> {
        self.https.as_ref().filter(|proxy| proxy.scheme() == "https")
    }
}

/// An entry of `NO_PROXY`.
#[derive(Debug, Clone)]
enum Direct {
    All,
    Network(IpAddr, u8),
    Address(IpAddr, Option<u16>),
    /// The domain with a dot before it, and whether it counts itself.
    Domain(String, bool, Option<u16>),
}

impl Direct {
    fn parse(entry: &str) -> Option<Self> {
        let entry = entry.trim().to_ascii_lowercase();
        if entry == "*" {
            return Some(Self::All);
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse::<IpAddr>(), bits.parse::<u8>())
            && bits <= if address.is_ipv4() { 32 } else { 128 }
        {
            return Some(Self::Network(address, bits));
        }
        if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), None));
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry.as_str(), None),
        };
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
        match host.strip_prefix('.') {
            Some("") | None if host.trim_matches('.').is_empty() => None,
            Some(_) => Some(Self::Domain(host.to_owned(), false, port)),
            None => Some(Self::Domain(format!(".{host}"), true, port)),
        }
    }

    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let port_fits = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Network(network, bits) => address
                .is_some_and(|address| prefix(address.to_canonical(), *bits) == prefix(*network, *bits)),
            Self::Address(wanted, only) => {
                address.is_some_and(|address| address.to_canonical() == *wanted) && port_fits(only)
            }
            Self::Domain(domain, itself, only) => {
                let fits =
                    host.ends_with(domain.as_str()) || (*itself && domain.strip_prefix('.') == Some(host));
                fits && port_fits(only)
            }
        }
    }
}

/// The first bits of an address; addresses of the two families are never equal.
fn prefix(address: IpAddr, bits: u8) -> (bool, u128) {
    let (v4, value, width) = match address {
        IpAddr::V4(address) => (true, u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (false, address.to_bits(), 128_u32),
    };
    (v4, value.checked_shr(width.saturating_sub(u32::from(bits))).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(pairs: &[(&str, &str)]) -> Proxies {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Proxies::from_variables(&pairs.collect())
    }

    #[test]
    fn hosts_are_reached_directly_by_the_rules_of_go() {
        for (no, url, direct) in [
            ("", "http://registry.example/", false),
            ("", "http://localhost:5000/", true),
            ("", "http://LOCALHOST/", true),
            ("", "https://127.0.0.1:5000/", true),
            ("", "https://127.9.9.9/", true),
            ("", "https://[::1]:5000/", true),
            ("", "https://[::ffff:127.0.0.1]/", true),
            ("", "https://localhost.example/", false),
            ("*", "https://registry.example/", true),
            ("registry.example", "https://registry.example/", true),
            (" Registry.Example , x", "https://registry.example/", true),
            ("example", "https://registry.example/", true),
            ("registry.example", "https://my.registry.example/", true),
            ("registry.example", "https://myregistry.example/", false),
            (".example", "https://registry.example/", true),
            (".registry.example", "https://registry.example/", false),
            ("*.example", "https://registry.example/", true),
            ("registry.example:5000", "https://registry.example:5000/", true),
            ("registry.example:5000", "https://registry.example/", false),
            ("registry.example:443", "https://registry.example/", true),
            ("registry.example:x", "https://registry.example/", false),
            ("10.0.0.0/8", "https://10.1.2.3:5000/", true),
            ("10.0.0.0/8", "https://11.1.2.3/", false),
            ("10.0.0.0/33", "https://10.1.2.3/", false),
            ("0.0.0.0/0", "https://10.1.2.3/", true),
            ("0.0.0.0/0", "https://[2001:db8::1]/", false),
            ("10.1.2.3", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5000", "https://10.1.2.3:5000/", true),
            ("10.1.2.3:5001", "https://10.1.2.3:5000/", false),
            ("2001:db8::/32", "https://[2001:db8::1]/", true),
            ("2001:db8::1", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]:5000/", true),
            ("[2001:db8::1]:5000", "https://[2001:db8::1]/", false),
            (":5000", "https://registry.example:5000/", false),
            (".", "https://registry.example/", false),
        ] {
            let rules = proxies(&[("ALL_PROXY", "p:3128"), ("NO_PROXY", no)]).parse().unwrap();
            let found = rules.of(&url.parse().unwrap()).map(Url::as_str);
            assert_eq!(found, (!direct).then_some("http://p:3128/"), "{no}: {url}");
        }
    }

    #[test]
    fn each_scheme_has_its_proxy_and_capitals_come_first() {
        let all = [
            ("HTTP_PROXY", "http://one"),
            ("http_proxy", "http://two"),
            ("HTTPS_PROXY", ""),
            ("https_proxy", "https://u:p@three:8443"),
            ("no_proxy", "direct.example"),
        ];
        let rules = proxies(&all).parse().unwrap();
        let of = |url: &str| rules.of(&url.parse().unwrap()).map(Url::as_str);
        assert_eq!(of("http://r.example"), Some("http://one/"));
        assert_eq!(of("https://r.example"), Some("https://u:p@three:8443/"));
        assert_eq!(of("https://direct.example"), None);
        let rules = proxies(&[("HTTP_PROXY", "http://client"), ("REQUEST_METHOD", "GET")]).parse().unwrap();
        assert!(rules.of(&"http://r.example".parse().unwrap()).is_none());
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_an_error_without_its_password() {
        for text in [
            "http://u:hunter2@",
            "://hunter2@h",
            "ftp://u:hunter2@h",
            "socks5://u:hunter2@h:1",
            "http://u:hunter2@h:port",
            "http://",
        ] {
            let proxies = proxies(&[("HTTPS_PROXY", text)]);
            let error = proxies.parse().err().unwrap().to_string();
            assert!(error.contains("HTTPS_PROXY") && !error.contains("hunter2"), "{text}: {error}");
            assert!(!format!("{proxies:?}").contains("hunter2"));
        }
    }
}
