//! Solutions as the documents tell vendors to make them, by hand and without checksums: imported, served, activated, removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use content::Digest;
use serde_json::Value;
use tests::registry::{Layout, layer, skopeo_copy};
use tests::{daemon, kubernetes, peer, sealift};

use crate::runtime::archives::Node;

/// `manifest.yaml` and the other files of the guidelines of MetalK8s 2.10.
const GUIDELINE: &[(&str, &str)] = &[
    (
        "manifest.yaml",
        "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/display-name: Solution Name
    solutions.metalk8s.scality.com/require-metalk8s: '>=2.0'
  labels: {}
  name: solution-name
spec:
  images:
    - some-extra-image:2.0.0
    - solution-name-operator:1.0.0
    - solution-name-ui:1.0.0
  operator:
    image:
      name: solution-name-operator
      tag: 1.0.0
  version: 1.0.0
",
    ),
    ("operator/deploy/crds/some_crd.yaml", kubernetes::CRD),
    ("operator/deploy/role.yaml", ROLE),
    ("registry-config.inc.j2", REGISTRY),
];

/// The files of the layout of 2019.
const OLDER: &[(&str, &str)] = &[
    (
        "product.txt",
        "\
NAME=solution-name
VERSION=1.0.0
REQUIRE_METALK8S=\">=2.0\"
ARCHIVE_LAYOUT_VERSION=1

GIT=1.0.0-0-gabcdef0
BUILD_TIMESTAMP=2019-10-16T10:00:00Z
",
    ),
    ("operator/deploy/crds/some_crd_name.yaml", kubernetes::CRD),
    ("operator/deploy/operator.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: operator}\n"),
    ("operator/deploy/role.yaml", ROLE),
    ("operator/deploy/role_binding.yaml", "kind: RoleBinding\n"),
    ("operator/deploy/service_account.yaml", "kind: ServiceAccount\n"),
    ("ui/deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: ui}\n"),
    ("registry-config.inc", REGISTRY),
];

const ROLE: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: solution-name-operator}
rules: [{apiGroups: [example.com], resources: [things], verbs: ['*']}]
";

/// The configuration of nginx. MetalK8s fills in two names.
const REGISTRY: &str = "\
location ~ \"/v2/{{ repository }}/(.*)/manifests/(.*)\" {
    alias {{ registry_root }}/;
    types { } default_type \"application/vnd.docker.distribution.manifest.v2+json\";
    try_files $1/$2/manifest.json =404;
}
location ~ \"/v2/{{ repository }}/solution-name-operator/blobs/sha256:([a-f0-9]{64})\" {
    alias {{ registry_root }}/solution-name-operator/;
    try_files 1.0.0/$1 =404;
}
";

const IMAGES: [(&str, &str); 3] =
    [("some-extra-image", "2.0.0"), ("solution-name-operator", "1.0.0"), ("solution-name-ui", "1.0.0")];

/// Makes the archive by the commands of the documents; `None` where a peer is missing.
fn by_hand(folder: &Path, files: &[(&str, &str)]) -> Option<PathBuf> {
    let (mkisofs, hardlink) = (peer::find("genisoimage")?, peer::find("hardlink")?);
    peer::find("skopeo")?;
    let layout = Layout::new(folder.join("vendor"));
    let base = layer(folder, &["libarchive-tools"]);
    let (one, two) = (layout.image("amd64", &[&base]), layout.image("amd64", &[&base, &base]));
    layout.name(&[("one", &one), ("two", &two)]);
    let root = folder.join("my_solution_root");
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    for (name, tag) in IMAGES {
        let into = root.join("images").join(name);
        fs::create_dir_all(&into).unwrap();
        let from = if name == "some-extra-image" { "two" } else { "one" };
        skopeo_copy(
            &["--format", "v2s2", "--dest-compress"],
            &format!("oci:{}:{from}", layout.folder.display()),
            &format!("dir:{}", into.join(tag).display()),
        );
    }
    peer::run(Command::new(hardlink).arg("-c").arg(root.join("images")));
    let iso = folder.join("my_solution.iso");
    peer::run(
        Command::new(mkisofs)
            .arg("-output")
            .arg(&iso)
            .args(["-R", "-J", "-joliet-long", "-l", "-V", "MySolution 1.0.0", "-gid", "0", "-uid", "0"])
            .args(["-iso-level", "3", "-input-charset", "utf-8", "-output-charset", "utf-8"])
            .arg(&root),
    );
    Some(fs::canonicalize(iso).unwrap())
}

/// Runs a command of a node; returns its output.
fn succeed(node: &Node, words: &[&str]) -> String {
    let (code, out, err) = run(node, words);
    assert_eq!(code, 0, "{words:?}: {out}{err}");
    out
}

fn run(node: &Node, words: &[&str]) -> (i32, String, String) {
    sealift::told(&node.command(words).output().unwrap())
}

/// The configuration of Solutions; empty without one.
fn solutions(node: &Node) -> String {
    fs::read_to_string(node.path("solutions.yaml")).unwrap_or_default()
}

/// Imports and serves the archive, activates and removes it; compares what clients pull with what the vendor saved.
fn is_taken(files: &[(&str, &str)], display_name: &Value) {
    let node = Node::new();
    let Some(iso) = by_hand(&node.path("."), files) else { return };
    let path = iso.to_str().unwrap();
    let (code, out, err) = sealift::run(&node.path("."), &["solution", "check", path]);
    assert!(code == 0 && !out.contains("error"), "{out}{err}");
    // Nothing vouches for the content of such an archive: the operator must.
    let import = ["solution", "import", "--mount", "never", path];
    let (code, _, err) = run(&node, &import);
    assert!(code == 1 && err.contains("is unverifiable") && err.contains("--unverified"), "{err}");
    assert_eq!(solutions(&node), "");
    let trusting = [&import[..], &["--unverified"]].concat();
    let (code, out, err) = run(&node, &trusting);
    assert!(code == 0 && out.contains("solution-name-1.0.0: add "), "{out}{err}");
    assert!(err.contains("solution-name-1.0.0 is for MetalK8s >=2.0"), "{err}");
    let listed = || -> Value {
        let report: Value =
            serde_json::from_str(&succeed(&node, &["solution", "get", "-o", "json"])).unwrap();
        assert_eq!((&report["kind"], report["items"].as_array().unwrap().len()), (&"SolutionList".into(), 1));
        report["items"][0].clone()
    };
    let found = listed();
    let mut images: Vec<String> = IMAGES.iter().map(|(name, tag)| format!("{name}:{tag}")).collect();
    images.sort();
    for (key, value) in [
        ("name", "solution-name".into()),
        ("version", "1.0.0".into()),
        ("displayName", display_name.clone()),
        ("active", false.into()),
        ("health", "complete".into()),
        ("verifiable", false.into()),
        ("problem", Value::Null),
    ] {
        assert_eq!(found[key], value, "{key}: {found}");
    }
    let mut listed_images: Vec<&str> =
        found["images"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    listed_images.sort_unstable();
    assert_eq!(listed_images, images);
    let details = succeed(&node, &["solution", "get", "solution-name", "1.0.0"]);
    assert!(details.contains("some-extra-image:2.0.0\n"), "{details}");
    let (code, _, err) = run(&node, &["solution", "get", "solution-name", "2.0.0"]);
    assert!(code == 1 && err.contains("available versions: 1.0.0"), "{err}");

    // A client pulls what the vendor saved.
    let port = daemon::free_port();
    let address = format!("127.0.0.1:{port}");
    let mut serve = node.command(&["registry", "serve", "--configured", "--no-tls", "--listen", &address]);
    let server = daemon::start(&mut serve, port, &node.path("serve.log"));
    for (name, tag) in IMAGES {
        let pulled = node.path(&format!("pulled-{name}"));
        skopeo_copy(
            &["--src-tls-verify=false", "--preserve-digests"],
            &format!("docker://{address}/solution-name-1.0.0/{name}:{tag}"),
            &format!("dir:{}", pulled.display()),
        );
        let digest = |folder: &Path| Digest::of(&fs::read(folder.join("manifest.json")).unwrap());
        let saved = node.path("my_solution_root/images").join(name).join(tag);
        assert_eq!(digest(&pulled), digest(&saved), "{name}");
    }

    succeed(&node, &["solution", "activate", "--name", "solution-name"]);
    assert_eq!(listed()["active"], true);
    let (code, _, err) = run(&node, &["solution", "unimport", path]);
    assert!(code == 1 && err.contains("is the active version"), "{err}");
    succeed(&node, &["solution", "deactivate", "--name", "solution-name"]);
    succeed(&node, &["solution", "unimport", path]);
    assert_eq!(succeed(&node, &["solution", "get"]), "no Solutions\n");
    drop(server);
}

#[test]
fn the_archive_of_the_guidelines_is_imported_served_activated_and_removed() {
    is_taken(GUIDELINE, &"Solution Name".into());
}

#[test]
fn the_archive_of_2019_is_imported_served_activated_and_removed() {
    is_taken(OLDER, &Value::Null);
}

/// Each command is killed at several moments and run again, and ends as if nothing had happened.
#[test]
fn a_killed_command_is_finished_by_running_it_again() {
    let node = Node::new();
    let Some(iso) = by_hand(&node.path("."), GUIDELINE) else { return };
    let path = iso.to_str().unwrap();
    let steps: [&[&str]; 4] = [
        &["solution", "import", "--mount", "never", "--unverified", path],
        &["solution", "activate", "--name", "solution-name", "--version", "1.0.0"],
        &["solution", "deactivate", "--name", "solution-name"],
        &["solution", "unimport", path],
    ];
    // Without kills; the first activation adds a key that stays.
    steps.iter().for_each(|step| drop(succeed(&node, step)));
    let mut expected = Vec::new();
    let mut whole = Vec::new();
    for step in steps {
        let began = Instant::now();
        succeed(&node, step);
        whole.push(began.elapsed());
        expected.push(solutions(&node));
    }
    assert!(expected[0].contains(path) && expected[1].contains("solution-name: \"1.0.0\""), "{expected:?}");
    for part in 0..12_u32 {
        for ((step, expected), whole) in steps.iter().zip(&expected).zip(&whole) {
            let mut command = node.command(step);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep((*whole * part / 12).min(Duration::from_secs(1)));
            child.kill().unwrap();
            child.wait().unwrap();
            let (code, out, err) = run(&node, step);
            // A removal that was done before the kill leaves nothing to remove.
            let is_gone = step[1] == "unimport" && err.contains("this node has no archive");
            assert!(code == 0 || is_gone, "{step:?}: {out}{err}");
            assert_eq!(&solutions(&node), expected, "{step:?}");
        }
    }
    for folder in ["units", "mounts"] {
        let left: Vec<_> = fs::read_dir(node.path(folder)).unwrap().collect();
        assert!(left.iter().all(|entry| entry.as_ref().unwrap().path().is_dir()), "{left:?}");
    }
}

#[test]
fn the_list_names_the_environments_that_have_a_version() {
    let node = Node::new();
    let Some(cluster) = kubernetes::start(&node.path(".")) else { return };
    let archive = node.path("archive");
    for (path, text) in GUIDELINE {
        let path = archive.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    // It has no images, so it is not imported, only listed.
    let configuration = format!(
        "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives:\n  - {}\n",
        archive.display()
    );
    fs::write(node.path("solutions.yaml"), configuration).unwrap();
    let in_cluster = |command: &mut Command| {
        cluster.reach(command);
        let (code, out, err) = sealift::told(&command.output().unwrap());
        assert_eq!(code, 0, "{command:?}: {out}{err}");
        out
    };
    for namespace in ["prod", "prod-2"] {
        let mut create = sealift::command(&node.path("."));
        in_cluster(create.args([
            "solution",
            "create-environment",
            "--name",
            "prod",
            "--namespace",
            namespace,
        ]));
    }
    let added = ["--name", "prod", "--namespace", "prod-2", "--solution", "solution-name"];
    in_cluster(&mut node.command(&[&["solution", "add"], &added[..], &["--version", "1.0.0"]].concat()));

    let list = ["solution", "get", "--environments"];
    let text = in_cluster(&mut node.command(&list));
    assert!(text.contains("solution-name 1.0.0: in environment prod, namespace prod-2\n"), "{text}");
    let report: Value =
        serde_json::from_str(&in_cluster(&mut node.command(&[&list[..], &["-o", "json"]].concat()))).unwrap();
    let expected = serde_json::json!([{"environment": "prod", "namespace": "prod-2"}]);
    assert_eq!(report["items"][0]["environments"], expected);
    let details = in_cluster(&mut node.command(&[&list[..], &["solution-name"]].concat()));
    assert!(details.contains("  environment  prod, namespace prod-2\n"), "{details}");
    // Without the option, no cluster is asked.
    let report: Value = serde_json::from_str(&succeed(&node, &["solution", "get", "-o", "json"])).unwrap();
    assert_eq!(report["items"][0]["environments"], Value::Null);
}
