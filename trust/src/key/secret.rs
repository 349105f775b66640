//! Secret keys, and signatures with them.

use std::fmt;

use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::der::Decode as _;
use p256::pkcs8::{DecodePrivateKey as _, PrivateKeyInfo};

use super::{Algorithm, PublicKey, algorithm, encrypted, pem};
use crate::Fault;

/// A secret key. It signs without randomness (RFC 6979, RFC 8032): equal messages have equal signatures.
pub struct SecretKey {
    key: Key,
    public_key: PublicKey,
}

enum Key {
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SecretKey {
    /// Reads a PEM file with one secret key: PKCS#8 (`PRIVATE KEY`), or SEC1 (`EC PRIVATE KEY`), also after the parameters of the
    /// curve, as `openssl ecparam -genkey` writes it.
    ///
    /// # Errors
    ///
    /// [`Fault`]: those about keys. [`Fault::EncryptedKey`] if [`Self::decrypt`] can read the file with the right password.
    pub fn read(file: &[u8]) -> Result<Self, Fault> {
        let block = block(file)?;
        if encrypted::is_encrypted(&block) {
            encrypted::check(&block)?;
            return Err(Fault::EncryptedKey);
        }
        Self::plain(&block)
    }

    /// Reads a PEM file with one secret key that is encrypted: PKCS#8 with PBES2 (`ENCRYPTED PRIVATE KEY`), as OpenSSL writes it, or
    /// that of cosign (`ENCRYPTED SIGSTORE PRIVATE KEY`). The file may come from anyone: the memory and the time are bounded, to
    /// 130 MB and some seconds. A key that is not encrypted is read as by [`Self::read`].
    ///
    /// # Errors
    ///
    /// [`Fault`]: those about keys. [`Fault::WrongPassword`] if `password` does not fit.
    pub fn decrypt(file: &[u8], password: &[u8]) -> Result<Self, Fault> {
        let block = block(file)?;
        match encrypted::is_encrypted(&block) {
            true => Self::pkcs8(&encrypted::decrypt(&block, password)?),
            false => Self::plain(&block),
        }
    }

    fn plain(block: &pem::Block) -> Result<Self, Fault> {
        match block.label.as_str() {
            "PRIVATE KEY" => Self::pkcs8(&block.der),
            "EC PRIVATE KEY" => match p256::SecretKey::from_sec1_der(&block.der) {
                Ok(key) => Ok(Self::p256(&key)),
                Err(_) => Err(Fault::KeyAlgorithm("another curve, or damaged".into())),
            },
            "RSA PRIVATE KEY" => Err(Fault::KeyAlgorithm("RSA".into())),
            other => {
                Err(Fault::OtherContent { found: pem::noun(other), expected: "a private key (PRIVATE KEY)" })
            }
        }
    }

    fn pkcs8(der: &[u8]) -> Result<Self, Fault> {
        let info =
            PrivateKeyInfo::from_der(der).map_err(|_| Fault::DamagedKey("it is not a private key in DER"))?;
        let curve = info.algorithm.parameters.and_then(|curve| curve.try_into().ok());
        match algorithm(info.algorithm.oid, curve)? {
            Algorithm::EcdsaP256 => p256::SecretKey::from_pkcs8_der(der)
                .map(|key| Self::p256(&key))
                .map_err(|_| Fault::DamagedKey("its number is not on the curve, or its public key differs")),
            Algorithm::Ed25519 => {
                let key = ed25519_dalek::SigningKey::from_pkcs8_der(der)
                    .map_err(|_| Fault::DamagedKey("it does not have 32 bytes, or its public key differs"))?;
                let public_key = PublicKey::ed25519(key.verifying_key());
                Ok(Self { key: Key::Ed25519(key), public_key })
            }
        }
    }

    /// The ECDSA key with this secret number; `None` if the number is zero or too large.
    pub(crate) fn of_number(number: &[u8; 32]) -> Option<Self> {
        p256::SecretKey::from_slice(number).ok().map(|key| Self::p256(&key))
    }

    fn p256(key: &p256::SecretKey) -> Self {
        Self { public_key: PublicKey::p256(&key.public_key()), key: Key::P256(key.into()) }
    }

    /// Its public key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// A signature of `message`: in DER for ECDSA, 64 bytes for Ed25519.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.key {
            Key::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Key::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
}

/// The only key of a file.
fn block(file: &[u8]) -> Result<pem::Block, Fault> {
    let mut blocks = pem::blocks(file)?;
    if blocks.len() > 1 && blocks.first().is_some_and(|block| block.label == "EC PARAMETERS") {
        blocks.remove(0);
    }
    let count = blocks.len();
    blocks.pop().filter(|_| count == 1).ok_or(Fault::SeveralKeys(count))
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretKey").field(&self.public_key.id()).finish()
    }
}
