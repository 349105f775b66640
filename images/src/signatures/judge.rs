//! Whether the signatures in a manifest count.

use content::{Digest, printable};
use trust::{BUNDLE_MAX, BUNDLE_MEDIA_TYPE, Bundle, IMAGE_PREDICATE, SIMPLE_SIGNING_MAX};
use trust::{PayloadCertificate, SIMPLE_SIGNING_MEDIA_TYPE, SimpleSigning};

use super::{FoundSignatures, ImageSignature, RefusedSignature, RequiredSigners, SignatureForm};
use crate::Reference;
use crate::manifest::{Descriptor, Manifest};

/// The most signatures of an image that are looked at.
const SIGNATURES_MAX: usize = 64;
/// The annotation of a layer with the signature of its payload.
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// The annotation of a layer with the certificate of a key that does not last.
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
/// The annotation of a layer with the entry of the transparency log for its signature.
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
/// The annotation of a referrer with the type of the statement in its bundle.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";

/// Gets the content of a layer, or the reason why it cannot be used. An error of type `E` ends the check.
pub type ReadLayer<'a, E> = dyn FnMut(&Descriptor) -> Result<Result<Vec<u8>, String>, E> + 'a;

/// Checks the signatures of the image `image` in a manifest: that under the tag `sha256-<hex>.sig`, or a referrer.
///
/// # Errors
///
/// Those of `read`, which must return the bytes that have the digest of the layer. That no signature is good is no error.
pub fn in_manifest<E>(
    form: SignatureForm,
    image: Digest,
    signers: &RequiredSigners<'_>,
    (digest, manifest): (Digest, &Manifest),
    read: &mut ReadLayer<'_, E>,
) -> Result<FoundSignatures, E> {
    let mut judge = Judge::new(image, signers);
    judge.look_at(form, (digest, manifest), read)?;
    Ok(judge.end())
}

/// Looks at the signatures of one image, one manifest after the other.
pub(crate) struct Judge<'a> {
    image: Digest,
    signers: &'a RequiredSigners<'a>,
    seen: usize,
    found: FoundSignatures,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(image: Digest, signers: &'a RequiredSigners<'a>) -> Self {
        Self { image, signers, seen: 0, found: FoundSignatures::default() }
    }

    pub(crate) fn end(self) -> FoundSignatures {
        self.found
    }

    /// Looks at a manifest that claims to have signatures of the image.
    pub(crate) fn look_at<E>(
        &mut self,
        form: SignatureForm,
        (digest, manifest): (Digest, &Manifest),
        read: &mut ReadLayer<'_, E>,
    ) -> Result<(), E> {
        match form {
            SignatureForm::Tag => self.look_at_tag((digest, manifest), read),
            SignatureForm::Referrer => self.look_at_referrer((digest, manifest), read),
        }
    }

    fn look_at_tag<E>(
        &mut self,
        (digest, manifest): (Digest, &Manifest),
        read: &mut ReadLayer<'_, E>,
    ) -> Result<(), E> {
        let form = SignatureForm::Tag;
        if manifest.layers.is_empty() {
            self.refuse(form, digest, "it has no layer with a payload");
        }
        for layer in &manifest.layers {
            if !self.counts(form, digest) {
                break;
            }
            if layer.media_type != SIMPLE_SIGNING_MEDIA_TYPE {
                let found = printable(&layer.media_type);
                self.refuse(
                    form,
                    digest,
                    format!("its layer is a `{found}`: expected a {SIMPLE_SIGNING_MEDIA_TYPE}"),
                );
                continue;
            }
            let Some(payload) = self.read(form, digest, (layer, SIMPLE_SIGNING_MAX), read)? else { continue };
            match self.verify_payload(layer, &payload) {
                Ok((signer, identity)) => self.accept(form, digest, signer, Some(identity)),
                Err(reason) => self.refuse(form, digest, reason),
            }
        }
        Ok(())
    }

    fn look_at_referrer<E>(
        &mut self,
        (digest, manifest): (Digest, &Manifest),
        read: &mut ReadLayer<'_, E>,
    ) -> Result<(), E> {
        let form = SignatureForm::Referrer;
        let is_bundle = |media_type: &str| media_type == BUNDLE_MEDIA_TYPE;
        let by_type = manifest.artifact_type.as_deref().is_some_and(is_bundle);
        let by_layer = manifest.layers.iter().any(|layer| is_bundle(&layer.media_type));
        // Others are SBOMs and the like.
        if !by_type && !by_layer {
            return Ok(());
        }
        // What it says itself can only make a signature count less.
        let annotation = manifest.annotations.as_ref().and_then(|all| all.get(PREDICATE_TYPE)?.as_str());
        if annotation.is_some_and(|predicate| predicate != IMAGE_PREDICATE) || !self.counts(form, digest) {
            return Ok(());
        }
        if manifest.subject.as_ref().is_none_or(|subject| subject.digest != self.image) {
            self.refuse(form, digest, "it refers to another image");
            return Ok(());
        }
        let [layer] = manifest.layers.as_slice() else {
            self.refuse(form, digest, format!("it has {} layers: expected one", manifest.layers.len()));
            return Ok(());
        };
        if !by_type || !by_layer {
            let artifact = printable(manifest.artifact_type.as_deref().unwrap_or_default()).to_string();
            let layer = printable(&layer.media_type);
            self.refuse(form, digest, format!("it is a `{artifact}`, but its layer is a `{layer}`"));
            return Ok(());
        }
        let Some(bundle) = self.read(form, digest, (layer, BUNDLE_MAX), read)? else { return Ok(()) };
        match self.verify_bundle(&bundle) {
            Ok(signer) => self.accept(form, digest, signer, None),
            Err(reason) => self.refuse(form, digest, reason),
        }
        Ok(())
    }

    /// Whether one more signature is looked at.
    fn counts(&mut self, form: SignatureForm, manifest: Digest) -> bool {
        self.seen += 1;
        if self.seen == SIGNATURES_MAX + 1 {
            self.refuse(form, manifest, format!("only the first {SIGNATURES_MAX} signatures are checked"));
        }
        self.seen <= SIGNATURES_MAX
    }

    fn read<E>(
        &mut self,
        form: SignatureForm,
        manifest: Digest,
        (layer, limit): (&Descriptor, usize),
        read: &mut ReadLayer<'_, E>,
    ) -> Result<Option<Vec<u8>>, E> {
        if layer.size > limit as u64 {
            self.refuse(
                form,
                manifest,
                format!("its layer has {} bytes: expected at most {limit}", layer.size),
            );
            return Ok(None);
        }
        Ok(match read(layer)? {
            Ok(bytes) => Some(bytes),
            Err(reason) => {
                self.refuse(form, manifest, reason);
                None
            }
        })
    }

    /// Who signed a payload, and the repository that it names.
    fn verify_payload(&self, layer: &Descriptor, payload: &[u8]) -> Result<(String, String), String> {
        let annotation = |name: &str| layer.annotations.as_ref().and_then(|all| all.get(name)?.as_str());
        let signature = annotation(SIGNATURE).ok_or("its layer has no signature")?;
        let signers = self.signers.signers;
        let verified = match annotation(CERTIFICATE) {
            None => SimpleSigning::verify(payload, signature, signers),
            Some(certificate) => {
                let certificate = PayloadCertificate { certificate, log_entry: annotation(LOG_ENTRY) };
                SimpleSigning::verify_certified(payload, signature, &certificate, signers)
            }
        };
        let (signed, by) = verified.map_err(|fault| fault.to_string())?;
        if signed.digest != self.image {
            return Err(self.other_image(&[signed.digest]));
        }
        let named = signed.reference.parse::<Reference>().map(|reference| reference.name());
        if named.as_ref() != Ok(&self.signers.identity) {
            let (found, expected) = (printable(&signed.reference), &self.signers.identity);
            return Err(format!("it signs an image of the repository {found}: expected {expected}"));
        }
        Ok((by.id().to_owned(), self.signers.identity.clone()))
    }

    /// Who signed a bundle.
    fn verify_bundle(&self, bundle: &[u8]) -> Result<String, String> {
        let verified = Bundle::parse(bundle).map_err(|fault| fault.to_string())?;
        let (images, by) = verified.verify_image(self.signers.signers).map_err(|fault| fault.to_string())?;
        match images.contains(&self.image) {
            true => Ok(by.id().to_owned()),
            false => Err(self.other_image(&images)),
        }
    }

    fn other_image(&self, signed: &[Digest]) -> String {
        let signed: Vec<String> = signed.iter().take(3).map(Digest::to_string).collect();
        format!("it signs the image {}: expected {}", signed.join(", "), self.image)
    }

    fn accept(&mut self, form: SignatureForm, manifest: Digest, signer: String, identity: Option<String>) {
        self.found.good.push(ImageSignature { image: self.image, signer, form, manifest, identity });
    }

    fn refuse(&mut self, form: SignatureForm, manifest: Digest, reason: impl Into<String>) {
        self.found.refused.push(RefusedSignature { form, manifest, reason: reason.into() });
    }
}
