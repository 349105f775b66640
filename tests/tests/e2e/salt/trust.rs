//! `metalk8s.archives.trusted`: the policy of a node, from its pillar.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::{Value, json};
use tests::sealift;

use super::{Node, bootstrap, iso};
use crate::signed_archives::sign_elsewhere;

const POLICY: &str = "\
require: signature
archives:
  other: {require: none, minimumVersion: 2.10}
keys: [keys/vendor.pub]
";

fn key() -> String {
    fs::read_to_string(sealift::repository().join("trust/src/tests/data/ed.pub")).unwrap()
}

fn mode_and_owner(path: &Path) -> (u32, u32, u32) {
    let data = fs::symlink_metadata(path).unwrap();
    (data.permissions().mode() & 0o7777, data.uid(), data.gid())
}

#[test]
fn the_policy_of_the_pillar_holds_for_the_archives_that_are_imported_after_it() {
    let Some(node) = Node::rocky("") else { return };
    let one = iso(&node, "one", &[("product.txt", "NAME=MetalK8s\nVERSION=2.11.0-dev\n")]);
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[])).unwrap();
    let folder = node.path("root/etc/sealift");
    let policy = folder.join("trust.yaml");
    let apply = |trust: Value, options: &[&str]| {
        let more = json!({"trust": trust, "trust_config": &policy});
        let mut pillar: Value =
            serde_json::from_str(node.pillar(&more).trim_start_matches("pillar=")).unwrap();
        pillar["archives"] = json!([&one]);
        let pillar = format!("pillar={pillar}");
        node.call(&[&["state.apply", "metalk8s.archives.configured", &pillar], options].concat())
    };
    let trust = json!({"policy": POLICY, "keys": {"vendor.pub": key()}});

    let run = apply(trust.clone(), &["test=True"]);
    assert!(!policy.exists() && run.said.contains("trust.yaml"), "{}", run.said);

    // The archive is not signed. The policy is written first, so it is not imported.
    let run = apply(trust.clone(), &[]);
    assert!(!run.success && run.said.contains("one.iso is not signed"), "{}", run.said);
    assert_eq!(fs::read_to_string(&policy).unwrap(), POLICY);
    assert_eq!(fs::read_to_string(folder.join("keys/vendor.pub")).unwrap(), key());
    for (path, mode) in [("", 0o755), ("keys", 0o755), ("keys/vendor.pub", 0o644), ("trust.yaml", 0o644)] {
        assert_eq!(mode_and_owner(&folder.join(path)), (mode, 0, 0), "{path}");
    }
    assert!(!fs::read_to_string(node.path("bootstrap.yaml")).unwrap().contains("one.iso"));

    sign_elsewhere(&one);
    let run = apply(trust.clone(), &[]);
    assert!(run.success && run.changes() == 1, "{}", run.said);
    apply(trust.clone(), &[]).assert_unchanged();

    // What others could write to is corrected.
    fs::set_permissions(&policy, fs::Permissions::from_mode(0o666)).unwrap();
    let run = apply(trust, &[]);
    assert!(run.success && mode_and_owner(&policy) == (0o644, 0, 0), "{}", run.said);

    // A node whose pillar has no policy keeps its own.
    let run = apply(json!({}), &[]);
    assert!(run.success && run.results() == [(true, false)], "{}", run.said);
    assert_eq!(fs::read_to_string(&policy).unwrap(), POLICY);
}

#[test]
fn a_pillar_that_is_no_policy_changes_nothing() {
    let Some(node) = Node::rocky("") else { return };
    let policy = node.path("root/etc/sealift/trust.yaml");
    for (trust, reason) in [
        (json!({"policy": {"require": "signature"}}), "metalk8s:trust:policy is not text"),
        (
            json!({"policy": POLICY, "keys": {"../vendor.pub": key()}}),
            "metalk8s:trust:keys: expected names of files",
        ),
        (
            json!({"policy": POLICY, "keys": {"vendor.pub": null}}),
            "metalk8s:trust:keys: expected names of files",
        ),
        (
            json!({"policy": POLICY, "keys": {"vendor.pub": "salt://missing.pub"}}),
            "salt://missing.pub not found",
        ),
    ] {
        let run = node.apply("metalk8s.archives.trusted", &json!({"trust": trust}));
        assert!(!run.success && run.said.contains(reason), "{trust}: {}", run.said);
        assert!(!policy.exists(), "{trust}");
    }
}
