//! TLS to registries: rustls with *ring*, the system's certificate authorities and the site's own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::LinkPolicy;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, InconsistentKeys, RootCertStore, SignatureScheme,
};

use super::{HostTls, RegistryFault};

/// The largest file of certificates or keys that is read.
const PEM_MAX: u64 = 16 << 20;

/// The authorities of everybody, and what a host adds.
#[derive(Debug, Clone)]
pub(super) struct Trust {
    roots: RootCertStore,
    /// Every certificate that was given: a server's own among them is trusted as it is.
    given: HashSet<CertificateDer<'static>>,
}

/// The TLS settings for one host, with their files read.
#[derive(Debug, Default)]
pub(super) struct Own {
    authorities: Vec<CertificateDer<'static>>,
    identity: Option<Arc<CertifiedKey>>,
}

impl Own {
    pub(super) fn read(tls: &HostTls) -> Result<Self, RegistryFault> {
        let mut own = Self::default();
        for file in &tls.certificate_authorities {
            own.authorities.extend(certificates(file)?);
        }
        own.identity =
            tls.client_certificate.as_ref().map(|(chain, key)| identity(chain, key)).transpose()?;
        Ok(own)
    }

    /// Adds what a folder holds: `*.crt` are authorities, `NAME.cert` with `NAME.key` is a client certificate. One that
    /// is there already counts before those of the folder.
    pub(super) fn read_folder(&mut self, folder: &Path) -> Result<(), RegistryFault> {
        let cannot = |error: std::io::Error| bad(folder, &format!("cannot read the folder: {error}"));
        let entries = std::fs::read_dir(folder).map_err(cannot)?;
        let mut files: Vec<PathBuf> =
            entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(cannot)?;
        files.sort();
        for file in &files {
            let has = |extension: &str| files.contains(&file.with_extension(extension));
            match file.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => self.authorities.extend(certificates(file)?),
                Some("cert") if !has("key") => {
                    let text = "its key is missing; an authority's certificate ends in .crt";
                    return Err(bad(file, &text));
                }
                Some("cert") if self.identity.is_none() => {
                    self.identity = Some(identity(file, &file.with_extension("key"))?);
                }
                Some("key") if !has("cert") => return Err(bad(file, &"its certificate (.cert) is missing")),
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether this host may ask for a client certificate.
    pub(super) fn has_identity(&self) -> bool {
        self.identity.is_some()
    }
}

impl Trust {
    /// The system's authorities, and those of `files`.
    pub(super) fn new(files: &[PathBuf]) -> Result<Self, RegistryFault> {
        let mut trust = Self { roots: RootCertStore::empty(), given: HashSet::new() };
        // Without any authority every TLS connection fails and says so; plain HTTP registries still work.
        let system = rustls_native_certs::load_native_certs().certs;
        trust.given.extend(system.iter().cloned());
        trust.roots.add_parsable_certificates(system);
        for file in files {
            for certificate in certificates(file)? {
                trust.add(certificate)?;
            }
        }
        Ok(trust)
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), RegistryFault> {
        self.given.insert(certificate.clone());
        self.roots.add(certificate).map_err(|error| RegistryFault::Configuration(format!("TLS: {error}")))
    }

    /// The configuration for a host. Its authorities and those of the registry that led there are trusted; the client
    /// certificate is its own alone.
    pub(super) fn config(
        &self,
        registry: Option<&Own>,
        host: Option<&Own>,
    ) -> Result<ClientConfig, RegistryFault> {
        let mut trust = self.clone();
        for certificate in registry.into_iter().chain(host).flat_map(|own| &own.authorities) {
            trust.add(certificate.clone())?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let wrong = |error: &dyn std::fmt::Display| RegistryFault::Configuration(format!("TLS: {error}"));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong(&error))?;
        let builder = if trust.roots.is_empty() {
            builder.with_root_certificates(trust.roots)
        } else {
            let roots = Arc::new(trust.roots);
            let chain = WebPkiServerVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| wrong(&error))?;
            let verifier = Verifier { chain, given: trust.given };
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        let mut config = match host.and_then(|own| own.identity.clone()) {
            None => builder.with_no_client_auth(),
            Some(identity) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity))),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// Verifies servers as rustls does, and takes a certificate that was given as it is, also where it says that it is an
/// authority: `openssl req -x509` makes self-signed ones like that, and OpenSSL and Go take them. Name and dates count.
#[derive(Debug)]
struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    given: HashSet<CertificateDer<'static>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.chain.verify_server_cert(server, intermediates, name, ocsp, now) {
            // The dates have been looked at before this.
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(other)))
                if other.to_string() == "CaUsedAsEndEntity" && self.given.contains(server) =>
            {
                verify_server_name(&ParsedCertificate::try_from(server)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            answer => answer,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}

/// A client certificate with its chain, and its key. Whether the server accepts it is the server's: old ones, such as X.509
/// version 1, are shown too.
fn identity(chain: &Path, key: &Path) -> Result<Arc<CertifiedKey>, RegistryFault> {
    let secret = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| bad(key, &error))?;
    let secret = rustls::crypto::ring::sign::any_supported_type(&secret).map_err(|error| bad(key, &error))?;
    let identity = CertifiedKey::new(certificates(chain)?, secret);
    match identity.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(bad(chain, &format!("its key is not the one in {}", key.display())))
        }
        _ => Ok(Arc::new(identity)),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, RegistryFault> {
    let bytes = read(file)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| bad(file, &error))?;
    if found.is_empty() {
        return Err(bad(file, &"no certificate in the file"));
    }
    for certificate in &found {
        RootCertStore::empty().add(certificate.clone()).map_err(|error| bad(file, &error))?;
    }
    Ok(found)
}

fn read(file: &Path) -> Result<Vec<u8>, RegistryFault> {
    content::open_read(file, LinkPolicy::Follow, PEM_MAX)
        .map_err(|error| RegistryFault::Configuration(error.to_string()))
}

fn bad(file: &Path, reason: &dyn std::fmt::Display) -> RegistryFault {
    RegistryFault::Configuration(format!("{}: {reason}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a server with the certificate `name` is accepted at a time.
    fn verified(name: &str, host: &str, seconds: u64) -> Result<(), String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name);
        let given = certificates(&file).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(given.clone());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let verifier = Verifier { chain, given: given.iter().cloned().collect() };
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        let host = ServerName::try_from(host.to_owned()).unwrap();
        let answer = verifier.verify_server_cert(&given[0], &[], &host, &[], now);
        answer.map(drop).map_err(|error| error.to_string())
    }

    #[test]
    fn a_certificate_that_was_given_still_has_its_name_and_its_dates() {
        const IN_2027: u64 = 1_800_000_000;
        for name in ["self-ca-true.pem", "self-ca-false.pem", "self-unconstrained.pem"] {
            assert_eq!(verified(name, "127.0.0.1", IN_2027), Ok(()), "{name}");
            assert_eq!(verified(name, "localhost", IN_2027), Ok(()), "{name}");
            let other = verified(name, "other.example", IN_2027).unwrap_err();
            assert!(other.contains("not valid for name"), "{name}: {other}");
            let late = verified(name, "localhost", 3 * IN_2027).unwrap_err();
            assert!(late.contains("expired"), "{name}: {late}");
            let early = verified(name, "localhost", 1).unwrap_err();
            assert!(early.contains("not valid yet"), "{name}: {early}");
        }
    }
}
