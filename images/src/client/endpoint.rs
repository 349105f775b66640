//! Where a repository is: the URLs of a registry and of its mirrors.

use reqwest::Url;

use super::{RegistryFault, RegistryOptions};
use crate::redact::redacted;
use crate::reference::{DOCKER_HUB, Reference, is_domain};

/// Where Docker Hub's registry is.
pub(super) const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// One way to a repository: the registry itself or a mirror of it.
#[derive(Debug, Clone)]
pub(crate) struct RegistryEndpoint {
    /// Scheme, host and port.
    pub(super) base: Url,
    /// The repository there, a mirror's path before it.
    pub(super) repository: String,
    /// The registry as the reference has it; `None` for a mirror.
    pub(super) registry: Option<String>,
    /// Whether its server may ask for credentials.
    pub(super) account: AccountRule,
}

/// Whether the server of an endpoint gets the credentials that it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AccountRule {
    /// It does.
    Given,
    /// It does not, because it is asked without TLS.
    NeedsTls,
    /// It does not.
    Kept,
}

impl RegistryEndpoint {
    /// The mirrors for the reference's registry in their order, then the registry itself.
    pub(crate) fn all(reference: &Reference, options: &RegistryOptions) -> Result<Vec<Self>, RegistryFault> {
        let registry = reference.registry();
        let mut endpoints = Vec::new();
        for mirror in options.mirrors.get(registry).into_iter().flatten() {
            let bad = |reason: &str| {
                let mirror = redacted(mirror);
                let mirror = content::printable(&mirror);
                RegistryFault::Configuration(format!("the mirror `{mirror}` of {registry} {reason}"))
            };
            let mut base: Url = mirror.parse().map_err(|_| bad("is not an http(s) URL"))?;
            if !matches!(base.scheme(), "http" | "https") || base.query().is_some() {
                return Err(bad("is not an http(s) URL without a query"));
            }
            if !base.username().is_empty() || base.password().is_some() {
                return Err(bad("contains a user name or password: these belong in a credentials file"));
            }
            let path = base.path().trim_matches('/').to_owned();
            base.set_path("");
            let slash = if path.is_empty() { "" } else { "/" };
            let repository = format!("{path}{slash}{}", reference.repository());
            endpoints.push(Self { base, repository, registry: None, account: AccountRule::Given });
        }
        endpoints.push(Self::registry(reference, options)?);
        Ok(endpoints)
    }

    /// The server of a file, and the URL of the file there.
    pub(crate) fn of_file(text: &str) -> Result<(Self, Url), RegistryFault> {
        let bad = |reason: &str| {
            let text = redacted(text);
            RegistryFault::Configuration(format!("the URL `{}` {reason}", content::printable(&text)))
        };
        let url: Url = text.parse().map_err(|_| bad("is invalid"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(bad("is not an http(s) URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("contains a user name or password"));
        }
        let mut base = url.clone();
        base.set_path("");
        base.set_query(None);
        base.set_fragment(None);
        Ok((Self { base, repository: String::new(), registry: None, account: AccountRule::Kept }, url))
    }

    /// Lets the server of the file at `file` ask for credentials, if one of `accounts` has its scheme, host and port. They are those
    /// for the path of the longest of these URLs that the file is below, else those for the folder of the file: credentials of one
    /// path are not for another. Without TLS it gets none, unless the options name it as such.
    pub(crate) fn with_account(
        mut self,
        file: &Url,
        accounts: &[String],
        options: &RegistryOptions,
    ) -> Result<Self, RegistryFault> {
        let file = file.path().trim_matches('/');
        let mut covering: Option<String> = None;
        for account in accounts {
            let (endpoint, url) = Self::of_file(account)?;
            if endpoint.base.origin() != self.base.origin() {
                continue;
            }
            let is_safe = self.base.scheme() == "https" || options.plain_http.contains(&self.host());
            self.account = if is_safe { AccountRule::Given } else { AccountRule::NeedsTls };
            let path = url.path().trim_matches('/');
            if is_below(file, path) && covering.as_ref().is_none_or(|known| known.len() < path.len()) {
                covering = Some(path.to_owned());
            }
        }
        if self.account != AccountRule::Kept {
            let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
            self.repository = covering.unwrap_or_else(|| folder.to_owned());
        }
        Ok(self)
    }

    /// The registry itself.
    pub(crate) fn registry(reference: &Reference, options: &RegistryOptions) -> Result<Self, RegistryFault> {
        let registry = reference.registry();
        let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
        let scheme = if options.plain_http.contains(registry) { "http" } else { "https" };
        let base = is_domain(host)
            .then(|| format!("{scheme}://{host}").parse().ok())
            .flatten()
            .ok_or_else(|| RegistryFault::Configuration(format!("`{host}` is not a host")))?;
        let (repository, registry) = (reference.repository().to_owned(), Some(registry.to_owned()));
        Ok(Self { base, repository, registry, account: AccountRule::Given })
    }

    /// The repository, as the endpoint calls it.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }

    /// `<base>/v2/<repository>/<kind>/<name>`; all parts have been checked against their grammar.
    pub(crate) fn url(&self, kind: &str, name: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/{kind}/{name}", self.repository));
        url
    }

    /// Host and port, for limits and for the list of unreachable hosts.
    pub(crate) fn host(&self) -> String {
        authority(&self.base)
    }
}

/// Whether `file` is at `path` or below it. Neither has a slash at its ends.
fn is_below(file: &str, path: &str) -> bool {
    path.is_empty() || file.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Host and port of a registry as [`authority`] has them.
pub(super) fn asked_as(registry: &str) -> Result<String, RegistryFault> {
    let host = if registry == DOCKER_HUB { DOCKER_HUB_HOST } else { registry };
    let url: Option<Url> = is_domain(host).then(|| format!("https://{host}").parse().ok()).flatten();
    url.map(|url| authority(&url))
        .ok_or_else(|| RegistryFault::Configuration(format!("`{host}` is not a host")))
}

/// Host and port, unless that is the scheme's own.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}"))
}

/// The URL as it may be shown: signed storage links carry secrets in their query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        let url = Url::parse("https://user:pass@host/x?X-Amz-Signature=abc").unwrap();
        assert_eq!(shown(&url), "https://host/x");
    }

    #[test]
    fn certificates_of_a_host_are_for_that_host_only() {
        for (host, expected) in [
            ("docker.io", Some("registry-1.docker.io")),
            ("quay.io:443", Some("quay.io")),
            ("127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("https://quay.io", None),
        ] {
            assert_eq!(asked_as(host).ok().as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn mirrors_come_first_and_keep_their_path() {
        let reference: Reference = "alpine:3".parse().unwrap();
        let mut options = RegistryOptions::default();
        options.mirrors.insert(
            "docker.io".into(),
            vec!["http://127.0.0.1:5000".into(), "https://m.example/hub/".into()],
        );
        let urls = |options: &RegistryOptions| -> Vec<String> {
            let endpoints = RegistryEndpoint::all(&reference, options).unwrap();
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
        for bad in [
            "ftp://u:hunter2@x",
            "nonsense",
            "https://user@host",
            "https://:hunter2@host",
            "https://user:hunter2@host/x",
            "https://user:hunter2@host:port",
            "https://h/?hunter2",
        ] {
            options.mirrors.insert("docker.io".into(), vec![bad.into()]);
            let fault = RegistryEndpoint::all(&reference, &options).err().unwrap();
            assert!(matches!(fault, RegistryFault::Configuration(_)), "{bad}");
            assert!(!fault.to_string().contains("hunter2"), "{fault}");
        }
    }
}
