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
fn a_variable_of_a_container_can_name_an_image() {
    let text = "\
spec:
  containers:
    - image: quay.io/team/operator:1
      env:
        - {name: PROXY_IMAGE, value: \"proxy:2\"}
        - {name: MODE, value: \"proxy:3\"}
        - {name: SIDECAR_IMAGE, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
";
    let expected = ["3 quay.io/team/operator:1 Certain Container", "5 docker.io/library/proxy:2 Likely Key"];
    assert_eq!(found("x.yaml", text), expected);
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
    // Each text and each tag is at a place that must be looked up.
    let texts = "- |\n  a\n  b\n- {repository: a/b, tag: 1}\n".repeat(5_000);
    assert_eq!(found("x.yaml", &texts).len(), 5_000);
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
fn the_version_of_the_application_is_the_tag_as_templates_have_it() {
    let cases = [
        ("{{ default (printf \"v%s\" .Chart.AppVersion) .Values.image.tag }}", "v2.10"),
        ("{{- print \"v\" $.Chart.AppVersion -}}", "v2.10"),
        ("image: \"a:v{{ .Chart.AppVersion }}\"", "v2.10"),
        ("image: \"a:{{ .Values.image.tag | default .Chart.AppVersion }}\"", "2.10"),
    ];
    for (template, tag) in cases {
        let folder = folder(&[
            CHART[0],
            CHART[1],
            ("app/templates/x.tpl", template),
            ("app/ci/a.yaml", "image: quay.io/a/ci:1\n"),
            ("app/tests/a.yaml", "image: quay.io/a/test:1\n"),
        ]);
        let found = find(&[folder.path().to_owned()], &FindOptions::default()).unwrap();
        let images: Vec<(String, bool)> =
            found.images.iter().map(|image| (image.reference.to_string(), image.is_app_version)).collect();
        let expected = [(format!("quay.io/team/app:{tag}"), true), ("quay.io/team/off:1".to_owned(), false)];
        assert_eq!(images, expected, "{template}");
    }
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
        ("skipped.yaml", text),
        ("notes.md", text),
        ("binary.json", "image: quay.io/team/b:1\0\n"),
    ]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("out.yaml"), text).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("linked")).unwrap();
    std::os::unix::fs::symlink(outside.path().join("out.yaml"), folder.path().join("out.yaml")).unwrap();
    let options = FindOptions {
        skip: ["_build", "skipped.yaml"].map(|name| folder.path().join(name)).into(),
        ..FindOptions::default()
    };
    let found = find(&[folder.path().to_owned()], &options).unwrap();
    assert_eq!(found.images.len(), 1);
    assert_eq!(found.images[0].path, folder.path().join("a.yaml"));
    assert!(find(&[folder.path().join("missing")], &options).is_err());
    // A file that is named is read whatever its ending.
    let found = find(&[folder.path().join("notes.md"), folder.path().join("notes.md")], &options).unwrap();
    assert_eq!(found.images.len(), 1);
}

#[test]
fn lists_of_images() {
    let digest = format!("sha256:{}", "a".repeat(64));
    let text = format!(
        "\u{feff}# images\r\n\r\nquay.io/a/b:v1 # the server\n docker://nginx:1.27\nlocalhost:5000/c@{digest}"
    );
    let expected = [
        "3 quay.io/a/b:v1 Certain List".to_owned(),
        "4 docker.io/library/nginx:1.27 Certain List".to_owned(),
        format!("5 localhost:5000/c@{digest} Certain List"),
    ];
    assert_eq!(found("images.txt", &text), expected);
    assert_eq!(found("k0s", &text), expected);
    assert_eq!(found("team.lst", "team/app:1\n"), ["1 docker.io/team/app:1 Likely List"]);
    // Another text file is no list, and is read only if it is named.
    let others = [
        "requests==2.0\n",
        "localhost:8080\nexample:443\n",
        "hello\nworld\n",
        "a/b:1\na/c\n",
        "see quay.io/a/b:1\n",
        "",
        "quay.io/a:1\n{{ x }}\n",
    ];
    for text in others {
        let folder = folder(&[("notes.txt", text), ("list.txt", "a/b:1\n")]);
        let find = |path: &Path| find(&[path.to_owned()], &FindOptions::default()).unwrap().images;
        let lines: Vec<String> = find(folder.path()).iter().map(line).collect();
        assert_eq!(lines, ["1 docker.io/a/b:1 Likely List"], "{text:?}");
        let is_named = find(&folder.path().join("notes.txt")).len();
        assert_eq!(is_named, usize::from(text.contains("quay.io")), "{text:?}");
    }
}

#[test]
fn files_for_skopeo_sync() {
    let text = "\
registry.example.com:
    images:
        busybox: []
        team/all:
        redis:
            - \"1.0\"
            - 2.10
            - sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    images-by-tag-regex: {nginx: '^1'}
localhost:5000:
    tls-verify: false
    images: {a: ['1']}
";
    let digest = format!("sha256:{}", "a".repeat(64));
    assert_eq!(
        found("sync.yml", text),
        [
            "6 registry.example.com/redis:1.0 Certain List".to_owned(),
            "7 registry.example.com/redis:2.10 Certain List".to_owned(),
            format!("8 registry.example.com/redis@{digest} Certain List"),
            "12 localhost:5000/a:1 Certain List".to_owned(),
            "Some(3) computed".to_owned(),
            "Some(4) computed".to_owned(),
            "Some(9) computed".to_owned(),
        ]
    );
    for text in
        ["a.b: {images: {c: ['1']}, other: 1}\n", "a: {images: {c: ['1']}}\n", "a.b: {tls-verify: true}\n"]
    {
        assert_eq!(found("x.yaml", text), [""; 0], "{text}");
    }
}

#[test]
fn dependencies_of_charts_that_cannot_be_read() {
    let folder = folder(&[
        (
            "app/Chart.yaml",
            "name: app\nversion: 1.0.0\ndependencies:\n- {name: here}\n- {name: packed}\n- {name: gone}\n- {name: lost}\n",
        ),
        ("app/charts/here/Chart.yaml", "name: here\nversion: 1.0.0\n"),
        ("app/charts/packed-1.0.0.tgz", ""),
    ]);
    let found = find(&[folder.path().to_owned()], &FindOptions::default()).unwrap();
    let reasons: Vec<&str> = found.incomplete.iter().map(|file| file.reason.as_str()).collect();
    assert_eq!(
        reasons,
        [
            "dependencies that are packed, so they were not read: install helm (packed); dependencies that are not in charts/: run `helm \
             dependency build` (gone, lost)",
            "helm is not installed, so only the values and templates of the chart were read",
        ]
    );
}
