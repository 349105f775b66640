//! Where things are in the tree.

use content::Digest;

use crate::manifest::MediaKind;
#[cfg(doc)]
use crate::original_names::host_part;

/// Where the blob is in the tree.
#[must_use]
pub fn blob_path(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Where the answers about a repository are in the tree.
#[derive(Debug, Clone, Copy)]
pub enum RepositoryPaths<'a> {
    /// An image name of the archive.
    Named(&'a str),
    /// An original repository at a host, which [`host_part`] has spelled.
    Original {
        /// The host, as a part of the path.
        host: &'a str,
        /// The repository at the host.
        repository: &'a str,
    },
}

impl RepositoryPaths<'_> {
    /// The folder, and what its inner folders begin with.
    fn folder(&self) -> (String, &'static str) {
        match self {
            Self::Named(name) => (format!("v2/{name}"), ""),
            Self::Original { host, repository } => (format!("hosts/{host}/{repository}"), "_"),
        }
    }

    /// Where the manifest is in the tree. The kind is not known from a request: try [`MediaKind::ALL`].
    #[must_use]
    pub fn manifest(&self, digest: &Digest, kind: MediaKind) -> String {
        let (folder, mark) = self.folder();
        format!("{folder}/{mark}manifests/sha256/{}/m.{}", digest.hex(), kind.extension())
    }

    /// Where the symbolic link of a tag is in the tree; its target ends in the digest's hexadecimal digits.
    #[must_use]
    pub fn tag(&self, tag: &str) -> String {
        let (folder, mark) = self.folder();
        format!("{folder}/{mark}manifests/{tag}")
    }

    /// Where the list of tags is in the tree.
    #[must_use]
    pub fn tags(&self) -> String {
        let (folder, mark) = self.folder();
        format!("{folder}/{mark}tags/list")
    }

    /// Where the list of the tags behind a tag is in the tree. A repository with very many tags has none: they grow with the
    /// square.
    #[must_use]
    pub fn tags_after(&self, tag: &str) -> String {
        let (folder, mark) = self.folder();
        format!("{folder}/{mark}tags/after-{tag}")
    }

    /// Where the list of referrers is in the tree; a manifest without any has no such file.
    #[must_use]
    pub fn referrers(&self, digest: &Digest) -> String {
        let (folder, mark) = self.folder();
        format!("{folder}/{mark}referrers/sha256/{}", digest.hex())
    }

    /// The name in lists of tags: without the prefix or host that a server puts before it.
    pub(super) fn listed_name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Original { repository, .. } => repository,
        }
    }
}
