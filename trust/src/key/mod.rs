//! Keys: ECDSA P-256 with SHA-256, and Ed25519.

mod encrypted;
pub(crate) mod pem;
mod public;
mod secret;

use p256::pkcs8::ObjectIdentifier;

pub use public::PublicKey;
pub use secret::SecretKey;

/// The most bytes of a file with a key.
pub const KEY_MAX: u64 = 64 << 10;

/// The algorithm of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA with the curve P-256 and SHA-256; signatures are in DER.
    EcdsaP256,
    /// Ed25519 (RFC 8032), pure.
    Ed25519,
}

impl Algorithm {
    /// Its name in messages and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Ed25519 => "Ed25519",
        }
    }
}

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// The algorithm of a key, or the name of one that is not supported. `curve` is the parameter of EC keys.
fn algorithm(id: ObjectIdentifier, curve: Option<ObjectIdentifier>) -> Result<Algorithm, crate::Fault> {
    let name = |id: ObjectIdentifier| match id.to_string().as_str() {
        "1.2.840.113549.1.1.1" => "RSA".to_owned(),
        "1.2.840.113549.1.1.10" => "RSA-PSS".to_owned(),
        "1.2.840.10040.4.1" => "DSA".to_owned(),
        "1.3.132.0.34" => "ECDSA P-384".to_owned(),
        "1.3.132.0.35" => "ECDSA P-521".to_owned(),
        "1.3.132.0.10" => "ECDSA secp256k1".to_owned(),
        "1.3.101.113" => "Ed448".to_owned(),
        "1.3.101.110" => "X25519".to_owned(),
        other => format!("the algorithm {other}"),
    };
    match (id, curve) {
        (ED25519, None) => Ok(Algorithm::Ed25519),
        (EC, Some(P256)) => Ok(Algorithm::EcdsaP256),
        (EC, Some(curve)) => Err(crate::Fault::KeyAlgorithm(name(curve))),
        (EC, None) => Err(crate::Fault::KeyAlgorithm("an elliptic curve without a name".into())),
        (other, _) => Err(crate::Fault::KeyAlgorithm(name(other))),
    }
}
