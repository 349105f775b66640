//! All tags of one image name.

use std::collections::BTreeMap;

use content::Digest;

/// All tags of one image name. An index is a position in [`super::archive::ServedArchive::contents`].
#[derive(Debug, Default)]
pub(crate) struct ServedRepository {
    /// Tags, sorted, with the index of their manifest.
    pub(crate) tags: Box<[(Box<str>, u32)]>,
    /// The contents that can be requested under this name: indices, sorted by digest.
    pub(super) contents: Box<[u32]>,
    /// Tags whose images are incomplete, sorted: they are not served, from older archives neither.
    pub(super) incomplete: Box<[Box<str>]>,
    /// The manifests that refer to another one, by the digest of that; few names have any.
    pub(super) referrers: Option<Box<Referrers>>,
}

/// Indices of manifests by their subject, sorted by digest.
pub(super) type Referrers = BTreeMap<Digest, Vec<u32>>;

impl ServedRepository {
    /// The index of the manifest of a tag.
    pub(crate) fn tag(&self, tag: &str) -> Option<u32> {
        let found = self.tags.binary_search_by(|(found, _)| (**found).cmp(tag)).ok()?;
        self.tags.get(found).map(|(_, index)| *index)
    }

    /// Whether the archive has an image with this tag, complete or not.
    pub(crate) fn has(&self, tag: &str) -> bool {
        self.tag(tag).is_some() || self.incomplete.iter().any(|found| **found == *tag)
    }

    /// The indices of the manifests that refer to `subject`, sorted by digest.
    pub(crate) fn referrers(&self, subject: Digest) -> &[u32] {
        self.referrers.as_ref().and_then(|referrers| referrers.get(&subject)).map_or(&[], Vec::as_slice)
    }
}
