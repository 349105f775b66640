//! Signatures with certificates ("keyless"): an authority certified for a few minutes that a key belongs to a person or a pipeline,
//! and a public log or a timestamp proves that the signature was made in that time.
//!
//! The library of sigstore verifies certificates, logs and timestamps, without a network. This module says whose certificates
//! count, and gives the library its cryptography.

mod payload;
mod provider;
mod reason;
mod sign;

use std::fmt;
use std::sync::Arc;

use content::Digest;
use sigstore_verify::trust_root::TrustedRoot as Root;
use sigstore_verify::types::{Artifact, Bundle as SigstoreBundle, Sha256Hash};
use sigstore_verify::{VerificationPolicy, Verifier};

pub use payload::PayloadCertificate;
pub(crate) use sign::CertifiedKey;
pub use sign::{CertificateServices, PostJson, TOKEN_MAX};

use self::reason::reason;
use crate::{Fault, json};

/// The most bytes of a trusted root. That of sigstore's public instance has 8 KiB.
pub const TRUSTED_ROOT_MAX: u64 = 1 << 20;
/// The most bytes of the name of a signer or an issuer.
const NAME_MAX: usize = 2048;

/// The authorities and logs of an instance of sigstore: its `trusted_root.json`.
#[derive(Clone)]
pub struct TrustedRoot(Arc<Parsed>);

struct Parsed {
    text: String,
    verifier: Verifier,
}

impl TrustedRoot {
    /// Reads a `trusted_root.json`.
    ///
    /// # Errors
    ///
    /// [`Fault`]: it breaks its format, or a key or a certificate in it is not usable.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        provider::install();
        let invalid = |reason: String| Fault::TrustedRoot(reason);
        // Refuses keys that occur twice, and bounds the levels.
        json::parse(bytes, "the trusted root")?;
        let text = str::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?;
        let root = Root::from_json(text).map_err(|error| invalid(error.to_string()))?;
        if root.certificate_authorities.is_empty() {
            return Err(invalid("it has no certificate authority".into()));
        }
        let verifier = Verifier::new(&root).map_err(|error| invalid(error.to_string()))?;
        Ok(Self(Arc::new(Parsed { text: text.to_owned(), verifier })))
    }

    /// The text of the file.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Who signed a bundle, by a certificate of this root. `artifact` is the digest of what was signed: for a statement, that of one
    /// of its subjects.
    pub(crate) fn certified(&self, bundle: &[u8], artifact: Digest) -> Result<Certified, Fault> {
        self.verified(bundle, artifact, &VerificationPolicy::any_identity())
    }

    fn verified(
        &self,
        bundle: &[u8],
        artifact: Digest,
        policy: &VerificationPolicy,
    ) -> Result<Certified, Fault> {
        let text = str::from_utf8(bundle).map_err(|error| Fault::NotCertified(error.to_string()))?;
        let refused = |reason: String| Fault::NotCertified(reason);
        let bundle = SigstoreBundle::from_json(text).map_err(|error| refused(error.to_string()))?;
        let artifact = Artifact::from(Sha256Hash::new(*artifact.as_bytes()));
        let found = self.0.verifier.verify(artifact, &bundle, policy);
        let found = found.map_err(|error| refused(reason(&error)))?;
        let subject = found.identity().map(|subject| subject.as_str().to_owned());
        match (subject, found.issuer()) {
            (Some(subject), Some(issuer)) => Ok(Certified { subject, issuer: issuer.to_owned() }),
            _ => Err(refused("the certificate does not name its holder and the issuer".into())),
        }
    }
}

impl PartialEq for TrustedRoot {
    fn eq(&self, other: &Self) -> bool {
        self.0.text == other.0.text
    }
}

impl Eq for TrustedRoot {}

impl fmt::Debug for TrustedRoot {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("TrustedRoot").field(&Digest::of(self.0.text.as_bytes())).finish()
    }
}

/// Whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certified {
    /// An email address, or the URI of a pipeline.
    pub(crate) subject: String,
    /// Who knows the subject: the URL of an OpenID Connect provider.
    pub(crate) issuer: String,
}

/// A person or a pipeline whose certificates count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    root: TrustedRoot,
    subject: String,
    issuer: String,
    id: String,
}

impl Identity {
    /// An identity: a subject as the certificates of `root` name it, and the URL of its issuer. A `*` in the subject stands for any
    /// text after the first part of a path, or before the `@` of an address, such as the tag at the end of `https://github.com/example/app/.github/workflows/release.yml@refs/tags/*`.
    ///
    /// # Errors
    ///
    /// [`Fault::Identity`]: a text that no certificate has, or a `*` that would accept subjects of anyone.
    pub fn new(root: &TrustedRoot, subject: &str, issuer: &str) -> Result<Self, Fault> {
        let refused = |text: &str, reason| Err(Fault::Identity { text: text.to_owned(), reason });
        for text in [subject, issuer] {
            if text.is_empty() {
                return refused(text, "is empty");
            }
            if text.len() > NAME_MAX {
                return refused(text, "is longer than 2048 bytes");
            }
            let is_odd =
                |letter: char| letter.is_whitespace() || letter.is_control() || "\"\\()".contains(letter);
            if text.contains(is_odd) {
                return refused(
                    text,
                    "has a blank, a quote, a parenthesis, a backslash or a control character",
                );
            }
        }
        if issuer.contains('*') {
            return refused(issuer, "has a `*`, which only a subject can have");
        }
        if !issuer.starts_with("https://") && !issuer.starts_with("http://") {
            return refused(issuer, "is not the URL of an issuer, such as https://accounts.google.com");
        }
        if !fixes_owner(subject) {
            return refused(
                subject,
                "has a `*` before its owner ends, so others could choose theirs; write `*@example.com` or \
                 `https://github.com/example/*`",
            );
        }
        let id = Self::id_of(subject, issuer);
        Ok(Self { root: root.clone(), subject: subject.to_owned(), issuer: issuer.to_owned(), id })
    }

    /// How a subject and its issuer are named together.
    pub(crate) fn id_of(subject: &str, issuer: &str) -> String {
        format!("{subject} ({issuer})")
    }

    /// The authorities and logs that certify it.
    #[must_use]
    pub fn root(&self) -> &TrustedRoot {
        &self.root
    }

    /// The subject, perhaps with `*`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The URL of the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The subject and the issuer: `release@example.com (https://accounts.example.com)`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether a certificate names it.
    pub(crate) fn matches(&self, certified: &Certified) -> bool {
        certified.issuer == self.issuer
            && covers(&self.subject, &certified.subject)
            // A `*` in an address is no URI that ends like one: branches have free names.
            && (!self.subject.contains('*') || is_uri(&self.subject) || is_address(&certified.subject))
    }
}

fn is_uri(subject: &str) -> bool {
    subject.contains("://")
}

/// Whether a subject is an email address.
fn is_address(subject: &str) -> bool {
    !subject.contains(['/', ':']) && subject.matches('@').count() == 1
}

/// Whether a subject names whose it is without a `*`: the host of a URI and the first part of its path, since many share a host, or
/// the domain of an email address.
fn fixes_owner(subject: &str) -> bool {
    let Some(star) = subject.find('*') else { return true };
    match (subject.split_once("://"), subject.rsplit_once('@')) {
        (Some((scheme, rest)), _) => {
            let mut parts = rest.splitn(3, '/');
            let (host, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let end = scheme.len() + "://".len() + host.len() + "/".len() + owner.len();
            !host.is_empty() && !owner.is_empty() && parts.next().is_some() && end < star
        }
        (None, Some((_, domain))) => !domain.is_empty() && !domain.contains('*') && is_address(subject),
        (None, None) => false,
    }
}

/// Whether `text` is `pattern` with any text for each `*`.
fn covers(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests;
