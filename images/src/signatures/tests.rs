//! Rules for repositories, and signatures of images as registries have them.

use std::collections::HashMap;
use std::convert::Infallible;

use base64::Engine as _;
use content::Digest;
use trust::{PublicKey, SecretKey, Signer, Signers};

use super::*;
use crate::Reference;
use crate::manifest::{Descriptor, Manifest};

/// Written by cosign 3.1.3 with the key in `cosign.pub`: the old form and the new one, about one image.
const PAYLOAD: &str = include_str!("data/cosign-sig-tag.payload.json");
const TAGGED: &str = include_str!("data/cosign-sig-tag.manifest.json");
const BUNDLE: &str = include_str!("data/cosign3-referrer.bundle.sigstore.json");
const REFERRER: &str = include_str!("data/cosign3-referrer.manifest.json");
const IMAGE: &str = "sha256:6b11842236d7a07471de8ced2ca86c733c8ea80e4ff46c488d7d728014b6d729";
const REPOSITORY: &str = "localhost:5999/demo/c2";
const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

fn pattern(text: &str) -> RepositoryPattern {
    text.parse().unwrap()
}

fn cosign() -> PublicKey {
    PublicKey::read(include_bytes!("data/cosign.pub")).unwrap()
}

fn own() -> SecretKey {
    SecretKey::read(include_bytes!("data/p256.pk8.pem")).unwrap()
}

fn rule(repository: &str, keys: Vec<PublicKey>, identity: Option<&str>) -> Result<SignatureRule, RuleError> {
    SignatureRule::new(
        pattern(repository),
        SignatureRequirement::Signature,
        keys.into(),
        identity.map(pattern),
    )
}

#[test]
fn a_pattern_covers_one_repository_or_all_below_a_name() {
    for (text, shown, covered, others) in [
        ("*", "*", &["quay.io/a", "docker.io/library/x"][..], &[][..]),
        ("quay.io/*", "quay.io/*", &["quay.io/a", "quay.io/a/b"], &["quay.io.evil/a", "x.quay.io/a"]),
        (
            "quay.io/vendor/*",
            "quay.io/vendor/*",
            &["quay.io/vendor/a/b"],
            &["quay.io/vendor", "quay.io/vendors/a"],
        ),
        ("quay.io/vendor", "quay.io/vendor", &["quay.io/vendor"], &["quay.io/vendor/a", "quay.io/vendor2"]),
        ("nginx", "docker.io/library/nginx", &["docker.io/library/nginx"], &["docker.io/nginx"]),
        ("docker.io/*", "docker.io/*", &["docker.io/library/nginx", "docker.io/a/b"], &["quay.io/a"]),
        (
            "index.docker.io/library/*",
            "docker.io/library/*",
            &["docker.io/library/nginx"],
            &["docker.io/a/b"],
        ),
        (
            "localhost:5000/*",
            "localhost:5000/*",
            &["localhost:5000/a"],
            &["localhost/a", "localhost:50001/a"],
        ),
    ] {
        let pattern = pattern(text);
        assert_eq!(pattern.to_string(), shown);
        assert_eq!(shown.parse(), Ok(pattern.clone()));
        covered.iter().for_each(|name| assert!(pattern.covers(name), "{text}: {name}"));
        others.iter().for_each(|name| assert!(!pattern.covers(name), "{text}: {name}"));
    }
    let pinned = format!("quay.io/a@{IMAGE}");
    for text in
        ["", "/*", "**", "a*", "quay.io/a*", "quay.io/*/b", "quay.io/a:1", "quay.io/A/*", "../*", &pinned]
    {
        assert!(text.parse::<RepositoryPattern>().is_err(), "{text}");
    }
}

#[test]
fn the_most_precise_rule_decides() {
    let mut rules = SignatureRules::default();
    let none = |text| {
        SignatureRule::new(pattern(text), SignatureRequirement::None, Signers::default(), None).unwrap()
    };
    rules.add(rule("*", vec![cosign()], None).unwrap()).unwrap();
    rules.add(none("quay.io/vendor/*")).unwrap();
    rules.add(rule("quay.io/vendor/app", vec![own().public_key().clone()], None).unwrap()).unwrap();
    rules.add(rule("mirror.example/v/*", vec![cosign()], Some("quay.io/vendor/*")).unwrap()).unwrap();
    rules.add(rule("mirror.example/v/one", vec![cosign()], Some("docker.io/library/one")).unwrap()).unwrap();
    for (image, expected) in [
        ("nginx:1", Some(("docker.io/library/nginx", cosign()))),
        ("quay.io/vendor/other:1", None),
        ("quay.io/vendor/app:1", Some(("quay.io/vendor/app", own().public_key().clone()))),
        ("mirror.example/v/a/b:1", Some(("quay.io/vendor/a/b", cosign()))),
        ("mirror.example/v/one:1", Some(("docker.io/library/one", cosign()))),
    ] {
        let reference: Reference = image.parse().unwrap();
        let found = rules.required(&reference);
        let found = found.map(|signers| (signers.identity.clone(), signers.signers.keys.clone()));
        assert_eq!(found, expected.map(|(name, key)| (name.to_owned(), vec![key])), "{image}");
    }
    assert!(SignatureRules::default().required(&"a:1".parse().unwrap()).is_none());
}

#[test]
fn a_rule_that_contradicts_itself_or_another_one_is_refused() {
    let key = || vec![cosign()];
    let none = |keys, identity: Option<&str>| {
        SignatureRule::new(
            pattern("quay.io/*"),
            SignatureRequirement::None,
            Signers::from(keys),
            identity.map(pattern),
        )
    };
    let mut rules = SignatureRules::default();
    rules.add(rule("docker.io/library/nginx", key(), None).unwrap()).unwrap();
    let twice = rules.add(rule("nginx", key(), None).unwrap()).map_err(|error| error.to_string());
    assert_eq!(twice.unwrap_err(), "a second rule for `docker.io/library/nginx`");
    for (found, expected) in [
        (rule("quay.io/*", Vec::new(), None), "`require: signature` needs `keys` or `identities`"),
        (none(key(), None), "`keys` takes effect only with `require: signature`"),
        (none(Vec::new(), Some("a.b/*")), "`identity` takes effect only with `require: signature`"),
        (
            rule("quay.io/*", key(), Some("quay.io/a")),
            "`identity` and `repository` must both end with `/*`, or neither",
        ),
        (
            rule("quay.io/a", key(), Some("quay.io/*")),
            "`identity` and `repository` must both end with `/*`, or neither",
        ),
        (rule("*", key(), Some("*")), "`identity` and `repository` must both end with `/*`, or neither"),
    ] {
        assert_eq!(found.unwrap_err().to_string(), expected);
    }
}

/// What a registry has of an image.
#[derive(Default)]
struct Registry {
    manifests: Vec<(SignatureForm, String)>,
    blobs: HashMap<Digest, Vec<u8>>,
}

impl Registry {
    /// Adds a blob; its descriptor, with an annotation.
    fn blob(
        &mut self,
        media_type: &str,
        bytes: &[u8],
        annotation: Option<(&str, &str)>,
    ) -> serde_json::Value {
        let digest = Digest::of(bytes);
        self.blobs.insert(digest, bytes.to_vec());
        let annotations: serde_json::Map<_, _> =
            annotation.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        serde_json::json!({"mediaType": media_type, "digest": digest, "size": bytes.len(), "annotations": annotations})
    }

    fn manifest(&mut self, form: SignatureForm, layers: Vec<serde_json::Value>, more: serde_json::Value) {
        let mut manifest = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": Digest::of(b"{}"), "size": 2},
            "layers": layers,
        });
        let more = more.as_object().unwrap().clone();
        manifest.as_object_mut().unwrap().extend(more);
        self.manifests.push((form, manifest.to_string()));
    }

    /// A layer with a payload that our key signed.
    fn payload(&mut self, text: &str) -> serde_json::Value {
        let signature = base64::engine::general_purpose::STANDARD.encode(own().sign(text.as_bytes()));
        let annotation = Some(("dev.cosignproject.cosign/signature", signature.as_str()));
        self.blob(trust::SIMPLE_SIGNING_MEDIA_TYPE, text.as_bytes(), annotation)
    }

    /// A layer with a bundle that our key signed.
    fn bundle(&mut self, image: &str, predicate: &str) -> serde_json::Value {
        let hex = image.trim_start_matches("sha256:");
        let statement = format!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"digest":{{"sha256":"{hex}"}}}}],"predicateType":"{predicate}","predicate":{{}}}}"#
        );
        let signer = Signer::with_key(include_bytes!("data/p256.pk8.pem")).unwrap();
        let bundle = trust::Bundle::sign(&statement, &signer, &|| false).unwrap();
        self.blob(BUNDLE_TYPE, bundle.as_bytes(), None)
    }

    /// The signatures by these keys.
    fn found(&self, keys: &[PublicKey], identity: &str) -> FoundSignatures {
        self.found_by(&keys.to_vec().into(), IMAGE.parse().unwrap(), identity)
    }

    /// The signatures of an image by these signers.
    fn found_by(&self, trusted: &Signers, image: Digest, identity: &str) -> FoundSignatures {
        let signers = RequiredSigners { signers: trusted, identity: identity.to_owned() };
        let mut judge = Judge::new(image, &signers);
        for (form, text) in &self.manifests {
            let manifest = Manifest::parse(text.as_bytes()).unwrap();
            let mut read = |layer: &Descriptor| -> Result<_, Infallible> {
                Ok(self.blobs.get(&layer.digest).cloned().ok_or_else(|| "it is missing".to_owned()))
            };
            let Ok(()) = judge.look_at(*form, (Digest::of(text.as_bytes()), &manifest), &mut read);
        }
        judge.end()
    }
}

#[test]
fn both_forms_that_cosign_writes_count() {
    let mut registry = Registry::default();
    for blob in [PAYLOAD, BUNDLE] {
        registry.blobs.insert(Digest::of(blob.as_bytes()), blob.into());
    }
    registry.manifests.push((SignatureForm::Tag, TAGGED.into()));
    registry.manifests.push((SignatureForm::Referrer, REFERRER.into()));
    let found = registry.found(&[cosign()], REPOSITORY);
    assert_eq!(found.refused, []);
    let signature = |form, manifest: &str, identity: Option<&str>| ImageSignature {
        image: IMAGE.parse().unwrap(),
        signer: cosign().id().into(),
        form,
        manifest: Digest::of(manifest.as_bytes()),
        identity: identity.map(Into::into),
    };
    let expected = [
        signature(SignatureForm::Tag, TAGGED, Some(REPOSITORY)),
        signature(SignatureForm::Referrer, REFERRER, None),
    ];
    assert_eq!(found.good, expected);
    // What is noted counts for the same key, image and repository alone.
    let (cosigns, others) = (vec![cosign()].into(), vec![own().public_key().clone()].into());
    let signers = |signers, identity: &str| RequiredSigners { signers, identity: identity.into() };
    let (tagged, image) = (&found.good[0], IMAGE.parse().unwrap());
    assert!(signers(&cosigns, REPOSITORY).accept(tagged, &image));
    assert!(!signers(&cosigns, "quay.io/other").accept(tagged, &image));
    assert!(!signers(&others, REPOSITORY).accept(tagged, &image));
    assert!(!signers(&cosigns, REPOSITORY).accept(tagged, &Digest::of(b"another")));
}

/// Puts something into a registry.
type Fill<'a> = &'a dyn Fn(&mut Registry);

/// Rows 72 to 78 of the attacks on signed images, and damage. Each has a reason of its own.
#[test]
fn a_signature_that_does_not_fit_the_image_is_refused_with_its_reason() {
    let other = Digest::of(b"the manifest of another platform").to_string();
    let subject = |digest: &str| {
        serde_json::json!({
            "artifactType": BUNDLE_TYPE,
            "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 1},
        })
    };
    let refused = |fill: Fill<'_>| {
        let mut registry = Registry::default();
        fill(&mut registry);
        let found = registry.found(&[own().public_key().clone()], REPOSITORY);
        assert_eq!(found.good, []);
        found.problem()
    };
    let tagged = |registry: &mut Registry, text: &str| {
        let layer = registry.payload(text);
        registry.manifest(SignatureForm::Tag, vec![layer], serde_json::json!({}));
    };
    let referring = |registry: &mut Registry, layer, more| {
        registry.manifest(SignatureForm::Referrer, vec![layer], more);
    };
    let cases: &[(&str, Fill<'_>)] = &[
        ("the registry has no signature of it", &|_| {}),
        // 72, 74
        (&format!("it signs the image {other}: expected {IMAGE}"), &|registry| {
            tagged(registry, &PAYLOAD.replace(IMAGE, &other));
        }),
        (&format!("it signs the image {other}: expected {IMAGE}"), &|registry| {
            let layer = registry.bundle(&other, trust::IMAGE_PREDICATE);
            referring(registry, layer, subject(IMAGE));
        }),
        // 73
        (
            "it signs an image of the repository quay.io/vendor/app: expected localhost:5999/demo/c2",
            &|registry| {
                tagged(registry, &PAYLOAD.replace(REPOSITORY, "quay.io/vendor/app"));
            },
        ),
        ("it signs an image of the repository \\u{202e}: expected", &|registry| {
            tagged(registry, &PAYLOAD.replace(REPOSITORY, "\u{202e}"));
        }),
        // 76
        ("it refers to another image", &|registry| {
            let layer = registry.bundle(IMAGE, trust::IMAGE_PREDICATE);
            referring(registry, layer, subject(&other));
        }),
        ("it refers to another image", &|registry| {
            let layer = registry.bundle(IMAGE, trust::IMAGE_PREDICATE);
            referring(registry, layer, serde_json::json!({"artifactType": BUNDLE_TYPE}));
        }),
        // 77
        ("it is a `application/spdx+json`, but its layer is a `application/vnd.dev.sigstore", &|registry| {
            let layer = registry.bundle(IMAGE, trust::IMAGE_PREDICATE);
            let mut more = subject(IMAGE);
            more["artifactType"] = "application/spdx+json".into();
            referring(registry, layer, more);
        }),
        ("but its layer is a `text/plain`", &|registry| {
            let mut layer = registry.bundle(IMAGE, trust::IMAGE_PREDICATE);
            layer["mediaType"] = "text/plain".into();
            referring(registry, layer, subject(IMAGE));
        }),
        // 78
        ("it signs an image of the repository localhost:5999/demo/c3", &|registry| {
            let claim = PAYLOAD
                .replace(REPOSITORY, "localhost:5999/demo/c3")
                .replace(r#""optional":null"#, r#""optional":{"docker-reference":"localhost:5999/demo/c2"}"#);
            tagged(registry, &claim);
        }),
        ("the statement is a `https://slsa.dev/provenance/v1`, not the signature of an image", &|registry| {
            let layer = registry.bundle(IMAGE, "https://slsa.dev/provenance/v1");
            referring(registry, layer, subject(IMAGE));
        }),
        ("its layer has no signature", &|registry| {
            let layer = registry.blob(trust::SIMPLE_SIGNING_MEDIA_TYPE, PAYLOAD.as_bytes(), None);
            registry.manifest(SignatureForm::Tag, vec![layer], serde_json::json!({}));
        }),
        ("it was signed by another key, or changed; the trusted key is SHA256:", &|registry| {
            registry.blobs.insert(Digest::of(PAYLOAD.as_bytes()), PAYLOAD.into());
            registry.manifests.push((SignatureForm::Tag, TAGGED.into()));
        }),
        ("it was signed with a certificate, and only keys are trusted", &|registry| {
            let mut layer = registry.payload(&PAYLOAD.replace("demo", "other"));
            layer["annotations"]["dev.cosignproject.cosign/signature"] = "MEQ=".into();
            layer["annotations"]["dev.sigstore.cosign/certificate"] = "-----BEGIN".into();
            registry.manifest(SignatureForm::Tag, vec![layer], serde_json::json!({}));
        }),
        ("its layer is a `application/vnd.dsse.envelope.v1+json`: expected", &|registry| {
            let layer = registry.blob("application/vnd.dsse.envelope.v1+json", b"{}", None);
            registry.manifest(SignatureForm::Tag, vec![layer], serde_json::json!({}));
        }),
        ("it has no layer with a payload", &|registry| {
            registry.manifest(SignatureForm::Tag, Vec::new(), serde_json::json!({}));
        }),
        ("it has 2 layers: expected one", &|registry| {
            let layer = registry.bundle(IMAGE, trust::IMAGE_PREDICATE);
            registry.manifest(SignatureForm::Referrer, vec![layer.clone(), layer], subject(IMAGE));
        }),
        ("its layer has 65537 bytes: expected at most 65536", &|registry| {
            let mut layer = registry.payload(PAYLOAD);
            layer["size"] = 65537.into();
            registry.manifest(SignatureForm::Tag, vec![layer], serde_json::json!({}));
        }),
        ("it is missing", &|registry| {
            tagged(registry, PAYLOAD);
            registry.blobs.clear();
        }),
    ];
    for (expected, fill) in cases {
        let found = refused(fill);
        assert!(found.contains(expected), "{expected}: {found}");
    }
}

/// Row 75.
#[test]
fn one_good_signature_is_enough_and_the_others_are_reported() {
    let mut registry = Registry::default();
    let layers = [
        PAYLOAD.replace(REPOSITORY, "quay.io/a"),
        PAYLOAD.replace(IMAGE, &Digest::of(b"x").to_string()),
        PAYLOAD.into(),
    ];
    let layers = layers.iter().map(|text| registry.payload(text)).collect();
    registry.manifest(SignatureForm::Tag, layers, serde_json::json!({}));
    let keys = [cosign(), own().public_key().clone()];
    let found = registry.found(&keys, REPOSITORY);
    let good: Vec<&str> = found.good.iter().map(|signature| signature.signer.as_str()).collect();
    assert_eq!((good, found.refused.len()), (vec![keys[1].id()], 2));
}

#[test]
fn sboms_and_attestations_beside_an_image_are_no_signatures() {
    let mut registry = Registry::default();
    let sbom = registry.blob("application/spdx+json", b"{}", None);
    registry.manifest(SignatureForm::Referrer, vec![sbom], serde_json::json!({}));
    let attestation = registry.bundle(IMAGE, "https://slsa.dev/provenance/v1");
    let more = serde_json::json!({
        "artifactType": BUNDLE_TYPE,
        "annotations": {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"},
    });
    registry.manifest(SignatureForm::Referrer, vec![attestation], more);
    assert_eq!(registry.found(&[own().public_key().clone()], REPOSITORY), FoundSignatures::default());
}

#[test]
fn only_so_many_signatures_of_an_image_are_looked_at() {
    let mut registry = Registry::default();
    let layer = registry.blob(trust::SIMPLE_SIGNING_MEDIA_TYPE, PAYLOAD.as_bytes(), None);
    registry.manifest(SignatureForm::Tag, vec![layer; 1000], serde_json::json!({}));
    let found = registry.found(&[cosign()], REPOSITORY);
    assert_eq!((found.good.len(), found.refused.len()), (0, 65));
    assert_eq!(found.refused[64].reason, "only the first 64 signatures are checked");
}

/// A signature of 2023 by a person, with a certificate of sigstore's public instance.
#[test]
fn an_identity_with_a_certificate_counts_in_the_form_of_the_tag() {
    let vector = include_str!("../../../trust/src/tests/data/images/cosign-sig-tag.keyless.json");
    let vector: serde_json::Value = serde_json::from_str(vector).unwrap();
    let (payload, image) =
        (vector["payload"].as_str().unwrap(), "192.168.64.2:5000/cosign-signed/fulcio-rekor-1");
    let signed = trust::SimpleSigning::parse(payload.as_bytes()).unwrap().digest;
    let mut registry = Registry::default();
    let mut layer = registry.blob(trust::SIMPLE_SIGNING_MEDIA_TYPE, payload.as_bytes(), None);
    layer["annotations"] = serde_json::json!({
        "dev.cosignproject.cosign/signature": vector["signature"],
        "dev.sigstore.cosign/certificate": vector["certificate"],
        "dev.sigstore.cosign/bundle": vector["bundle"],
    });
    registry.manifest(SignatureForm::Tag, vec![layer], serde_json::json!({}));
    for (subject, repository, reason) in [
        ("mitr@redhat.com", image, None),
        (
            "other@redhat.com",
            image,
            Some("it was signed by mitr@redhat.com (https://github.com/login/oauth)"),
        ),
        ("mitr@redhat.com", "quay.io/vendor/app", Some("expected quay.io/vendor/app")),
    ] {
        let found = registry.found_by(&person(subject), signed, repository);
        let refused =
            found.refused.iter().map(|refused| refused.reason.as_str()).collect::<Vec<_>>().join(";");
        let by: Vec<&str> = found.good.iter().map(|good| good.signer.as_str()).collect();
        match reason {
            None => assert_eq!(by, [format!("{subject} (https://github.com/login/oauth)")], "{refused}"),
            Some(reason) => assert!(by.is_empty() && refused.contains(reason), "{refused}"),
        }
    }
}

/// A person whom sigstore's public instance certifies.
fn person(subject: &str) -> Signers {
    let root = include_bytes!("../../../trust/src/keyless/tests/conformance/roots/public.json");
    let root = trust::TrustedRoot::parse(root).unwrap();
    let identity = trust::Identity::new(&root, subject, "https://github.com/login/oauth").unwrap();
    Signers { keys: Vec::new(), identities: vec![identity] }
}

#[test]
fn identities_come_back_from_the_file_of_an_archive_with_one_copy_of_their_root() {
    let mut rules = SignatureRules::default();
    for (repository, subject) in [("quay.io/a/*", "a@example.com"), ("quay.io/b/*", "*@example.com")] {
        let (required, signers) = (SignatureRequirement::Signature, person(subject));
        rules.add(SignatureRule::new(pattern(repository), required, signers, None).unwrap()).unwrap();
    }
    let text = rules.render();
    assert_eq!(SignatureRules::parse(text.as_bytes()).unwrap(), rules);
    assert_eq!(text.matches("certificateAuthorities").count(), 1);
    let without = text.replacen("trustedRoot\": \"sha256:", "trustedRoot\": \"sha256:0", 1);
    let error = SignatureRules::parse(without.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "the rule for quay.io/a/* has identities, but no trusted root");
    let wide = text.replacen("a@example.com", "*", 1);
    let error = SignatureRules::parse(wide.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("an identity of the rule for quay.io/a/*: the identity `*` has a `*`"), "{error}");
}

#[test]
fn rules_come_back_from_the_file_of_an_archive() {
    let mut rules = SignatureRules::default();
    rules.add(rule("quay.io/vendor/*", vec![cosign(), own().public_key().clone()], None).unwrap()).unwrap();
    rules.add(rule("mirror.example/v/*", vec![cosign()], Some("quay.io/vendor/*")).unwrap()).unwrap();
    let none =
        SignatureRule::new(pattern("*"), SignatureRequirement::None, Signers::default(), None).unwrap();
    rules.add(none).unwrap();
    let text = rules.render();
    assert_eq!(SignatureRules::parse(text.as_bytes()).unwrap(), rules);
    assert!(text.starts_with("{\n  \"schemaVersion\": 1,\n  \"rules\": [\n"), "{text}");
    for (from, to, expected) in [
        ("\"schemaVersion\": 1", "\"schemaVersion\": 2", "it has version 2 of its format"),
        ("\"rules\"", "\"more\": 1, \"rules\"", "unknown field `more`"),
        ("\"require\"", "\"require\": \"none\", \"require\"", "duplicate field `require`"),
        ("\"require\": \"signature\"", "\"require\": \"checksum\"", "unknown variant `checksum`"),
        (
            "\"require\": \"signature\"",
            "\"require\": \"none\"",
            "the rule for quay.io/vendor/*: `keys` takes effect",
        ),
        ("\"quay.io/vendor/*\"", "\"*/x\"", "`*/x`: expected a repository"),
        ("\"mirror.example/v/*\"", "\"quay.io/vendor/*\"", "a second rule for `quay.io/vendor/*`"),
        (
            "BEGIN PUBLIC KEY",
            "BEGIN PRIVATE KEY",
            "a key of the rule for quay.io/vendor/*: it contains no key in PEM",
        ),
        ("}\n  ]\n}\n", "}\n  ]\n}\n{}", "trailing characters"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = SignatureRules::parse(text.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{from}: {error}");
    }
    let large = vec![b' '; 1 + usize::try_from(RULES_MAX).unwrap()];
    assert_eq!(SignatureRules::parse(&large).unwrap_err().to_string(), "it has more than 1048576 bytes");
}
