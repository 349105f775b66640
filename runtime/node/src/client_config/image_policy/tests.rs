//! Policies: what is added to a policy, and what is refused.

use archive::Tree;
use content::Digest;
use images::Reference;
use images::original_names::{OriginalNames, Place};
use images::signatures::{SignatureRequirement, SignatureRule, SignatureRules};
use trust::PublicKey;

use super::*;
use crate::client_config::{Obstacle, obstacles, write};

/// A file that cosign wrote.
fn data(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/src/signatures/data");
    std::fs::read(folder.join(name)).unwrap()
}

fn key(name: &str) -> PublicKey {
    PublicKey::read(&data(name)).unwrap()
}

fn repository(original: &str, identity: &str, keys: &[&str]) -> SignedRepository {
    SignedRepository {
        original: original.into(),
        served: format!("example-1.0/{}", original.rsplit('/').next().unwrap()),
        identity: identity.into(),
        keys: keys.iter().map(|name| key(name)).collect(),
    }
}

fn nodes() -> Vec<NodeAddress> {
    ["http://10.0.0.1:8080", "https://node2"].iter().map(|node| node.parse().unwrap()).collect()
}

const ORIGINAL: PolicyNames<'_> = PolicyNames::Original { fallback: false };

/// The policy for one repository, whose keys are one.
fn policy(existing: Option<&str>, force: bool) -> Result<Value, Error> {
    let repositories = [repository("quay.io/vendor/app", "quay.io/vendor/app", &["cosign.pub"])];
    let existing = existing
        .map(|text| ExistingPolicy { path: "/x/etc/containers/policy.json".into(), bytes: text.into() });
    let files = image_policy(&repositories, ORIGINAL, &nodes(), existing.as_ref(), force)?;
    assert_eq!(files[1].path, "etc/containers/policy.json");
    Ok(serde_json::from_str(&files[1].content).unwrap())
}

/// What the policy for that repository requires.
fn required() -> Value {
    let pem = base64::engine::general_purpose::STANDARD.encode(key("cosign.pub").to_pem());
    json!([{"type": "sigstoreSigned", "keyData": pem, "signedIdentity": {"type": "matchRepository"}}])
}

#[test]
fn a_repository_has_a_scope_for_each_name_that_it_is_pulled_by() {
    let repositories = [
        repository("quay.io/vendor/app", "quay.io/vendor/app", &["cosign.pub"]),
        repository("mirror.example/tool", "quay.io/vendor/tool", &["cosign.pub", "other.pub"]),
    ];
    let read = |names: PolicyNames<'_>| {
        let files = image_policy(&repositories, names, &nodes(), None, false).unwrap();
        let policy: Value = serde_json::from_str(&files[1].content).unwrap();
        assert_eq!(policy["default"], accepts_everything());
        let attachments: Value = serde_saphyr::from_str(&files[0].content).unwrap();
        let registries: Vec<String> = attachments["docker"].as_object().unwrap().keys().cloned().collect();
        (policy["transports"]["docker"].as_object().unwrap().clone(), registries)
    };
    let identity = |found: &Map<String, Value>, name: &str| found[name][0]["signedIdentity"].clone();
    let exact = |name: &str| json!({"type": "exactRepository", "dockerRepository": name});

    // Clients look for signatures at the nodes, by the names that images have there.
    let (found, registries) = read(ORIGINAL);
    assert_eq!(registries, ["10.0.0.1:8080", "node2:443"]);
    assert_eq!(found["quay.io/vendor/app"], required());
    assert_eq!(identity(&found, "mirror.example/tool"), exact("quay.io/vendor/tool"));
    assert_eq!(found["mirror.example/tool"][0]["keyDatas"].as_array().unwrap().len(), 2);
    assert_eq!(found.len(), 2);

    let (_, registries) = read(PolicyNames::Original { fallback: true });
    assert_eq!(registries, ["10.0.0.1:8080", "mirror.example/tool", "node2:443", "quay.io/vendor/app"]);

    let hosts = ["a.invalid".to_owned(), "b.invalid:5000".to_owned()];
    let (found, registries) = read(PolicyNames::Served(&hosts));
    assert_eq!(registries, ["10.0.0.1:8080", "node2:443"]);
    assert_eq!(identity(&found, "a.invalid/example-1.0/app"), exact("quay.io/vendor/app"));
    assert_eq!(identity(&found, "b.invalid:5000/example-1.0/tool"), exact("quay.io/vendor/tool"));
    assert_eq!(found.len(), 4);
}

#[test]
fn what_a_policy_requires_already_is_never_loosened() {
    let accepts = r#"[{"type":"insecureAcceptAnything"}]"#;
    let (reject, signed) =
        (r#"[{"type":"reject"}]"#, r#"[{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}]"#);
    let with = |default: &str, scopes: &str| {
        format!(
            r#"{{"default":{default},"transports":{{"docker":{{{scopes}}},"docker-daemon":{{"":{accepts}}}}}}}"#
        )
    };
    let scope = |name: &str, requirement: &str| format!(r#""{name}":{requirement}"#);
    for (existing, conflict) in [
        (format!(r#"{{"default":{accepts}}}"#), None),
        (with(accepts, ""), None),
        (with(reject, &scope("", accepts)), None),
        (with(reject, &scope("quay.io", accepts)), None),
        (with(reject, &scope("*.example", accepts)), Some("reject")),
        (with(accepts, &scope("quay.io/vendor/app", accepts)), None),
        (with(reject, &scope("quay.io/vendor/app", &required().to_string())), None),
        (with(accepts, &scope("quay.io/vendor/other", reject)), None),
        (with(reject, ""), Some("reject")),
        (with(accepts, &scope("", reject)), Some("reject")),
        (with(accepts, &scope("quay.io", signed)), Some("signedBy")),
        (with(accepts, &scope("quay.io/vendor", signed)), Some("signedBy")),
        (with(accepts, &scope("quay.io/vendor/app", signed)), Some("signedBy")),
        (with(accepts, &scope("*.io", reject)), Some("reject")),
    ] {
        let before: Value = serde_json::from_str(&existing).unwrap();
        match (policy(Some(&existing), false), conflict) {
            (Ok(mut found), None) => {
                assert_eq!(policy(Some(&found.to_string()), false).unwrap(), found, "{existing}");
                let docker = found["transports"]["docker"].as_object_mut().unwrap();
                assert_eq!(docker.remove("quay.io/vendor/app"), Some(required()), "{existing}");
                // All else stays.
                let mut kept = before["transports"]["docker"].as_object().cloned().unwrap_or_default();
                kept.remove("quay.io/vendor/app");
                assert_eq!(*docker, kept, "{existing}");
                assert_eq!(found["default"], before["default"], "{existing}");
            }
            (Err(Error::PolicyConflict { path, scope, found }), Some(expected)) => {
                assert_eq!(path, Path::new("/x/etc/containers/policy.json"));
                assert!(scope == "quay.io/vendor/app" && found.contains(expected), "{existing}: {found}");
                let forced = policy(Some(&existing), true).unwrap();
                assert_eq!(forced["transports"]["docker"]["quay.io/vendor/app"], required());
            }
            (found, _) => panic!("{existing}: {found:?}"),
        }
    }
    for damaged in ["", "[]", "{}", r#"{"default":{}}"#, r#"{"default":[],"transports":[]}"#, "{\"default\":"]
    {
        let error = policy(Some(damaged), true).unwrap_err().to_string();
        assert!(error.starts_with("/x/etc/containers/policy.json: "), "{damaged}: {error}");
    }
}

#[test]
fn rules_that_disagree_and_a_policy_without_effect_are_refused() {
    let one = repository("quay.io/vendor/app", "quay.io/vendor/app", &["cosign.pub"]);
    let other = SignedRepository { keys: vec![key("other.pub")], ..one.clone() };
    let make =
        |repositories: &[SignedRepository]| image_policy(repositories, ORIGINAL, &nodes(), None, false);
    assert!(
        matches!(make(&[one.clone(), other]), Err(Error::TwoRules(name)) if name == "quay.io/vendor/app")
    );
    assert!(make(&[one.clone(), one.clone()]).is_ok());
    assert!(matches!(make(&[]), Err(Error::NoSigned)));
    assert!(matches!(image_policy(&[one], ORIGINAL, &[], None, false), Err(Error::NoNode)));
}

#[test]
fn policies_of_users_and_other_files_about_the_nodes_are_found() {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("root/.config/containers/policy.json", "{}");
    put("etc/containers/registries.d/default.yaml", "default-docker:\n  lookaside: file:///x\n");
    put("etc/containers/registries.d/a.yaml", "docker:\n  10.0.0.1:8080/vendor: {}\n  10.0.0.10:8080: {}\n");
    put("etc/containers/registries.d/z.yaml", "docker: {'node2:443': {use-sigstore-attachments: false}}\n");
    let repositories = [repository("quay.io/a", "quay.io/a", &["cosign.pub"])];
    let files = image_policy(&repositories, ORIGINAL, &nodes(), None, false).unwrap();
    write(root.path(), &files, false).unwrap();
    let existing = existing_policy(root.path()).unwrap().unwrap();
    assert_eq!(existing.path, root.path().join("etc/containers/policy.json"));
    assert_eq!(existing.bytes, files[1].content.as_bytes());
    let folder = root.path().join("etc/containers/registries.d");
    let expected = [
        Obstacle::PolicyOfUser { path: root.path().join("root/.config/containers/policy.json") },
        Obstacle::Attachments { path: folder.join("a.yaml"), scope: "10.0.0.1:8080/vendor".into() },
        Obstacle::Attachments { path: folder.join("z.yaml"), scope: "node2:443".into() },
    ];
    assert_eq!(obstacles(root.path(), &files), expected);
}

#[test]
fn a_repository_needs_signatures_only_if_clients_accept_those_in_the_archive() {
    let image = "6b11842236d7a07471de8ced2ca86c733c8ea80e4ff46c488d7d728014b6d729";
    let (payload, manifest) = (data("cosign-sig-tag.payload.json"), data("cosign-sig-tag.manifest.json"));
    let signed_in = "localhost:5999/demo/c2";
    let damaged = "localhost:5999/demo/c2: the blob is damaged";
    for (original, identity, key_file, layer, problem) in [
        (signed_in, None, "cosign.pub", Some(&payload), None),
        ("mirror.example/c2", Some(signed_in), "cosign.pub", Some(&payload), None),
        (
            "mirror.example/c2",
            None,
            "cosign.pub",
            Some(&payload),
            Some("it signs an image of the repository localhost:5999/demo/c2: expected mirror.example/c2"),
        ),
        (signed_in, None, "other.pub", Some(&payload), Some("it was signed by another key, or changed")),
        (
            signed_in,
            None,
            "cosign.pub",
            Some(&damaged.repeat(10).into_bytes()[..238].to_vec()),
            Some("has the digest"),
        ),
        (signed_in, None, "cosign.pub", Some(&b"short".to_vec()), Some("has 5 bytes, expected 238")),
        (signed_in, None, "cosign.pub", None, Some("is missing")),
    ] {
        let root = tempfile::tempdir().unwrap();
        let put = |path: &str, bytes: &[u8]| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        };
        put("images/c2/1/manifest.json", &data(&format!("image/blobs/sha256/{image}")));
        put(&format!("images/c2/sha256-{image}.sig/manifest.json"), &manifest);
        if let Some(layer) = layer {
            put(&format!("images/c2/sha256-{image}.sig/{}", Digest::of(&payload).hex()), layer);
        }
        let mut names = OriginalNames::default();
        let reference: Reference = format!("{original}:1").parse().unwrap();
        names.insert(&Place { name: "c2".into(), tag: "1".into() }, &reference);
        put("images/original-names.json", &names.write());
        let mut rules = SignatureRules::default();
        let pattern = |text: &str| text.parse().unwrap();
        let requirement = SignatureRequirement::Signature;
        let keys = vec![key(key_file)];
        rules
            .add(
                SignatureRule::new(pattern(original), requirement, keys.into(), identity.map(pattern))
                    .unwrap(),
            )
            .unwrap();
        put("attestations/image-policy.json", rules.render().as_bytes());
        let tree = || Tree::open(root.path()).unwrap();

        let found = SignedRepositories::read(&tree()).unwrap();
        assert_eq!(found.repositories.len(), usize::from(problem.is_none()), "{original}: {found:?}");
        match problem {
            None => assert_eq!(found.reported, []),
            Some(problem) => {
                let shown = found.reported.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
                assert!(shown.starts_with("c2:1: the signature under the tag .sig"), "{shown}");
                assert!(shown.contains(problem), "{shown}");
            }
        }
        // Without a signature, nothing is required, too.
        std::fs::remove_dir_all(root.path().join(format!("images/c2/sha256-{image}.sig"))).unwrap();
        let found = SignedRepositories::read(&tree()).unwrap();
        assert_eq!((found.repositories.len(), found.reported.len()), (0, 1));
        assert_eq!(found.reported[0].to_string(), "c2:1: it has no signature");
        // With bundles alone, the warning says so.
        let (bundle, referrer) =
            (data("cosign3-referrer.bundle.sigstore.json"), data("cosign3-referrer.manifest.json"));
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let listed = json!([{
            "mediaType": media_type, "digest": Digest::of(&referrer).to_string(), "size": referrer.len(),
        }]);
        let list = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": listed,
        });
        let folder = format!("images/c2/sha256-{image}");
        put(&format!("{folder}/manifest.json"), list.to_string().as_bytes());
        put(&format!("{folder}/{}.manifest.json", Digest::of(&referrer).hex()), &referrer);
        put(&format!("{folder}/{}", Digest::of(&bundle).hex()), &bundle);
        put(&format!("{folder}/{}", Digest::of(b"{}").hex()), b"{}");
        let found = SignedRepositories::read(&tree()).unwrap();
        assert_eq!(found.reported[0].problem, None);
        // A file that cannot be read is named with its archive.
        put("images/original-names.json", b"{");
        let error = SignedRepositories::read(&tree()).unwrap_err().to_string();
        let path = format!("{}: images/original-names.json: ", root.path().display());
        assert!(error.starts_with(&path), "{error}");
    }
}

#[test]
fn admission_controllers_cover_all_names_of_a_repository() {
    let repositories = [
        repository("docker.io/library/nginx", "docker.io/library/nginx", &["cosign.pub"]),
        repository("docker.io/vendor/app", "quay.io/vendor/app", &["other.pub", "cosign.pub"]),
        repository("quay.io/vendor/tool", "quay.io/vendor/tool", &["cosign.pub"]),
    ];
    let make = |names, controller| admission_policy(&repositories, names, controller).unwrap();
    let pem = |name: &str| key(name).to_pem();

    let policies = make(ORIGINAL, AdmissionController::Kyverno);
    let [policy] = policies.as_slice() else { panic!("{policies:?}") };
    assert_eq!(policy["metadata"]["name"], "sealift-original-names");
    assert_eq!(policy["spec"]["rules"].as_array().unwrap().len(), 2);
    let images = |rule: usize| {
        let rule = &policy["spec"]["rules"][rule]["verifyImages"][0];
        (rule["imageReferences"].clone(), rule["attestors"][0].clone())
    };
    // Kyverno does not complete `library/`.
    let (references, attestors) = images(0);
    let expected = [
        "docker.io/library/nginx:*",
        "docker.io/library/nginx@*",
        "index.docker.io/library/nginx:*",
        "index.docker.io/library/nginx@*",
        "docker.io/nginx:*",
        "docker.io/nginx@*",
        "index.docker.io/nginx:*",
        "index.docker.io/nginx@*",
        "quay.io/vendor/tool:*",
        "quay.io/vendor/tool@*",
    ];
    assert_eq!(references, json!(expected));
    let keys = |name: &str| {
        json!({"keys": {
            "publicKeys": pem(name), "signatureAlgorithm": "sha256",
            "rekor": {"ignoreTlog": true}, "ctlog": {"ignoreSCT": true},
        }})
    };
    assert_eq!(attestors, json!({"count": 1, "entries": [keys("cosign.pub")]}));
    let (_, attestors) = images(1);
    let mut entries = [keys("cosign.pub"), keys("other.pub")];
    entries.sort_by_key(ToString::to_string);
    assert_eq!(attestors, json!({"count": 1, "entries": entries}), "any of the keys");

    // policy-controller completes names to those of `index.docker.io`.
    let policies = make(ORIGINAL, AdmissionController::PolicyController);
    let names: Vec<&Value> = policies.iter().map(|policy| &policy["metadata"]["name"]).collect();
    assert_eq!(names, ["sealift-original-names-1", "sealift-original-names-2"]);
    let expected = [
        "index.docker.io/library/nginx:*",
        "index.docker.io/library/nginx@*",
        "quay.io/vendor/tool:*",
        "quay.io/vendor/tool@*",
    ]
    .map(|glob| json!({"glob": glob}));
    assert_eq!(policies[0]["spec"]["images"], json!(expected));
    assert_eq!(policies[0]["spec"]["authorities"][0]["key"]["data"], pem("cosign.pub"));
    assert_eq!(policies[1]["spec"]["authorities"].as_array().unwrap().len(), 2);

    let hosts = ["a.example:8443".to_owned()];
    let policies = make(PolicyNames::Served(&hosts), AdmissionController::PolicyController);
    assert_eq!(policies[0]["metadata"]["name"], "sealift-images-1");
    assert!(policies[0].to_string().contains("a.example:8443/example-1.0/app:*"));
    assert!(policies[1].to_string().contains("a.example:8443/example-1.0/nginx:*"));

    let kyverno = AdmissionController::Kyverno;
    assert!(matches!(admission_policy(&[], ORIGINAL, kyverno), Err(Error::NoSigned)));
    for host in ["*", "[::1]:5000", "a b", "", "http://reg"] {
        let hosts = [host.to_owned()];
        let refused = admission_policy(&repositories, PolicyNames::Served(&hosts), kyverno);
        match refused {
            Err(Error::ImageName(name)) => assert!(host == "[::1]:5000" && name.starts_with(host)),
            Err(Error::Node { found, .. }) => assert_eq!(found, host),
            other => panic!("{host}: {other:?}"),
        }
    }
}
