//! Signed statements about archives: keys, DSSE envelopes, in-toto statements, sigstore bundles, and the policy of a node.
//! Signatures of container images.
//!
//! A [`Statement`] lists digests and says what they are. A [`Bundle`] is a statement with one signature, in the form that
//! sigstore's tools read (bundle v0.3, DSSE, in-toto Statement v1). A [`Policy`] says which archives a node accepts, and whose
//! signatures.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use trust::{ArchiveStatement, Bundle, PublicKey, Signer, Subject};
//!
//! # let secret_key = include_bytes!("tests/data/p256.pk8.pem");
//! # let public_key = include_bytes!("tests/data/p256.pub");
//! let statement = ArchiveStatement {
//!     name: "example".into(),
//!     version: "1.0".into(),
//!     iso: Some("example-1.0.iso".into()),
//!     subjects: vec![Subject { name: "example-1.0.iso".into(), digest: content::Digest::of(b"ISO") }],
//! };
//! let bundle = Bundle::sign(&statement.render()?, &Signer::with_key(secret_key)?, &|| false)?;
//!
//! // On the other side of the air gap:
//! let key = PublicKey::read(public_key)?;
//! let signed = Bundle::parse(bundle.as_bytes())?.verify(&vec![key].into())?;
//! assert_eq!(ArchiveStatement::parse(signed.statement)?, statement);
//! # Ok(())
//! # }
//! ```
//!
//! # What is trusted
//!
//! Only the keys and identities that the caller names, or that the policy file names. A bundle names its key, but has none. Keys are
//! compared by their bytes. A key is ECDSA P-256 with SHA-256, or Ed25519: the two that all tools agree on. An identity counts if the
//! authorities and logs of a trusted root, which is a file too, certify it.
//!
//! # What is refused
//!
//! Everything that two readers could read in different ways: a key of a JSON object that occurs twice, unknown fields, data after
//! the document, digests in upper case, base64 with blanks. Each refusal is a [`Fault`] of its own. Input is bounded before it is
//! parsed: 1 MiB for a bundle, 16 MiB for a provenance, 64 levels, 1024 subjects.

#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests read and write folders of their own"))]

mod archive_statement;
mod base64;
mod bundle;
mod dsse;
mod fault;
mod image;
mod json;
mod key;
mod keyless;
mod policy;
mod provenance;
mod signer;
mod signers;
mod statement;
#[cfg(test)]
mod tests;

pub use archive_statement::{ARCHIVE_PREDICATE, ArchiveStatement, SUBJECTS_MAX};
pub use bundle::{BUNDLE_MAX, BUNDLE_MEDIA_TYPE, Bundle, PROVENANCE_BUNDLE_MAX, Signed};
pub use dsse::{PAYLOAD_TYPE, pae};
pub use fault::Fault;
pub use image::{IMAGE_PREDICATE, SIMPLE_SIGNING_MAX, SIMPLE_SIGNING_MEDIA_TYPE, SimpleSigning};
pub use key::{Algorithm, KEY_MAX, PublicKey, SecretKey};
pub use keyless::{
    CertificateServices, Identity, PayloadCertificate, PostJson, TOKEN_MAX, TRUSTED_ROOT_MAX, TrustedRoot,
};
pub use policy::{Covers, Policy, PolicyError, PolicyProblem, ReadFile, Require, Rule};
pub use provenance::{
    BUILD_TYPE, BUILDER_ID, BuildDefinition, BuildParameters, Builder, InternalParameters, Material,
    PROVENANCE_MAX, PROVENANCE_PREDICATE, Provenance, RunDetails, SOURCE,
};
pub use signer::Signer;
pub use signers::{SignedBy, Signers};
pub use statement::{Statement, Subject};
