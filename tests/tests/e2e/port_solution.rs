//! The project of MetalK8s' own example of a Solution in `examples/metalk8s-solution`, with as much of a checkout as it reads.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tests::registry::{self, Layout, layer};
use tests::{peer, sealift};

const VERSION: &str = "0.1.0-dev";
const IMAGES: [&str; 3] = ["base-server", "example-solution-operator", "example-solution-ui"];

/// A role without a line end of its own, so that an added one is noticed.
const ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  creationTimestamp: null
  name: example-solution-operator
rules:
- {apiGroups: [example-solution.metalk8s.scality.com], resources: ['*'], verbs: ['*']}
";

/// A definition in the form of `apiextensions.k8s.io/v1beta1`.
fn definition(kind: &str) -> String {
    let singular = kind.to_lowercase();
    format!(
        "apiVersion: apiextensions.k8s.io/v1beta1\nkind: CustomResourceDefinition\nmetadata:\n  \
         name: {singular}s.example-solution.metalk8s.scality.com\nspec:\n  \
         group: example-solution.metalk8s.scality.com\n  names:\n    kind: {kind}\n    listKind: {kind}List\n    \
         plural: {singular}s\n    singular: {singular}\n  scope: Namespaced\n  subresources: {{status: {{}}}}\n  \
         validation:\n    openAPIV3Schema:\n      properties:\n        spec:\n          properties:\n            \
         version: {{type: string, description: 'More info: https://example.com/#a'}}\n          type: object\n  \
         version: v1alpha1\n  versions:\n  - {{name: v1alpha1, served: true, storage: true}}\n"
    )
}

/// Writes the project and the files of the checkout that it reads, and images in place of those that it would build.
fn checkout(root: &Path) -> Option<()> {
    peer::find("skopeo")?;
    let from = sealift::repository().join("examples/metalk8s-solution");
    peer::run(Command::new("cp").arg("-r").arg(from).arg(root));
    let crd = |name: &str| format!("operator/deploy/crds/examplesolution_v1alpha1_{name}");
    for (name, text) in [
        ("VERSION", "VERSION_MAJOR=0\nVERSION_MINOR=1\nVERSION_PATCH=0\nVERSION_SUFFIX=-dev\n".to_owned()),
        ("images/base-server/Dockerfile", "FROM docker.io/centos\n".to_owned()),
        ("images/base-server/server.py", String::new()),
        ("operator/build/Dockerfile", "FROM registry.access.redhat.com/ubi7/ubi-minimal:latest\n".to_owned()),
        ("operator/go.mod", "module example-solution-operator\n".to_owned()),
        ("operator/go.sum", String::new()),
        ("operator/cmd/manager/main.go", "package main\n".to_owned()),
        ("operator/pkg/apis/apis.go", "package apis\n".to_owned()),
        ("operator/version/version.go", "package version\n".to_owned()),
        ("operator/deploy/role.yaml", ROLE.to_owned()),
        ("operator/deploy/operator.yaml", "kind: Deployment\n".to_owned()),
        (&crd("clockserver_crd.yaml"), definition("ClockServer")),
        (&crd("clockserver_cr.yaml"), "kind: ClockServer\n".to_owned()),
        (&crd("versionserver_crd.yaml"), definition("VersionServer")),
        ("ui/Dockerfile", "FROM nginx:1.15.8\n".to_owned()),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let layout = Layout::new(root.join("layout"));
    layout.name(&[("image", &layout.image("amd64", &[&layer(root, &["curl"])]))]);
    for image in IMAGES {
        let into = root.join("prebuilt").join(image);
        fs::create_dir_all(&into).unwrap();
        let from = format!("oci:{}:image", layout.folder.display());
        registry::skopeo_copy(&["--format", "v2s2"], &from, &format!("dir:{}", into.display()));
    }
    Some(())
}

#[test]
fn the_example_of_metalk8s_is_built_and_has_no_findings() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    let Some(()) = checkout(&project) else { return };
    let run = |arguments: &[&str]| {
        let mut command = sealift::command(&project);
        command.env("SOURCE_DATE_EPOCH", "1608210167");
        let (code, out, err) = sealift::told(&command.arg("solution").args(arguments).output().unwrap());
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    run(&["build", "--set", "prebuilt=dir:prebuilt"]);
    let root = project.join("_build/root");
    assert_eq!(fs::read_to_string(root.join("operator/deploy/role.yaml")).unwrap(), ROLE);
    let mut crds: Vec<_> = fs::read_dir(root.join("operator/deploy/crds")).unwrap().flatten().collect();
    crds.sort_by_key(fs::DirEntry::file_name);
    for (entry, kind) in crds.iter().zip(["ClockServer", "VersionServer"]) {
        let singular = kind.to_lowercase();
        assert_eq!(entry.file_name(), format!("{singular}s_crd.yaml").as_str());
        let text = fs::read_to_string(entry.path()).unwrap();
        let found: Value = serde_saphyr::from_str(&text).unwrap();
        let old: Value = serde_saphyr::from_str(&definition(kind)).unwrap();
        let mut schema = old["spec"]["validation"]["openAPIV3Schema"].clone();
        schema["type"] = "object".into();
        let expected = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": old["metadata"],
            "spec": {
                "group": old["spec"]["group"],
                "names": old["spec"]["names"],
                "scope": "Namespaced",
                "versions": [{
                    "name": "v1alpha1",
                    "served": true,
                    "storage": true,
                    "subresources": { "status": {} },
                    "schema": { "openAPIV3Schema": schema },
                }],
            },
        });
        assert_eq!(found, expected, "{text}");
    }
    assert_eq!((crds.len(), fs::read_dir(root.join("operator/deploy")).unwrap().count()), (2, 2));
    let iso = "_build/example-solution.iso";
    let said = run(&["check", iso]);
    assert!(said.contains("no findings"), "{said}");
    assert_eq!(
        run(&["manifest", iso]),
        "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/build-timestamp: '2020-12-17T13:02:47Z'
    solutions.metalk8s.scality.com/development-release: '1'
    solutions.metalk8s.scality.com/display-name: Example Solution
  labels: {}
  name: example-solution
spec:
  images:
    - base-server:0.1.0-dev
    - example-solution-operator:0.1.0-dev
    - example-solution-ui:0.1.0-dev
  operator:
    image:
      name: example-solution-operator
      tag: 0.1.0-dev
  ui:
    image:
      name: example-solution-ui
      tag: 0.1.0-dev
  version: 0.1.0-dev
"
    );
    for image in IMAGES {
        assert!(root.join("images").join(image).join(VERSION).join("manifest.json").is_file(), "{image}");
    }

    // Without prebuilt images they are built, the operator from what Go compiles.
    let (code, dot, err) = sealift::run(&project, &["graph", "iso"]);
    assert_eq!(code, 0, "{err}");
    for image in IMAGES {
        assert!(dot.contains(&format!("\"_image_build:{image}\";")), "{dot}");
    }
    assert!(dot.contains("\"operator\" -> \"_image_build:example-solution-operator\";"), "{dot}");
}
