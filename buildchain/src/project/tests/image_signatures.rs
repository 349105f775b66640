//! Rules for the signatures of images: right and wrong entries.

use super::*;

const KEY: &str = "SHA256:qZHego6yPRpAQdNP9/gDZdeLR0omrMQ7SgQP2KZiytU";

/// Loads a project with these entries under `spec`, with a lock file.
fn load(spec: &str, lock: &str, environment: &[(&str, &str)]) -> Result<Project, String> {
    let root = tempfile::tempdir().unwrap();
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/src/signatures/data");
    for key in ["cosign.pub", "other.pub"] {
        std::fs::copy(keys.join(key), root.path().join(key)).unwrap();
    }
    std::fs::write(root.path().join("empty"), "").unwrap();
    let trusted = include_str!("../../../../trust/src/keyless/tests/conformance/roots/public.json");
    std::fs::write(root.path().join("root.json"), trusted).unwrap();
    std::fs::write(root.path().join(FILE_NAME), format!("{HEAD}spec:\n{spec}")).unwrap();
    std::fs::write(root.path().join("sealift.lock"), format!("version: 1\n{lock}")).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let settings = Settings::gather(root.path(), &environment.collect(), &SettingsFlags::default()).unwrap();
    Project::load(root.path(), settings).map_err(|error| error.to_string())
}

fn rules(entries: &str) -> Result<Project, String> {
    load(&format!("  images:\n    signatures:\n{entries}"), "", &[])
}

#[test]
fn a_rule_with_a_mistake_is_refused_at_its_place() {
    for (entries, expected) in [
        ("      - {repository: 'a.b/*'}\n", ":7:22: `require: signature` needs `keys`"),
        ("      - {repository: 'a.b/*', keys: [missing]}\n", ":7:38: missing does not exist"),
        ("      - {repository: 'a.b/*', keys: [empty]}\n", ":7:38: `empty`: it contains no key in PEM"),
        ("      - {repository: 'a.b/*', keys: [../cosign.pub]}\n", "leads out"),
        (
            "      - {repository: 'a.b/*', keys: [cosign.pub], require: none}\n",
            ":7:38: `keys` takes effect only with `require: signature`",
        ),
        ("      - {repository: 'a.b/*', keys: [cosign.pub], identity: c.d/e}\n", "must both end with `/*`"),
        ("      - {repository: 'a.b/*', keys: [cosign.pub], require: checksum}\n", "`checksum`"),
        ("      - {repository: 'a.b/*', key: cosign.pub}\n", "unknown key `key`"),
        (
            "      - {repository: 'a.b/*', identities: [{subject: a@b.c, issuer: 'https://b.c'}]}\n",
            ":7:54: `identities` need `trustedRoot`",
        ),
        (
            "      - {repository: 'a.b/*', keys: [cosign.pub], trustedRoot: root.json}\n",
            ":7:64: `trustedRoot` takes effect only with `identities`",
        ),
        (
            "      - {repository: 'a.b/*', trustedRoot: root.json, identities: [{subject: '*', issuer: 'https://b.c'}]}\n",
            ":7:78: the identity `*` has a `*` before its owner ends",
        ),
        (
            "      - {repository: 'a.b/*', trustedRoot: cosign.pub, identities: [{subject: a@b.c, issuer: 'https://b.c'}]}\n",
            ":7:44: `cosign.pub`: the trusted root is not JSON",
        ),
        (
            "      - {repository: 'a.b/*', require: none, trustedRoot: root.json, identities: [{subject: a@b.c, issuer: 'https://b.c'}]}\n",
            "`identities` takes effect only with `require: signature`",
        ),
        (
            "      - {repository: 'A B', keys: [cosign.pub]}\n",
            "`A B` is not a pattern of repositories: expected",
        ),
        (
            "      - {repository: nginx, keys: [cosign.pub]}\n      - {repository: docker.io/library/nginx, require: none}\n",
            ":8:22: a second rule for `docker.io/library/nginx`",
        ),
    ] {
        let error = rules(entries).unwrap_err();
        assert!(error.contains(expected), "{entries}: {error}");
    }
}

#[test]
fn images_that_need_signatures_are_pulled_with_their_referrers() {
    let spec = "  images:\n    pull: ['a.b/x/app:1', 'a.b/y/app2:1', 'docker-daemon:app3:1']\n    signatures:\n      \
                - {repository: 'a.b/{{ part }}/*', keys: [cosign.pub], forEach: {part: [x, z]}}\n  profiles:\n    \
                all:\n      replace: [images]\n      images:\n        pull: ['a.b/x/app4:1', 'a.b/y/app5:1']\n        \
                signatures: [{repository: 'a.b/y/*', keys: [other.pub]}]\n";
    let covered = |project: &Project| {
        let pulls = project.pull.iter().filter(|pull| pull.with_referrers);
        pulls.map(|pull| pull.name.to_string()).collect::<Vec<_>>()
    };
    let project = load(spec, "", &[]).unwrap();
    assert_eq!((covered(&project), project.image_signatures.iter().count()), (vec!["app".to_owned()], 2));
    // A profile that replaces images keeps the rules.
    let project = load(spec, "", &[("SEALIFT_PROFILE", "all")]).unwrap();
    assert_eq!(covered(&project), ["app4", "app5"]);
    assert_eq!(project.image_signatures.iter().count(), 3);
}

#[test]
fn a_locked_signature_counts_for_the_same_image_key_and_repository() {
    let image = Digest::of(b"image");
    let reference: images::Reference = "a.b/app:1".parse().unwrap();
    let lacks = |rule: &str, image: &Digest, entry: &str| {
        let lock = format!("images:\n  \"a.b/app:1\": {image}\nsignatures:\n  \"a.b/app:1\":\n{entry}");
        let spec = format!(
            "  images:\n    pull: ['a.b/app:1']\n    signatures:\n      - {{repository: a.b/app, {rule}}}\n"
        );
        load(&spec, &lock, &[]).map(|project| project.lacks_signature(&reference, image))
    };
    let entry = |key: &str, form: &str, more: &str| {
        format!("    image: {image}\n    key: {key}\n    form: {form}\n    manifest: {image}\n{more}")
    };
    let tagged = entry(KEY, "tag", "    identity: \"a.b/app\"\n");
    let identity = "trustedRoot: root.json, identities: [{subject: r@b.c, issuer: 'https://b.c'}]";
    let certified = format!(
        "    image: {image}\n    signer: \"r@b.c (https://b.c)\"\n    form: referrer\n    manifest: {image}\n"
    );
    for (rule, image, entry, expected) in [
        ("keys: [cosign.pub]", &image, &tagged, false),
        ("keys: [other.pub, cosign.pub]", &image, &tagged, false),
        ("keys: [cosign.pub]", &image, &entry(KEY, "referrer", ""), false),
        ("require: none", &image, &tagged, false),
        ("keys: [other.pub]", &image, &tagged, true),
        ("keys: [cosign.pub], identity: c.d/app", &image, &tagged, true),
        ("keys: [cosign.pub]", &Digest::of(b"another"), &tagged, true),
        (identity, &image, &certified, false),
        (&format!("{identity}, keys: [cosign.pub]"), &image, &tagged, false),
        ("keys: [cosign.pub]", &image, &certified, true),
    ] {
        assert_eq!(lacks(rule, image, entry), Ok(expected), "{rule} {entry}");
    }
    for (entry, expected) in [
        (entry("SHA256:short", "tag", ""), "`SHA256:short` is not the ID of a key"),
        (entry(KEY, "dream", ""), "`dream`"),
        (entry(KEY, "tag", "    signer: \"r@b.c (https://b.c)\"\n"), "must have either `key` or `signer`"),
        (
            format!("    image: {image}\n    form: tag\n    manifest: {image}\n"),
            "must have either `key` or `signer`",
        ),
        (certified.replace(" (https://b.c)", ""), "is not a signer"),
        (entry(KEY, "tag", "    identity: \"a\\nb\"\n"), "is not an image reference"),
        (entry(KEY, "tag", "    issuer: x\n"), "unknown key `issuer`"),
    ] {
        let error = lacks("keys: [cosign.pub]", &image, &entry).unwrap_err();
        assert!(error.contains(expected), "{entry}: {error}");
    }
}
