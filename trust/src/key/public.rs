//! Public keys, and the check of signatures with them.

use std::fmt;

use content::Digest;
use p256::ecdsa::signature::Verifier as _;
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::pkcs8::SubjectPublicKeyInfoRef;
use p256::pkcs8::der::Decode as _;

use super::{Algorithm, algorithm, pem};
use crate::{Fault, base64};

/// What precedes the point of a P-256 key in its DER, and the bytes of an Ed25519 key.
const P256_PREFIX: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const ED25519_PREFIX: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A DER signature of two zeros.
const ZERO: &[u8] = &[0x30, 6, 2, 1, 0, 2, 1, 0];

/// A public key.
#[derive(Clone)]
pub struct PublicKey {
    key: Key,
    spki: Vec<u8>,
    id: String,
    spki_id: String,
}

#[derive(Clone)]
enum Key {
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl PublicKey {
    /// Reads a PEM file with one public key (`PUBLIC KEY`).
    ///
    /// # Errors
    ///
    /// [`Fault`]: those about keys.
    pub fn read(file: &[u8]) -> Result<Self, Fault> {
        let blocks = pem::blocks(file)?;
        let [block] = blocks.as_slice() else { return Err(Fault::SeveralKeys(blocks.len())) };
        if block.label != "PUBLIC KEY" {
            return Err(Fault::OtherContent {
                found: pem::noun(&block.label),
                expected: "a public key (PUBLIC KEY)",
            });
        }
        let info = SubjectPublicKeyInfoRef::from_der(&block.der)
            .map_err(|_| Fault::DamagedKey("it is not a public key in DER"))?;
        let curve = info.algorithm.parameters.and_then(|curve| curve.try_into().ok());
        let bytes = info.subject_public_key.as_bytes().unwrap_or_default();
        match algorithm(info.algorithm.oid, curve)? {
            Algorithm::EcdsaP256 => p256::PublicKey::from_sec1_bytes(bytes)
                .map(|key| Self::p256(&key))
                .map_err(|_| Fault::DamagedKey("its point is not on the curve")),
            Algorithm::Ed25519 => {
                let bytes = bytes.try_into().map_err(|_| Fault::DamagedKey("it does not have 32 bytes"))?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(bytes)
                    .map_err(|_| Fault::DamagedKey("its point is not on the curve"))?;
                if key.is_weak() { Err(Fault::WeakKey) } else { Ok(Self::ed25519(key)) }
            }
        }
    }

    pub(super) fn p256(key: &p256::PublicKey) -> Self {
        let point = key.to_encoded_point(false);
        let wire = ssh(&[b"ecdsa-sha2-nistp256", b"nistp256", point.as_bytes()]);
        Self::new(Key::P256(key.into()), &[P256_PREFIX, point.as_bytes()].concat(), &wire)
    }

    pub(super) fn ed25519(key: ed25519_dalek::VerifyingKey) -> Self {
        let wire = ssh(&[b"ssh-ed25519", key.as_bytes()]);
        Self::new(Key::Ed25519(key), &[ED25519_PREFIX, key.as_bytes()].concat(), &wire)
    }

    fn new(key: Key, spki: &[u8], wire: &[u8]) -> Self {
        let id = format!("SHA256:{}", base64::encode_unpadded(Digest::of(wire).as_bytes()));
        let spki_id = base64::encode(Digest::of(spki).as_bytes());
        Self { key, spki: spki.to_vec(), id, spki_id }
    }

    /// Its name: the fingerprint of SSH, `SHA256:` and 43 letters of base64, which `ssh-keygen -l` shows too.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name in bundles that cosign writes: the SHA-256 of its DER form in base64.
    #[cfg(test)]
    pub(crate) fn spki_id(&self) -> &str {
        &self.spki_id
    }

    /// Whether this is its name in a bundle.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        [self.id.as_str(), self.spki_id.as_str()].contains(&name)
    }

    /// The keys of ECDSA with which `signature` is one of `message` (SEC 1, section 4.1.6): at most four, of which nobody has the
    /// secret keys except for the one that signed. Empty for all that is no signature of ECDSA.
    pub(crate) fn recovered(message: &[u8], signature: &[u8]) -> Vec<Self> {
        let Ok(signature) = p256::ecdsa::Signature::from_der(signature) else { return Vec::new() };
        let recover = |number: u8| {
            let key =
                p256::ecdsa::VerifyingKey::recover_from_msg(message, &signature, number.try_into().ok()?);
            Some(Self::p256(&p256::PublicKey::from(key.ok()?)))
        };
        (0..4).filter_map(recover).collect()
    }

    /// A PEM file with it (`PUBLIC KEY`), as OpenSSL writes it.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.spki)
    }

    /// Its form in DER, `SubjectPublicKeyInfo`.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Its algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Key::P256(_) => Algorithm::EcdsaP256,
            Key::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// Checks a signature of `message`: in DER for ECDSA, 64 bytes for Ed25519.
    ///
    /// # Errors
    ///
    /// [`Fault`]: those about signatures.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Fault> {
        match &self.key {
            Key::P256(key) => {
                let read = p256::ecdsa::Signature::from_der(signature).map_err(|_| match signature {
                    ZERO => Fault::ZeroSignature,
                    _ if signature.len() == 64 => Fault::RawSignature,
                    _ => Fault::SignatureEncoding("an ECDSA signature in DER"),
                })?;
                key.verify(message, &read).map_err(|_| Fault::BadSignature)
            }
            Key::Ed25519(key) => {
                let read = ed25519_dalek::Signature::from_slice(signature)
                    .map_err(|_| Fault::SignatureEncoding("an Ed25519 signature of 64 bytes"))?;
                key.verify_strict(message, &read).map_err(|_| Fault::BadSignature)
            }
        }
    }
}

/// By their bytes, whatever they are called.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id).finish()
    }
}

/// The form of a public key in the protocol of SSH (RFC 4253, section 6.6).
fn ssh(parts: &[&[u8]]) -> Vec<u8> {
    let mut wire = Vec::new();
    for part in parts {
        // Shorter than 100 bytes.
        wire.extend_from_slice(&u32::try_from(part.len()).unwrap_or_default().to_be_bytes());
        wire.extend_from_slice(part);
    }
    wire
}
