//! How to speak to registries.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::{Proxies, RequestLimits};

/// How to speak to registries; pulls and pushes take the same.
#[derive(Debug, Clone)]
pub struct RegistryOptions {
    /// Pulls only: URL prefixes to try before a registry (`docker.io`, `quay.io:443`, …), in their order. A path in
    /// the prefix goes before the repository: `https://mirror/hub` asks for `/v2/hub/<repository>/…`.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Registries (`host[:port]`) that are spoken to without TLS.
    pub plain_http: BTreeSet<String>,
    /// How many transfers may go on at a time.
    pub limits: RequestLimits,
    /// Docker's `config.json` and podman's `auth.json`: the first that has credentials for a repository counts.
    pub auth_files: Vec<PathBuf>,
    /// Where users keep such files: as `auth_files`, after them, but they need not exist.
    pub auth_places: Vec<PathBuf>,
    /// PEM files of certificate authorities to trust beside the system's, for all hosts.
    pub certificate_authorities: Vec<PathBuf>,
    /// What TLS needs besides, by the host (`host[:port]`) of a registry or mirror.
    pub tls: BTreeMap<String, HostTls>,
    /// Folders in which each registry may have one of its own, named `host[:port]`: `*.crt` are certificate authorities,
    /// `NAME.cert` and `NAME.key` a client certificate, as docker and skopeo have them. The first that has it counts.
    pub certificate_folders: Vec<PathBuf>,
    /// The proxies to use.
    pub proxies: Proxies,
    /// Pulls only: whether to check that a tag still names the digest that goes with it. Off in a locked build: it needs
    /// the registry even where the store has everything.
    pub check_tags: bool,
    /// Pushes only: a blob of more bytes than this is sent in pieces of this size.
    pub chunk: u64,
    /// How often a request is made before its failure counts.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there, up to 30 s, with jitter.
    pub first_delay: Duration,
    /// How long nothing may arrive before a transfer counts as stalled, or a credential helper as hung.
    pub stall: Duration,
}

/// The TLS settings for one host.
#[derive(Debug, Clone, Default)]
pub struct HostTls {
    /// PEM files of certificate authorities to trust there.
    pub certificate_authorities: Vec<PathBuf>,
    /// PEM files of a client certificate (with its chain) and its key.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            mirrors: BTreeMap::new(),
            plain_http: BTreeSet::new(),
            limits: RequestLimits::default(),
            auth_files: Vec::new(),
            auth_places: Vec::new(),
            certificate_authorities: Vec::new(),
            tls: BTreeMap::new(),
            certificate_folders: Vec::new(),
            proxies: Proxies::default(),
            check_tags: false,
            chunk: 64 << 20,
            attempts: 5,
            first_delay: Duration::from_millis(500),
            stall: Duration::from_secs(30),
        }
    }
}
