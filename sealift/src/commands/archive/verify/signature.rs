//! The check of the signature of an archive.

use std::path::{Path, PathBuf};

use archive::Tree;
use archive::attestation::{self, AttestationError, Proof, SignedStatement};
use archive::verify::VerifyReport;
use content::{printable, printable_path};
use trust::{Policy, SignedBy};

use crate::failure::Failure;
use crate::output::documents::signatures::{SignatureDocument, SignerDocument};
use crate::output::{self, documents};
use crate::remedies::trust::unproven;

/// What the signature of an archive proves.
pub(in crate::commands::archive) struct SignatureCheck {
    bundle: PathBuf,
    /// A statement that counts.
    statement: Option<SignedStatement>,
    proof: Option<Proof>,
    /// Why it does not count, and what helps.
    problem: Option<(String, Option<String>)>,
}

/// Checks an archive by the policy before it is verified; `None` if the policy accepts it and requires no signature.
///
/// # Errors
///
/// The archive cannot be read.
pub(super) fn check(
    tree: &Tree,
    bundle: Option<&Path>,
    policy: &Policy,
) -> Result<Option<SignatureCheck>, Failure> {
    let path = bundle.map_or_else(|| attestation::bundle_path(tree.path()), Path::to_owned);
    let mut check = SignatureCheck { bundle: path, statement: None, proof: None, problem: None };
    let proven = attestation::accept(tree, bundle, policy).and_then(|statement| {
        let Some(statement) = statement else { return Ok(false) };
        check.proof = Some(check.statement.insert(statement).covered(tree)?);
        Ok(true)
    });
    match proven {
        Err(AttestationError::Archive(error)) => Err(error.into()),
        Err(error) => Ok(Some(check.refused(&error))),
        Ok(true) => Ok(Some(check)),
        Ok(false) => {
            output::note(&format!("{}: the policy requires no signature of it", printable_path(tree.path())));
            Ok(None)
        }
    }
}

impl SignatureCheck {
    fn refused(self, error: &AttestationError) -> Self {
        Self { problem: Some((error.to_string(), unproven(error))), proof: None, ..self }
    }

    /// Whether the digest of the ISO must be the signed one.
    pub(super) fn needs_iso_digest(&self) -> bool {
        self.proof == Some(Proof::Iso)
    }

    /// The check of an archive that was verified with this report.
    pub(super) fn complete(self, report: &VerifyReport) -> Self {
        if let (Some(statement), Some(proof)) = (&self.statement, self.proof)
            && let Err(error) = statement.prove(proof, report)
        {
            return self.refused(&error);
        }
        let reason = match self.proof {
            Some(proof) if proof.holds(report) => return self,
            Some(Proof::Iso) => {
                "each byte of the ISO is the signed one, but it was damaged when it was signed"
            }
            Some(Proof::Contents) => "files differ from the signed SHA256SUMS",
            None => return self,
        };
        Self { problem: self.problem.or_else(|| Some((reason.to_owned(), None))), ..self }
    }

    /// Whether the signature counts for the whole archive.
    pub(in crate::commands::archive) fn ok(&self) -> bool {
        self.proof.is_some() && self.problem.is_none()
    }

    /// Who signed it.
    pub(in crate::commands::archive) fn by(&self) -> Option<&SignedBy> {
        self.statement.as_ref().map(|signed| &signed.by)
    }

    /// The name and version that were signed.
    pub(in crate::commands::archive) fn name(&self) -> Option<String> {
        self.statement.as_ref().map(name)
    }

    /// Why it does not count.
    pub(in crate::commands::archive) fn reason(&self) -> Option<&str> {
        self.problem.as_ref().map(|(reason, _)| reason.as_str())
    }

    /// What the signature proves, in words.
    pub(in crate::commands::archive) fn covered(&self) -> Option<&'static str> {
        self.proof.filter(|_| self.ok()).map(covered)
    }

    pub(super) fn text(&self, path: &Path) -> String {
        let path = printable_path(path);
        match (&self.problem, &self.statement, self.proof) {
            (Some((reason, help)), ..) => {
                let help = help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
                format!("{path}: NOT accepted: {reason}{help}\n")
            }
            (None, Some(signed), Some(proof)) => {
                let (name, covered) = (name(signed), covered(proof));
                format!("{path}: signed as {name} by {}: {covered}\n", signed.by)
            }
            _ => String::new(),
        }
    }
}

fn name(signed: &SignedStatement) -> String {
    format!("{} {}", printable(&signed.statement.name), printable(&signed.statement.version))
}

fn covered(proof: Proof) -> &'static str {
    match proof {
        Proof::Iso => "each byte of the ISO is the signed one",
        Proof::Contents => "each file is the signed one",
    }
}

impl From<&SignatureCheck> for SignatureDocument {
    fn from(check: &SignatureCheck) -> Self {
        Self {
            ok: check.ok(),
            bundle: documents::text(&check.bundle),
            by: check.statement.as_ref().map(|signed| SignerDocument::from(&signed.by)).unwrap_or_default(),
            covers: check.proof.map(|proof| match proof {
                Proof::Iso => "iso",
                Proof::Contents => "contents",
            }),
            reason: check.problem.as_ref().map(|(reason, _)| reason.clone()),
        }
    }
}
