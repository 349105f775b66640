//! TLS towards registries: rustls with *ring*, the system's certificate authorities and the site's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Fault, Options, Tls};

/// The client configuration, with what one host needs besides.
pub(super) fn config(options: &Options, own: Option<&Tls>) -> Result<rustls::ClientConfig, Fault> {
    let mut roots = rustls::RootCertStore::empty();
    // Without any authority every TLS connection fails and says so; plain HTTP registries still work.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let own_authorities = own.into_iter().flat_map(|tls| &tls.certificate_authorities);
    for file in options.certificate_authorities.iter().chain(own_authorities) {
        for certificate in certificates(file)? {
            roots.add(certificate).map_err(|error| bad(file, &error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::Configuration(format!("TLS: {error}")))?
        .with_root_certificates(roots);
    let mut config = match own.and_then(|tls| tls.client_certificate.as_ref()) {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| bad(key, &error))?;
            builder.with_client_auth_cert(certificates(chain)?, secret).map_err(|error| bad(chain, &error))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let found: Vec<_> = CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect::<Result<_, _>>)
        .map_err(|error| bad(file, &error))?;
    if found.is_empty() { Err(bad(file, &"no certificate in the file")) } else { Ok(found) }
}

fn bad(file: &Path, reason: &dyn std::fmt::Display) -> Fault {
    Fault::Configuration(format!("{}: {reason}", file.display()))
}
