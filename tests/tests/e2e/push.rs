//! Pushes of the images of an archive into docker-registry.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use content::Digest;
use images::pull::{self, PullRequest, RegistryOptions};
use images::{RegistrySession, Store, dir_layout};
use serde_json::Value;
use tests::daemon::{Daemon, free_port};
use tests::registry::{self as debian, IMAGES, fill};
use tests::relay::{Event, Relay};
use tests::{peer, sealift};

/// An archive of the images that every registry test uses, and their digests.
struct Site {
    scratch: tempfile::TempDir,
    archive: PathBuf,
    digests: Vec<Digest>,
}

fn site() -> Option<Site> {
    for peer in ["skopeo", "docker-registry", "bsdtar", "curl", "dpkg"] {
        peer::find(peer)?;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let source = debian::start(folder, free_port())?;
    fill(folder, &source);
    let host = format!("127.0.0.1:{}", source.port);
    let request = |(name, tag, _): &(&str, &str, _)| PullRequest {
        name: (*name).into(),
        tag: (*tag).into(),
        reference: format!("{host}/{name}:{tag}").parse().unwrap(),
        platforms: Vec::new(),
        expected: None,
        referrers: false,
    };
    let requests: Vec<PullRequest> = IMAGES.iter().map(request).collect();
    let options = RegistryOptions { plain_http: [host.clone()].into(), ..RegistryOptions::default() };
    let store = Store::open(&folder.join("store")).unwrap();
    let pulled = pull::pull(&requests, &store, &RegistrySession::new(options.clone()), &()).unwrap();
    let archive = folder.join("archive");
    for image in &pulled {
        let place = archive.join("images").join(&image.name).join(&image.tag);
        dir_layout::write(&store, &image.digest, &[], &place).unwrap();
    }
    fs::write(archive.join("product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
    let digests = pulled.iter().map(|image| image.digest).collect();
    Some(Site { scratch, archive, digests })
}

/// A second, empty registry.
fn target(folder: &Path) -> Daemon {
    let place = folder.join("target");
    fs::create_dir_all(&place).unwrap();
    debian::start(&place, free_port()).unwrap()
}

fn push_command(site: &Site, port: u16) -> Command {
    let host = format!("127.0.0.1:{port}");
    let mut command = sealift::command(site.scratch.path());
    command.args(["archive", "push"]).arg(&site.archive).args(["--to", &format!("{host}/mirror")]);
    command.args(["--plain-http", &host, "--output", "json"]);
    command
}

fn push(site: &Site, target: &Daemon) -> Value {
    let (code, out, err) = sealift::told(&push_command(site, target.port).output().unwrap());
    assert_eq!(code, 0, "{err}");
    serde_json::from_str(&out).unwrap()
}

/// The digest that the registry returns for a tag.
fn served(target: &Daemon, name: &str, tag: &str, kind: &str) -> String {
    let url = format!("http://127.0.0.1:{}/v2/mirror/site-1.0/{name}/manifests/{tag}", target.port);
    let answer =
        peer::run(Command::new("curl").args(["-sSfI", "-H", &format!("Accept: {kind}"), &url])).stdout;
    let answer = String::from_utf8(answer).unwrap();
    let header = answer.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
    header.unwrap_or_else(|| panic!("{answer}")).trim().to_owned()
}

fn assert_same_digests(site: &Site, target: &Daemon) {
    for ((name, tag, kind), digest) in IMAGES.iter().zip(&site.digests) {
        assert_eq!(served(target, name, tag, kind.media_type()), digest.to_string(), "{name}:{tag}");
    }
}

/// The distinct blobs of the archive.
fn blobs(site: &Site) -> BTreeSet<String> {
    dir_layout::list(&site.archive.join("images"))
        .unwrap()
        .iter()
        .flat_map(|place| dir_layout::read(&place.folder).unwrap().blobs)
        .map(|blob| blob.digest.to_string())
        .collect()
}

#[test]
fn a_push_killed_half_way_is_finished_by_the_next_and_a_third_moves_nothing() {
    let Some(site) = site() else { return };
    let target = target(site.scratch.path());
    // Killed as soon as the first blob has arrived.
    let relay = Relay::start(target.port, usize::MAX);
    let mut child =
        push_command(&site, relay.port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    relay.wait(&[Event::Created]);
    child.kill().unwrap();
    child.wait().unwrap();

    let second = push(&site, &target);
    assert_eq!(second["images"].as_array().unwrap().len(), IMAGES.len(), "{second}");
    assert_same_digests(&site, &target);
    let copy = site.scratch.path().join("copy");
    // Every blob is intact: skopeo checks them all.
    for (position, (name, tag, _)) in IMAGES.iter().enumerate() {
        let from = format!("docker://127.0.0.1:{}/mirror/site-1.0/{name}:{tag}", target.port);
        debian::skopeo_copy(&["--all"], &from, &format!("dir:{}-{position}", copy.display()));
    }

    let third = push(&site, &target);
    assert_eq!(
        (third["bytes"].as_u64(), third["manifests"].as_u64(), third["blobs"]["mounted"].as_u64()),
        (Some(0), Some(0), Some(0)),
        "{third}"
    );
    assert!(third["images"].as_array().unwrap().iter().all(|image| image["changed"] == false));
}

/// docker-registry resumes an upload only at the end of a piece. So complete blobs stay, and the unfinished one is sent again.
#[test]
fn a_push_killed_inside_a_large_blob_sends_that_blob_again_and_nothing_else() {
    if peer::find("docker-registry").is_none() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let store = Store::open(&folder.join("store")).unwrap();
    let large = vec![7; 160 << 20];
    let (config, layer) = (store.put(b"{}").unwrap(), store.put(&large).unwrap());
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": images::MediaKind::OciManifest.media_type(),
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": large.len()}],
    });
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    let archive = folder.join("archive");
    dir_layout::write(&store, &digest, &[], &archive.join("images/large/1")).unwrap();
    fs::write(archive.join("product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
    let site = Site { scratch, archive, digests: vec![digest] };
    let target = target(site.scratch.path());
    let storage = site.scratch.path().join("target/registry-storage/docker/registry/v2");
    let data = |digest: &Digest| {
        let hex = digest.hex();
        storage.join("blobs/sha256").join(&hex[..2]).join(hex).join("data")
    };

    // Only a part of its first piece passes.
    let relay = Relay::start(target.port, 32 << 20);
    let mut child =
        push_command(&site, relay.port).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    relay.wait(&[Event::Created, Event::Held]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(data(&config).exists(), "the small blob is whole");
    assert!(!data(&layer).exists(), "the blob is not whole");

    let second = push(&site, &target);
    assert_eq!(
        (second["bytes"].as_u64(), second["blobs"]["uploaded"].as_u64(), second["blobs"]["present"].as_u64()),
        (Some(large.len() as u64), Some(1), Some(1)),
        "{second}"
    );
    assert_eq!(
        served(&target, "large", "1", images::MediaKind::OciManifest.media_type()),
        digest.to_string()
    );
    assert!(fs::read(data(&layer)).unwrap() == large);
    assert_eq!(push(&site, &target)["bytes"], 0);
}

#[test]
fn a_blob_of_several_repositories_travels_once_and_large_ones_in_pieces() {
    let Some(site) = site() else { return };
    let target = target(site.scratch.path());
    let host = format!("127.0.0.1:{}", target.port);
    let images = node::push::ArchiveImages::open(&site.archive).unwrap();
    let requests = images.requests(&format!("{host}/mirror/site-1.0")).unwrap();
    // docker-registry accepts pieces of this size.
    let options = RegistryOptions { plain_http: [host].into(), chunk: 70_000, ..RegistryOptions::default() };
    let report = images::push::push(&requests, images, &RegistrySession::new(options.clone()), &()).unwrap();
    assert_eq!(report.blobs.uploaded, blobs(&site).len());
    assert!(report.blobs.mounted > 0, "{report:?}");
    assert_same_digests(&site, &target);
}

#[test]
fn a_registry_that_is_none_is_said_to_be_none() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
    let folder = scratch.path().join("images/a/1");
    fs::create_dir_all(&folder).unwrap();
    let store = Store::open(&scratch.path().join("store")).unwrap();
    let blob = store.put(b"{}").unwrap();
    let config = serde_json::json!({"mediaType": "x/y", "digest": blob, "size": 2});
    let manifest = serde_json::json!({"schemaVersion": 2, "config": config, "layers": []});
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    dir_layout::write(&store, &digest, &[], &folder).unwrap();
    let push = |arguments: &[&str]| {
        sealift::run(scratch.path(), &[&["archive", "push", ".", "--to"], arguments].concat())
    };
    let (code, _, err) = push(&["nodots/a"]);
    assert!(code == 3 && err.contains("is not a registry"), "{err}");
    let (code, _, err) = push(&["Reg.example/UPPER"]);
    assert!(code == 3 && err.contains("lower-case"), "{err}");
    let (code, _, err) = push(&["me:hunter2@reg.example/a"]);
    assert!(code == 3 && err.contains("credentials file") && !err.contains("hunter2"), "{err}");
    // A file server is not a registry.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            use std::io::{Read as _, Write as _};
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let (code, _, err) = push(&[&host, "--plain-http", &host]);
    assert!(code == 2 && err.contains("expected 201") && err.contains(&host), "{err}");
}

#[test]
fn a_command_that_fails_reports_in_json_if_it_was_to_report_in_json() {
    let scratch = tempfile::tempdir().unwrap();
    let nobody = free_port();
    let reference = format!("127.0.0.1:{nobody}/a:1");
    let run = |arguments: &[&str]| sealift::run(scratch.path(), arguments);
    for (arguments, expected) in [
        (&["image", "pull", &reference, "--into", "images", "--output", "json"][..], 2),
        (&["image", "pull", "UPPER", "--into", "images", "--output", "json"], 3),
        (&["image", "ls", "there-is-none", "--output", "json"], 2),
        (&["lock", "--output", "json"], 3),
    ] {
        let (code, out, err) = run(arguments);
        // Standard output has only reports; the error is the last line of standard error, after warnings.
        assert_eq!((code, out.as_str()), (expected, ""), "{err}");
        let last = err.lines().last().unwrap();
        let report: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {err}"));
        assert_eq!((&report["kind"], &report["exitCode"]), (&"Error".into(), &expected.into()), "{err}");
        assert!(report["message"].as_str().is_some_and(|message| !message.is_empty()), "{err}");
    }
    let (code, out, err) = run(&["archive", "verfy", "-o", "json"]);
    let report: Value = serde_json::from_str(&err).unwrap();
    assert_eq!((code, out.as_str()), (3, ""));
    assert_eq!(report["message"], "unrecognized subcommand 'verfy'");
    assert_eq!(report["help"], "a similar subcommand exists: 'verify'");
    let (_, _, err) = run(&["image", "ls", "there-is-none", "-o", "yaml"]);
    assert!(err.starts_with("---\napiVersion: sealift.dev/v1\nkind: Error\n"), "{err}");
    let (_, out, _) = run(&["image", "ls", "there-is-none"]);
    assert_eq!(out, "");
}
