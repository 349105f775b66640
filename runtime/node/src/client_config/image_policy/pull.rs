//! Whether the rules of the archives of a node allow an image that a client pulls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use archive::image::ArchiveImage;
use archive::{Tree, image, layout};
use content::Digest;
use images::Reference;
use images::original_names::Place;
use images::pull::{is_attached_tag, referrers_tag};
use images::signatures::{RULES_MAX, RequiredSigners, SignatureForm, SignatureRules};

use super::super::error::Error;
use super::signed::{SIGNATURES, found_signatures};

/// The most manifests of signatures of an image that are looked at.
const SIGNATURES_MAX: usize = 64;

/// What the archives of a node say about an image that is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullVerdict {
    /// No rule covers the name.
    NotCovered,
    /// An archive has the image, and a signature that its rule accepts.
    Signed {
        /// The archive.
        archive: PathBuf,
        /// The name and tag of the image in it.
        image: String,
        /// The ID of the key, or of the identity with a certificate.
        signer: String,
    },
    /// A rule covers the name, and no archive has the image with a signature that counts.
    Refused {
        /// Why.
        reason: String,
    },
}

impl fmt::Display for PullVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotCovered => f.write_str("no rule of the archives covers the name"),
            Self::Signed { archive, image, signer } => {
                let (archive, signer) = (content::printable_path(archive), content::printable(signer));
                write!(f, "{image} in {archive} is signed by {signer}")
            }
            Self::Refused { reason } => write!(f, "{}", content::printable(reason)),
        }
    }
}

/// Compares an image that is pulled as `reference`, whose manifest or index has the digest `digest`, with the archives of the node. A
/// signature of an index also counts for the manifests that it lists. The archives in `refused` are those that the policy of the node
/// no longer accepts: their rules cover names, but their keys and images do not count.
///
/// # Errors
///
/// [`Error::Archive`]: an archive cannot be read, so that its rules are unknown; [`Error::Rules`].
pub fn judge_pull(
    archives: &[PathBuf],
    refused: &[PathBuf],
    reference: &Reference,
    digest: Digest,
) -> Result<PullVerdict, Error> {
    let mut problem = None;
    let all = archives.iter().map(|path| (path, true)).chain(refused.iter().map(|path| (path, false)));
    for (path, counts) in all {
        let tree = Tree::open(path).map_err(|error| error.in_archive(path))?;
        match judge(&tree, path, reference, digest)? {
            PullVerdict::NotCovered => {}
            PullVerdict::Refused { reason } => problem = problem.or(Some(reason)),
            signed @ PullVerdict::Signed { .. } if counts => return Ok(signed),
            PullVerdict::Signed { image, .. } => {
                let path = path.display();
                let reason =
                    format!("only {path} has {image}, and the policy of this node refuses this archive");
                problem = problem.or(Some(reason));
            }
        }
    }
    Ok(match problem {
        Some(reason) => PullVerdict::Refused { reason },
        None => PullVerdict::NotCovered,
    })
}

/// What one archive says.
fn judge(tree: &Tree, path: &Path, reference: &Reference, digest: Digest) -> Result<PullVerdict, Error> {
    let Some(file) = tree.resolve(layout::IMAGE_POLICY)? else { return Ok(PullVerdict::NotCovered) };
    let rules = SignatureRules::parse(&tree.read(&file, RULES_MAX)?).map_err(Error::Rules)?;
    let names = image::original_names(tree, layout::IMAGES)?;
    let prefix = archive::product::of(tree)?.map(|product| product.repository_prefix()).unwrap_or_default();
    let mut candidates: Vec<(&Place, RequiredSigners<'_>)> = Vec::new();
    for (place, references) in names.images() {
        // A signature needs no signature.
        if is_attached_tag(&place.tag) {
            continue;
        }
        for original in references {
            let original = format!("{}/{}", original.host(), original.repository());
            let Ok(parsed) = original.parse::<Reference>() else { continue };
            let Some(signers) = rules.required(&parsed) else { continue };
            if is_name(reference, &original, &prefix, place) {
                candidates.push((place, signers));
            }
        }
    }
    if candidates.is_empty() && rules.required(reference).is_none() {
        return Ok(PullVerdict::NotCovered);
    }
    let repositories: BTreeSet<&str> = candidates.iter().map(|(place, _)| place.name.as_str()).collect();
    let mut stored: BTreeMap<Place, ArchiveImage> = BTreeMap::new();
    image::each(tree, layout::IMAGES, &mut |image| {
        if repositories.contains(image.name.as_str()) {
            stored.insert(Place { name: image.name.clone(), tag: image.tag.clone() }, image);
        }
    })?;
    let mut reason = None;
    for (place, signers) in candidates {
        let Some(found) = stored.get(place).and_then(|image| image.manifest.as_ref().ok()) else { continue };
        if found.digest != digest && found.manifest.listed(digest).next().is_none() {
            continue;
        }
        for subject in BTreeSet::from([found.digest, digest]) {
            match signed(tree, &stored, (place, subject), &signers)? {
                Ok(signer) => {
                    let (archive, image) = (path.to_owned(), place.to_string());
                    return Ok(PullVerdict::Signed { archive, image, signer });
                }
                Err(problem) if subject == found.digest => reason = Some(format!("{place}: {problem}")),
                Err(_) => {}
            }
        }
    }
    let missing = || format!("no image of {} with the digest {digest} is in the archives", reference.name());
    Ok(PullVerdict::Refused { reason: reason.unwrap_or_else(missing) })
}

/// Whether clients pull the image at `place` as `reference`: by its original name, or by one of its names at a node.
fn is_name(reference: &Reference, original: &str, prefix: &str, place: &Place) -> bool {
    let path = reference.repository();
    let below = path.strip_prefix(prefix).and_then(|path| path.strip_prefix('/'));
    reference.name() == original || path == original || below == Some(original) || below == Some(&place.name)
}

/// Who made a signature of `subject` that counts, or why there is none.
fn signed(
    tree: &Tree,
    stored: &BTreeMap<Place, ArchiveImage>,
    (place, subject): (&Place, Digest),
    signers: &RequiredSigners<'_>,
) -> Result<Result<String, String>, Error> {
    let tag = referrers_tag(&subject);
    let image = |tag: &str| stored.get(&Place { name: place.name.clone(), tag: tag.to_owned() });
    let under_tag = image(&format!("{tag}{SIGNATURES}"));
    let under_tag =
        under_tag.and_then(|image| Some((SignatureForm::Tag, image.manifest.as_ref().ok()?, image)));
    let referrers = image(&tag).into_iter().flat_map(|list| {
        let manifests = list.children.values().filter_map(|child| child.as_ref().ok());
        manifests.map(move |manifest| (SignatureForm::Referrer, manifest, list))
    });
    let mut reason = None;
    for (form, manifest, image) in under_tag.into_iter().chain(referrers).take(SIGNATURES_MAX) {
        match found_signatures(tree, subject, (form, manifest, &image.blobs), signers)? {
            Ok(found) => match found.good.first() {
                Some(signature) => return Ok(Ok(signature.signer.clone())),
                None if found.refused.is_empty() => {}
                None => reason = reason.or(Some(found.problem())),
            },
            Err(problem) => reason = reason.or(Some(problem)),
        }
    }
    Ok(Err(reason.unwrap_or_else(|| "the archive has no signature of it".into())))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use images::original_names::OriginalNames;
    use images::signatures::{SignatureRequirement, SignatureRule};
    use serde_json::json;
    use trust::{PublicKey, SecretKey};

    use super::*;

    /// The image that cosign signed, as this repository.
    const IMAGE: &str = "6b11842236d7a07471de8ced2ca86c733c8ea80e4ff46c488d7d728014b6d729";
    const IDENTITY: &str = "localhost:5999/demo/c2";
    const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

    fn data(name: &str) -> Vec<u8> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/src/signatures/data");
        std::fs::read(folder.join(name)).unwrap()
    }

    fn put(root: &Path, path: &str, bytes: &[u8]) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn put_signature(root: &Path) {
        let payload = data("cosign-sig-tag.payload.json");
        let folder = format!("images/c2/sha256-{IMAGE}.sig");
        put(root, &format!("{folder}/manifest.json"), &data("cosign-sig-tag.manifest.json"));
        put(root, &format!("{folder}/{}", Digest::of(&payload).hex()), &payload);
    }

    fn put_bundle(root: &Path) {
        let (bundle, manifest) =
            (data("cosign3-referrer.bundle.sigstore.json"), data("cosign3-referrer.manifest.json"));
        let folder = format!("images/c2/sha256-{IMAGE}");
        put(root, &format!("{folder}/manifest.json"), &index(&manifest));
        put(root, &format!("{folder}/{}.manifest.json", Digest::of(&manifest).hex()), &manifest);
        put(root, &format!("{folder}/{}", Digest::of(&bundle).hex()), &bundle);
        put(root, &format!("{folder}/{}", Digest::of(b"{}").hex()), b"{}");
    }

    /// An index that lists one manifest.
    fn index(manifest: &[u8]) -> Vec<u8> {
        let digest = Digest::of(manifest).to_string();
        let listed = json!([{"mediaType": MANIFEST, "digest": digest, "size": manifest.len()}]);
        let media_type = "application/vnd.oci.image.index.v1+json";
        json!({"schemaVersion": 2, "mediaType": media_type, "manifests": listed}).to_string().into_bytes()
    }

    /// An archive with the image, which comes from `original`.
    fn archive(original: &str, key: &PublicKey) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        put(root.path(), "product.txt", b"NAME=Example\nVERSION=1.0\n");
        put(root.path(), "images/c2/1/manifest.json", &data(&format!("image/blobs/sha256/{IMAGE}")));
        let mut names = OriginalNames::default();
        let place = Place { name: "c2".into(), tag: "1".into() };
        names.insert(&place, &format!("{original}:1").parse().unwrap());
        put(root.path(), "images/original-names.json", &names.write());
        let mut rules = SignatureRules::default();
        let rule = SignatureRule::new(
            original.parse().unwrap(),
            SignatureRequirement::Signature,
            vec![key.clone()].into(),
            Some(IDENTITY.parse().unwrap()),
        );
        rules.add(rule.unwrap()).unwrap();
        put(root.path(), "attestations/image-policy.json", rules.render().as_bytes());
        root
    }

    fn cosign() -> PublicKey {
        PublicKey::read(&data("cosign.pub")).unwrap()
    }

    fn judged(archives: &[&tempfile::TempDir], name: &str, digest: Digest) -> PullVerdict {
        let archives: Vec<PathBuf> = archives.iter().map(|folder| folder.path().to_owned()).collect();
        judge_pull(&archives, &[], &name.parse().unwrap(), digest).unwrap()
    }

    fn is_signed(verdict: &PullVerdict) -> bool {
        matches!(verdict, PullVerdict::Signed { image, signer, .. } if image == "c2:1" && *signer == cosign().id())
    }

    #[test]
    fn an_image_is_pulled_if_an_archive_has_it_with_a_signature() {
        let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
        let other = Digest::of(b"another image");
        for sign in [put_signature, put_bundle] {
            let root = archive("quay.io/vendor/c2", &cosign());
            let verdict = judged(&[&root], "quay.io/vendor/c2:1", image);
            let refused = "c2:1: the archive has no signature of it";
            assert_eq!(verdict, PullVerdict::Refused { reason: refused.into() });
            sign(root.path());
            for name in [
                "quay.io/vendor/c2:1",
                "quay.io/vendor/c2:latest",
                "metalk8s-registry-from-config.invalid/example-1.0/c2:1",
                "10.0.0.1:8080/example-1.0/quay.io/vendor/c2:1",
                "10.0.0.1:8080/quay.io/vendor/c2:1",
            ] {
                let verdict = judged(&[&root], name, image);
                assert!(is_signed(&verdict), "{name}: {verdict}");
                let verdict = judged(&[&root], name, other);
                let PullVerdict::Refused { reason } = verdict else { panic!("{name}: {verdict}") };
                assert!(
                    reason.ends_with(&format!(" with the digest {other} is in the archives")),
                    "{reason}"
                );
            }
            for name in ["quay.io/vendor/c3:1", "quay.io/c2:1", "10.0.0.1:8080/example-2.0/c2:1"] {
                assert_eq!(judged(&[&root], name, image), PullVerdict::NotCovered, "{name}");
            }
            // An archive that the policy of the node refuses can forbid, and not allow.
            let refused = [root.path().to_owned()];
            let ask = |name: &str| judge_pull(&[], &refused, &name.parse().unwrap(), image).unwrap();
            let PullVerdict::Refused { reason } = ask("quay.io/vendor/c2:1") else { panic!("accepted") };
            assert!(reason.ends_with("the policy of this node refuses this archive"), "{reason}");
            assert_eq!(ask("quay.io/vendor/c3:1"), PullVerdict::NotCovered);
            // The rules of an archive without the image do not hinder one that has it.
            let empty = archive("quay.io/vendor/c2", &cosign());
            std::fs::remove_dir_all(empty.path().join("images/c2")).unwrap();
            assert!(is_signed(&judged(&[&empty, &root], "quay.io/vendor/c2:1", image)));
            assert!(matches!(judged(&[&empty], "quay.io/vendor/c2:1", image), PullVerdict::Refused { .. }));
        }
    }

    #[test]
    fn a_signature_by_another_key_does_not_count() {
        let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
        let root = archive("quay.io/vendor/c2", &PublicKey::read(&data("other.pub")).unwrap());
        put_signature(root.path());
        let PullVerdict::Refused { reason } = judged(&[&root], "quay.io/vendor/c2:1", image) else {
            panic!("accepted")
        };
        assert!(reason.contains("it was signed by another key, or changed"), "{reason}");
        // A folder that is no archive has rules that nobody knows.
        let missing = [root.path().join("missing")];
        assert!(judge_pull(&missing, &[], &"quay.io/x:1".parse().unwrap(), image).is_err());
    }

    #[test]
    fn the_signature_of_an_index_counts_for_its_manifests() {
        let secret = SecretKey::read(&data("p256.pk8.pem")).unwrap();
        let root = archive("quay.io/vendor/c2", secret.public_key());
        let manifest = data(&format!("image/blobs/sha256/{IMAGE}"));
        let index = index(&manifest);
        put(root.path(), "images/c2/1/manifest.json", &index);
        put(root.path(), &format!("images/c2/1/{IMAGE}.manifest.json"), &manifest);
        let digest = Digest::of(&index);
        let payload = json!({"critical": {
            "identity": {"docker-reference": IDENTITY},
            "image": {"docker-manifest-digest": digest.to_string()},
            "type": "cosign container image signature",
        }, "optional": null});
        let payload = payload.to_string().into_bytes();
        let signature = base64::engine::general_purpose::STANDARD.encode(secret.sign(&payload));
        let signed = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": Digest::of(b"{}").to_string(), "size": 2,
            },
            "layers": [{
                "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
                "digest": Digest::of(&payload).to_string(), "size": payload.len(),
                "annotations": {"dev.cosignproject.cosign/signature": signature},
            }],
        });
        let folder = format!("images/c2/sha256-{}.sig", digest.hex());
        put(root.path(), &format!("{folder}/manifest.json"), signed.to_string().as_bytes());
        put(root.path(), &format!("{folder}/{}", Digest::of(&payload).hex()), &payload);
        for digest in [digest, Digest::of(&manifest)] {
            let verdict = judged(&[&root], "quay.io/vendor/c2:1", digest);
            assert!(matches!(&verdict, PullVerdict::Signed { .. }), "{verdict}");
        }
    }
}
