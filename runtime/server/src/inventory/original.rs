//! Images by their original names, such as `library/nginx` of `docker.io`.

use std::collections::BTreeMap;
use std::fmt;

use super::repository::ServedRepository;

/// The repositories of other registries that images of an archive came from, by the host as
/// [`images::original_names::canonical_host`] returns it.
#[derive(Debug, Default)]
pub(crate) struct OriginalRepositories(BTreeMap<Box<str>, BTreeMap<Box<str>, ServedRepository>>);

/// A tag of an original repository; displayed as `docker.io/library/nginx:1.25`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OriginalTag<'a> {
    pub(crate) host: &'a str,
    pub(crate) repository: &'a str,
    pub(crate) tag: &'a str,
}

impl fmt::Display for OriginalTag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.host, self.repository, self.tag)
    }
}

impl OriginalRepositories {
    /// An index of these repositories.
    pub(super) fn new(hosts: BTreeMap<Box<str>, BTreeMap<Box<str>, ServedRepository>>) -> Self {
        Self(hosts)
    }

    /// A repository of a host.
    pub(crate) fn get(&self, host: &str, repository: &str) -> Option<&ServedRepository> {
        self.0.get(host)?.get(repository)
    }

    /// All tags, each with its host and repository and the index of its manifest.
    pub(crate) fn tags(&self) -> impl Iterator<Item = (OriginalTag<'_>, u32)> {
        self.0.iter().flat_map(|(host, repositories)| {
            repositories.iter().flat_map(move |(repository, served)| {
                served.tags.iter().map(move |(tag, index)| (OriginalTag { host, repository, tag }, *index))
            })
        })
    }

    /// The hosts that images came from.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|host| &**host)
    }

    /// Whether an image came from this host.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.0.contains_key(host)
    }
}
