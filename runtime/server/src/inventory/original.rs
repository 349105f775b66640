//! Images by their original names, such as `library/nginx` of `docker.io`.

use std::collections::BTreeMap;

use super::repository::ServedRepository;

/// The repositories of other registries that images of an archive came from, by the host as
/// [`images::original_names::canonical_host`] returns it.
#[derive(Debug, Default)]
pub(crate) struct OriginalRepositories(BTreeMap<Box<str>, BTreeMap<Box<str>, ServedRepository>>);

impl OriginalRepositories {
    /// An index of these repositories.
    pub(super) fn new(hosts: BTreeMap<Box<str>, BTreeMap<Box<str>, ServedRepository>>) -> Self {
        Self(hosts)
    }

    /// A repository of a host.
    pub(crate) fn get(&self, host: &str, repository: &str) -> Option<&ServedRepository> {
        self.0.get(host)?.get(repository)
    }

    /// All tags, as `docker.io/library/nginx:1.25`, each with the index of its manifest.
    pub(crate) fn references(&self) -> impl Iterator<Item = (String, u32)> {
        self.0.iter().flat_map(|(host, repositories)| {
            repositories.iter().flat_map(move |(name, repository)| {
                repository.tags.iter().map(move |(tag, index)| (format!("{host}/{name}:{tag}"), *index))
            })
        })
    }

    /// Whether an image came from this host.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.0.contains_key(host)
    }
}
