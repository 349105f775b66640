//! One HTTP client for each kind of host: TLS, certificates and proxies differ between them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Url;

use super::endpoint::{DOCKER_HUB_HOST, asked_as, authority};
use super::tls::{Own, Trust};
use super::{HostTls, RegistryEndpoint, RegistryFault, RegistryOptions, proxy, words};
use crate::reference::DOCKER_HUB;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The names of the hosts with TLS settings of their own that a client is for: of the registry, and of the host itself.
type Key = (Option<String>, Option<String>);

pub(super) struct Clients {
    trust: Trust,
    proxies: proxy::Rules,
    tls: HashMap<String, HostTls>,
    folders: Vec<PathBuf>,
    own: Mutex<HashMap<String, Option<Arc<Own>>>>,
    made: Mutex<HashMap<Key, reqwest::Client>>,
}

impl Clients {
    pub(super) fn new(options: &RegistryOptions) -> Result<Self, RegistryFault> {
        let tls = options.tls.iter().map(|(host, tls)| Ok((asked_as(host)?, tls.clone())));
        let clients = Self {
            trust: Trust::new(&options.certificate_authorities)?,
            proxies: options.proxies.parse()?,
            tls: tls.collect::<Result<_, RegistryFault>>()?,
            folders: options.certificate_folders.clone(),
            own: Mutex::default(),
            made: Mutex::default(),
        };
        // A wrong file is an error before anything is asked, whatever host it is for.
        for host in clients.tls.keys() {
            clients.own(host)?;
        }
        Ok(clients)
    }

    /// The client for `url`, on behalf of `endpoint`.
    ///
    /// What the site trusts at the registry it trusts where the registry leads: at its token server and storage. A client
    /// certificate is shown to the very host that it was given for.
    pub(super) fn towards(
        &self,
        endpoint: &RegistryEndpoint,
        url: &Url,
    ) -> Result<reqwest::Client, RegistryFault> {
        let (mut registry, mut host) = (None, None);
        if url.scheme() == "https" {
            let find =
                |name: String| -> Result<_, RegistryFault> { Ok(self.own(&name)?.map(|own| (name, own))) };
            registry = find(authority(&endpoint.base))?;
            host = find(authority(url))?;
        }
        let name = |found: &Option<(String, Arc<Own>)>| found.as_ref().map(|(name, _)| name.clone());
        let key = (name(&registry), name(&host));
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = made.get(&key) {
            return Ok(client.clone());
        }
        let own = |found: &Option<(String, Arc<Own>)>| found.as_ref().map(|(_, own)| Arc::clone(own));
        let client = self.make(own(&registry).as_deref(), own(&host).as_deref())?;
        made.insert(key, client.clone());
        Ok(client)
    }

    fn make(&self, registry: Option<&Own>, host: Option<&Own>) -> Result<reqwest::Client, RegistryFault> {
        if let (true, Some(proxy)) = (host.is_some_and(Own::has_identity), self.proxies.tls()) {
            let proxy = authority(proxy);
            return Err(RegistryFault::Configuration(format!(
                "the proxy {proxy} uses TLS and could ask for the client certificate: use an http:// proxy, or NO_PROXY"
            )));
        }
        let proxies = self.proxies.clone();
        reqwest::Client::builder()
            // One connection per transfer: a single HTTP/2 connection would be one TCP window for all blobs.
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .user_agent(concat!("sealift/", env!("CARGO_PKG_VERSION")))
            .tls_backend_preconfigured(self.trust.config(registry, host)?)
            // The environment is not ours to read.
            .no_proxy()
            .proxy(reqwest::Proxy::custom(move |url| proxies.of(url).cloned()))
            .build()
            .map_err(|error| RegistryFault::Configuration(words::chain(&error)))
    }

    /// The TLS settings for the host of this name.
    fn own(&self, name: &str) -> Result<Option<Arc<Own>>, RegistryFault> {
        let mut known = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = known.get(name) {
            return Ok(own.clone());
        }
        let mut own = self.tls.get(name).map(Own::read).transpose()?;
        let names = written_as(name);
        let mut places = self.folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        if let Some(folder) = places.find(|place| place.is_dir()) {
            own.get_or_insert_default().read_folder(&folder)?;
        }
        let own = own.map(Arc::new);
        known.insert(name.to_owned(), own.clone());
        Ok(own)
    }
}

/// How references may write a host, for the folder of its certificates.
fn written_as(name: &str) -> Vec<String> {
    let port = name.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    let with_port = (!port).then(|| format!("{name}:443"));
    let hub = (name == DOCKER_HUB_HOST).then(|| DOCKER_HUB.to_owned());
    hub.into_iter().chain([name.to_owned()]).chain(with_port).filter(|name| is_folder_name(name)).collect()
}

/// Servers name hosts, too: none may lead out of the folder of certificates.
fn is_folder_name(host: &str) -> bool {
    host.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[')
        && !host.contains(['/', '\\', '\0'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_lie_in_a_folder_named_as_references_write_the_host() {
        for (host, expected) in [
            ("registry.example", &["registry.example", "registry.example:443"][..]),
            ("registry.example:5000", &["registry.example:5000"]),
            ("registry-1.docker.io", &["docker.io", "registry-1.docker.io", "registry-1.docker.io:443"]),
            ("[::1]:5000", &["[::1]:5000"]),
            ("[::1]", &["[::1]", "[::1]:443"]),
            ("..", &[]),
            ("", &[]),
        ] {
            assert_eq!(written_as(host), expected, "{host}");
        }
    }
}
