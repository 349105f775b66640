//! SBOMs that are attached to an image, and lie in the archive with it: as artifacts, as signed or plain statements about it, and
//! as the attestations that BuildKit puts into an index.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use content::Digest;
use images::manifest::Manifest;
use images::pull::attached_tag;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::component::Component;
use super::image::{Upstream, parse, read_blob};
use super::spdx::Document;
use crate::image::{ArchiveImage, StoredManifest};
use crate::{Result, Tree, image, layout};

/// Bytes of an SBOM.
const SBOM_MAX: u64 = 32 << 20;
/// Manifests that are attached to one image.
const ATTACHED_MAX: usize = 1000;
/// What cosign appends to the tag of a manifest, and the list of referrers.
const SUFFIXES: [&str; 3] = ["", ".att", ".sbom"];
/// The start of the type of a statement that has a document of SPDX.
const PREDICATE: &str = "https://spdx.dev/Document";

/// The SBOMs that are attached to an image and its manifests.
#[derive(Debug, Default)]
pub(super) struct Attached {
    found: BTreeMap<Digest, AttachedSbom>,
    /// What could not be read.
    pub(super) notes: Vec<String>,
}

/// An SBOM and the packages in it.
pub(super) type AttachedSbom = (Upstream, Vec<Component>);

/// The form in which a blob has a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The document itself.
    Document,
    /// A statement of in-toto.
    Statement,
    /// An envelope with a statement.
    Envelope,
    /// A bundle of sigstore with an envelope.
    Bundle,
}

impl Form {
    fn of(media_type: &str) -> Option<Self> {
        match media_type.split([';', '+']).next().unwrap_or_default() {
            "application/spdx" | "text/spdx" if media_type.contains("json") => Some(Self::Document),
            "application/vnd.in-toto" => Some(Self::Statement),
            "application/vnd.dsse.envelope.v1" => Some(Self::Envelope),
            kind if kind.starts_with("application/vnd.dev.sigstore.bundle") => Some(Self::Bundle),
            _ => None,
        }
    }
}

impl Attached {
    /// The SBOMs for `image`.
    pub(super) fn of(tree: &Tree, image: &ArchiveImage) -> Result<Self> {
        let mut attached = Self::default();
        let subjects: Vec<Digest> = image.stored().map(|stored| stored.digest).collect();
        for subject in &subjects {
            for suffix in SUFFIXES {
                let Some(tag) = attached_tag(&format!("{subject}{suffix}")) else { continue };
                let folder = layout::image_folder(&image.name, &tag);
                let Some(list) = image::find(tree, &image.name, &tag, &folder)? else { continue };
                for stored in list.stored().take(ATTACHED_MAX) {
                    attached.add(tree, &list, stored, Some(*subject))?;
                }
            }
        }
        for stored in image.stored().take(ATTACHED_MAX) {
            attached.add(tree, image, stored, None)?;
        }
        Ok(attached)
    }

    /// The SBOM of the first of `subjects` that has one.
    pub(super) fn find(&self, mut subjects: impl Iterator<Item = Digest>) -> Option<&AttachedSbom> {
        subjects.find_map(|subject| self.found.get(&subject))
    }

    /// Adds the document in a manifest, if it has one. Without a `subject`, an annotation must name it.
    fn add(
        &mut self,
        tree: &Tree,
        image: &ArchiveImage,
        stored: &StoredManifest,
        subject: Option<Digest>,
    ) -> Result<()> {
        if stored.manifest.kind.is_index() {
            return Ok(());
        }
        let manifest = parse(tree, stored)?;
        let Some(subject) = subject.or_else(|| named_subject(image, stored)) else { return Ok(()) };
        for layer in &manifest.layers {
            let Some(form) = form_of(&manifest, &layer.media_type) else { continue };
            let Some(blob) = image.blobs.get(&layer.digest) else { continue };
            if self.found.contains_key(&subject) {
                return Ok(());
            }
            if blob.entry.size > SBOM_MAX {
                self.notes
                    .push(format!("the attached SBOM {}: it has more than {SBOM_MAX} bytes", layer.digest));
                continue;
            }
            let bytes = read_blob(tree, blob)?;
            match document(form, &bytes) {
                Ok(Some(document)) => {
                    let components: Vec<Component> =
                        document.components().map(|(_, component)| component).collect();
                    let namespace = document.document_namespace;
                    let namespace = Some(namespace).filter(|_| form == Form::Document);
                    let upstream = Upstream { digest: layer.digest, namespace };
                    self.found.insert(subject, (upstream, components));
                }
                Ok(None) => {}
                Err(reason) => self.notes.push(format!("the attached SBOM {}: {reason}", layer.digest)),
            }
        }
        Ok(())
    }
}

/// The manifest that an attestation of BuildKit in the index of `image` is about.
fn named_subject(image: &ArchiveImage, stored: &StoredManifest) -> Option<Digest> {
    let root = image.manifest.as_ref().ok()?;
    root.manifest
        .references
        .iter()
        .find(|(attestation, _)| *attestation == stored.digest)
        .map(|(_, subject)| *subject)
}

fn form_of(manifest: &Manifest, media_type: &str) -> Option<Form> {
    Form::of(media_type)
        .or_else(|| Form::of(manifest.artifact_type.as_deref()?).filter(|form| *form == Form::Document))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    dsse_envelope: Option<Envelope>,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatementKind {
    #[serde(default)]
    predicate_type: String,
    #[serde(default, rename = "predicate")]
    _predicate: IgnoredAny,
}

#[derive(Deserialize)]
struct Statement {
    predicate: Document,
}

/// The document in a blob; `None` if it is about something else.
fn document(form: Form, bytes: &[u8]) -> Result<Option<Document>, String> {
    fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
    match form {
        Form::Document => Document::read(bytes).map(Some),
        Form::Statement => {
            if !read::<StatementKind>(bytes)?.predicate_type.starts_with(PREDICATE) {
                return Ok(None);
            }
            let document = read::<Statement>(bytes)?.predicate;
            Ok(Some(document).filter(|document| document.spdx_version.starts_with("SPDX-2.")))
        }
        Form::Envelope => document(Form::Statement, &payload(&read::<Envelope>(bytes)?)?),
        Form::Bundle => match read::<Bundle>(bytes)?.dsse_envelope {
            Some(envelope) => document(Form::Statement, &payload(&envelope)?),
            None => Ok(None),
        },
    }
}

/// The payload of an envelope, in either of the two alphabets.
fn payload(envelope: &Envelope) -> Result<Vec<u8>, String> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabet = if envelope.payload.contains(['-', '_']) {
        base64::alphabet::URL_SAFE
    } else {
        base64::alphabet::STANDARD
    };
    GeneralPurpose::new(&alphabet, config).decode(&envelope.payload).map_err(|error| error.to_string())
}

/// Reads the document in a blob of a media type, for the fuzz target.
#[cfg(fuzzing)]
pub fn fuzz(media_type: &str, bytes: &[u8]) {
    if let Some(form) = Form::of(media_type) {
        let _ = document(form, bytes);
    }
}

#[cfg(test)]
mod tests;
