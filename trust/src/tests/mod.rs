//! Tests. Attacks are tables: each has a reason of its own.

mod bundles;
mod encrypted_keys;
mod images;
mod keys;
mod policies;
mod provenances;
mod signatures;
mod statements;

use crate::{PublicKey, SecretKey, base64, pae};

pub(super) const P256: &[u8] = include_bytes!("data/p256.pk8.pem");
pub(super) const P256_PUBLIC: &[u8] = include_bytes!("data/p256.pub");
pub(super) const ED25519: &[u8] = include_bytes!("data/ed.pk8.pem");
pub(super) const ED25519_PUBLIC: &[u8] = include_bytes!("data/ed.pub");
pub(super) const OTHER_PUBLIC: &[u8] = include_bytes!("data/other.pub");
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
pub(super) const DIGITS: &str = "2bc795a3fd437d1b2957e31a48fc06a6c09b6e29fff173b57b55ae68f7c9954e";

pub(super) fn public(file: &[u8]) -> PublicKey {
    PublicKey::read(file).unwrap()
}

/// A file of `data`.
pub(super) fn data(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/data");
    std::fs::read(folder.join(name)).unwrap()
}

/// A statement about one file.
pub(super) fn statement() -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"demo-1.0.iso","digest":{{"sha256":"{DIGITS}"}}}}],"predicateType":"https://sealift.dev/attestation/archive/v1","predicate":{{"name":"demo","version":"1.0"}}}}"#
    )
}

/// A bundle whose parts can be forged.
pub(super) struct Forged {
    pub(super) payload: Vec<u8>,
    pub(super) payload_type: String,
    /// `None` signs the payload as it should be.
    pub(super) signature: Option<Vec<u8>>,
    pub(super) secret_key: &'static [u8],
    /// `None` is the name of the key.
    pub(super) key_id: Option<String>,
}

impl Default for Forged {
    fn default() -> Self {
        Self {
            payload: statement().into_bytes(),
            payload_type: PAYLOAD_TYPE.into(),
            signature: None,
            secret_key: P256,
            key_id: None,
        }
    }
}

impl Forged {
    pub(super) fn bundle(self) -> String {
        let key = SecretKey::read(self.secret_key).unwrap();
        let id = self.key_id.unwrap_or_else(|| key.public_key().id().to_owned());
        let signature = self.signature.unwrap_or_else(|| key.sign(&pae(&self.payload_type, &self.payload)));
        let (payload, sig) = (base64::encode(&self.payload), base64::encode(&signature));
        let payload_type = self.payload_type;
        format!(
            r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{{"publicKey":{{"hint":"{id}"}},"tlogEntries":[]}},"dsseEnvelope":{{"payload":"{payload}","payloadType":"{payload_type}","signatures":[{{"sig":"{sig}","keyid":"{id}"}}]}}}}"#
        )
    }
}
