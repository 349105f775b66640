//! Signing with a certificate: an authority (Fulcio, its interface `/api/v2`) certifies a new key for the holder of a token, and a
//! public log (Rekor, its interface `/api/v1`) records the signature.

use std::cell::OnceCell;
use std::fmt;

use content::Digest;
use ring::rand::SecureRandom as _;
use serde_json::{Value, json};
use sigstore_verify::crypto::parse_certificate_info;
use sigstore_verify::types::DerCertificate;

use super::{Certified, TrustedRoot, provider};
use crate::json::{self, Fields};
use crate::key::pem;
use crate::{Fault, PublicKey, SecretKey, base64};

/// Posts a document in JSON to a URL; returns the response, or the reason why the request failed.
pub type PostJson = dyn Fn(&str, &str) -> Result<Vec<u8>, String>;

/// The most bytes of a token.
pub const TOKEN_MAX: u64 = 64 << 10;
/// How many random numbers are tried. One in 2³² is not a valid key.
const DRAWS: usize = 8;

/// The services that certify and record signatures.
pub struct CertificateServices {
    /// The URL of the authority, such as `https://fulcio.sigstore.dev`.
    pub authority: String,
    /// The URL of the log, such as `https://rekor.sigstore.dev`.
    pub log: String,
    /// What each bundle is checked with before it is written.
    pub trusted_root: Option<TrustedRoot>,
    /// How they are reached.
    pub post: Box<PostJson>,
}

/// A key that lives as long as the program, and the certificate for it.
pub(crate) struct CertifiedKey {
    token: String,
    subject: String,
    services: CertificateServices,
    key: SecretKey,
    /// Fetched when something is to be signed: it is valid for some minutes.
    certificate: OnceCell<Certificate>,
}

struct Certificate {
    der: Vec<u8>,
    holder: Certified,
}

impl CertifiedKey {
    /// A new key for the holder of a token, a JSON Web Token of an OpenID Connect provider.
    pub(crate) fn new(token: &str, services: CertificateServices) -> Result<Self, Fault> {
        provider::install();
        let token = token.trim().to_owned();
        Ok(Self { subject: subject(&token)?, key: new_key()?, token, services, certificate: OnceCell::new() })
    }

    pub(crate) fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    /// Whom the certificate names. Asks the authority for the certificate the first time.
    pub(crate) fn holder(&self) -> Result<&Certified, Fault> {
        self.certificate().map(|certificate| &certificate.holder)
    }

    /// What a bundle says about a signature: the certificate and the record of the log. `envelope` is the signed one, in JSON.
    pub(crate) fn material(&self, envelope: &str) -> Result<Value, Fault> {
        let certificate = self.certificate()?;
        let pem = pem::write("CERTIFICATE", &certificate.der);
        let request = json!({
            "apiVersion": "0.0.1",
            "kind": "dsse",
            "spec": {"proposedContent": {"envelope": envelope, "verifiers": [base64::encode(pem.as_bytes())]}},
        });
        let url = format!("{}/api/v1/log/entries", self.services.log.trim_end_matches('/'));
        let entry = log_entry(&self.post(&url, &request)?)
            .map_err(|fault| Fault::Service { url, reason: fault.to_string() })?;
        Ok(json!({"certificate": {"rawBytes": base64::encode(&certificate.der)}, "tlogEntries": [entry]}))
    }

    /// A signature of `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message)
    }

    /// Refuses a bundle that the trusted root does not accept, if there is one. `subject` is the digest of something that it signs.
    pub(crate) fn check(&self, bundle: &str, subject: Digest) -> Result<(), Fault> {
        match &self.services.trusted_root {
            Some(root) => root.certified(bundle.as_bytes(), subject).map(drop),
            None => Ok(()),
        }
    }

    fn certificate(&self) -> Result<&Certificate, Fault> {
        if let Some(certificate) = self.certificate.get() {
            return Ok(certificate);
        }
        let url = format!("{}/api/v2/signingCert", self.services.authority.trim_end_matches('/'));
        let proof = self.key.sign(self.subject.as_bytes());
        let request = json!({
            "credentials": {"oidcIdentityToken": self.token},
            "publicKeyRequest": {
                "publicKey": {"algorithm": "ECDSA", "content": self.public_key().to_pem()},
                "proofOfPossession": base64::encode(&proof),
            },
        });
        let response = self.post(&url, &request)?;
        let certificate =
            certificate(&response, self.public_key()).map_err(|reason| Fault::Service { url, reason })?;
        Ok(self.certificate.get_or_init(|| certificate))
    }

    fn post(&self, url: &str, request: &Value) -> Result<Vec<u8>, Fault> {
        (self.services.post)(url, &request.to_string())
            .map_err(|reason| Fault::Service { url: url.to_owned(), reason })
    }
}

impl fmt::Debug for CertifiedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CertifiedKey").field(&self.subject).finish()
    }
}

fn new_key() -> Result<SecretKey, Fault> {
    let random = ring::rand::SystemRandom::new();
    for _ in 0..DRAWS {
        let mut number = [0; 32];
        random.fill(&mut number).map_err(|_| Fault::NoRandomness)?;
        if let Some(key) = SecretKey::of_number(&number) {
            return Ok(key);
        }
    }
    Err(Fault::NoRandomness)
}

/// What the authority wants to see signed, to know that the holder of the token has the key: the email address in the token, else
/// its subject. The token is not checked here; the authority does that.
fn subject(token: &str) -> Result<String, Fault> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, claims, _] = parts.as_slice() else {
        return Err(Fault::Token("it does not have three parts, separated by dots"));
    };
    let claims =
        base64::decode(claims, "token").map_err(|_| Fault::Token("its second part is not base64"))?;
    let claims: Value =
        serde_json::from_slice(&claims).map_err(|_| Fault::Token("its second part is not JSON"))?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(email) = text("email") {
        if claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(Fault::Token("its provider has not verified the email address in it"));
        }
        return Ok(email.to_owned());
    }
    text("sub").map(ToOwned::to_owned).ok_or(Fault::Token("it has neither an email address nor a subject"))
}

/// The certificate in the response of the authority, which must be for `key`.
fn certificate(response: &[u8], key: &PublicKey) -> Result<Certificate, String> {
    let response: Value = json::parse(response, "the response").map_err(|fault| fault.to_string())?;
    let chain = response.pointer("/signedCertificateEmbeddedSct/chain/certificates");
    let first = chain.and_then(Value::as_array).and_then(|chain| chain.first()?.as_str());
    let first = first.ok_or("the response has no certificate with the record of a certificate log")?;
    let blocks = pem::blocks(first.as_bytes()).map_err(|fault| format!("the certificate: {fault}"))?;
    let block = blocks.first().ok_or("the response has no certificate")?;
    let der = block.der.to_vec();
    let info =
        parse_certificate_info(&DerCertificate::new(der.clone())).map_err(|error| error.to_string())?;
    if info.public_key.as_bytes() != key.spki() {
        return Err("the certificate is for another key".into());
    }
    let subject = info.identity.map(|subject| subject.as_str().to_owned());
    let (Some(subject), Some(issuer)) = (subject, info.issuer) else {
        return Err("the certificate does not name its holder and the issuer".into());
    };
    Ok(Certificate { der, holder: Certified { subject, issuer } })
}

/// The entry in the response of the log, in the form of a bundle.
fn log_entry(response: &[u8]) -> Result<Value, Fault> {
    const WHAT: &str = "the response";
    let entries = Fields::of(json::parse(response, WHAT)?, WHAT)?.rest();
    let entry = entries.into_iter().next().map(|(_, entry)| entry);
    let mut entry = Fields::of(entry.unwrap_or_default(), "the entry of the log")?;
    let (body, log) = (entry.text("body")?, entry.text("logID")?);
    let (time, index) = (entry.number("integratedTime")?, entry.number("logIndex")?);
    let mut verification = entry.object("verification")?;
    let promise = verification.text("signedEntryTimestamp")?;
    let mut proof = verification.object("inclusionProof")?;
    let hashes = proof.list("hashes")?;
    let hashes = hashes.iter().map(|hash| binary(hash.as_str().unwrap_or_default()));
    let hashes = hashes.collect::<Result<Vec<_>, _>>()?;
    let mut kind = Fields::of(json::parse(&base64::decode(&body, "body")?, WHAT)?, WHAT)?;
    Ok(json!({
        "logIndex": index.to_string(),
        "logId": {"keyId": binary(&log)?},
        "kindVersion": {"kind": kind.text("kind")?, "version": kind.text("apiVersion")?},
        "integratedTime": time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": promise},
        "inclusionProof": {
            "logIndex": proof.number("logIndex")?.to_string(),
            "rootHash": binary(&proof.text("rootHash")?)?,
            "treeSize": proof.number("treeSize")?.to_string(),
            "hashes": hashes,
            "checkpoint": {"envelope": proof.text("checkpoint")?},
        },
        "canonicalizedBody": body,
    }))
}

/// A digest in hexadecimal digits, in base64.
fn binary(digits: &str) -> Result<String, Fault> {
    let digest: Digest = format!("sha256:{digits}").parse().map_err(|_| Fault::WrongType {
        place: "a digest of the log".into(),
        expected: "64 hexadecimal digits",
    })?;
    Ok(base64::encode(digest.as_bytes()))
}
