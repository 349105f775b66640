//! This repository's own archive from end to end: it is built, read, verified, served, and packages of it are installed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use content::Digest;
use tests::containerd::Containerd;
use tests::daemon::{self, Daemon, free_port};
use tests::registry::skopeo_copy;
use tests::{dnf, nginx, peer, sealift};

const IMAGE: &str = "sealift";

/// The version of the archive and of the image in it.
fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// The digest that the image was built with.
fn image_digest() -> Digest {
    let manifest = sealift::archive().tree.join(format!("images/{IMAGE}/{}/manifest.json", version()));
    Digest::of(&fs::read(manifest).unwrap())
}

/// Serves `archive` and waits until the server responds.
fn serve(archive: &Path, scratch: &Path) -> Daemon {
    let port = free_port();
    let mut command = sealift::command(scratch);
    command.args(["registry", "serve", "--listen"]).arg(format!("127.0.0.1:{port}")).arg(archive);
    daemon::start(&mut command, port, &scratch.join("serve.log"))
}

/// The digest of an image that skopeo copied to a `dir:`. Every blob must have the digest in its name.
fn digest_of_copy(folder: &Path) -> Digest {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if let Ok(named) = Digest::from_hex(&entry.file_name().to_string_lossy()) {
            assert_eq!(Digest::of(&fs::read(entry.path()).unwrap()), named);
        }
    }
    Digest::of(&fs::read(folder.join("manifest.json")).unwrap())
}

/// Content or target of every file and link below a folder, by path.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_path_buf()];
    while let Some(folder_now) = waiting.pop() {
        for entry in fs::read_dir(&folder_now).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let kind = fs::symlink_metadata(&path).unwrap().file_type();
            if kind.is_dir() {
                waiting.push(path);
            } else if kind.is_symlink() {
                found.insert(name, fs::read_link(path).unwrap().to_string_lossy().into_owned().into_bytes());
            } else {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn peers_read_the_iso_and_find_what_was_put_in() {
    let archive = sealift::archive();
    let expected = tree(&archive.tree);
    for path in [
        "product.txt",
        "SHA256SUMS",
        "bin/sealift",
        "registry-config.inc.j2",
        "salt/metalk8s/map.jinja",
        "iso-manager.sh",
        "documentation/index.html",
        "documentation/runtime/README.html",
        "documentation/salt/README.html",
    ] {
        assert!(expected.contains_key(path), "{path} is not in the archive");
    }
    let scratch = tempfile::tempdir().unwrap();
    if let Some(xorriso) = peer::find("xorriso") {
        let out = scratch.path().join("xorriso");
        peer::run(
            Command::new(xorriso)
                .args(["-abort_on", "WARNING", "-osirrox", "on", "-indev"])
                .arg(&archive.iso)
                .args(["-extract", "/"])
                .arg(&out),
        );
        assert!(tree(&out) == expected, "xorriso reads something else");
        let mode = |path: &str| fs::metadata(out.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("bin/sealift"), mode("product.txt")), (0o555, 0o444));
        peer::run(
            Command::new("sha256sum")
                .args(["--check", "--quiet", "--strict", "SHA256SUMS"])
                .current_dir(&out),
        );
    }
    if let Some(bsdtar) = peer::find("bsdtar") {
        let out = scratch.path().join("bsdtar");
        fs::create_dir(&out).unwrap();
        peer::run(Command::new(bsdtar).arg("-xf").arg(&archive.iso).arg("-C").arg(&out));
        assert!(tree(&out) == expected, "bsdtar reads something else");
    }
    if let Some(isoinfo) = peer::find("isoinfo") {
        let product =
            peer::run(Command::new(isoinfo).arg("-i").arg(&archive.iso).args(["-x", "/PRODUCT.TXT;1"]));
        assert_eq!(product.stdout, expected["product.txt"]);
    }
    if let Some(checkisomd5) = peer::find("checkisomd5") {
        peer::run(Command::new("timeout").arg("60").arg(checkisomd5).arg(&archive.iso));
    }
    let digest =
        peer::run(Command::new("sha256sum").args(["--check", "SHA256SUM"]).current_dir(&archive.build_root));
    assert_eq!(digest.stdout, b"metalk8s.iso: OK\n");
}

#[test]
fn the_program_in_the_archive_is_static_and_names_no_folder_of_this_machine() {
    let archive = sealift::archive();
    let bytes = fs::read(archive.tree.join("bin/sealift")).unwrap();
    let headers = peer::run(Command::new("readelf").arg("-l").arg(archive.tree.join("bin/sealift")));
    assert!(!String::from_utf8_lossy(&headers.stdout).contains("INTERP"), "it needs a dynamic loader");
    let home = std::env::home_dir().unwrap();
    for folder in [sealift::repository(), &home.join(".cargo"), &home.join(".rustup")] {
        let name = folder.to_string_lossy();
        assert!(
            !bytes.windows(name.len()).any(|window| window == name.as_bytes()),
            "the path {name} is in the binary"
        );
    }
}

#[test]
fn verify_names_what_is_damaged() {
    let archive = sealift::archive();
    let scratch = tempfile::tempdir().unwrap();
    let iso = archive.iso.to_str().unwrap();
    let (code, out, err) = sealift::run(scratch.path(), &["archive", "verify", iso]);
    assert!(code == 0 && out.contains("intact"), "{out}{err}");
    let (code, out, _) = sealift::run(scratch.path(), &["archive", "verify", iso, "--output", "json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert!(code == 0 && report["ok"] == true && report["implantedMd5"]["status"] == "passed", "{out}");

    // One byte in the middle of the image's layer.
    let image = iso::IsoImage::open(&archive.iso).unwrap();
    let (path, layer) = image
        .walk()
        .unwrap()
        .into_iter()
        .filter(|(path, _)| path.starts_with("images/"))
        .max_by_key(|(_, entry)| entry.size)
        .unwrap();
    let mut bytes = fs::read(&archive.iso).unwrap();
    let place = usize::try_from(layer.extents[0].offset + layer.size / 2).unwrap();
    bytes[place] ^= 1;
    let damaged = scratch.path().join("damaged.iso");
    fs::write(&damaged, &bytes).unwrap();
    let (code, out, _) = sealift::run(scratch.path(), &["archive", "verify", damaged.to_str().unwrap()]);
    let lost = format!("images that cannot be served: {IMAGE}:{}", version());
    assert!(code == 1 && out.contains(&format!("{path}: damaged")) && out.contains(&lost), "{code}: {out}");

    bytes.truncate(bytes.len() / 2);
    fs::write(&damaged, &bytes).unwrap();
    let (code, out, err) = sealift::run(scratch.path(), &["archive", "verify", damaged.to_str().unwrap()]);
    assert!(code == 1 && out.contains("truncated"), "{code}: {out}{err}");

    fs::write(&damaged, "no image").unwrap();
    let (code, _, err) = sealift::run(scratch.path(), &["archive", "verify", damaged.to_str().unwrap()]);
    assert!(code == 2 && err.contains("not an ISO 9660 image"), "{code}: {err}");
}

#[test]
fn clients_are_served_from_the_iso_file() {
    let archive = sealift::archive();
    let scratch = tempfile::tempdir().unwrap();
    let server = serve(&archive.iso, scratch.path());
    let host = format!("127.0.0.1:{}", server.port);
    let repository = format!("metalk8s-{}", version());
    let expected = image_digest();

    if peer::find("skopeo").is_some() {
        for name in [format!("{repository}/{IMAGE}"), IMAGE.to_owned()] {
            let copy = scratch.path().join(name.replace('/', "-"));
            skopeo_copy(
                &[],
                &format!("docker://{host}/{name}:{}", version()),
                &format!("dir:{}", copy.display()),
            );
            assert_eq!(digest_of_copy(&copy), expected);
        }
    }
    if let Some(containerd) = Containerd::start(scratch.path()) {
        let reference = format!("{host}/{repository}/{IMAGE}:{}", version());
        containerd.run(&["content", "fetch", "--plain-http", &reference]);
        let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
        assert!(listed.contains(&expected.to_string()), "{listed}");
    }
    let url = format!("http://{host}/{repository}/redhat/8/scality-el8");
    if let Some(system) = dnf::System::new(scratch.path(), &url) {
        system.run(&["install", IMAGE]);
        let installed = system.root.join("usr/bin/sealift");
        assert!(fs::read(&installed).unwrap() == fs::read(archive.tree.join("bin/sealift")).unwrap());
        assert!(system.root.join("usr/lib/systemd/system/sealift-registry.service").exists());
        assert!(system.root.join("usr/lib/sysusers.d/sealift.conf").exists());
        let said = peer::run(Command::new(installed).arg("--version"));
        assert_eq!(String::from_utf8_lossy(&said.stdout), format!("sealift {}\n", version()));
    }
}

#[test]
fn nginx_serves_the_same_from_the_extracted_tree() {
    let archive = sealift::archive();
    let scratch = tempfile::tempdir().unwrap();
    let mounted = scratch.path().join("mounted");
    if let Some(bsdtar) = peer::find("bsdtar") {
        fs::create_dir(&mounted).unwrap();
        peer::run(Command::new(bsdtar).arg("-xf").arg(&archive.iso).arg("-C").arg(&mounted));
    } else {
        return;
    }
    let template = fs::read_to_string(mounted.join("registry-config.inc.j2")).unwrap();
    let repository = format!("metalk8s-{}", version());
    let config = template
        .replace("{{ repository }}", &repository)
        .replace("{{ registry_root }}", &format!("{}/images/", mounted.display()));
    let includes = format!("{}{config}", images::nginx::common());
    let Some(server) = nginx::start(scratch.path(), &includes) else { return };
    let host = format!("127.0.0.1:{}", server.port);
    if peer::find("skopeo").is_some() {
        let copy = scratch.path().join("copy");
        skopeo_copy(
            &[],
            &format!("docker://{host}/{repository}/{IMAGE}:{}", version()),
            &format!("dir:{}", copy.display()),
        );
        assert_eq!(digest_of_copy(&copy), image_digest());
    }
    if let Some(containerd) = Containerd::start(scratch.path()) {
        let reference = format!("{host}/{repository}/{IMAGE}:{}", version());
        containerd.run(&["content", "fetch", "--plain-http", &reference]);
        let listed = containerd.run(&["images", "ls", &format!("name=={reference}")]);
        assert!(listed.contains(&image_digest().to_string()), "{listed}");
    }
}

#[test]
fn a_port_in_use_is_named() {
    let archive = sealift::archive();
    let scratch = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let iso = archive.iso.to_str().unwrap();
    let (code, _, err) = sealift::run(scratch.path(), &["registry", "serve", iso, "--listen", &address]);
    assert!(
        code == 2 && err.contains(&address) && err.contains("in use") && err.contains("--listen"),
        "{code}: {err}"
    );
    let (code, _, err) = sealift::run(scratch.path(), &["registry", "serve", iso, "--listen", "0.0.0.0:0"]);
    assert!(code == 3 && err.contains("--no-tls"), "{code}: {err}");
}

#[test]
fn a_server_that_is_told_to_stop_does() {
    let archive = sealift::archive();
    let scratch = tempfile::tempdir().unwrap();
    let mut server = serve(&archive.iso, scratch.path());
    let pid = server.child.id().to_string();
    peer::run(Command::new("kill").args(["-TERM", &pid]).stdout(Stdio::null()));
    assert!(server.child.wait().unwrap().success());
}
