//! Signatures of payloads with a certificate, as cosign wrote them before version 3: in annotations of a layer.

use content::Digest;
use serde_json::json;
use sigstore_verify::VerificationPolicy;

use super::{Certified, TrustedRoot};
use crate::json::{self, Fields};
use crate::key::pem;
use crate::{Fault, base64};

const WHAT: &str = "the entry of the log";
/// The form of a bundle that has a promise of the log in place of a proof, as these annotations do.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";

/// What proves who signed a payload.
#[derive(Clone, Copy, Debug)]
pub struct PayloadCertificate<'a> {
    /// The certificate, in PEM: the annotation `dev.sigstore.cosign/certificate`.
    pub certificate: &'a str,
    /// The entry of the transparency log, in JSON: the annotation `dev.sigstore.cosign/bundle`.
    pub log_entry: Option<&'a str>,
}

impl TrustedRoot {
    /// Who signed a payload with this signature, by a certificate of this root.
    pub(crate) fn certified_payload(
        &self,
        payload: &[u8],
        signature: &[u8],
        certificate: &PayloadCertificate<'_>,
    ) -> Result<Certified, Fault> {
        let digest = Digest::of(payload);
        let bundle = bundle(&digest, signature, certificate)?;
        // The signed promise of the log is checked, and that its entry is about this signature. There is no proof to check.
        let policy = VerificationPolicy::any_identity().skip_tlog_unsafe();
        self.verified(bundle.as_bytes(), digest, &policy)
    }
}

/// The bundle with the same content.
fn bundle(digest: &Digest, signature: &[u8], from: &PayloadCertificate<'_>) -> Result<String, Fault> {
    let refused = |reason: &str| Fault::NotCertified(reason.to_owned());
    let blocks = pem::blocks(from.certificate.as_bytes())?;
    let [block] = blocks.as_slice() else { return Err(refused("it has several certificates")) };
    if block.label != "CERTIFICATE" {
        return Err(Fault::OtherContent { found: pem::noun(&block.label), expected: "a certificate" });
    }
    let entry = from.log_entry.ok_or_else(|| refused("it has no entry of a transparency log"))?;
    let mut entry = Fields::of(json::parse(entry.as_bytes(), WHAT)?, WHAT)?;
    let promise = entry.text("SignedEntryTimestamp")?;
    let mut signed = entry.object("Payload")?;
    entry.end()?;
    let body = signed.text("body")?;
    let (time, index) = (signed.number("integratedTime")?, signed.number("logIndex")?);
    let log = signed.text("logID")?;
    signed.end()?;
    let log = hex(&log).ok_or_else(|| refused("the ID of its log is not hexadecimal"))?;
    let canonical = base64::decode(&body, "body")?;
    let mut kind = Fields::of(json::parse(&canonical, WHAT)?, WHAT)?;
    let (kind, version) = (kind.text("kind")?, kind.text("apiVersion")?);
    let bundle = json!({
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {
            "x509CertificateChain": {"certificates": [{"rawBytes": base64::encode(&block.der)}]},
            "tlogEntries": [{
                "logIndex": index.to_string(),
                "logId": {"keyId": base64::encode(&log)},
                "kindVersion": {"kind": kind, "version": version},
                "integratedTime": time.to_string(),
                "inclusionPromise": {"signedEntryTimestamp": promise},
                "canonicalizedBody": body,
            }],
        },
        "messageSignature": {
            "messageDigest": {"algorithm": "SHA2_256", "digest": base64::encode(digest.as_bytes())},
            "signature": base64::encode(signature),
        },
    });
    Ok(bundle.to_string())
}

fn hex(text: &str) -> Option<Vec<u8>> {
    // The ID of a log is a SHA-256.
    format!("sha256:{text}").parse::<Digest>().ok().map(|digest| digest.as_bytes().to_vec())
}
