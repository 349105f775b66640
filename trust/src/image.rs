//! Signatures of container images by cosign: payloads in layers (`sha256-<hex>.sig`), and statements in bundles.
//!
//! A payload has the form of containers/image's "simple signing"
//! (<https://github.com/containers/image/blob/main/docs/containers-signature.5.md>): the digest of the manifest and the repository
//! that it was signed in. A statement has the digest only. Nothing else in them counts: anyone who can sign can claim anything in
//! `optional`.

use content::Digest;

use crate::json::{self, Fields};
use crate::{Bundle, Fault, PayloadCertificate, SignedBy, Signers, base64};

/// The media type of a payload.
pub const SIMPLE_SIGNING_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The most bytes of a payload. What cosign writes has 250.
pub const SIMPLE_SIGNING_MAX: usize = 64 << 10;
/// The type of a statement that signs an image.
pub const IMAGE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

const PAYLOAD_TYPE: &str = "cosign container image signature";
const WHAT: &str = "the payload";

/// What a payload signs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SimpleSigning {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// The repository that the image was signed in, perhaps with a tag: `quay.io/vendor/app`.
    pub reference: String,
}

impl SimpleSigning {
    /// Reads a payload. Nothing proves it.
    ///
    /// # Errors
    ///
    /// [`Fault`] for all that is not exactly a payload, and for more than [`SIMPLE_SIGNING_MAX`] bytes.
    pub fn parse(payload: &[u8]) -> Result<Self, Fault> {
        if payload.len() > SIMPLE_SIGNING_MAX {
            return Err(Fault::PayloadTooLarge { limit: SIMPLE_SIGNING_MAX >> 10 });
        }
        let mut fields = Fields::of(json::parse(payload, WHAT)?, WHAT)?;
        let mut critical = fields.object("critical")?;
        // Whoever signs chooses what stands there.
        let _ = fields.optional("optional");
        fields.end()?;
        let kind = critical.text("type")?;
        if kind != PAYLOAD_TYPE {
            return Err(Fault::SimpleSigningType(kind));
        }
        let mut identity = critical.object("identity")?;
        let mut image = critical.object("image")?;
        critical.end()?;
        let reference = identity.text("docker-reference")?;
        identity.end()?;
        let digest = image.text("docker-manifest-digest")?;
        image.end()?;
        let digest = digest.parse().map_err(|_| Fault::ImageDigest(digest))?;
        Ok(Self { digest, reference })
    }

    /// What a payload signs, and which identity of `signers` signed it with a certificate. `signature` is in base64.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the certificate, the log or the signature does not count, or the bytes are not a payload.
    pub fn verify_certified(
        payload: &[u8],
        signature: &str,
        certificate: &PayloadCertificate<'_>,
        signers: &Signers,
    ) -> Result<(Self, SignedBy), Fault> {
        let signature = Self::signature(payload, signature)?;
        let by = signers.certified(|root| root.certified_payload(payload, &signature, certificate))?;
        Ok((Self::parse(payload)?, by))
    }

    /// The bytes of the signature of a payload that is small enough.
    fn signature(payload: &[u8], signature: &str) -> Result<Vec<u8>, Fault> {
        if payload.len() > SIMPLE_SIGNING_MAX {
            return Err(Fault::PayloadTooLarge { limit: SIMPLE_SIGNING_MAX >> 10 });
        }
        match base64::decode(signature, "signature")? {
            signature if signature.is_empty() => Err(Fault::EmptySignature),
            signature => Ok(signature),
        }
    }

    /// What a payload signs, and who signed it with one of the keys of `signers`. `signature` is in base64, as the annotation of the layer has it. It does
    /// not name its key, so each of the keys is tried.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the signature counts for no key, or the bytes are not a payload.
    pub fn verify(payload: &[u8], signature: &str, signers: &Signers) -> Result<(Self, SignedBy), Fault> {
        let signature = Self::signature(payload, signature)?;
        let mut trusted = Vec::new();
        for key in &signers.keys {
            match key.verify(payload, &signature) {
                Ok(()) => return Ok((Self::parse(payload)?, SignedBy::of_key(key))),
                Err(fault) => trusted.push((key.id().to_owned(), fault)),
            }
        }
        // With one key the reason is clear.
        match trusted.pop() {
            Some((_, fault)) if trusted.is_empty() && !matches!(fault, Fault::BadSignature) => Err(fault),
            last => {
                let trusted = trusted.into_iter().chain(last).map(|(id, _)| id).collect();
                Err(Fault::NoKeySigned { trusted })
            }
        }
    }
}

impl Bundle {
    /// The digests of the images that the bundle signs, and who signed it, if one of `signers` did.
    ///
    /// # Errors
    ///
    /// [`Fault`]: those of [`Bundle::verify`]; the statement is about something else.
    pub fn verify_image(&self, signers: &Signers) -> Result<(Vec<Digest>, SignedBy), Fault> {
        let signed = self.verify(signers)?;
        if signed.statement.predicate_type != IMAGE_PREDICATE {
            return Err(Fault::NotAboutImage(signed.statement.predicate_type));
        }
        let digests = signed.statement.subjects.into_iter().map(|subject| subject.digest).collect();
        Ok((digests, signed.by))
    }
}
