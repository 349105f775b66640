//! Signatures of archives.

use std::path::Path;

use archive::attestation::ArchiveDescription;
use archive::diff::{Comparison, Sameness};
use content::Digest;
use schemars::JsonSchema;
use serde::Serialize;
use trust::SignedBy;

use super::archive_diff::ArchiveDiffDocument;
use super::text;
use crate::output::document::Document;

/// What the signature of an archive proves.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Signature")]
pub(crate) struct SignatureDocument {
    /// Whether the archive is the signed one.
    pub(crate) ok: bool,
    /// The path of the bundle.
    pub(crate) bundle: String,
    /// Who signed the statement; all values are null if no trusted signer signed it.
    #[serde(flatten)]
    pub(crate) by: SignerDocument,
    /// What the signature covers: `iso`, each byte of the ISO, or `contents`, each file through the signed `SHA256SUMS`.
    pub(crate) covers: Option<&'static str>,
    /// Why the archive is not the signed one.
    pub(crate) reason: Option<String>,
}

/// Who signed: the holder of a key, or a person or a pipeline with a certificate.
#[derive(Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SignedBy")]
pub(crate) struct SignerDocument {
    /// The key, as `SHA256:` and 43 letters: the fingerprint that `ssh-keygen -l` shows. Null with a certificate.
    pub(crate) key_id: Option<String>,
    /// The algorithm of the key: `ECDSA P-256` or `Ed25519`.
    pub(crate) algorithm: Option<String>,
    /// Whom the certificate names: an email address, or the URI of a pipeline. Null with a key.
    pub(crate) subject: Option<String>,
    /// The URL of the provider that knows the subject.
    pub(crate) issuer: Option<String>,
}

impl From<&SignedBy> for SignerDocument {
    fn from(by: &SignedBy) -> Self {
        match by {
            SignedBy::Identity { subject, issuer, .. } => {
                Self { subject: Some(subject.clone()), issuer: Some(issuer.clone()), ..Self::default() }
            }
            SignedBy::Key { id, algorithm } => Self {
                key_id: Some(id.clone()),
                algorithm: Some(algorithm.name().to_owned()),
                ..Self::default()
            },
        }
    }
}

/// The files that were verified through the signed checksums.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveFileVerification {
    /// The path of the archive, as it was given.
    pub(crate) archive: String,
    /// Whether all files are the signed ones.
    pub(crate) ok: bool,
    /// Who signed the checksums.
    #[serde(flatten)]
    pub(crate) by: SignerDocument,
    /// The files, in the order of the options.
    pub(crate) files: Vec<VerifiedFile>,
}

impl Document for ArchiveFileVerification {
    const KIND: &'static str = "ArchiveFileVerification";
}

/// A file that was verified.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VerifiedFile {
    /// Its path in the archive.
    pub(crate) path: String,
    /// Whether it is the signed one.
    pub(crate) ok: bool,
    /// Its digest, if it is the signed one.
    pub(crate) digest: Option<String>,
    /// Why it is not.
    pub(crate) reason: Option<String>,
}

/// An archive that was signed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveSignature {
    /// The path of the archive, as it was given.
    archive: String,
    /// The path of the bundle.
    bundle: String,
    /// The path of the bundle of the provenance. Null if the archive does not say what it was built from.
    provenance: Option<String>,
    /// The name of the archive.
    name: String,
    /// The version of the archive.
    version: String,
    /// Who signed it; each value is null in a dry run with a certificate.
    #[serde(flatten)]
    by: SignerDocument,
    /// What is signed.
    subjects: Vec<SignedSubject>,
    /// The number of manifests of images and of metadata of repositories that only `SHA256SUMS` covers: a statement has at most
    /// 1024 subjects.
    omitted: u64,
}

impl Document for ArchiveSignature {
    const KIND: &'static str = "ArchiveSignature";
}

/// A digest that is signed.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SignedSubject {
    /// The name of the ISO, or the path of a file in the archive.
    name: String,
    /// Its digest.
    digest: String,
}

impl ArchiveSignature {
    /// The signature of the archive at `archive`, in the file `bundle`, and in `provenance` that of its provenance.
    pub(crate) fn of(
        archive: &Path,
        (bundle, provenance): (&Path, Option<&Path>),
        described: &ArchiveDescription,
        by: Option<&SignedBy>,
    ) -> Self {
        let statement = &described.statement;
        let subjects = statement
            .subjects
            .iter()
            .map(|subject| SignedSubject { name: subject.name.clone(), digest: subject.digest.to_string() });
        Self {
            archive: text(archive),
            bundle: text(bundle),
            provenance: provenance.map(text),
            name: statement.name.clone(),
            version: statement.version.clone(),
            by: by.map(SignerDocument::from).unwrap_or_default(),
            subjects: subjects.collect(),
            omitted: described.omitted as u64,
        }
    }
}

/// Whether an archive is what its sources build.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchiveReproduction {
    /// The path of the archive, as it was given.
    archive: String,
    /// Whether each byte is the same.
    ok: bool,
    /// The hash of the commit that was built.
    commit: String,
    /// The digest of what was built.
    built: String,
    /// What differs: the first archive is the given one, the second is what was built. Null if nothing does.
    differences: Option<ArchiveDiffDocument>,
}

impl Document for ArchiveReproduction {
    const KIND: &'static str = "ArchiveReproduction";
}

impl ArchiveReproduction {
    /// The comparison of the archive at `archive` with what `commit` builds.
    pub(crate) fn of(archive: &Path, commit: &str, built: Digest, found: &Comparison) -> Self {
        let ok = found.sameness == Sameness::Identical;
        Self {
            archive: text(archive),
            ok,
            commit: commit.to_owned(),
            built: built.to_string(),
            differences: (!ok).then(|| ArchiveDiffDocument::from(found)),
        }
    }
}
