//! The tags of what is attached to a manifest, where a registry has no interface for it.

use content::Digest;

/// What cosign appends to the tag of a manifest: signatures, attestations, SBOMs.
pub(crate) const COSIGN: [&str; 3] = [SIGNATURES, ".att", ".sbom"];
/// The one for signatures.
pub(crate) const SIGNATURES: &str = ".sig";

/// The tag under which clients keep the referrers of a manifest where the registry does not know them.
#[must_use]
pub fn referrers_tag(digest: &Digest) -> String {
    format!("sha256-{}", digest.hex())
}

/// The tag to save something attached as, from its [key](crate::pull::Referrers::key); `None` where that is not a key.
#[must_use]
pub fn attached_tag(key: &str) -> Option<String> {
    let (hex, suffix) = key.strip_prefix("sha256:")?.split_at_checked(64)?;
    let digest = Digest::from_hex(hex).ok()?;
    (suffix.is_empty() || COSIGN.contains(&suffix)).then(|| referrers_tag(&digest) + suffix)
}

/// Whether something attached to a manifest is kept under `tag`.
#[must_use]
pub fn is_attached_tag(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|rest| attached_tag(&format!("sha256:{rest}")).is_some())
}
