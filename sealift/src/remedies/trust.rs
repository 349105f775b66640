//! Help for errors about signatures of archives.

use std::path::Path;

use archive::attestation::AttestationError;
use archive::verify::VerifyReport;
use content::printable_path;
use trust::{Fault, PolicyError, PolicyProblem};

use crate::args::trust::PasswordSource;
use crate::failure::Failure;

/// A key that cannot be used.
pub(crate) fn key(path: &Path, fault: Fault) -> Failure {
    let help = key_help(&fault, path);
    super::helped(Failure::usage_by(about(path, fault)), help)
}

/// An encrypted key that cannot be used with the password from `source`.
pub(crate) fn encrypted_key(path: &Path, fault: Fault, source: PasswordSource) -> Failure {
    if !matches!(fault, Fault::WrongPassword) {
        return key(path, fault);
    }
    Failure::usage_by(about(path, fault)).remedy(match source {
        PasswordSource::File => "correct the first line of the file of --key-password-file",
        PasswordSource::Environment => "correct SEALIFT_KEY_PASSWORD",
        PasswordSource::Terminal => "run the command again and type the password of this key",
    })
}

fn key_help(fault: &Fault, path: &Path) -> Option<String> {
    let path = printable_path(path);
    Some(match fault {
        Fault::OtherContent { expected, found }
            if expected.starts_with("a public") && found.ends_with("private key") =>
        {
            format!("write its public key: `openssl pkey -in {path} -pubout -out key.pub`")
        }
        Fault::OtherContent { expected, found }
            if expected.starts_with("a private") && found == "a public key" =>
        {
            "name the file of the private key".into()
        }
        Fault::OtherContent { expected, found }
            if expected.starts_with("a public") && found.ends_with("of cosign") =>
        {
            format!("write its public key: `cosign public-key --key {path} --outfile key.pub`")
        }
        Fault::EncryptedKey => {
            "add --key-password-file FILE, or set SEALIFT_KEY_PASSWORD; no terminal can ask for the password"
                .into()
        }
        Fault::KeyEncryption(_) | Fault::KeyCost(_) => {
            format!("encrypt it again: `openssl pkcs8 -topk8 -in {path} -out key.pem`")
        }
        Fault::KeyAlgorithm(_) => "make one: `openssl genpkey -algorithm ed25519 -out key.pem`".into(),
        _ => return None,
    })
}

/// A policy that cannot be used.
pub(crate) fn policy(error: PolicyError) -> Failure {
    let path = printable_path(&error.path);
    let help = match &error.problem {
        PolicyProblem::Writable => Some(format!("run `chmod go-w {path}`")),
        PolicyProblem::FolderWritable | PolicyProblem::FolderOwner(_) => {
            Some("move it to a folder that only root can change, such as /etc/sealift".into())
        }
        PolicyProblem::Owner(_) => Some(format!("run `chown root {path}` once you have read it")),
        PolicyProblem::Link => Some("name the file itself, or replace the link with the file".into()),
        PolicyProblem::Key(fault) => key_help(fault, &error.path),
        _ => None,
    };
    super::helped(Failure::usage_by(error), help)
}

/// An archive that does not say what it was built from.
pub(crate) fn no_provenance(archive: &Path) -> Failure {
    let message = format!("{} does not say what it was built from", printable_path(archive));
    Failure::usage(message)
        .remedy("add `evidence: {provenance: true}` to `spec` in sealift.yaml, and build it again")
}

/// No option says what signs.
pub(crate) fn no_signer() -> Failure {
    Failure::usage("nothing says who signs").remedy(
        "add --key FILE, --sign-command COMMAND --public-key FILE, or --identity-token FILE --fulcio-url URL --rekor-url URL",
    )
}

/// An archive that cannot be signed.
pub(crate) fn signing(error: AttestationError) -> Failure {
    let help = match &error {
        AttestationError::Refused { fault: Fault::SumsMissing, .. } => {
            Some("sign its ISO, or build it with Sealift, which writes SHA256SUMS")
        }
        AttestationError::Nameless(_) => Some("name an archive: an ISO with product.txt or manifest.yaml"),
        _ => None,
    };
    super::helped(error.into(), help)
}

/// A statement that cannot be written, or a program that does not sign.
pub(crate) fn signer(archive: &Path, error: Fault) -> Failure {
    let help = matches!(error, Fault::OtherSigner { .. }).then_some(
        "the command must write a signature of its standard input by the key of --public-key: in DER for ECDSA with SHA-256, \
         64 bytes for Ed25519",
    );
    super::helped(fault(archive, error), help)
}

/// A fault of an archive.
pub(crate) fn fault(archive: &Path, fault: Fault) -> Failure {
    about(archive, fault).into()
}

/// An archive that is damaged, so it is not signed.
pub(crate) fn damaged(archive: &Path, report: &VerifyReport) -> Failure {
    let first = report.findings.first().map(ToString::to_string).unwrap_or_default();
    Failure::failed(anyhow::anyhow!("{} is damaged: {first}", printable_path(archive)))
        .remedy("list every finding: `sealift archive verify`")
}

/// What helps if an archive is not the signed one.
pub(crate) fn unproven(error: &AttestationError) -> Option<String> {
    Some(match error {
        AttestationError::Unsigned { .. } => {
            "get its bundle from the vendor and name it with --bundle FILE".into()
        }
        AttestationError::Refused { fault: Fault::LayoutDiffers, .. } => {
            "`--covers contents`, or `covers: contents` in the policy, accepts equal files in another layout"
                .into()
        }
        AttestationError::Refused { fault: Fault::UnknownKey { .. }, .. } => {
            "name the key that signed it with --key FILE, if you trust it".into()
        }
        AttestationError::Refused { fault: Fault::Certificate(_), .. } => {
            "name who may sign: --identity SUBJECT --issuer URL --trusted-root FILE, or `identities` in the policy"
                .into()
        }
        AttestationError::Refused { fault: Fault::OtherIdentity { .. }, .. } => {
            "name the signer with --identity or in the policy, if you trust them".into()
        }
        _ => return None,
    })
}

/// What helps if the policy of a node refuses an archive.
pub(crate) fn unproven_on_node(error: &AttestationError) -> Option<String> {
    match error {
        AttestationError::Unsigned { .. } => {
            Some("get its bundle from the vendor and put it beside the archive".into())
        }
        AttestationError::Refused { fault: Fault::UnknownKey { .. }, .. } => {
            Some("add the key to the policy, if you trust it".into())
        }
        AttestationError::Refused { fault: Fault::Certificate(_) | Fault::OtherIdentity { .. }, .. } => {
            Some("add the signer to `identities` of the policy, if you trust them".into())
        }
        error => unproven(error),
    }
}

fn about(path: &Path, fault: Fault) -> AttestationError {
    AttestationError::Refused { path: path.to_owned(), fault }
}
