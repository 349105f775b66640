//! Messages for failed requests, and whether to retry.

use std::error::Error;
use std::io;

use reqwest::Url;
use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::{RegistryEndpoint, RegistryFault, endpoint::authority};

/// What stopped a request to `url` on behalf of `endpoint`.
pub(super) fn fault(error: &reqwest::Error, url: &Url, endpoint: &RegistryEndpoint) -> RegistryFault {
    if error.is_builder() {
        return RegistryFault::Configuration(chain(error));
    }
    if let Some(tls) = tls_error(error) {
        let plain = matches!(tls, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType));
        if plain && error.is_connect() {
            return plain_http(url, endpoint);
        }
        if let Some(words) = tls_words(tls, url, error.is_connect()) {
            return RegistryFault::Tls(words);
        }
    }
    if error.is_connect() {
        RegistryFault::Unreachable(root(error))
    } else {
        RegistryFault::Broken(chain(error))
    }
}

/// The first cause of `error`: what the system or the resolver says, without the layers of the client above it.
fn root(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// A server that was asked over TLS and answered without it.
fn plain_http(url: &Url, endpoint: &RegistryEndpoint) -> RegistryFault {
    let host = authority(url);
    let advice = match &endpoint.registry {
        _ if url.origin() != endpoint.base.origin() => String::new(),
        Some(name) => format!(": add --plain-http {name}, or `plainHttp: true` for it in sealift.yaml"),
        None => format!(": write the mirror as http://{host}"),
    };
    RegistryFault::PlainHttp { host, advice }
}

/// The TLS error, if retrying cannot help.
fn tls_words(error: &rustls::Error, url: &Url, connecting: bool) -> Option<String> {
    let host = authority(url);
    Some(match error {
        rustls::Error::InvalidCertificate(reason) => {
            format!("the certificate of {host} {}", certificate_words(reason, &host))
        }
        rustls::Error::AlertReceived(
            AlertDescription::InternalError | AlertDescription::CloseNotify | AlertDescription::UserCanceled,
        ) => return None,
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                format!(
                    "{host} asks for a client certificate: give one with --client-certificate {host}=CERTIFICATE,KEY, or \
                     clientCertificate in sealift.yaml"
                )
            }
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied => {
                format!("{host} refuses the client certificate, or the lack of one ({alert:?})")
            }
            AlertDescription::UnrecognisedName => format!("{host} does not serve this name"),
            AlertDescription::ProtocolVersion => format!("{host} supports neither TLS 1.2 nor TLS 1.3"),
            AlertDescription::HandshakeFailure => {
                format!(
                    "{host} and this program have no cipher in common, or it asks for a client certificate"
                )
            }
            other => format!("{host} refuses the connection ({other:?})"),
        },
        rustls::Error::PeerIncompatible(_) => {
            format!("{host} supports no secure version of TLS: {error}")
        }
        _ if connecting => format!("with {host}: {error}"),
        _ => return None,
    })
}

fn certificate_words(reason: &CertificateError, host: &str) -> String {
    let trust = format!("trust it with --ca {host}=FILE, or certificateAuthorities in sealift.yaml");
    match reason {
        CertificateError::UnknownIssuer => format!("is from an authority that is not trusted here: {trust}"),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet: is the clock of this machine right?".into()
        }
        CertificateError::NotValidForName => "is for another name".into(),
        CertificateError::NotValidForNameContext { presented, .. } if presented.is_empty() => {
            "names no host: it lacks a subjectAltName".into()
        }
        CertificateError::NotValidForNameContext { presented, .. } => {
            let names = presented.join(", ");
            format!("is for another name: {}", content::printable(&names))
        }
        CertificateError::Revoked => "was revoked".into(),
        CertificateError::Other(other) => match other.to_string().as_str() {
            "CaUsedAsEndEntity" => format!("is self-signed and not trusted here: {trust}"),
            "UnsupportedCertVersion" => "is not X.509 version 3, so it names no host".into(),
            other => format!("is not valid: {}", content::printable(other)),
        },
        other => format!("is not valid: {other}"),
    }
}

/// The TLS error among the causes.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause = Error::source(error);
    while let Some(inner) = cause {
        if let Some(found) = inner.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error names what it wraps only this way.
        cause = match inner.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => inner.source(),
        };
    }
    None
}

/// An error with its causes, the URL left out: it may carry a signature.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut cause = Error::source(error);
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text = if text.is_empty() { words } else { format!("{text}: {words}") };
        }
        cause = inner.source();
    }
    if text.is_empty() { "the request failed".into() } else { text }
}
