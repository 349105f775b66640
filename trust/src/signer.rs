//! What signs: a key in a file, a command, or a key with a certificate.

use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use crate::keyless::CertifiedKey;
use crate::{CertificateServices, Fault, PublicKey, SecretKey, SignedBy, base64};

/// How long a command may take, since a user may type a passphrase or touch a card.
const TIMEOUT: Duration = Duration::from_secs(600);
/// The most bytes of a signature.
const SIGNATURE_MAX: u64 = 64 << 10;

/// Signs statements. Each signature is checked with the public key before it is returned.
#[derive(Debug)]
pub struct Signer {
    method: Method,
    public_key: PublicKey,
}

#[derive(Debug)]
enum Method {
    Key(Box<SecretKey>),
    Command(Vec<OsString>),
    Certified(Box<CertifiedKey>),
}

impl Signer {
    /// Signs with the secret key in a PEM file. Equal data give equal signatures.
    ///
    /// # Errors
    ///
    /// Those of [`SecretKey::read`].
    pub fn with_key(file: &[u8]) -> Result<Self, Fault> {
        SecretKey::read(file).map(Self::of_key)
    }

    /// Signs with the secret key in a PEM file, which may be encrypted with `password`. Equal data give equal signatures.
    ///
    /// # Errors
    ///
    /// Those of [`SecretKey::decrypt`].
    pub fn with_encrypted_key(file: &[u8], password: &[u8]) -> Result<Self, Fault> {
        SecretKey::decrypt(file, password).map(Self::of_key)
    }

    fn of_key(key: SecretKey) -> Self {
        Self { public_key: key.public_key().clone(), method: Method::Key(Box::new(key)) }
    }

    /// Signs with a command, such as a client of a signing service or of an HSM. It gets the data on standard input, and writes the
    /// signature to standard output, as bytes or in base64: in DER for ECDSA, 64 bytes for Ed25519.
    #[must_use]
    pub fn with_command(words: Vec<OsString>, public_key: PublicKey) -> Self {
        Self { method: Method::Command(words), public_key }
    }

    /// Signs with a certificate: with a new key, which an authority certifies for the holder of `token`, a JSON Web Token of an OpenID
    /// Connect provider. Each signature is recorded in a public log, and differs. Asks no service before something is signed.
    ///
    /// # Errors
    ///
    /// [`Fault::Token`]: the token is not one.
    pub fn with_certificate(token: &str, services: CertificateServices) -> Result<Self, Fault> {
        let key = CertifiedKey::new(token, services)?;
        Ok(Self { public_key: key.public_key().clone(), method: Method::Certified(Box::new(key)) })
    }

    /// Who signs. With a certificate, asks the authority if nothing has been signed yet.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the authority certifies nothing.
    pub fn signed_by(&self) -> Result<SignedBy, Fault> {
        match &self.method {
            Method::Certified(key) => key.holder().map(SignedBy::of_holder),
            Method::Key(_) | Method::Command(_) => Ok(SignedBy::of_key(&self.public_key)),
        }
    }

    /// What signs: `key`, `command` or `certificate`.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match &self.method {
            Method::Key(_) => "key",
            Method::Command(_) => "command",
            Method::Certified(_) => "certificate",
        }
    }

    /// Whether a public log records each signature, since it has a certificate.
    #[must_use]
    pub fn is_recorded(&self) -> bool {
        self.certified().is_some()
    }

    /// The certificate that signatures have, if they have one.
    pub(crate) fn certified(&self) -> Option<&CertifiedKey> {
        match &self.method {
            Method::Certified(key) => Some(key),
            Method::Key(_) | Method::Command(_) => None,
        }
    }

    /// The key that signatures are checked with.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// A signature of `message` that counts.
    pub(crate) fn sign(&self, message: &[u8], cancelled: &dyn Fn() -> bool) -> Result<Vec<u8>, Fault> {
        match &self.method {
            Method::Key(key) => {
                let signature = key.sign(message);
                self.public_key.verify(message, &signature)?;
                Ok(signature)
            }
            Method::Certified(key) => Ok(key.sign(message)),
            Method::Command(words) => {
                let mut words = words.iter();
                let program = words.next().cloned().unwrap_or_default();
                let mut command = Command::new(&program);
                command.args(words);
                let program = program.to_string_lossy().into_owned();
                let written = content::filter(&mut command, message, SIGNATURE_MAX, TIMEOUT, cancelled)
                    .map_err(|fault| Fault::Program { program: program.clone(), fault })?;
                if self.public_key.verify(message, &written).is_ok() {
                    return Ok(written);
                }
                let decoded =
                    str::from_utf8(&written).ok().map(|text| text.split_whitespace().collect::<String>());
                decoded
                    .and_then(|text| base64::decode(&text, "sig").ok())
                    .filter(|signature| self.public_key.verify(message, signature).is_ok())
                    .ok_or_else(|| Fault::OtherSigner { program, key: self.public_key.id().to_owned() })
            }
        }
    }
}
