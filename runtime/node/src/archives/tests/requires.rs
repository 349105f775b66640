//! Archives that require others.

use super::*;

const APP: &str = "NAME=App\nVERSION=1.0.0\n";

/// The `requires.json` that requires this version of MetalK8s, with more keys.
fn requiring(version: &str, more: &str) -> String {
    format!(
        "{{\"apiVersion\": \"sealift.dev/v1alpha1\", \"kind\": \"ArchiveRequirements\", \"requires\": [{{\"name\": \"MetalK8s\", \
         \"version\": \"{version}\"{more}}}]}}"
    )
}

#[test]
fn an_import_needs_the_archives_that_the_archive_requires() {
    let (node, machine) = (Node::new(), Fake::default());
    let app = node.archive_with("app.iso", APP, &[(layout::REQUIRES, &requiring(">=2.10, <2.11", ""))]);
    let before = node.state(&machine);
    let refused = |expected: &str| {
        let state = node.state(&machine);
        let error = node.import(&app, &machine).unwrap_err();
        assert!(matches!(error, Error::Requires { .. }), "{error}");
        assert_eq!(
            error.to_string(),
            format!("app-1.0.0 requires archives that this node does not have: {expected}")
        );
        assert_eq!(node.state(&machine), state);
    };
    refused("MetalK8s >=2.10, <2.11 is missing");
    let old = node.archive("old.iso", "NAME=MetalK8s\nVERSION=2.9.0\n");
    node.import(&old, &machine).unwrap();
    refused("MetalK8s >=2.10, <2.11 is missing; available versions: 2.9.0");
    let platform = node.archive("metalk8s.iso", PLATFORM);
    node.import(&platform, &machine).unwrap();
    assert_eq!(node.import(&app, &machine).unwrap().notes, [""; 0]);
    assert!(node.import(&app, &machine).unwrap().steps.is_empty(), "all is done already");

    // The archive that it requires stays, unless another version takes its place.
    delete(&node.paths, "metalk8s-2.9.0", &DELETE, &machine).unwrap();
    let state = node.state(&machine);
    let error = delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap_err();
    assert_eq!(error.to_string(), "metalk8s-2.10.0 is required by app-1.0.0");
    assert_eq!(node.state(&machine), state);
    let patch = node.archive("patch.iso", "NAME=MetalK8s\nVERSION=2.10.1\n");
    node.import(&patch, &machine).unwrap();
    delete(&node.paths, "metalk8s-2.10.0", &DELETE, &machine).unwrap();
    delete(&node.paths, "metalk8s-2.10.1", &FORCE, &machine).unwrap();
    let listed = &get(&node.paths, &machine).unwrap()[0];
    assert_eq!(listed.warnings, ["it requires another archive: MetalK8s >=2.10, <2.11 is missing"]);
    assert_eq!(listed.requires[0].to_string(), "MetalK8s >=2.10, <2.11");

    delete(&node.paths, "app-1.0.0", &DELETE, &machine).unwrap();
    assert_eq!(node.state(&machine), before);
    let ignoring = ImportOptions { ignore_requires: true, ..ImportOptions::default() };
    import(&node.paths, &app, &ignoring, &machine, &()).unwrap();
}

#[test]
fn the_required_archive_must_have_the_contents_that_are_used() {
    let (node, machine) = (Node::new(), Fake::default());
    let manifest = "{}";
    let digest = content::Digest::of(manifest.as_bytes());
    let platform = node.archive_with(
        "metalk8s.iso",
        PLATFORM,
        &[
            ("images/nginx/1.25/manifest.json", manifest),
            ("packages/redhat/8/metalk8s-scality-el8/x86_64/containerd-1.6-1.el8.x86_64.rpm", ""),
        ],
    );
    let unverified = ImportOptions { verify: false, ..ImportOptions::default() };
    import(&node.paths, &platform, &unverified, &machine, &()).unwrap();
    for (index, (more, expected)) in [
        (format!(", \"images\": [\"nginx:1.25@{digest}\"], \"packages\": [\"containerd\"]"), ""),
        (
            ", \"images\": [\"nginx:1.26\"], \"packages\": [\"runc\"]".to_owned(),
            "MetalK8s 2.10.0 lacks the image nginx:1.26, the package runc",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let product = format!("NAME=App{index}\nVERSION=1.0.0\n");
        let app = node.archive_with("app.iso", &product, &[(layout::REQUIRES, &requiring("2.10.0", &more))]);
        let error = node.import(&app, &machine).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.ends_with(expected) && error.is_empty() == expected.is_empty(), "{error}");
        let _ = delete(&node.paths, &format!("app{index}-1.0.0"), &FORCE, &machine);
    }
}

/// The platform may run without its archive on the node; but if there is one, its version counts.
#[test]
fn a_solution_of_the_older_layout_is_compared_with_the_archives_of_the_platform() {
    let (node, machine) = (Node::new(), Fake::default());
    let solution = node.archive("storage.iso", SOLUTION);
    assert_eq!(
        node.import(&solution, &machine).unwrap().notes,
        ["Storage-1.0.0 is for MetalK8s >=2.0; no archive on this node says which version runs"
            .replace("Storage", "storage")]
    );
    assert_eq!(get(&node.paths, &machine).unwrap()[0].warnings, [""; 0]);
    delete(&node.paths, "storage-1.0.0", &DELETE, &machine).unwrap();
    let old = node.archive("old.iso", "NAME=MetalK8s\nVERSION=1.9.0\n");
    node.import(&old, &machine).unwrap();
    let error = node.import(&solution, &machine).unwrap_err();
    assert!(error.to_string().ends_with("MetalK8s >=2.0 is missing; available versions: 1.9.0"), "{error}");
    node.import(&node.archive("metalk8s.iso", PLATFORM), &machine).unwrap();
    assert_eq!(node.import(&solution, &machine).unwrap().notes, [""; 0]);
}

#[test]
fn solutions_of_unknown_layouts_are_refused() {
    let (node, machine) = (Node::new(), Fake::default());
    let before = node.state(&machine);
    for (description, expected) in [
        (
            SOLUTION.replace("LAYOUT_VERSION=1", "LAYOUT_VERSION=2"),
            "product.txt: ARCHIVE_LAYOUT_VERSION is \"2\": only 1 is known",
        ),
        (
            MANIFEST.replace("v1alpha1", "v1beta1"),
            "manifest.yaml: expected apiVersion solutions.metalk8s.scality.com/v1alpha1 and kind Solution, found \
             solutions.metalk8s.scality.com/v1beta1 and Solution",
        ),
    ] {
        let archive = node.archive("unknown.iso", &description);
        let error = node.import(&archive, &machine).unwrap_err();
        assert!(matches!(error, Error::Archive(archive::Error::UnknownVersion { .. })), "{error:?}");
        assert_eq!(error.to_string(), expected);
        assert_eq!(node.state(&machine), before);
    }
}

#[test]
fn a_manifest_is_compared_with_the_archives_of_the_platform() {
    let (node, machine) = (Node::new(), Fake::default());
    node.import(&node.archive("metalk8s.iso", PLATFORM), &machine).unwrap();
    for (range, expected) in [
        (">=2.7 <2.11", ""),
        (
            ">=2.11",
            "described-1.0.0 requires archives that this node does not have: MetalK8s >=2.11 is missing; available versions: 2.10.0",
        ),
        (
            "newest",
            "manifest.yaml: solutions.metalk8s.scality.com/require-metalk8s: `newest` is not a range of versions such as \
             `>=2.7 <2.8`: `newest` is not a version",
        ),
    ] {
        let annotations = format!(
            "{{name: described, annotations: {{solutions.metalk8s.scality.com/require-metalk8s: '{range}'}}}}"
        );
        let archive = node.archive("solution.iso", &MANIFEST.replace("{name: described}", &annotations));
        let found = node.import(&archive, &machine).err().map(|error| error.to_string());
        assert_eq!(found.unwrap_or_default(), expected);
        let _ = delete(&node.paths, "described-1.0.0", &DELETE, &machine);
    }
}
