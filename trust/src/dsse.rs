//! DSSE: the bytes that are signed, and the envelope (<https://github.com/secure-systems-lab/dsse>, protocol 1.0.2).

use crate::Fault;
use crate::base64;
use crate::json::Fields;

/// The type of an envelope with a statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The bytes that are signed: `DSSEv1`, the type and the payload, each with its length in bytes.
///
/// ```
/// let signed = trust::pae("http://example.com/HelloWorld", b"hello world");
/// assert_eq!(signed, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
/// ```
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// A statement and one signature.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    pub(crate) payload: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// The name of the key; DSSE does not require it.
    pub(crate) key_id: Option<String>,
}

impl Envelope {
    /// Reads an envelope. A bundle has exactly one signature.
    pub(crate) fn of(mut fields: Fields) -> Result<Self, Fault> {
        let payload_type = fields.text("payloadType")?;
        if payload_type != PAYLOAD_TYPE {
            return Err(Fault::PayloadType(payload_type));
        }
        let payload = base64::decode(&fields.text("payload")?, "payload")?;
        let mut signatures = fields.list("signatures")?;
        fields.end()?;
        let count = signatures.len();
        let Some(signature) = signatures.pop().filter(|_| count == 1) else {
            return Err(Fault::SignatureCount(count));
        };
        let mut fields = Fields::of(signature, "`signatures`")?;
        let signature = base64::decode(&fields.text("sig")?, "sig")?;
        let key_id = fields.optional_text("keyid")?.filter(|id| !id.is_empty());
        fields.end()?;
        if signature.is_empty() {
            return Err(Fault::EmptySignature);
        }
        Ok(Self { payload, signature, key_id })
    }
}
