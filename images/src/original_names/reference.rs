//! Original references in their one spelling, and hosts in paths.

use std::fmt;
use std::str::FromStr;

use content::Digest;

use super::{OriginalNamesError, shown};
use crate::reference::{DOCKER_HUB, Reference, is_domain};

/// What stands for the colon before a port in a path: no DNS name has an underscore, and a part of a repository may have two in
/// the middle.
const PORT: &str = "__";

/// Hosts by which clients call Docker Hub.
const DOCKER_HUB_HOSTS: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// A host as all clients mean it: lower case, and `docker.io` for all names of Docker Hub. `None` for what is not `host` or
/// `host:port`. Percent-encoding must be decoded before.
///
/// ```
/// use images::original_names::canonical_host;
/// assert_eq!(canonical_host("Registry-1.docker.io").as_deref(), Some("docker.io"));
/// assert_eq!(canonical_host("localhost:5000").as_deref(), Some("localhost:5000"));
/// assert_eq!(canonical_host("../x"), None);
/// ```
#[must_use]
pub fn canonical_host(text: &str) -> Option<String> {
    if text.len() > 255 || !is_domain(text) {
        return None;
    }
    let host = text.to_ascii_lowercase();
    Some(if DOCKER_HUB_HOSTS.contains(&&*host) { DOCKER_HUB.into() } else { host })
}

/// A canonical host as a part of a path: `localhost:5000` is `localhost__5000`. `None` for an IPv6 address: no part of a
/// repository can hold one.
///
/// ```
/// use images::original_names::{host_of_part, host_part};
/// assert_eq!(host_part("localhost:5000").as_deref(), Some("localhost__5000"));
/// assert_eq!(host_of_part("localhost__5000").as_deref(), Some("localhost:5000"));
/// ```
#[must_use]
pub fn host_part(host: &str) -> Option<String> {
    if host.starts_with('[') {
        return None;
    }
    Some(host.replacen(':', PORT, 1))
}

/// The host that [`host_part`] spells so. `None` for any other text, another spelling of a host included.
#[must_use]
pub fn host_of_part(part: &str) -> Option<String> {
    let host = part.replacen(PORT, ":", 1);
    canonical_host(&host).filter(|canonical| host_part(canonical).as_deref() == Some(part))
}

/// The reference of an image in its one spelling: `docker.io/library/nginx:1.25`, or `ghcr.io/a/b@sha256:…` for an image that
/// was pulled by its digest alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OriginalReference {
    host: String,
    repository: String,
    version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Version {
    Tag(String),
    Digest(Digest),
}

impl OriginalReference {
    /// What is kept of a reference: the canonical host, the repository and the tag. A digest is kept only where there is no
    /// tag, because the folder of the image says which digest the tag had.
    #[must_use]
    pub fn of(reference: &Reference) -> Self {
        // Every host of a reference is one; `docker.io` is the only host of which images have a default folder.
        let host = canonical_host(reference.registry()).unwrap_or_else(|| reference.registry().to_owned());
        let repository = match reference.repository() {
            name if host == DOCKER_HUB && !name.contains('/') => format!("library/{name}"),
            name => name.to_owned(),
        };
        let version = match (reference.given_tag(), reference.digest()) {
            (None, Some(digest)) => Version::Digest(*digest),
            (tag, _) => Version::Tag(tag.unwrap_or("latest").to_owned()),
        };
        Self { host, repository, version }
    }

    /// What an image is called in a layout or archive, if it is called by the full name of a registry's image:
    /// `docker.io/library/nginx:1.25`, and not `nginx:1.25` or `1.25`.
    #[must_use]
    pub fn of_full_name(text: &str) -> Option<Self> {
        let (host, _) = text.split_once('/')?;
        let is_host = host.contains(['.', ':']) || host == "localhost";
        Some(Self::of(&text.parse().ok().filter(|_| is_host)?))
    }

    /// The reference of a tag of an original repository.
    pub(crate) fn tagged(host: &str, repository: &str, tag: &str) -> Self {
        Self { host: host.into(), repository: repository.into(), version: Version::Tag(tag.into()) }
    }

    /// The reference of a digest in an original repository.
    pub(crate) fn pinned(host: &str, repository: &str, digest: Digest) -> Self {
        Self { host: host.into(), repository: repository.into(), version: Version::Digest(digest) }
    }

    /// The host, as [`canonical_host`] returns it.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The repository at the host, such as `library/nginx`.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `None` for an image that was pulled by its digest alone.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        match &self.version {
            Version::Tag(tag) => Some(tag),
            Version::Digest(_) => None,
        }
    }

    /// The digest of an image that was pulled by its digest alone.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        match &self.version {
            Version::Tag(_) => None,
            Version::Digest(digest) => Some(digest),
        }
    }
}

impl fmt::Display for OriginalReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        match &self.version {
            Version::Tag(tag) => write!(f, ":{tag}"),
            Version::Digest(digest) => write!(f, "@{digest}"),
        }
    }
}

impl FromStr for OriginalReference {
    type Err = OriginalNamesError;

    /// Reads the one spelling; any other, such as `nginx`, is an error.
    fn from_str(text: &str) -> Result<Self, OriginalNamesError> {
        let bad = |reason: String| OriginalNamesError::Reference { reference: shown(text), reason };
        let reference: Reference =
            text.parse().map_err(|error: crate::reference::ReferenceError| bad(error.reason))?;
        let original = Self::of(&reference);
        let full = original.to_string();
        if full == text { Ok(original) } else { Err(bad(format!("must be written `{full}`"))) }
    }
}
