use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

/// What is found in a file, one line for each place.
fn found(path: &str, text: &str) -> Vec<String> {
    let found = find_in(Path::new(path), text);
    let images = found.images.iter().map(line);
    images.chain(found.computed.iter().map(|place| format!("{:?} computed", place.line))).collect()
}

fn line(image: &FoundImage) -> String {
    let place = image.line.map_or_else(|| "-".into(), |line| line.to_string());
    let untagged = if image.is_untagged { " untagged" } else { "" };
    format!("{place} {} {:?} {:?}{untagged}", image.reference, image.certainty, image.rule)
}

#[test]
fn containers_and_image_volumes_of_any_object() {
    let text = "\
apiVersion: batch/v1
kind: CronJob
spec:
  jobTemplate:
    spec:
      template:
        spec:
          initContainers:
          - {name: a, image: busybox}
          containers:
          - name: b
            image: \"quay.io/team/b:1.0\"
            env:
            - {name: SIDECAR, value: 'quay.io/team/sidecar:2'}
            args: [--helper=registry.example.com:5000/helper:3]
          ephemeralContainers:
          - image: docker.io/c@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
          volumes:
          - name: model
            image: {reference: ghcr.io/models/m:4}
---
apiVersion: example.com/v1
kind: Custom
spec:
  podTemplate:
    spec:
      containers: [{name: d, image: d:5}]
  image: quay.io/prometheus/prometheus:v2
  sidecarImage: example/sidecar:1
  image2: none
";
    assert_eq!(
        found("x.yaml", text),
        [
            "9 docker.io/library/busybox:latest Certain Container untagged",
            "12 quay.io/team/b:1.0 Certain Container",
            "14 quay.io/team/sidecar:2 Maybe Text",
            "15 registry.example.com:5000/helper:3 Maybe Text",
            "17 docker.io/library/c@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 Certain Container",
            "20 ghcr.io/models/m:4 Certain ImageVolume",
            "27 docker.io/library/d:5 Certain Container",
            "28 quay.io/prometheus/prometheus:v2 Likely Key",
            "29 docker.io/example/sidecar:1 Likely Key",
        ]
    );
}

#[test]
fn the_schema_of_a_custom_resource_names_no_image() {
    let text = "\
kind: CustomResourceDefinition
spec:
  versions:
  - schema:
      properties:
        containers: {type: array, items: {properties: {image: {type: string, description: 'The image.'}}}}
        image: {description: Name of the image, type: string}
        repository: {type: string}
";
    assert_eq!(found("crd.yaml", text), Vec::<String>::new());
}

#[test]
fn services_of_a_compose_file() {
    let text = "\
services:
  web: {image: 'nginx:${TAG:-1.27}'}
  db:
    image: postgres:16
  own: {build: .}
  other: {image: '${IMAGE}'}
";
    assert_eq!(
        found("compose.yaml", text),
        [
            "2 docker.io/library/nginx:1.27 Certain Service",
            "4 docker.io/library/postgres:16 Certain Service",
            "Some(6) computed",
        ]
    );
}

#[test]
fn values_of_charts() {
    let text = "\
image: {registry: quay.io, repository: team/app, tag: 1.10}
controller:
  image:
    registry: registry.k8s.io
    image: ingress-nginx/controller
    tag: v1.10.3
sidecar:
  image: {repository: kiwigrid/k8s-sidecar, tag: \"1.26.1\", sha: \"\"}
pinned: {repository: a.io/b, digest: 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}
dependency: {name: x, repository: 'https://charts.example.com', version: 1}
untagged:
  image: {repository: quay.io/team/u}
";
    assert_eq!(
        found("values.yaml", text),
        [
            "1 quay.io/team/app:1.10 Likely Values",
            "5 registry.k8s.io/ingress-nginx/controller:v1.10.3 Likely Values",
            "8 docker.io/kiwigrid/k8s-sidecar:1.26.1 Likely Values",
            "9 a.io/b@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 Likely Values",
            "12 quay.io/team/u:latest Likely Values untagged",
        ]
    );
}

#[test]
fn salt_files_are_read_line_by_line() {
    let text = "\
{% set version = '1.27' %}
#!jinja | metalk8s_kubernetes
Deploy:
  - image: {% raw %}quay.io/team/a:1{% endraw %}  # a comment
  - image: {{ build_image_name('b') }}
    proxyImage: 'quay.io/team/c'
  # image: quay.io/no/comment:1
    image: {{ pillar.get('image', 'docker.io/team/default:2') }}
Pre-pull the etcd image:
  cmd.run
";
    assert_eq!(
        found("x.sls", text),
        [
            "4 quay.io/team/a:1 Likely Key",
            "6 quay.io/team/c:latest Likely Key untagged",
            "8 docker.io/team/default:2 Maybe Text",
            "Some(5) computed",
            "Some(8) computed",
        ]
    );
}

#[test]
fn a_file_inside_a_config_map() {
    let text = "\
kind: ConfigMap
data:
  sidecar.yaml: |
    name: x
    image: quay.io/team/x:1
";
    assert_eq!(found("x.yaml", text), ["5 quay.io/team/x:1 Maybe Key"]);
}

#[test]
fn hostile_files_end_soon() {
    let deep = "[".repeat(100_000);
    let aliases = format!(
        "a0: &a0 [x, x, x, x, x, x, x, x, x]\n{}",
        (1..30)
            .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", ")))
            .collect::<String>()
    );
    let long = format!("image: {}", "a".repeat(1 << 20));
    for text in [&deep, &aliases, &long, "image: \u{202e}x:1", "- - - - image: ", "${", "{% "] {
        assert_eq!(found("x.yaml", text), Vec::<String>::new(), "{:.40}", text);
    }
}

/// A folder with files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

const CHART: [(&str, &str); 4] = [
    ("app/Chart.yaml", "name: app\nversion: 0.1.0\nappVersion: 2.10\n"),
    (
        "app/values.yaml",
        "image: {repository: quay.io/team/app, tag: ''}\noff: {repository: quay.io/team/off, tag: 1}\n",
    ),
    (
        "app/templates/web.yaml",
        "{{ if .Values.on }}\n  image: \"{{ .Values.image.repository }}\"\n  image: fixed.io/a:1\n",
    ),
    ("app/charts/sub/Chart.yaml", "name: sub\nversion: 1.0.0\nappVersion: '3'\n"),
];

#[test]
fn a_chart_without_helm_is_read_and_said_to_be_incomplete() {
    let folder = folder(&CHART);
    let found = find(&[folder.path().to_owned()], &FindOptions::default()).unwrap();
    let lines: Vec<String> = found.images.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "3 fixed.io/a:1 Likely Key",
            "1 quay.io/team/app:2.10 Likely Values",
            "2 quay.io/team/off:1 Likely Values",
        ]
    );
    assert!(found.computed.is_empty());
    let incomplete: Vec<_> = found.incomplete.iter().map(|file| file.path.clone()).collect();
    assert_eq!(incomplete, [folder.path().join("app")]);
}

#[test]
fn a_chart_is_read_as_helm_renders_it() {
    let folder = folder(&CHART);
    let helm = folder.path().join("helm");
    let script = |body: &str| {
        fs::write(&helm, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
    };
    let options = FindOptions { helm: Some(helm.clone()), ..FindOptions::default() };
    script(
        "printf -- '---\\n# Source: app/templates/web.yaml\\nspec: {containers: [{image: \"quay.io/team/app:2.10\"}]}\\n---\\n# Source: app/../x\\nkind: List\\n'",
    );
    let found = find(&[folder.path().to_owned()], &options).unwrap();
    let lines: Vec<String> = found.images.iter().map(line).collect();
    assert_eq!(lines, ["- quay.io/team/app:2.10 Certain Container"]);
    assert_eq!(found.images[0].path, folder.path().join("app/templates/web.yaml"));
    assert!(found.incomplete.is_empty(), "{:?}", found.incomplete);

    script("echo 'Error: values needed' >&2; exit 1");
    let found = find(&[folder.path().to_owned()], &options).unwrap();
    assert_eq!((found.images.len(), found.incomplete.len()), (3, 1));
    assert_eq!(found.incomplete[0].reason, "helm cannot render it: Error: values needed");
}

#[test]
fn what_is_skipped() {
    let text = "image: quay.io/team/a:1\n";
    let folder = folder(&[
        ("a.yaml", text),
        (".git/a.yaml", text),
        ("node_modules/a.yaml", text),
        ("_build/a.yaml", text),
        ("notes.md", text),
        ("binary.json", "image: quay.io/team/b:1\0\n"),
    ]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("out.yaml"), text).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("linked")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("out.yaml"), folder.path().join("out.yaml")).unwrap();
    let options = FindOptions { skip: vec![folder.path().join("_build")], ..FindOptions::default() };
    let found = find(&[folder.path().to_owned()], &options).unwrap();
    assert_eq!(found.images.len(), 1);
    assert_eq!(found.images[0].path, folder.path().join("a.yaml"));
    assert!(find(&[folder.path().join("missing")], &options).is_err());
    // A file that is named is read whatever its ending.
    let found = find(&[folder.path().join("notes.md"), folder.path().join("notes.md")], &options).unwrap();
    assert_eq!(found.images.len(), 1);
}
