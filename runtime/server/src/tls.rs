//! TLS 1.2 and 1.3.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use crate::error::Error;

/// The files of a TLS server, all PEM. They are read again when the server reloads.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate, followed by its chain.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The authorities that must have issued the certificates of clients; `None` accepts clients without a certificate.
    pub client_authorities: Option<PathBuf>,
}

pub(crate) fn load(tls: &TlsFiles) -> Result<Arc<ServerConfig>, Error> {
    let certificates = certificates(&tls.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| refused(&tls.key, error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&tls.certificate, error))?;
    let builder = match &tls.client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in self::certificates(path)? {
                roots.add(certificate).map_err(|error| refused(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|error| refused(path, error))?)
        }
    };
    let mut config =
        builder.with_single_cert(certificates, key).map_err(|error| refused(&tls.certificate, error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| refused(path, error))?.collect();
    let found = found.map_err(|error| refused(path, error))?;
    if found.is_empty() { Err(refused(path, "it contains no certificate")) } else { Ok(found) }
}

fn refused(path: &Path, problem: impl std::fmt::Display) -> Error {
    Error::Tls { path: path.to_path_buf(), problem: problem.to_string() }
}
