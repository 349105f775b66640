//! The embedded server before skopeo, containerd, curl and dnf, from a folder and from an ISO.

pub(crate) mod archives;
mod bring_up;
mod care;
mod care_machine;
mod clients;
mod copies;
pub(crate) mod curl;
mod dnf;
mod documents;
mod dry_runs;
mod environments;
mod hooks;
mod many_nodes;
mod nginx;
mod nodes;
mod original_names;
mod original_nginx;
mod page;
mod service;
mod side_by_side;
pub(crate) mod site;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use images::MediaKind;
use tests::containerd::Containerd;
use tests::peer;

use site::{IMAGES, Running, Site};

/// Every file of a folder.
fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().to_string_lossy().into_owned(), fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn skopeo_pulls_what_is_in_the_archive() {
    let Some(skopeo) = peer::find("skopeo") else { return };
    let site = Site::new();
    let images = site.tree.join("images");
    for (form, archive, prefixes) in [
        ("folder", site.tree.as_path(), ["", "example-1.0/"].as_slice()),
        ("iso", &site.iso, &["", "example-1.0/"]),
        ("images", &images, &[""]),
    ] {
        let server = Running::serving(&[archive]);
        for ((name, tag, kind), prefix) in
            IMAGES.iter().flat_map(|image| prefixes.iter().map(move |p| (image, p)))
        {
            let reference = format!("docker://{}/{prefix}{name}:{tag}", server.address);
            let pulled = site.scratch.path().join(format!("{form}-{}", reference.replace('/', "_")));
            peer::run(
                Command::new(&skopeo)
                    .args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"])
                    .args(kind.is_index().then_some("--all"))
                    .arg(&reference)
                    .arg(format!("dir:{}", pulled.display())),
            );
            let (ours, theirs) = (content(&site.folder(name, tag)), content(&pulled));
            assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>(), "{reference}");
            assert!(ours == theirs, "{reference}: every byte");
        }
        let listed = peer::run(
            Command::new(&skopeo)
                .args(["list-tags", "--tls-verify=false"])
                .arg(format!("docker://{}/curl", server.address)),
        );
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed["Tags"], serde_json::json!(["7", "docker"]));
    }
}

#[test]
fn skopeo_is_told_what_is_wrong() {
    let Some(skopeo) = peer::find("skopeo") else { return };
    let site = Site::new();
    let layer = largest(&site.folder("team/skopeo", "1.0"));
    let mut bytes = fs::read(&layer).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&layer, bytes).unwrap();
    let config = server::ServerOptions {
        archives: vec![site.tree.clone()],
        check_in_background: false,
        ..server::ServerOptions::default()
    };
    let server = Running::start(config);
    let copy = |reference: &str| {
        let output = Command::new(&skopeo)
            .args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"])
            .arg(format!("docker://{}/{reference}", server.address))
            .arg(format!("dir:{}", site.scratch.path().join("refused").display()))
            .output()
            .unwrap();
        assert!(!output.status.success(), "{reference}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let broken = copy("team/skopeo:1.0");
    assert!(broken.contains("unexpected EOF"), "{broken}");
    let damaged = copy("team/skopeo:1.0");
    assert!(damaged.contains("manifest unknown") && damaged.contains("is damaged"), "{damaged}");
    let unknown = copy("curl:none");
    assert!(unknown.contains("manifest unknown"), "{unknown}");
}

fn largest(folder: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
}

#[test]
fn containerd_pulls_under_the_digest_of_the_archive() {
    let site = Site::new();
    let Some(containerd) = Containerd::start(site.scratch.path()) else { return };
    let server = Running::serving(&[&site.iso]);
    for (name, tag, kind) in IMAGES {
        let reference = format!("{}/example-1.0/{name}:{tag}", server.address);
        let all: &[&str] = if kind == MediaKind::OciIndex { &["--all-platforms"] } else { &[] };
        let fetch = [&["content", "fetch", "--plain-http"], all, &[&reference]].concat();
        containerd.run(&fetch);
        let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
        assert!(listed.contains(&site.digest(name, tag).to_string()), "{listed}");
    }
    // Unpacked as well: the layers are what their configuration says.
    let reference = format!("{}/example-1.0/curl:7", server.address);
    containerd.run(&["images", "pull", "--plain-http", "--snapshotter", "native", &reference]);
    containerd.run(&["images", "check"]);
}

#[test]
fn an_image_comes_while_another_archive_is_replaced() {
    let Some(skopeo) = peer::find("skopeo") else { return };
    let site = Site::new();
    let server = Running::serving(&[&site.iso]);
    let pulls: Vec<_> = (0..4)
        .map(|n| {
            Command::new(&skopeo)
                .args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"])
                .arg(format!("docker://{}/example-1.0/team/skopeo:1.0", server.address))
                .arg(format!("dir:{}", site.scratch.path().join(format!("pull-{n}")).display()))
                .stdin(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let second = site.scratch.path().join("second.iso");
    fs::copy(&site.iso, &second).unwrap();
    for turn in 0..20 {
        // The same archive from another file: what runs keeps the file it began with.
        let path = if turn % 2 == 0 { &second } else { &site.iso };
        server.handle.reload(std::slice::from_ref(path)).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    fs::remove_file(&second).unwrap();
    for (n, mut pull) in pulls.into_iter().enumerate() {
        assert!(pull.wait().unwrap().success());
        assert!(
            content(&site.scratch.path().join(format!("pull-{n}")))
                == content(&site.folder("team/skopeo", "1.0"))
        );
    }
}
