//! A node that Salt has configured, before its clients.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use content::Digest;
use serde_json::json;
use tests::containerd::Containerd;
use tests::dnf::System;
use tests::{daemon, peer, sealift};

use super::{Node, bootstrap};
use crate::packages;

/// The command line of the packaged service with the variables of the file that Salt wrote, as systemd puts it together:
/// `${NAME}` is one word, `$NAME` as many as it has.
fn service_command(environment_file: &Path) -> Vec<String> {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packages/sealift/sealift-registry.service");
    let unit = fs::read_to_string(unit).unwrap();
    let line = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/sealift ")).unwrap();
    let environment = fs::read_to_string(environment_file).unwrap();
    let value = |name: &str| {
        let line = environment.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.unwrap_or_else(|| panic!("{name} is not in {environment}")).to_owned()
    };
    line.split(' ')
        .flat_map(|word| match word.strip_prefix('$') {
            Some(name) if name.starts_with('{') => vec![value(name.trim_matches(['{', '}']))],
            Some(name) => value(name).split_whitespace().map(str::to_owned).collect(),
            None => vec![word.to_owned()],
        })
        .collect()
}

/// Writes an image of one small layer into `folder`, in skopeo's `dir:` layout; gives its digest.
fn image(folder: &Path) -> Digest {
    let mut layer = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(3);
    header.set_mode(0o644);
    layer.append_data(&mut header, "hello", &b"hi\n"[..]).unwrap();
    let layer = layer.into_inner().unwrap();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer).to_string()]},
    });
    fs::create_dir_all(folder).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::of(bytes).to_string();
        fs::write(folder.join(digest.trim_start_matches("sha256:")), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob("application/vnd.oci.image.config.v1+json", config.to_string().as_bytes()),
        "layers": [blob("application/vnd.oci.image.layer.v1.tar", &layer)],
    });
    fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
    fs::write(folder.join("version"), "Directory Transport Version: 1.1\n").unwrap();
    Digest::of(manifest.to_string().as_bytes())
}

#[test]
fn what_salt_configures_serves_images_and_packages() {
    // A bootstrap node with one archive: an image, and the project's own package.
    let Some(node) = Node::rocky("") else { return };
    let tree = node.path("tree");
    let repository = tree.join("packages/redhat/8/metalk8s-scality-el8");
    packages::build_own("2.11.0-dev", node.scratch.path(), &repository.join("x86_64"));
    ::packages::repository::index(&repository, packages::DATE).unwrap();
    let digest = image(&tree.join("images/tool/1.0"));
    fs::write(tree.join("product.txt"), "NAME=MetalK8s\nVERSION=2.11.0-dev\n").unwrap();
    let iso = node.path("metalk8s.iso");
    let mut create = sealift::command(node.scratch.path());
    create.args(["iso", "create", "tree", "--volume-id", "MetalK8s 2.11.0-dev", "--file"]).arg(&iso);
    peer::run(&mut create);
    fs::remove_file(node.path("sealift")).unwrap();
    symlink(sealift::binary(), node.path("sealift")).unwrap();
    fs::write(node.path("bootstrap.yaml"), bootstrap(&[&iso])).unwrap();

    // Beside it, as the first one that is tried, a node that is gone.
    let (port, gone) = (daemon::free_port(), daemon::NOBODY);
    let endpoints = [gone, port].map(|port| format!("http://127.0.0.1:{port}"));
    let pillar =
        json!({"registry": {"listen": "127.0.0.1", "port": port, "endpoints": endpoints, "follow": true}});
    let run = node.apply("metalk8s.repo,metalk8s.container-engine,metalk8s.registry.configured", &pillar);
    assert!(run.success, "{}", run.said);

    let mut serve = sealift::command(node.scratch.path());
    serve.args(service_command(&node.path("sysconfig")));
    let _daemon = daemon::start(&mut serve, port, &node.path("serve.log"));

    if let Some(system) = System::new(node.scratch.path(), "") {
        let configured = fs::read_to_string(node.path("root/etc/yum.repos.d/sealift.repo")).unwrap();
        fs::write(system.root.join("repos/test.repo"), configured).unwrap();
        system.run(&["install", "sealift"]);
        let installed = fs::read(system.root.join("usr/bin/sealift")).unwrap();
        assert!(installed == packages::own_binary("2.11.0-dev"));
    }
    if let Some(containerd) = Containerd::start(node.scratch.path()) {
        let name = "metalk8s-registry-from-config.invalid/metalk8s-2.11.0-dev/tool:1.0";
        let hosts = node.path("root/etc/containerd/certs.d").display().to_string();
        containerd.run(&["images", "pull", "--hosts-dir", &hosts, name]);
        let listed = containerd.run(&["images", "ls"]);
        assert!(listed.contains(name) && listed.contains(&digest.to_string()), "{listed}");
    }
}
