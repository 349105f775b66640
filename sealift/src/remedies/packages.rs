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
    let remedy = match fault {
        SigningFault::PassphraseMissing(_) => "add --passphrase-file FILE, or set SEALIFT_SIGNING_PASSPHRASE",
        SigningFault::NoSecretKey => "export it: `gpg --armor --export-secret-keys KEY > FILE`",
        SigningFault::SeveralKeys(_) => "export one key only: `gpg --armor --export-secret-keys KEY > FILE`",
        SigningFault::Unsuitable { .. } => "use a key of version 4 with RSA of 4096 bits, or Ed25519",
        SigningFault::NoPublicKey => "name its file with --public-key FILE",
        SigningFault::Refused(SignatureFault::KeyExpired { .. }) => {
            "extend the key with `gpg --quick-set-expire`, and export it again"
        }
        SigningFault::Refused(SignatureFault::UnknownKey(_)) => "name the public key of the key that signs",
        _ => return error.into(),
    };
    Failure::from(error).remedy(remedy)
}
