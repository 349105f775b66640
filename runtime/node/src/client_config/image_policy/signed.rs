//! The repositories of an archive whose images need signatures, and whether the archive has those that containers/image reads.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use archive::image::{ArchiveImage, ImageDefect, StoredBlob, StoredManifest};
use archive::{Tree, image, layout};
use content::Digest;
use images::Reference;
use images::manifest::{Descriptor, Manifest};
use images::original_names::Place;
use images::pull::referrers_tag;
use images::signatures::{
    FoundSignatures, RULES_MAX, RequiredSigners, SignatureForm, SignatureRules, in_manifest,
};
use trust::{PublicKey, Signers};

use super::super::error::Error;

/// The end of the tag of a manifest with signatures.
pub(super) const SIGNATURES: &str = ".sig";

/// A repository of an archive whose images need signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRepository {
    /// The repository that the images come from: `quay.io/vendor/app`.
    pub original: String,
    /// Its name at the nodes: `example-1.0/app`.
    pub served: String,
    /// The repository that the images were signed in.
    pub identity: String,
    /// Whose signatures count.
    pub keys: Vec<PublicKey>,
}

/// An image without a signature that containers/image accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportedImage {
    /// Its name and tag: `app:1.0`.
    pub image: String,
    /// Why no signature under the tag `.sig` counts; `None` if the archive has only bundles.
    pub problem: Option<String>,
}

impl fmt::Display for ReportedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.image)?;
        match &self.problem {
            Some(problem) => f.write_str(problem),
            None => f.write_str("it has only signatures in bundles, which these clients do not read"),
        }
    }
}

/// The repositories of an archive whose images need signatures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignedRepositories {
    /// Those whose images all have signatures that containers/image accepts.
    pub repositories: Vec<SignedRepository>,
    /// Images without one: their repositories are not in the policy.
    pub reported: Vec<ReportedImage>,
}

impl SignedRepositories {
    /// Reads the rules and the images of an archive.
    ///
    /// # Errors
    ///
    /// [`Error::Archive`]; [`Error::Rules`] if the archive has rules that break their format.
    pub fn read(tree: &Tree) -> Result<Self, Error> {
        let mut found = Self::default();
        let Some(rules) = rules(tree)? else { return Ok(found) };
        let names =
            image::original_names(tree, layout::IMAGES).map_err(|error| error.in_archive(tree.path()))?;
        // An archive without a description is served under no name of its own.
        let prefix =
            archive::product::of(tree)?.map(|product| product.repository_prefix()).unwrap_or_default();
        let (mut digests, mut attached) = (BTreeMap::new(), BTreeMap::new());
        image::each(tree, layout::IMAGES, &mut |image| {
            let place = Place { name: image.name.clone(), tag: image.tag.clone() };
            if let Ok(stored) = &image.manifest {
                digests.insert(place.clone(), stored.digest);
            }
            if images::pull::is_attached_tag(&image.tag) {
                attached.insert(place, image);
            }
        })?;
        let mut without = BTreeSet::new();
        let mut repositories = BTreeMap::new();
        for (place, references) in names.images() {
            // A signature needs no signature.
            if images::pull::is_attached_tag(&place.tag) {
                continue;
            }
            for reference in references {
                let original = format!("{}/{}", reference.host(), reference.repository());
                let Ok(parsed) = original.parse::<Reference>() else { continue };
                let Some(required) = rules.required(&parsed) else { continue };
                // These clients are given keys only.
                let keys = Signers { identities: Vec::new(), ..required.signers.clone() };
                let signers = RequiredSigners { signers: &keys, ..required };
                let served = format!("{prefix}/{}", place.name);
                let digest = digests.get(place);
                let under = |suffix: &str| {
                    let digest = digest?;
                    let tag = referrers_tag(digest) + suffix;
                    Some((*digest, attached.get(&Place { name: place.name.clone(), tag })?))
                };
                let problem = match (under(SIGNATURES), under("")) {
                    (Some((digest, signature)), _) => problem(tree, digest, signature, &signers)?.map(Some),
                    (None, Some((digest, list))) if has_bundle(tree, digest, list, &signers)? => Some(None),
                    (None, _) => Some(Some("it has no signature".into())),
                };
                if let Some(problem) = problem {
                    found.reported.push(ReportedImage { image: place.to_string(), problem });
                    without.extend([original.clone(), served.clone()]);
                }
                let repository = SignedRepository {
                    original: original.clone(),
                    served: served.clone(),
                    identity: signers.identity.clone(),
                    keys: signers.signers.keys.clone(),
                };
                repositories.insert((original, served), repository);
            }
        }
        let is_whole =
            |one: &SignedRepository| !without.contains(&one.original) && !without.contains(&one.served);
        found.repositories = repositories.into_values().filter(is_whole).collect();
        found.reported.dedup();
        Ok(found)
    }
}

/// Why the signatures in `signature` do not count for the image; `None` if one counts.
fn problem(
    tree: &Tree,
    image: Digest,
    signature: &ArchiveImage,
    signers: &RequiredSigners<'_>,
) -> Result<Option<String>, Error> {
    let refused = |reason: &dyn fmt::Display| {
        Ok(Some(format!("the signature under the tag {SIGNATURES} was refused: {reason}")))
    };
    let stored = match &signature.manifest {
        Ok(stored) => stored,
        Err(defect) => return refused(defect),
    };
    match found_signatures(tree, image, (SignatureForm::Tag, stored, &signature.blobs), signers)? {
        Ok(found) => Ok(found.good.is_empty().then(|| found.problem())),
        Err(reason) => refused(&reason),
    }
}

/// Whether a referrer of the image in `list` is a bundle with a signature, whoever made it.
fn has_bundle(
    tree: &Tree,
    image: Digest,
    list: &ArchiveImage,
    signers: &RequiredSigners<'_>,
) -> Result<bool, Error> {
    for stored in list.children.values().filter_map(|child| child.as_ref().ok()) {
        let found = found_signatures(tree, image, (SignatureForm::Referrer, stored, &list.blobs), signers)?;
        if found.is_ok_and(|found| !found.good.is_empty() || !found.refused.is_empty()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The rules of an archive, if it has some.
pub(super) fn rules(tree: &Tree) -> Result<Option<SignatureRules>, Error> {
    let Some(file) = tree.resolve(layout::IMAGE_POLICY)? else { return Ok(None) };
    let rules = SignatureRules::parse(&tree.read(&file, RULES_MAX)?);
    rules.map(Some).map_err(|reason| Error::Rules { archive: tree.path().to_owned(), reason })
}

/// The signatures of the image `image` in a manifest, whose layers are among `blobs`; or why it is no manifest.
pub(super) fn found_signatures(
    tree: &Tree,
    image: Digest,
    (form, stored, blobs): (SignatureForm, &StoredManifest, &HashMap<Digest, StoredBlob>),
    signers: &RequiredSigners<'_>,
) -> Result<Result<FoundSignatures, String>, Error> {
    let manifest = match Manifest::parse(&read_at(tree, &stored.path, &stored.entry)?) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let mut read = |layer: &Descriptor| -> Result<Result<Vec<u8>, String>, Error> {
        let missing = ImageDefect::BlobMissing { digest: layer.digest };
        let Some(blob) = blobs.get(&layer.digest) else { return Ok(Err(missing.to_string())) };
        let (expected, found) = (layer.size, blob.entry.size);
        if expected != found {
            let defect = ImageDefect::BlobSize { digest: layer.digest, expected, found };
            return Ok(Err(defect.to_string()));
        }
        let bytes = read_at(tree, &blob.path, &blob.entry)?;
        let found = Digest::of(&bytes);
        Ok(match found == layer.digest {
            true => Ok(bytes),
            false => Err(format!("blob {} has the digest {found}", layer.digest)),
        })
    };
    in_manifest(form, image, signers, (stored.digest, &manifest), &mut read).map(Ok)
}

fn read_at(tree: &Tree, path: &str, entry: &archive::tree::TreeEntry) -> Result<Vec<u8>, Error> {
    let bytes = tree.locate_entry(path, entry)?.read_all();
    Ok(bytes.map_err(|error| content::IoError::at("read", &tree.path().join(path))(error))?)
}
