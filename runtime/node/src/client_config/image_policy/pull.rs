//! Whether the rules of the archives of a node allow an image that a client pulls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use archive::image::ArchiveImage;
use archive::{Tree, image, layout};
use content::Digest;
use images::Reference;
use images::original_names::{Place, canonical_host};
use images::pull::{is_attached_tag, referrers_tag};
use images::reference::DOCKER_HUB;
use images::signatures::{RepositoryPattern, RequiredSigners, SignatureForm, SignatureRules};

use super::super::error::Error;
use super::signed::{SIGNATURES, found_signatures, rules};

/// The most manifests of signatures of an image that are looked at.
const SIGNATURES_MAX: usize = 64;

/// What the archives of a node say about an image that is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullVerdict {
    /// No rule covers the name.
    NotCovered,
    /// An archive has the image, with signatures that all rules accept.
    Signed {
        /// The archive.
        archive: PathBuf,
        /// The name and tag of the image in it.
        image: String,
        /// The ID of the key, or of the identity with a certificate.
        signer: String,
    },
    /// A rule covers the name, and no archive has the image with a signature that it accepts; or the rules are unknown.
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
/// signature of an index also counts for the manifests that it lists. Each rule that covers the name must be met, by a signature in
/// any archive; a rule `*` covers only the repositories of which its archive has images. The archives in `refused` are those that the
/// policy of the node does not accept, and why: their rules cover names, but their keys and images do not count.
///
/// # Errors
///
/// [`Error::Archive`]: an archive cannot be read, so that its rules are unknown; [`Error::Rules`].
pub fn judge_pull(
    archives: &[PathBuf],
    refused: &[(PathBuf, String)],
    reference: &Reference,
    digest: Digest,
) -> Result<PullVerdict, Error> {
    if archives.is_empty() && refused.is_empty() {
        let reason = "this node has no archives, so that the rules are unknown".to_owned();
        return Ok(PullVerdict::Refused { reason });
    }
    let accepted = archives.iter().map(|path| KnownArchive::open(path)).collect::<Result<Vec<_>, _>>()?;
    let refused = refused.iter().map(|(path, reason)| Ok((KnownArchive::open(path)?, reason)));
    let refused = refused.collect::<Result<Vec<_>, Error>>()?;
    let mut names =
        BTreeSet::from([reference.name(), canonical(reference.registry(), reference.repository())]);
    for archive in accepted.iter().chain(refused.iter().map(|(archive, _)| archive)) {
        names.extend(archive.names_of(reference));
    }
    let requirements: Vec<Requirement<'_>> =
        accepted.iter().flat_map(|archive| archive.requirements(&names)).collect();
    let by_refused =
        refused.iter().find_map(|(archive, reason)| Some((archive.requirements(&names).pop()?, reason)));
    if requirements.is_empty() && by_refused.is_none() {
        return Ok(PullVerdict::NotCovered);
    }
    let mut copies = Vec::new();
    for archive in &accepted {
        copies.push(archive.copies(&names, digest)?);
    }
    let (mut signed, mut unmet) = (None, None);
    for requirement in &requirements {
        match requirement.met(&copies, digest)? {
            Ok(verdict) => signed = signed.or(Some(verdict)),
            Err(problem) => unmet = unmet.or(Some(requirement.refusal(&problem))),
        }
    }
    if let (Some(verdict), None) = (signed, &unmet) {
        return Ok(verdict);
    }
    if copies.iter().all(|copies| copies.places.is_empty()) {
        for (archive, reason) in &refused {
            if let Some(place) = archive.copies(&names, digest)?.places.first() {
                let path = archive.path.display();
                let reason = format!(
                    "only {path} has {place}, and the policy of this node refuses this archive: {reason}"
                );
                return Ok(PullVerdict::Refused { reason });
            }
        }
    }
    let by_refused = by_refused.map(|(requirement, reason)| {
        requirement.refusal(&format!("the policy of this node refuses this archive: {reason}"))
    });
    Ok(match unmet.or(by_refused) {
        Some(reason) => PullVerdict::Refused { reason },
        None => PullVerdict::NotCovered,
    })
}

/// The name of a repository as all clients mean it: without the default port, and with one host for Docker Hub.
fn canonical(host: &str, repository: &str) -> String {
    let host = host.strip_suffix(":443").unwrap_or(host);
    let host = canonical_host(host).unwrap_or_else(|| host.to_owned());
    match host.as_str() {
        DOCKER_HUB if !repository.contains('/') => format!("{host}/library/{repository}"),
        _ => format!("{host}/{repository}"),
    }
}

/// An archive with its rules.
struct KnownArchive<'a> {
    path: &'a Path,
    tree: Tree,
    rules: SignatureRules,
    /// The images, without signatures, and the repositories that they come from.
    images: Vec<(Place, BTreeSet<String>)>,
    /// What precedes the names of its images at a node.
    prefix: String,
}

impl<'a> KnownArchive<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let tree = Tree::open(path).map_err(|error| error.in_archive(path))?;
        let rules = rules(&tree)?.unwrap_or_default();
        let names = image::original_names(&tree, layout::IMAGES).map_err(|error| error.in_archive(path))?;
        let images =
            names.images().filter(|(place, _)| !is_attached_tag(&place.tag)).map(|(place, names)| {
                (place.clone(), names.iter().map(|name| canonical(name.host(), name.repository())).collect())
            });
        let images = images.collect();
        let product = archive::product::of(&tree).map_err(|error| error.in_archive(path))?;
        let prefix = product.map(|product| product.repository_prefix()).unwrap_or_default();
        Ok(Self { path, tree, rules, images, prefix })
    }

    /// The repositories that clients mean by `reference`: by an original name, or by one of the names at a node.
    fn names_of(&self, reference: &Reference) -> Vec<String> {
        let path = reference.repository();
        let below = path.strip_prefix(&self.prefix).and_then(|path| path.strip_prefix('/'));
        let mut found = Vec::new();
        for (place, originals) in &self.images {
            let is_served = below == Some(&place.name);
            let is_name =
                |original: &&String| is_served || path == original.as_str() || below == Some(original);
            found.extend(originals.iter().filter(is_name).cloned());
        }
        found
    }

    /// What its rules require of the images of these repositories.
    fn requirements(&self, names: &BTreeSet<String>) -> Vec<Requirement<'_>> {
        let requirement = |name: &String| {
            let reference: Reference = name.parse().ok()?;
            let rule = self.rules.deciding(&reference)?.repository();
            let has_image = || self.images.iter().any(|(_, originals)| originals.contains(name));
            // The rule for all other images of a project says nothing about those of other archives.
            if *rule == RepositoryPattern::All && !has_image() {
                return None;
            }
            Some(Requirement {
                archive: self,
                rule,
                name: name.clone(),
                signers: self.rules.required(&reference)?,
            })
        };
        names.iter().filter_map(requirement).collect()
    }

    /// Its images of these repositories with the digest, or that list it.
    fn copies(&self, names: &BTreeSet<String>, digest: Digest) -> Result<Copies<'_>, Error> {
        let mut places: Vec<&Place> = Vec::new();
        for (place, originals) in &self.images {
            if !originals.is_disjoint(names) {
                places.push(place);
            }
        }
        let repositories: BTreeSet<&str> = places.iter().map(|place| place.name.as_str()).collect();
        let mut stored: BTreeMap<Place, ArchiveImage> = BTreeMap::new();
        if !places.is_empty() {
            let mut keep = |image: ArchiveImage| {
                if repositories.contains(image.name.as_str()) {
                    stored.insert(Place { name: image.name.clone(), tag: image.tag.clone() }, image);
                }
            };
            image::each(&self.tree, layout::IMAGES, &mut keep)
                .map_err(|error| error.in_archive(self.path))?;
        }
        places.retain(|place| {
            let found = stored.get(place).and_then(|image| image.manifest.as_ref().ok());
            found
                .is_some_and(|found| found.digest == digest || found.manifest.listed(digest).next().is_some())
        });
        Ok(Copies { archive: self, places, stored })
    }
}

/// The images of an archive that may be the one that is pulled.
struct Copies<'a> {
    archive: &'a KnownArchive<'a>,
    places: Vec<&'a Place>,
    /// All images of their repositories, with their signatures.
    stored: BTreeMap<Place, ArchiveImage>,
}

/// What a rule requires.
struct Requirement<'a> {
    archive: &'a KnownArchive<'a>,
    rule: &'a RepositoryPattern,
    name: String,
    signers: RequiredSigners<'a>,
}

impl Requirement<'_> {
    /// The signature that meets it, or the reason why no signature does.
    fn met(&self, copies: &[Copies<'_>], digest: Digest) -> Result<Result<PullVerdict, String>, Error> {
        let mut problem = None;
        for Copies { archive, places, stored } in copies {
            for place in places {
                let image = stored.get(place).and_then(|image| image.manifest.as_ref().ok());
                let Some(found) = image.map(|image| image.digest) else { continue };
                for subject in BTreeSet::from([found, digest]) {
                    match signed(&archive.tree, stored, (place, subject), &self.signers)? {
                        Ok(signer) => {
                            let (archive, image) = (archive.path.to_owned(), place.to_string());
                            return Ok(Ok(PullVerdict::Signed { archive, image, signer }));
                        }
                        Err(reason) if subject == found => {
                            problem = problem.or(Some(format!("{place}: {reason}")));
                        }
                        Err(_) => {}
                    }
                }
            }
        }
        let missing = || format!("no image of {} with the digest {digest} is in the archives", self.name);
        Ok(Err(problem.unwrap_or_else(missing)))
    }

    /// The reason why the image is refused.
    fn refusal(&self, problem: &str) -> String {
        format!("the rule `{}` of {} is not met: {problem}", self.rule, self.archive.path.display())
    }
}

/// Who made a signature of `subject` that counts, or the reason why no signature counts.
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
            let path = root.path().display();
            let refused = format!("the rule `quay.io/vendor/c2` of {path} is not met: {refused}");
            assert_eq!(verdict, PullVerdict::Refused { reason: refused });
            sign(root.path());
            for name in [
                "quay.io/vendor/c2:1",
                "quay.io/vendor/c2:latest",
                "quay.io:443/vendor/c2:1",
                "QUAY.io/vendor/c2:1",
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
            let refused = [(root.path().to_owned(), "its key was revoked".to_owned())];
            let ask = |name: &str| judge_pull(&[], &refused, &name.parse().unwrap(), image).unwrap();
            let PullVerdict::Refused { reason } = ask("quay.io/vendor/c2:1") else { panic!("accepted") };
            assert!(
                reason.ends_with("the policy of this node refuses this archive: its key was revoked"),
                "{reason}"
            );
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

    /// Replaces the rules of an archive by one.
    fn set_rule(root: &tempfile::TempDir, pattern: &str, key: &PublicKey, identity: Option<&str>) {
        let rule = SignatureRule::new(
            pattern.parse().unwrap(),
            SignatureRequirement::Signature,
            vec![key.clone()].into(),
            identity.map(|identity| identity.parse().unwrap()),
        );
        let mut rules = SignatureRules::default();
        rules.add(rule.unwrap()).unwrap();
        put(root.path(), "attestations/image-policy.json", rules.render().as_bytes());
    }

    #[test]
    fn each_archive_whose_rule_names_the_repository_must_accept_the_image() {
        let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
        let other = PublicKey::read(&data("other.pub")).unwrap();
        let root = archive("quay.io/vendor/c2", &cosign());
        put_signature(root.path());
        // The other archive has no image of the repository.
        let strict = archive("quay.io/vendor/other", &other);
        put(strict.path(), "product.txt", b"NAME=Strict\nVERSION=1.0\n");
        for (pattern, is_required) in [
            ("quay.io/vendor/c2", true),
            ("quay.io/vendor/*", true),
            ("quay.io/*", true),
            ("*", false),
            ("quay.io/other/*", false),
        ] {
            set_rule(&strict, pattern, &other, None);
            for name in ["quay.io/vendor/c2:1", "a.invalid/example-1.0/c2:1", "a.invalid/quay.io/vendor/c2:1"]
            {
                let verdict = judged(&[&root, &strict], name, image);
                let PullVerdict::Refused { reason } = &verdict else {
                    assert!(!is_required && is_signed(&verdict), "{pattern} {name}: {verdict}");
                    continue;
                };
                let rule = format!("the rule `{pattern}` of {} is not met", strict.path().display());
                assert!(is_required && reason.starts_with(&rule), "{pattern} {name}: {reason}");
            }
        }
        // The rule `*` holds for the images of its archive, and not for others without a rule.
        set_rule(&strict, "*", &other, None);
        let free = Digest::of(b"an image without a rule");
        assert_eq!(judged(&[&root, &strict], "registry.k8s.io/pause:3", free), PullVerdict::NotCovered);
        let verdict = judged(&[&root, &strict], "quay.io/vendor/other:1", image);
        assert!(matches!(verdict, PullVerdict::Refused { .. }), "{verdict}");
    }

    #[test]
    fn names_of_docker_hub_and_missing_archives_open_no_way_around_rules() {
        let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
        let root = archive("docker.io/library/c2", &cosign());
        for name in ["c2", "registry-1.docker.io/library/c2:1", "Index.Docker.io/c2", "docker.io:443/c2"] {
            let verdict = judged(&[&root], name, image);
            assert!(matches!(verdict, PullVerdict::Refused { .. }), "{name}: {verdict}");
        }
        let verdict = judged(&[], "quay.io/x:1", image);
        assert!(
            matches!(&verdict, PullVerdict::Refused { reason } if reason.contains("no archives")),
            "{verdict}"
        );
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
