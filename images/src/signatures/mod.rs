//! Signatures of images: the rules that require them, and their check.
//!
//! [`SignatureRules`] say for each repository whether an image needs a signature, and by whom. A registry keeps signatures in
//! two forms, both by cosign: layers of the manifest under the tag `sha256-<hex>.sig`, and bundles in referrers. One good signature
//! by one of the signers is enough. [`crate::pull::signatures`] finds and checks those of an image. An archive has the rules of its
//! project in `attestations/image-policy.json`.

mod file;
mod judge;
mod pattern;
mod rules;
#[cfg(test)]
mod tests;

use std::fmt;

use content::Digest;

pub use self::file::{RULES_MAX, RulesFileError};
pub(crate) use self::judge::Judge;
pub use self::judge::{ReadLayer, in_manifest};
pub use self::pattern::RepositoryPattern;
pub use self::rules::{RequiredSigners, RuleError, SignatureRequirement, SignatureRule, SignatureRules};

/// Where a signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureForm {
    /// Under the tag `sha256-<hex>.sig`. Podman, CRI-O and skopeo read only these.
    Tag,
    /// In a referrer.
    Referrer,
}

impl SignatureForm {
    /// How files name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tag => "tag",
            Self::Referrer => "referrer",
        }
    }
}

impl fmt::Display for SignatureForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSignature {
    /// The digest that is signed: that of the index, or of the manifest of an image without one.
    pub image: Digest,
    /// The ID of the key, or of the identity with a certificate ([`trust::Signers::ids`]).
    pub signer: String,
    /// Where it is.
    pub form: SignatureForm,
    /// The digest of the manifest that has it.
    pub manifest: Digest,
    /// The repository that is signed; bundles have none.
    pub identity: Option<String>,
}

/// A signature that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedSignature {
    /// Where it is.
    pub form: SignatureForm,
    /// The digest of the manifest that has it.
    pub manifest: Digest,
    /// Why it does not count.
    pub reason: String,
}

impl fmt::Display for RefusedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.form {
            SignatureForm::Tag => "the signature under the tag .sig",
            SignatureForm::Referrer => "the signature in the referrer",
        };
        write!(f, "{what} ({}) was refused: {}", self.manifest.short(), self.reason)
    }
}

/// The signatures of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundSignatures {
    /// Those that count: first those under the tag.
    pub good: Vec<ImageSignature>,
    /// The others.
    pub refused: Vec<RefusedSignature>,
}

impl FoundSignatures {
    /// Why an image without a good signature has none.
    #[must_use]
    pub fn problem(&self) -> String {
        match self.refused.as_slice() {
            [] => "the registry has no signature of it".to_owned(),
            refused => refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        }
    }
}
