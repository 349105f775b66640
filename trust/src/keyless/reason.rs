//! Why a signature with a certificate does not count, in words, with what the library of sigstore says in parentheses.

use sigstore_verify::{CertificateError, Error, TimestampError, TransparencyLogError};

pub(super) fn reason(error: &Error) -> String {
    let plain = match error {
        Error::SignatureInvalid(_) => "the key of the certificate did not sign this",
        Error::ArtifactMismatch(_) => "it signs something else",
        Error::Certificate(error) => certificate(error),
        Error::TransparencyLog(error) => log(error),
        Error::Timestamp(error) => timestamp(error),
        _ => return error.to_string(),
    };
    format!("{plain} ({error})")
}

fn certificate(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::ChainInvalid(text)
            if text.contains("CertExpired") || text.contains("NotValidYet") =>
        {
            "the certificate was not valid when the signature was made"
        }
        CertificateError::NotYetValid { .. } | CertificateError::Expired { .. } => {
            "the certificate was not valid when the signature was made"
        }
        CertificateError::ChainInvalid(_) => "no authority of the trusted root issued the certificate",
        CertificateError::NoValidAuthority { .. } => {
            "no authority of the trusted root was valid when the signature was made"
        }
        CertificateError::Sct(_) => "no certificate log of the trusted root recorded the certificate",
        _ => "the certificate breaks its format",
    }
}

fn log(error: &TransparencyLogError) -> &'static str {
    match error {
        TransparencyLogError::UnknownLog { .. } => "the log that recorded it is not in the trusted root",
        TransparencyLogError::InclusionProof(_) => "the log did not record it: the proof is wrong",
        TransparencyLogError::Checkpoint(_) => "no log of the trusted root signed the state of the log",
        TransparencyLogError::InclusionPromise(_) => {
            "no log of the trusted root signed the promise to record it"
        }
        TransparencyLogError::EntryMismatch(_) => "the log recorded another signature",
        TransparencyLogError::IntegratedTime(_) => "the time of the log does not fit the certificate",
        _ => "the entry of the log breaks its format",
    }
}

fn timestamp(error: &TimestampError) -> &'static str {
    match error {
        TimestampError::NoVerifiedTimestamp(_) => "nothing proves when the signature was made",
        TimestampError::OutsideAuthorityValidity { .. } => {
            "the timestamp authority was not valid when the signature was made"
        }
        _ => "the timestamp is not by an authority of the trusted root, or of another signature",
    }
}
