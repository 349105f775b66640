//! Help for errors about packages.

use packages::Error;
use packages::openpgp::{SignatureFault, SigningFault};

use crate::failure::Failure;

/// A folder of packages that cannot be indexed.
pub(crate) fn index(error: Error) -> Failure {
    match error {
        Error::Pattern { .. } | Error::Value { .. } => Failure::usage_by(error),
        Error::Contents { .. } => Failure::from(error).remedy("write no lists of files: --no-contents"),
        Error::Rpm { .. } | Error::Deb { .. } => Failure::from(error)
            .remedy("leave it out with --exclude PATTERN, or all damaged packages with --skip-broken"),
        error => signing(error),
    }
}

/// Something that cannot be signed.
pub(crate) fn signing(error: Error) -> Failure {
    let (Error::Key { fault, .. } | Error::Signing { fault, .. }) = &error else {
        let is_old = matches!(error, Error::Signature { fault: SignatureFault::HeaderOnly, .. });
        let failure = Failure::from(error);
        return if is_old { failure.remedy("build the package with RPM 4.14 or later") } else { failure };
    };
    match signing_help(fault, Caller::Command) {
        Some(help) => Failure::from(error).remedy(help),
        None => error.into(),
    }
}

/// Where the key that signs is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// In the options of a command.
    Command,
    /// In a project.
    Project,
}

/// What to do about a key that cannot sign.
pub(crate) fn signing_help(fault: &SigningFault, caller: Caller) -> Option<&'static str> {
    let is_project = caller == Caller::Project;
    Some(match fault {
        SigningFault::PassphraseMissing(_) if is_project => {
            "add `passphraseFile` to `signing`, or set SEALIFT_SIGNING_PASSPHRASE"
        }
        SigningFault::PassphraseMissing(_) => "add --passphrase-file FILE, or set SEALIFT_SIGNING_PASSPHRASE",
        SigningFault::PassphraseWrong(_) if is_project => {
            "correct the file of `passphraseFile` of `signing`, or SEALIFT_SIGNING_PASSPHRASE"
        }
        SigningFault::PassphraseWrong(_) => {
            "correct the file of --passphrase-file, or SEALIFT_SIGNING_PASSPHRASE"
        }
        SigningFault::NoSecretKey => "export it: `gpg --armor --export-secret-keys KEY > FILE`",
        SigningFault::SeveralKeys(_) => "export one key only: `gpg --armor --export-secret-keys KEY > FILE`",
        SigningFault::Unsuitable { .. } => "use a key of version 4 with RSA of 4096 bits, or Ed25519",
        SigningFault::NoPublicKey => "name its file with --public-key FILE",
        SigningFault::PublicKey(_) => "export it: `gpg --armor --export KEY > FILE`",
        SigningFault::NoTerminal(_) => {
            "run `export GPG_TTY=$(tty)` in a terminal, or sign with a key in a file"
        }
        SigningFault::Refused(SignatureFault::KeyExpired { .. }) => {
            "extend the key with `gpg --quick-set-expire`, and export it again"
        }
        SigningFault::Refused(SignatureFault::UnknownKey(_)) if is_project => {
            "make `publicKey` of `signing` the public key of the key that signs"
        }
        SigningFault::Refused(SignatureFault::UnknownKey(_)) => {
            "name the public key of the key that signs with --public-key FILE"
        }
        _ => return None,
    })
}

/// A key that has expired or was revoked.
pub(crate) fn outdated(fault: &SignatureFault, date: &str) -> Failure {
    let failure = Failure::from(anyhow::anyhow!("cannot sign: {}", fault.before_signing()));
    failure.remedy(format!(
        "extend the key with `gpg --quick-set-expire`, and export it again; to sign as of a date, add {date}"
    ))
}
