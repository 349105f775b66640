//! The project of MetalK8s' own repository in `examples/metalk8s`: a registry that stands in for six others has images of its names.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::Digest;
use tests::daemon::{Daemon, free_port};
use tests::registry::{self, Layout};
use tests::{peer, sealift};

/// The registries that the project names. One registry stands in for all of them.
const HOSTS: [&str; 6] = ["cr.fluentbit.io", "docker.io", "gcr.io", "ghcr.io", "quay.io", "registry.k8s.io"];

/// The files of MetalK8s' repository that the project reads while it loads, with as much as it needs of them.
const CHECKOUT: [(&str, &str); 19] = [
    ("VERSION", "VERSION_MAJOR=129\nVERSION_MINOR=0\nVERSION_PATCH=0\nVERSION_SUFFIX=-dev\n"),
    ("shell-ui/package.json", "{\"version\": \"129.0.0\"}\n"),
    ("operator/deploy/manifests.yaml", "kind: Deployment\n"),
    ("storage-operator/deploy/manifests.yaml", "kind: Deployment\n"),
    ("pillar/top.sls", "base: {}\n"),
    ("salt/metalk8s/addons/metalk8s-operator/deployed/manifests.sls.in", "@@Manifests\n"),
    ("salt/metalk8s/addons/volumes/deployed/manifests.sls.in", "@@Manifests\n"),
    ("salt/metalk8s/addons/ui/deployed/ui.sls.in", "version: @@ShellUIVersion\n"),
    ("scripts/bootstrap.sh.in", "#!/bin/sh\necho @@VERSION\n"),
    ("packages/redhat/8/Dockerfile", ""),
    ("tools/lib-alert-tree/Dockerfile", ""),
    ("images/metalk8s-ui/conf/nginx.conf", ""),
    (
        "images/metalk8s-alert-logger/Dockerfile",
        "ARG BASE_IMAGE\nFROM golang:1.17.0-alpine AS builder\nFROM ${BASE_IMAGE}\n",
    ),
    ("images/metalk8s-keepalived/Dockerfile", "ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\n"),
    ("images/metalk8s-ui/Dockerfile", "ARG NGINX_IMAGE_VERSION\nFROM nginx:${NGINX_IMAGE_VERSION}\n"),
    (
        "images/metalk8s-utils/Dockerfile",
        "ARG BASE_IMAGE\nARG BASE_IMAGE_SHA256\nFROM $BASE_IMAGE@sha256:$BASE_IMAGE_SHA256\n",
    ),
    (
        "images/salt-master/Dockerfile",
        "ARG BASE_IMAGE\nARG BASE_IMAGE_SHA256\nFROM ${BASE_IMAGE}@sha256:${BASE_IMAGE_SHA256}\n",
    ),
    ("operator/Dockerfile", "FROM golang:1.20 AS builder\nFROM gcr.io/distroless/static:nonroot\n"),
    ("storage-operator/Dockerfile", "FROM golang:1.20 AS builder\nFROM gcr.io/distroless/static:nonroot\n"),
];

/// A registry, and images to put into it.
struct StandIn {
    folder: PathBuf,
    registry: Daemon,
    count: usize,
}

impl StandIn {
    /// `None` if a peer is missing.
    fn new(folder: &Path) -> Option<Self> {
        let registry = registry::start(folder, free_port())?;
        peer::find("skopeo")?;
        Some(Self { folder: folder.to_path_buf(), registry, count: 0 })
    }

    /// Pushes an image that no other name has; returns its digest.
    fn push(&mut self, repository: &str, tag: &str) -> Digest {
        self.count += 1;
        let layout = Layout::new(self.folder.join(format!("layout-{}", self.count)));
        let content = self.folder.join("content");
        fs::write(&content, format!("{repository}:{tag} {}\n", self.count)).unwrap();
        let mut tar = Command::new("tar");
        let layer = peer::run(tar.arg("-czf").arg("-").arg("-C").arg(&self.folder).arg("content")).stdout;
        let image = layout.image("amd64", &[&layer]);
        layout.name(&[("image", &image)]);
        let from = format!("oci:{}:image", layout.folder.display());
        let to = format!("docker://127.0.0.1:{}/{repository}:{tag}", self.registry.port);
        registry::skopeo_copy(&["--preserve-digests"], &from, &to);
        image["digest"].as_str().unwrap().parse().unwrap()
    }
}

/// The value of `- key: value` or `key: value` in a line.
fn value<'l>(line: &'l str, key: &str) -> Option<&'l str> {
    line.trim_start().trim_start_matches("- ").strip_prefix(key)?.strip_prefix(": ")
}

/// The path of a reference in its registry.
fn repository(source: &str) -> &str {
    source.split_once('/').unwrap().1
}

#[test]
fn all_images_of_metalk8s_are_locked_and_pulled() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut stand_in) = StandIn::new(folder.path()) else { return };
    let project = folder.path().join("project");
    peer::run(
        Command::new("cp").arg("-r").arg(sealift::repository().join("examples/metalk8s")).arg(&project),
    );
    for (name, text) in CHECKOUT {
        fs::create_dir_all(project.join(name).parent().unwrap()).unwrap();
        fs::write(project.join(name), text).unwrap();
    }
    for example in ["new-node.yaml", "new-node_vagrant.yaml", "prometheus-sparse.yaml", "loki-sparse.yaml"] {
        fs::create_dir_all(project.join("examples")).unwrap();
        fs::write(project.join("examples").join(example), "").unwrap();
    }
    for picture in ["styles.css", "favicon.png", "logo.png"] {
        let folder = project.join("ui/public/brand/assets/login");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(picture), "").unwrap();
    }

    // The project names images by digest. Those of the stand-ins take their place in its table.
    let path = project.join("sealift/versions.yaml");
    let table = fs::read_to_string(&path).unwrap();
    let (mut text, mut expected) = (table.clone(), Vec::new());
    let mut entry = ("", "");
    for line in table.lines() {
        if let Some(name) = value(line, "name") {
            entry.0 = name;
        } else if let Some(source) = value(line, "source") {
            entry.1 = source;
        } else if let Some(digest) = value(line, "digest") {
            let pushed = stand_in.push(repository(entry.1), "stand-in");
            text = text.replace(digest, &pushed.to_string());
            expected.push((entry.0, pushed));
        }
    }
    assert_eq!(expected.len(), 29);
    let alpine = expected.iter().find(|(name, _)| *name == "alpine").unwrap().1.to_string();
    assert!(text.contains(&format!("ALPINE: docker.io/library/alpine:3.20.1@{alpine}")), "{text}");
    let rocky = stand_in.push("library/rockylinux", "8");
    let old = table.lines().find_map(|line| value(line, "ROCKY_SHA256")).unwrap();
    fs::write(&path, text.replace(old, &rocky.hex())).unwrap();
    let tagged = [
        ("library/nginx", "1.27.0-alpine"),
        ("library/golang", "1.17.0-alpine"),
        ("library/golang", "1.20"),
        ("distroless/static", "nonroot"),
    ];
    let tagged = tagged.map(|(name, tag)| (name, stand_in.push(name, tag)));
    expected.push(("nginx", tagged[0].1));

    let mirrors = HOSTS.map(|host| format!("{host}=http://127.0.0.1:{}", stand_in.registry.port)).join(",");
    let run = |arguments: &[&str]| {
        let mut command = sealift::command(&project);
        command.env("REGISTRY_MIRRORS", &mirrors).env("SEALIFT_CACHE", folder.path().join("cache"));
        command.env("SOURCE_DATE_EPOCH", "1700000000");
        let (code, out, err) = sealift::told(&command.args(arguments).output().unwrap());
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        out
    };
    run(&["lock"]);
    let lock = fs::read_to_string(project.join("sealift.lock")).unwrap();
    for (name, digest) in tagged {
        assert!(lock.contains(&digest.to_string()), "{name}: {lock}");
    }
    assert_eq!(run(&["lock", "--check"]), "nothing moved\n");

    let tasks = run(&["list", "--all", "--private"]);
    let pulls: Vec<&str> = tasks
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|task| task.starts_with("_image_pull:"))
        .collect();
    assert_eq!(pulls.len(), expected.len());
    run(&[&["run"], &pulls[..]].concat());
    for (name, digest) in expected {
        let tags: Vec<_> = fs::read_dir(project.join("_build/root/images").join(name)).unwrap().collect();
        assert_eq!(tags.len(), 1, "{name}: {tags:?}");
        let manifest = tags[0].as_ref().unwrap().path().join("manifest.json");
        assert_eq!(Digest::of(&fs::read(&manifest).unwrap()), digest, "{name}");
    }
    run(&["run", "salt_tree"]);
    let root = project.join("_build/root");
    assert_eq!(
        fs::read_to_string(root.join("salt/metalk8s/addons/ui/deployed/ui.sls")).unwrap(),
        "version: 129.0.0\n"
    );
}
