//! What a registry has of an archive.

use std::fmt;

use archive::attestation::{BUNDLE_SUFFIX, PROVENANCE_SUFFIX};
use content::Digest;
use images::manifest::{Descriptor, Manifest};
use images::pull::{self, TransferProgress};
use images::{Reference, RegistrySession};
use trust::{ARCHIVE_PREDICATE, BUNDLE_MAX, BUNDLE_MEDIA_TYPE, PROVENANCE_BUNDLE_MAX, PROVENANCE_PREDICATE};

use super::{ARCHIVE_TYPE, Error, ISO_TYPE, PREDICATE, TITLE, VERSION};

/// The most bytes of a file name of a published archive; names of bundles are longer, and Linux allows 255.
const NAME_MAX: usize = 200;
/// The bundles that are fetched: the type of their statements, the most bytes, and what follows the name of the ISO in theirs.
const BUNDLES: [(&str, usize, &str); 2] = [
    (ARCHIVE_PREDICATE, BUNDLE_MAX, BUNDLE_SUFFIX),
    (PROVENANCE_PREDICATE, PROVENANCE_BUNDLE_MAX, PROVENANCE_SUFFIX),
];
/// The most bundles of one kind that are fetched.
pub(super) const BUNDLES_MAX: usize = 16;

/// The name of a published file: one that stays in the folder that it is written to, and that a terminal shows as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName(String);

impl FileName {
    /// Reads a file name.
    ///
    /// # Errors
    ///
    /// [`Error::FileName`].
    pub fn parse(name: &str) -> Result<Self, Error> {
        let problem = if name.is_empty() {
            "is empty"
        } else if name.len() > NAME_MAX {
            "has more than 200 bytes"
        } else if name.contains('/') {
            "contains `/`"
        } else if name.starts_with(['.', '-']) {
            "starts with `.` or `-`"
        } else if !name.ends_with(".iso") || name.len() == 4 {
            "does not end in `.iso`"
        } else if name.contains(|letter| content::is_unsafe(letter) || letter == char::REPLACEMENT_CHARACTER)
        {
            "contains a character that is not allowed"
        } else {
            return Ok(Self(name.to_owned()));
        };
        Err(Error::FileName { name: name.to_owned(), problem })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A file of a published archive.
#[derive(Debug, Clone)]
pub struct PublishedFile {
    /// The name to write it to.
    pub name: FileName,
    /// The blob.
    pub blob: Descriptor,
}

/// An archive in a registry: its manifest was read, and the list of what is attached to it.
#[derive(Debug, Clone)]
pub struct PublishedArchive {
    /// Where it was found.
    pub reference: Reference,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Its name and version, as the publisher wrote them: nothing proves them.
    pub product: Option<(String, String)>,
    /// The ISO.
    pub iso: PublishedFile,
    /// Its bundles. With a single one, the name is that which `archive verify` reads; several have a part of their digests in
    /// their names.
    pub bundles: Vec<PublishedFile>,
}

impl PublishedArchive {
    /// Asks a registry for an archive.
    ///
    /// # Errors
    ///
    /// [`Error`]: the registry does not have it, or the reference names something else.
    pub fn find(
        reference: &Reference,
        session: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<Self, Error> {
        let Some(bytes) = pull::manifest(reference, session, progress)? else {
            return Err(Error::Missing(Box::new(reference.clone())));
        };
        let digest = Digest::of(&bytes);
        let invalid = |problem: String| Error::Invalid { reference: reference.to_string(), problem };
        let manifest = Manifest::parse(&bytes).map_err(|error| invalid(error.to_string()))?;
        let iso = Self::iso(reference, &manifest)?;
        let product = text(&manifest.annotations, TITLE).zip(text(&manifest.annotations, VERSION));
        let product = product.map(|(name, version)| (name.to_owned(), version.to_owned()));
        let attached = pull::attached(reference, &digest, session, progress)?;
        let mut bundles = Vec::new();
        for (predicate_type, limit, suffix) in BUNDLES {
            let found = attached.iter().filter_map(|(_, manifest)| bundle(manifest, predicate_type, limit));
            let mut found: Vec<Descriptor> = found.cloned().collect();
            found.sort_by_key(|blob| blob.digest);
            found.dedup_by_key(|blob| blob.digest);
            if found.len() > BUNDLES_MAX {
                let count = found.len();
                progress.warn(&format!(
                    "{reference} has {count} bundles; only {BUNDLES_MAX} of them are fetched"
                ));
                found.truncate(BUNDLES_MAX);
            }
            let is_single = found.len() == 1;
            let name = |blob: &Descriptor| match is_single {
                true => FileName(format!("{}{suffix}", iso.name)),
                false => FileName(format!("{}.{}{suffix}", iso.name, blob.digest.short())),
            };
            bundles.extend(found.into_iter().map(|blob| PublishedFile { name: name(&blob), blob }));
        }
        Ok(Self { reference: reference.clone(), digest, product, iso, bundles })
    }

    /// The ISO in the manifest of an archive.
    fn iso(reference: &Reference, manifest: &Manifest) -> Result<PublishedFile, Error> {
        let found = match &manifest.artifact_type {
            _ if manifest.kind.is_index() => Some("an index of images".to_owned()),
            found => found.clone().filter(|found| found != ARCHIVE_TYPE),
        };
        let reference = reference.to_string();
        if let Some(found) = found {
            return Err(Error::OtherType { reference, found });
        }
        let [layer] = &*manifest.layers else {
            let problem = format!("it has {} layers; an archive has one", manifest.layers.len());
            return Err(Error::Invalid { reference, problem });
        };
        if layer.media_type != ISO_TYPE {
            let problem =
                format!("its layer has the type {}, not {ISO_TYPE}", content::printable(&layer.media_type));
            return Err(Error::Invalid { reference, problem });
        }
        let name = FileName::parse(text(&layer.annotations, TITLE).unwrap_or_default())
            .map_err(|error| Error::Invalid { reference, problem: error.to_string() })?;
        Ok(PublishedFile { name, blob: layer.clone() })
    }
}

/// The bundle in a manifest that attaches one with such a statement about an archive. Signatures of manifests by cosign are no such
/// bundles.
pub(super) fn bundle<'a>(
    manifest: &'a Manifest,
    predicate_type: &str,
    limit: usize,
) -> Option<&'a Descriptor> {
    let is_bundle = manifest.artifact_type.as_deref() == Some(BUNDLE_MEDIA_TYPE)
        && text(&manifest.annotations, PREDICATE) == Some(predicate_type);
    match &*manifest.layers {
        [layer] if is_bundle && layer.size <= limit as u64 => Some(layer),
        _ => None,
    }
}

fn text<'a>(
    annotations: &'a Option<serde_json::Map<String, serde_json::Value>>,
    key: &str,
) -> Option<&'a str> {
    annotations.as_ref()?.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_stays_in_its_folder_and_is_shown_as_it_is() {
        for name in ["app-1.0.iso", "Größe 2.iso", &format!("{}.iso", "a".repeat(196))] {
            assert!(FileName::parse(name).is_ok(), "{name}");
        }
        let long = format!("{}.iso", "a".repeat(197));
        for name in [
            "",
            ".",
            "..",
            "../a.iso",
            "/a.iso",
            "a/b.iso",
            ".bashrc",
            "-rf",
            "a\n.iso",
            "a\0.iso",
            "a\u{202e}b.iso",
            "Makefile",
            "a.iso.sigstore.json",
            ".iso",
            &long,
        ] {
            assert!(FileName::parse(name).is_err(), "{name:?}");
        }
    }
}
