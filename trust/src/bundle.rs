//! Sigstore bundles, version 0.3, signed with a key or a certificate.

use serde::Serialize;
use serde_json::json;

use crate::dsse::{Envelope, PAYLOAD_TYPE, pae};
use crate::json::{self, Fields};
use crate::keyless::CertifiedKey;
use crate::{Fault, PublicKey, SignedBy, Signer, Signers, Statement, base64};

/// The most bytes of a bundle. One with 1024 subjects, the most that a statement has, has about 200 KiB.
pub const BUNDLE_MAX: usize = 1 << 20;
/// The most bytes of a bundle with a provenance, which has all that an archive was built from.
pub const PROVENANCE_BUNDLE_MAX: usize = 24 << 20;
/// The most entries of transparency logs that sigstore's tools read.
const LOG_ENTRIES_MAX: usize = 32;
/// The type that is written.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Those that are read, with the former form of the version.
const MEDIA_TYPES: [&str; 4] = [
    BUNDLE_MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
];

fn too_large(limit: usize) -> Fault {
    Fault::TooLarge { limit: limit >> 20 }
}

/// A bundle whose form is right; its signature is not checked yet.
#[derive(Clone, Debug)]
pub struct Bundle {
    material: Material,
    envelope: Envelope,
    bytes: Vec<u8>,
}

/// What a signature is checked with.
#[derive(Clone, Debug)]
enum Material {
    /// A key, by a name that nothing proves.
    Key { hint: String },
    /// A certificate in the bundle.
    Certificate,
}

/// A statement whose signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signed {
    /// What is signed.
    pub statement: Statement,
    /// Who signed it.
    pub by: SignedBy,
}

impl Bundle {
    /// Reads a bundle.
    ///
    /// # Errors
    ///
    /// [`Fault`] for all that is not exactly one signature of a statement. More than [`BUNDLE_MAX`] bytes are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        Self::parse_within(bytes, BUNDLE_MAX)
    }

    /// As [`Bundle::parse`], with another limit: [`PROVENANCE_BUNDLE_MAX`].
    ///
    /// # Errors
    ///
    /// As for [`Bundle::parse`].
    pub fn parse_within(bytes: &[u8], limit: usize) -> Result<Self, Fault> {
        if bytes.len() > limit {
            return Err(too_large(limit));
        }
        let mut bundle = Fields::of(json::parse(bytes, "the bundle")?, "the bundle")?;
        let media_type = bundle.text("mediaType")?;
        if !MEDIA_TYPES.contains(&media_type.as_str()) {
            return Err(Fault::MediaType(media_type));
        }
        let mut material = bundle.object("verificationMaterial")?;
        let (envelope, message) = (bundle.optional("dsseEnvelope"), bundle.optional("messageSignature"));
        bundle.end()?;
        let material_of = read_material(&mut material)?;
        material.end()?;
        let envelope = match (envelope, message) {
            (Some(_), Some(_)) => return Err(Fault::TwoContents),
            (None, None) => return Err(Fault::NoContent),
            (None, Some(_)) => return Err(Fault::MessageSignature),
            (Some(envelope), None) => Envelope::of(Fields::of(envelope, "`dsseEnvelope`")?)?,
        };
        match (&envelope.key_id, &material_of) {
            (Some(key_id), Material::Key { hint }) if key_id != hint => {
                Err(Fault::HintDiffers { hint: hint.clone(), key_id: key_id.clone() })
            }
            _ => Ok(Self { material: material_of, envelope, bytes: bytes.to_owned() }),
        }
    }

    /// The name of the key, as the bundle has it: nothing proves it. `None` if it was signed with a certificate.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        match &self.material {
            Material::Key { hint } => Some(hint),
            Material::Certificate => None,
        }
    }

    /// The statement as the bundle has it: nothing proves it.
    ///
    /// # Errors
    ///
    /// [`Fault`] if what it signs is not a statement.
    pub fn unproven_statement(&self) -> Result<Statement, Fault> {
        Statement::parse(&self.envelope.payload)
    }

    /// The statement, if one of `signers` signed it.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the signature counts for no signer, or what it signs is not a statement.
    pub fn verify(&self, signers: &Signers) -> Result<Signed, Fault> {
        let payload = &self.envelope.payload;
        let Material::Key { hint } = &self.material else {
            let statement = Statement::parse(payload)?;
            // A statement has a subject at least. Whether it is the archive at hand is the question of the caller.
            let subject = statement.subjects.first().ok_or(Fault::NoSubject)?.digest;
            let by = signers.certified(|root| root.certified(&self.bytes, subject))?;
            return Ok(Signed { statement, by });
        };
        let Some(key) = signers.keys.iter().find(|key| key.is_named(hint)) else {
            return Err(Fault::UnknownKey { key_id: hint.clone(), trusted: signers.ids() });
        };
        key.verify(&pae(PAYLOAD_TYPE, payload), &self.envelope.signature)?;
        Ok(Signed { statement: Statement::parse(payload)?, by: SignedBy::of_key(key) })
    }

    /// Whether it has exactly this statement and a signature of `key` that counts. To sign the statement again would add nothing but
    /// another signature, since those of many programs are random.
    #[must_use]
    pub fn is_of(&self, statement: &str, key: &PublicKey) -> bool {
        self.envelope.payload == statement.as_bytes()
            && self.verify(&Signers::from(vec![key.clone()])).is_ok()
    }

    /// Whether it has the statement of `other`, and a signature that counts by the key that both name. The key itself is not needed:
    /// it follows from a signature of ECDSA, and other signatures must be equal. False with certificates, whose keys are used once.
    #[must_use]
    pub fn repeats(&self, other: &Self) -> bool {
        let (Material::Key { hint }, Material::Key { hint: wanted }) = (&self.material, &other.material)
        else {
            return false;
        };
        let Envelope { payload, signature, .. } = &self.envelope;
        if *payload != other.envelope.payload {
            return false;
        }
        let is_equal = hint == wanted && *signature == other.envelope.signature;
        let is_of_key = |key: &PublicKey| key.is_named(hint) && key.is_named(wanted);
        is_equal || PublicKey::recovered(&pae(PAYLOAD_TYPE, payload), signature).iter().any(is_of_key)
    }

    /// A bundle of a statement, in one line. Equal statements give equal bundles if the key is in a file. `cancelled` stops a
    /// program that signs. With a certificate, the services are asked for it and for the record of the signature.
    ///
    /// # Errors
    ///
    /// [`Fault`] if the key cannot sign, or the statement breaks its format.
    pub fn sign(statement: &str, signer: &Signer, cancelled: &dyn Fn() -> bool) -> Result<String, Fault> {
        Self::sign_within(statement, signer, cancelled, BUNDLE_MAX)
    }

    /// As [`Bundle::sign`], with another limit for the bytes of the bundle: [`PROVENANCE_BUNDLE_MAX`].
    ///
    /// # Errors
    ///
    /// As for [`Bundle::sign`].
    pub fn sign_within(
        statement: &str,
        signer: &Signer,
        cancelled: &dyn Fn() -> bool,
        limit: usize,
    ) -> Result<String, Fault> {
        let payload = statement.as_bytes();
        let statement = Statement::parse(payload)?;
        let signature = signer.sign(&pae(PAYLOAD_TYPE, payload), cancelled)?;
        if let Some(key) = signer.certified() {
            return Self::certified(&statement, payload, &signature, key, limit);
        }
        let id = signer.public_key().id();
        let written = Written {
            media_type: BUNDLE_MEDIA_TYPE,
            verification_material: WrittenMaterial { public_key: WrittenKey { hint: id }, tlog_entries: [] },
            dsse_envelope: WrittenEnvelope {
                payload: base64::encode(payload),
                payload_type: PAYLOAD_TYPE,
                signatures: [WrittenSignature { sig: base64::encode(&signature), keyid: id }],
            },
        };
        let text = serde_json::to_string(&written)
            .map_err(|error| Fault::NotJson { what: "the bundle", reason: error.to_string() })?;
        line(text, limit)
    }

    /// A bundle with a certificate.
    fn certified(
        statement: &Statement,
        payload: &[u8],
        signature: &[u8],
        key: &CertifiedKey,
        limit: usize,
    ) -> Result<String, Fault> {
        let envelope = json!({
            "payload": base64::encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{"sig": base64::encode(signature)}],
        });
        let bundle = json!({
            "mediaType": BUNDLE_MEDIA_TYPE,
            "verificationMaterial": key.material(&envelope.to_string())?,
            "dsseEnvelope": envelope,
        });
        let text = line(bundle.to_string(), limit)?;
        let subject = statement.subjects.first().ok_or(Fault::NoSubject)?.digest;
        key.check(&text, subject)?;
        Ok(text)
    }
}

/// The text of a bundle as a line, if it is not too large.
fn line(mut text: String, limit: usize) -> Result<String, Fault> {
    text.push('\n');
    if text.len() > limit { Err(too_large(limit)) } else { Ok(text) }
}

/// What the signature is checked with. Log entries are not looked at here: a key that is trusted needs no log.
fn read_material(material: &mut Fields) -> Result<Material, Fault> {
    let certificate = ["certificate", "x509CertificateChain"].map(|name| material.optional(name).is_some());
    let key = material.optional("publicKey");
    let log_entries = material.optional_list("tlogEntries")?;
    if log_entries.len() > LOG_ENTRIES_MAX {
        return Err(Fault::TooManyLogEntries { found: log_entries.len(), limit: LOG_ENTRIES_MAX });
    }
    let _ = material.optional("timestampVerificationData");
    match (key, certificate.contains(&true)) {
        (_, true) if certificate == [true, true] => Err(Fault::TwoCertificates),
        (Some(_), true) => Err(Fault::TwoMaterials),
        (None, true) => Ok(Material::Certificate),
        (None, false) => {
            Err(Fault::MissingField { place: "`verificationMaterial`".into(), name: "publicKey" })
        }
        (Some(key), false) => {
            let mut key = Fields::of(key, "`publicKey`")?;
            let hint = key.text("hint")?;
            key.end()?;
            Ok(Material::Key { hint })
        }
    }
}

/// A bundle as it is written: all tools agree on this form only. Python needs the list of log entries; cosign needs the names of
/// the key to be its SSH fingerprint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    media_type: &'a str,
    verification_material: WrittenMaterial<'a>,
    dsse_envelope: WrittenEnvelope<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenMaterial<'a> {
    public_key: WrittenKey<'a>,
    tlog_entries: [(); 0],
}

#[derive(Serialize)]
struct WrittenKey<'a> {
    hint: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenEnvelope<'a> {
    payload: String,
    payload_type: &'a str,
    signatures: [WrittenSignature<'a>; 1],
}

#[derive(Serialize)]
struct WrittenSignature<'a> {
    sig: String,
    keyid: &'a str,
}
