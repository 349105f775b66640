//! Pulls that the rules allow, and those that they do not.

use std::path::Path;

use base64::Engine as _;
use images::original_names::OriginalNames;
use images::signatures::{SignatureRequirement, SignatureRule, SignatureRules};
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
            assert!(reason.ends_with(&format!(" with the digest {other} is in the archives")), "{reason}");
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
        for name in ["quay.io/vendor/c2:1", "a.invalid/example-1.0/c2:1", "a.invalid/quay.io/vendor/c2:1"] {
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

fn refusal(verdict: PullVerdict) -> String {
    match verdict {
        PullVerdict::Refused { reason } => reason,
        verdict => panic!("{verdict}"),
    }
}

#[test]
fn the_host_of_an_original_name_can_have_a_port_in_the_path() {
    let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
    let other = Digest::of(b"another image");
    let root = archive("localhost:5000/vendor/c2", &cosign());
    // A second archive, so that no image is served without a prefix.
    let second = archive("quay.io/vendor/other", &cosign());
    let names = [
        "localhost:5000/vendor/c2:1",
        "10.0.0.1:8080/localhost__5000/vendor/c2:1",
        "node.example/localhost__5000/vendor/c2:1",
        "10.0.0.1:8080/example-1.0/localhost__5000/vendor/c2:1",
    ];
    for name in names {
        let reason = refusal(judged(&[&root, &second], name, image));
        assert!(reason.ends_with("the archive has no signature of it"), "{name}: {reason}");
    }
    put_signature(root.path());
    for name in names {
        let verdict = judged(&[&root, &second], name, image);
        assert!(is_signed(&verdict), "{name}: {verdict}");
        let reason = refusal(judged(&[&root, &second], name, other));
        assert!(reason.contains("no image of localhost:5000/vendor/c2"), "{name}: {reason}");
    }
    for name in ["10.0.0.1:8080/localhost/vendor/c2:1", "10.0.0.1:8080/localhost__5001/vendor/c2:1"] {
        assert_eq!(judged(&[&root, &second], name, image), PullVerdict::NotCovered, "{name}");
    }
}

#[test]
fn a_client_that_finds_the_node_under_the_name_of_the_registry_can_name_a_port() {
    let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
    let root = archive("quay.io/vendor/c2", &cosign());
    for name in ["quay.io:80/vendor/c2:1", "Quay.IO:443/vendor/c2:1"] {
        let reason = refusal(judged(&[&root], name, image));
        assert!(reason.ends_with("the archive has no signature of it"), "{name}: {reason}");
    }
    assert_eq!(judged(&[&root], "quay.io:8443/vendor/c2:1", image), PullVerdict::NotCovered);
}

#[test]
fn an_image_of_the_only_archive_needs_its_signature_under_its_name_alone() {
    let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
    let other = Digest::of(b"another image");
    let root = archive("quay.io/vendor/c2", &cosign());
    let names = ["10.0.0.1:8080/c2:1", "node.example/c2:latest", "localhost:5000/c2:1"];
    for name in names {
        let reason = refusal(judged(&[&root], name, image));
        assert!(reason.ends_with("c2:1: the archive has no signature of it"), "{name}: {reason}");
        // An archive that the policy refuses can forbid, and not allow.
        let refused = [(root.path().to_owned(), "its key was revoked".to_owned())];
        let reason = refusal(judge_pull(&[], &refused, &name.parse().unwrap(), image).unwrap());
        assert!(reason.ends_with("refuses this archive: its key was revoked"), "{name}: {reason}");
    }
    put_signature(root.path());
    for name in names {
        let verdict = judged(&[&root], name, image);
        assert!(is_signed(&verdict), "{name}: {verdict}");
        // The node does not serve this one, so it comes from elsewhere.
        assert_eq!(judged(&[&root], name, other), PullVerdict::NotCovered, "{name}");
    }
    // What is attached to an image is no image that is signed.
    let attached = Digest::of(&data("cosign-sig-tag.manifest.json"));
    let tag = format!("10.0.0.1:8080/c2:sha256-{IMAGE}.sig");
    let reason = refusal(judged(&[&root], &tag, attached));
    assert!(reason.contains("no image of quay.io/vendor/c2 with the digest"), "{reason}");
    // A node serves `c2` of a registry only if an image came from there, also if the client finds the node under its name.
    assert_eq!(judged(&[&root], "quay.io/c2:1", image), PullVerdict::NotCovered);
    assert_eq!(judged(&[&root], "10.0.0.1:8080/c3:1", image), PullVerdict::NotCovered);
    // With a second archive, the name alone could mean two images, and is not served.
    let second = archive("ghcr.io/vendor/c2", &cosign());
    assert_eq!(judged(&[&root, &second], "10.0.0.1:8080/c2:1", image), PullVerdict::NotCovered);
    // One that the policy refuses is not served.
    let refused = [(second.path().to_owned(), "unsigned".to_owned())];
    let archives = [root.path().to_owned()];
    let verdict = judge_pull(&archives, &refused, &names[0].parse().unwrap(), image).unwrap();
    assert!(is_signed(&verdict), "{verdict}");
    // A registry of which the node serves no image: its name alone is that of the node.
    assert_eq!(judged(&[&second], "ghcr.io/c2:1", image), PullVerdict::NotCovered);
    let verdict = judge_pull(&archives, &refused, &"ghcr.io/c2:1".parse().unwrap(), image).unwrap();
    assert!(is_signed(&verdict), "{verdict}");
    let mut names = OriginalNames::default();
    for (place, original) in [("c2:1", "quay.io/vendor/c2:1"), ("lost:1", "ghcr.io/vendor/lost:1")] {
        names.insert(&place.parse().unwrap(), &original.parse().unwrap());
    }
    put(root.path(), "images/original-names.json", &names.write());
    let verdict = judged(&[&root], "ghcr.io/c2:1", image);
    assert!(is_signed(&verdict), "{verdict}");
}

#[test]
fn a_folder_of_images_is_judged_by_the_rules_of_the_archives() {
    let image: Digest = format!("sha256:{IMAGE}").parse().unwrap();
    let root = archive("quay.io/vendor/other", &cosign());
    set_rule(&root, "quay.io/vendor/*", &cosign(), Some("localhost:5999/demo/*"));
    let tree = archive("quay.io/vendor/c2", &cosign());
    put_signature(tree.path());
    let images = tempfile::tempdir().unwrap();
    std::fs::rename(tree.path().join("images"), images.path().join("images")).unwrap();
    let folder = images.path().join("images");
    let archives = [root.path().to_owned(), folder.clone()];
    let judge = |name: &str| judge_pull(&archives, &[], &name.parse().unwrap(), image).unwrap();
    let names = ["quay.io/vendor/c2:1", "10.0.0.1:8080/quay.io/vendor/c2:1", "10.0.0.1:8080/c2:1"];
    for name in names {
        let verdict = judge(name);
        assert!(is_signed(&verdict), "{name}: {verdict}");
    }
    std::fs::remove_dir_all(folder.join(format!("c2/sha256-{IMAGE}.sig"))).unwrap();
    for name in names {
        let reason = refusal(judge(name));
        assert!(reason.contains("is not met: c2:1: the archive has no signature"), "{name}: {reason}");
    }
}
