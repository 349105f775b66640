//! Policies.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::{Bundle, Covers, Policy, Require};

/// A folder with a policy and keys.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("trust.yaml", text.as_bytes()),
        ("p256.pub", P256_PUBLIC),
        ("ed.pub", ED25519_PUBLIC),
        ("secret.pem", P256),
        ("root.json", include_bytes!("../keyless/tests/conformance/roots/public.json")),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
    }
    folder
}

fn outcome(path: &Path) -> String {
    match Policy::read(path) {
        Ok(_) => "good".into(),
        Err(error) => error.to_string().replace(&format!("{}/", path.parent().unwrap().display()), ""),
    }
}

#[test]
fn a_rule_for_an_archive_takes_the_place_of_the_default() {
    let folder = folder(
        "require: signature\nkeys: [p256.pub]\narchives:\n  MetalK8s:\n    keys: [ed.pub]\n    covers: contents\n    \
         minimumVersion: 2.11.0\n  legacy:\n    require: checksum\n",
    );
    let policy = Policy::read(&folder.path().join("trust.yaml")).unwrap();
    let other = policy.rule("other");
    assert_eq!(
        (other.require, other.covers, other.signers.keys.as_slice()),
        (Require::Signature, Covers::Iso, &[public(P256_PUBLIC)][..])
    );
    for name in ["metalk8s", "METALK8S"] {
        let rule = policy.rule(name);
        assert_eq!((rule.require, rule.covers), (Require::Signature, Covers::Contents));
        assert_eq!(rule.signers.keys, [public(ED25519_PUBLIC)]);
        assert_eq!(rule.minimum_version.as_deref(), Some("2.11.0"));
    }
    assert_eq!(policy.rule("legacy").require, Require::Checksum);
    let files: Vec<_> = policy.files().iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(files, ["trust.yaml", "p256.pub", "ed.pub"]);
    let absent = Policy::read_if_exists(&folder.path().join("none.yaml")).unwrap();
    assert_eq!(absent, None);
    assert_eq!(Policy::default().rule("x").require, Require::Checksum);
}

/// A rule that names its signers does not also accept those of all archives.
#[test]
fn signers_of_a_rule_take_the_place_of_all_others() {
    let by = |subject: &str| format!("[{{subject: {subject}, issuer: 'https://example.com'}}]");
    let folder = folder(&format!(
        "require: signature\nkeys: [p256.pub]\ntrustedRoot: root.json\nidentities: {}\narchives:\n  \
         a: {{keys: [ed.pub]}}\n  b: {{identities: {}}}\n  c: {{minimumVersion: '1'}}\n",
        by("all@example.com"),
        by("b@example.com"),
    ));
    let policy = Policy::read(&folder.path().join("trust.yaml")).unwrap();
    let (p256, ed25519) = (public(P256_PUBLIC), public(ED25519_PUBLIC));
    let all = "all@example.com (https://example.com)";
    for (name, expected) in [
        ("a", &[ed25519.id()][..]),
        ("b", &["b@example.com (https://example.com)"]),
        ("c", &[p256.id(), all]),
        ("other", &[p256.id(), all]),
    ] {
        assert_eq!(policy.rule(name).signers.ids(), expected, "{name}");
    }
    let files: Vec<_> = policy.files().iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert_eq!(files, ["trust.yaml", "root.json", "p256.pub", "ed.pub"]);
}

#[test]
fn a_key_that_is_missing_is_not_a_policy_that_is_missing() {
    let folder = folder("require: signature\nkeys: [missing.pub]\n");
    let error = Policy::read_if_exists(&folder.path().join("trust.yaml")).unwrap_err();
    assert!(error.path.ends_with("missing.pub"), "{error}");
}

#[test]
fn the_oldest_version_can_be_any_version() {
    for version in ["2", "2.10", "v1.0", "2.11.0-rc.1", "1:1"] {
        let folder = folder(&format!("require: none\narchives:\n  a: {{minimumVersion: {version}}}\n"));
        let read = Policy::read(&folder.path().join("trust.yaml"));
        let found = read.ok().and_then(|policy| policy.rule("a").minimum_version.clone());
        assert_eq!(found.as_deref(), Some(version).filter(|version| *version != "1:1"));
    }
}

/// Rows 79 to 83 of the attack table.
#[test]
fn a_policy_that_does_not_say_what_holds_is_refused() {
    for (text, reason) in [
        ("require: signature\nkeys: [p256.pub]\nrequires: none\n", "trust.yaml: unknown field `requires`"),
        (
            "require: signature\nkeys: [p256.pub]\narchives:\n  a:\n    key: x\n",
            "trust.yaml: unknown field `key`",
        ),
        ("require: signatures\n", "trust.yaml: unknown variant `signatures`"),
        ("", "trust.yaml: "),
        ("covers: iso\n", "trust.yaml: "),
        (
            "require: signature\n",
            "trust.yaml: the policy requires signatures, but has neither `keys` nor `identities`",
        ),
        (
            "require: signature\nkeys: []\n",
            "trust.yaml: the policy requires signatures, but has neither `keys` nor `identities`",
        ),
        (
            "require: checksum\narchives:\n  a:\n    require: signature\n",
            "trust.yaml: the rule for a requires signatures, but has neither `keys` nor `identities`",
        ),
        (
            "require: checksum\narchives:\n  a:\n    keys: [p256.pub]\n",
            "trust.yaml: the rule for a has `keys`, which takes effect only with `require: signature`",
        ),
        ("require: signature\nkeys: [missing.pub]\n", "missing.pub: it cannot be read: No such file"),
        (
            "require: signature\nkeys: [secret.pem]\n",
            "secret.pem: it contains a private key, not a public key (PUBLIC KEY)",
        ),
        (
            "require: checksum\narchives:\n  demo: {require: none}\n  Demo: {require: checksum}\n",
            "trust.yaml: there are two rules for the archive `demo`",
        ),
        ("require: checksum\narchives:\n  demo: {}\n  demo: {}\n", "trust.yaml: "),
        ("require: checksum\nrequire: none\n", "trust.yaml: "),
        ("require: checksum\narchives:\n  ../x: {}\n", "trust.yaml: `../x` is not the name of an archive"),
        (
            "require: checksum\narchives:\n  a: {minimumVersion: ''}\n",
            "trust.yaml: the rule for a: `` is not a version: expected one such as 2.11.0",
        ),
        (
            "require: checksum\narchives:\n  a: {minimumVersion: abc}\n",
            "trust.yaml: the rule for a: `abc` is not a version",
        ),
        ("require: checksum\narchives:\n  a: {minimumVersion: null}\n", "trust.yaml: "),
        ("require: checksum\narchives:\n  a: {minimumVersion: }\n", "trust.yaml: "),
        ("require: checksum\narchives:\n  a: {require: null}\n", "trust.yaml: "),
        ("require: signature\nkeys: [p256.pub]\narchives:\n  a: {keys: ~}\n", "trust.yaml: "),
        (
            "require: signature\nidentities: [{subject: a@example.com, issuer: 'https://example.com'}]\n",
            "trust.yaml: the policy has `identities`, but no `trustedRoot` is named",
        ),
        (
            "require: signature\nkeys: [p256.pub]\ntrustedRoot: root.json\n",
            "trust.yaml: `trustedRoot` takes effect only with `identities`",
        ),
        (
            "require: signature\ntrustedRoot: root.json\nidentities: [{subject: '*', issuer: 'https://example.com'}]\n",
            "trust.yaml: the policy: the identity `*` has a `*` before its owner ends",
        ),
        (
            "require: signature\ntrustedRoot: root.json\nidentities: [{subject: a@example.com}]\n",
            "trust.yaml: missing field `issuer`",
        ),
        (
            "require: signature\ntrustedRoot: p256.pub\nidentities: [{subject: a@example.com, issuer: 'https://example.com'}]\n",
            "p256.pub: the trusted root is not JSON",
        ),
        ("require: checksum\nrevoked: [abc]\n", "trust.yaml: `abc` is not the ID of a key"),
    ] {
        let folder = folder(text);
        let found = outcome(&folder.path().join("trust.yaml"));
        assert!(found.starts_with(reason), "{text}{found}");
    }
}

#[test]
fn a_policy_that_others_can_change_is_refused() {
    let of = || folder("require: signature\nkeys: [p256.pub]\n");
    let mode = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    for (name, bits) in [("trust.yaml", 0o646), ("trust.yaml", 0o664), ("p256.pub", 0o666)] {
        let folder = of();
        mode(&folder.path().join(name), bits);
        let found = outcome(&folder.path().join("trust.yaml"));
        assert_eq!(found, format!("{name}: users other than its owner can write to it"));
    }
    let folder = of();
    for bits in [0o777, 0o775, 0o770] {
        mode(folder.path(), bits);
        assert_eq!(
            outcome(&folder.path().join("trust.yaml")),
            "trust.yaml: users other than the owner of its folder can replace it"
        );
    }
    mode(folder.path(), 0o1777);
    assert_eq!(outcome(&folder.path().join("trust.yaml")), "good");
    symlink("trust.yaml", folder.path().join("link.yaml")).unwrap();
    assert_eq!(outcome(&folder.path().join("link.yaml")), "link.yaml: it is a symbolic link");
    std::fs::create_dir(folder.path().join("folder.yaml")).unwrap();
    let found = outcome(&folder.path().join("folder.yaml"));
    assert_eq!(found, "folder.yaml: it cannot be read: it is a folder, not a regular file");
    let pipe = folder.path().join("pipe.yaml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    assert_eq!(outcome(&pipe), "pipe.yaml: it cannot be read: it is a named pipe, not a regular file");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(folder.path().join("p256.pub"), Some(4242), None).unwrap();
        assert_eq!(outcome(&folder.path().join("trust.yaml")), "p256.pub: it belongs to the user 4242");
        mode(folder.path(), 0o755);
        std::os::unix::fs::chown(folder.path(), Some(4242), None).unwrap();
        assert_eq!(
            outcome(&folder.path().join("trust.yaml")),
            "trust.yaml: its folder belongs to the user 4242, who can replace it"
        );
    }
}

/// Row 87: what a bundle shows of it.
#[test]
fn a_revoked_key_counts_no_longer() {
    let id = public(P256_PUBLIC).id().to_owned();
    let folder = folder(&format!("require: signature\nkeys: [p256.pub, ed.pub]\nrevoked: ['{id}']\n"));
    let policy = Policy::read(&folder.path().join("trust.yaml")).unwrap();
    let verify = |bundle: &str| {
        let bundle = Bundle::parse(bundle.as_bytes()).unwrap();
        policy.verify("demo", &bundle).map(|(statement, _)| statement.name).map_err(|fault| fault.to_string())
    };
    let revoked = Err(format!("it was signed by the key {id}, which the policy revokes"));
    assert_eq!(verify(&Forged::default().bundle()), revoked);
    assert_eq!(verify(&Forged { secret_key: ED25519, ..Forged::default() }.bundle()), Ok("demo".into()));
    // Under the name that cosign has for it.
    let by_cosign = public(P256_PUBLIC).spki_id().to_owned();
    assert_eq!(verify(&Forged { key_id: Some(by_cosign), ..Forged::default() }.bundle()), revoked);
}
