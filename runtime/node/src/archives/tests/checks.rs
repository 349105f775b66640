//! Solutions are checked before they are imported.

use archive::check::CheckName;
use archive::layout;
use content::Digest;

use super::{DELETE, Fake, MANIFEST, Node, PLATFORM};
use crate::archives::{Error, ImportOptions, delete, import};

/// What a Solution has beside its description and its images.
pub(super) const FILES: [(&str, &str); 3] = [
    (
        "operator/deploy/crds/example_crd.yaml",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: examples.example.com}\n\
         spec:\n  group: example.com\n  names: {kind: Example, plural: examples}\n  scope: Namespaced\n  versions:\n  \
         - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}\n",
    ),
    (
        "operator/deploy/role.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: example}\nrules: []\n",
    ),
    (layout::REGISTRY_CONFIG, "# nothing\n"),
];

/// The files of the image that MetalK8s takes for that of the operator, if a manifest names none.
pub(super) fn operator(name: &str, version: &str) -> Vec<(String, String)> {
    let config = "{\"os\": \"linux\", \"architecture\": \"amd64\"}";
    let digest = Digest::of(config.as_bytes());
    let manifest = format!(
        "{{\"schemaVersion\": 2, \"mediaType\": \"application/vnd.oci.image.manifest.v1+json\", \"config\": \
         {{\"mediaType\": \"application/vnd.oci.image.config.v1+json\", \"digest\": \"{digest}\", \"size\": {}}}, \
         \"layers\": []}}",
        config.len()
    );
    let folder = layout::image_folder(&format!("{name}-operator"), version);
    [("version", layout::IMAGE_VERSION_CONTENT), (layout::IMAGE_MANIFEST, &manifest), (&digest.hex(), config)]
        .map(|(file, text)| (format!("{folder}/{file}"), text.to_owned()))
        .into()
}

#[test]
fn an_error_of_the_check_stops_an_import_unless_it_is_allowed() {
    let (node, machine) = (Node::new(), Fake::default());
    let before = node.state(&machine);
    let role = ("operator/deploy/role.yaml", "kind: Deployment\n");
    let archive = node.archive_with("described.iso", MANIFEST, &[role]);
    let with = |allow: &[CheckName], dry_run| ImportOptions {
        allow: allow.to_vec(),
        dry_run,
        ..ImportOptions::default()
    };
    let run = |options: &ImportOptions| import(&node.paths, &archive, options, &machine, &());
    for dry_run in [true, false] {
        for allow in [&[][..], &[CheckName::RoleInvalid]] {
            let error = run(&with(allow, dry_run)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "{} cannot be imported: operator/deploy/role.yaml:1: error: it has Deployment, expected only Role and \
                     ClusterRole [role-kind]",
                    archive.display()
                )
            );
            assert_eq!(node.state(&machine), before);
        }
    }
    let done = run(&with(&[CheckName::RoleKind], false)).unwrap();
    assert_eq!(
        done.notes,
        [
            "allowed: operator/deploy/role.yaml:1: error: it has Deployment, expected only Role and ClusterRole [role-kind]"
        ]
    );
    // The node has it now, so it is only verified.
    assert_eq!(run(&ImportOptions::default()).unwrap().steps.len(), 0);
    delete(&node.paths, "described-1.0.0", &DELETE, &machine).unwrap();
    let unchecked = ImportOptions { check: false, ..ImportOptions::default() };
    assert_eq!(run(&unchecked).unwrap().notes, [""; 0]);
}

#[test]
fn warnings_are_counted_and_damage_cannot_be_allowed() {
    let (node, machine) = (Node::new(), Fake::default());
    let pod = (
        "pod.yaml",
        "spec:\n  containers:\n    - {image: 'described-operator:1.0.0', imagePullPolicy: Always}\n",
    );
    let archive = node.archive_with("described.iso", MANIFEST, &[pod]);
    let notes = node.import(&archive, &machine).unwrap().notes;
    let expected = format!("1 warning about {}; show it with `sealift solution check`", archive.display());
    assert_eq!(notes, [expected]);
    delete(&node.paths, "described-1.0.0", &DELETE, &machine).unwrap();
    let manifest =
        format!("{}/{}", layout::image_folder("described-operator", "1.0.0"), layout::IMAGE_MANIFEST);
    let archive = node.archive_with("described.iso", MANIFEST, &[(&manifest, "{}")]);
    let allow = ImportOptions {
        allow: vec![CheckName::ImageIncomplete, CheckName::Damaged],
        ..ImportOptions::default()
    };
    let refused = import(&node.paths, &archive, &allow, &machine, &());
    assert!(matches!(refused, Err(Error::Damaged(_))), "{refused:?}");
}

#[test]
fn the_other_archives_of_the_node_have_images_for_a_solution() {
    let (node, machine) = (Node::new(), Fake::default());
    let pod =
        ("pod.yaml", "spec:\n  containers:\n    - image: registry.invalid/metalk8s-2.10.0/base-operator:1\n");
    let archive = node.archive_with("described.iso", MANIFEST, &[pod]);
    let error = node.import(&archive, &machine).unwrap_err().to_string();
    assert!(error.ends_with("which no archive has [reference-missing]"), "{error}");
    let image = operator("base", "1");
    let image: Vec<(&str, &str)> = image.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    node.import(&node.archive_with("metalk8s.iso", PLATFORM, &image), &machine).unwrap();
    assert_eq!(node.import(&archive, &machine).unwrap().notes, [""; 0]);
}

#[test]
fn a_registry_configuration_that_does_more_than_serving_images_is_refused() {
    let (node, machine) = (Node::new(), Fake::default());
    let config = "location = /v2/ {\n    return 200 'ok';\n}\nlocation /etc {\n    alias /etc/;\n}\n";
    let archive = node.archive_with("described.iso", MANIFEST, &[(layout::REGISTRY_CONFIG, config)]);
    let error = node.import(&archive, &machine).unwrap_err().to_string();
    let expected = "registry-config.inc.j2:4: error: `location /etc` is not expected here [registry-config]";
    assert!(error.ends_with(expected), "{error}");
}
