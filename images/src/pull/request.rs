//! Images to pull, and images that were pulled.

use content::Digest;

use crate::Reference;
use crate::manifest::{MediaKind, Platform};
use crate::referrers::referrers_tag;

/// An image to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The name to save it as, such as `alpine`; errors and progress use it.
    pub name: String,
    /// The tag to save it as.
    pub tag: String,
    /// Where it is.
    pub reference: Reference,
    /// Which platforms of an index to keep; all where empty. An image that is not an index is taken as it is.
    pub platforms: Vec<Platform>,
    /// The digest it must have, from the lock. Then no tag is resolved.
    pub expected: Option<Digest>,
    /// Whether to pull what is attached to the image and to the manifests that are kept of it as well: signatures, SBOMs.
    /// That is pinned by no digest of the image, so the registry is asked for it even where the store has the image.
    pub referrers: bool,
}

/// An image that is in the store, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledImage {
    /// From the request.
    pub name: String,
    /// From the request.
    pub tag: String,
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// What it is.
    pub kind: MediaKind,
    /// Bytes of all its distinct manifests and blobs.
    pub size: u64,
    /// What is attached to its manifests, where that was asked for.
    pub referrers: Vec<Referrers>,
}

/// What is attached to one manifest: an index of signatures, SBOMs and the like, or what cosign keeps under a tag.
///
/// Saved beside the image under its tag, the index is what clients look for when a registry has no interface for
/// referrers, and [`crate::registry::index`] lists its manifests for those that use the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrers {
    /// The digest of the manifest.
    pub subject: Digest,
    /// The tag to save it as: `sha256-<hex>`, or that with `.sig`, `.att` or `.sbom`.
    pub tag: String,
    /// The digest of the index, or of what is under cosign's tag.
    pub digest: Digest,
}

impl PullRequest {
    /// All of an image, which is saved nowhere under a name.
    pub(super) fn of(reference: &Reference) -> Self {
        Self {
            name: reference.repository().into(),
            tag: reference.tag().unwrap_or_default().into(),
            reference: reference.clone(),
            platforms: Vec::new(),
            expected: None,
            referrers: false,
        }
    }

    /// How errors and progress name the image.
    pub(super) fn label(&self) -> String {
        match &*self.tag {
            "" => self.name.clone(),
            tag => format!("{}:{tag}", self.name),
        }
    }
}

impl Referrers {
    /// What the lock names it by: the digest of the subject, and what cosign appends to it.
    #[must_use]
    pub fn key(&self) -> String {
        let suffix = self.tag.strip_prefix(&referrers_tag(&self.subject)).unwrap_or_default();
        format!("{}{suffix}", self.subject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::referrers::attached_tag;

    #[test]
    fn a_key_of_the_lock_is_a_tag_and_nothing_else_is_one() {
        let subject = Digest::of(b"x");
        for suffix in ["", ".sig", ".att", ".sbom"] {
            let tag = referrers_tag(&subject) + suffix;
            let key = Referrers { subject, tag: tag.clone(), digest: subject }.key();
            assert_eq!((key.as_str(), attached_tag(&key)), (&*format!("{subject}{suffix}"), Some(tag)));
        }
        for key in ["", "sha256:00", &format!("{subject}/../x"), &format!("{subject}.exe"), &subject.hex()] {
            assert_eq!(attached_tag(key), None, "{key}");
        }
    }
}
