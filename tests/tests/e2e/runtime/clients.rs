//! The configuration that we write for clients, before the clients themselves. The first node that it names is always gone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use sha2::{Digest as _, Sha256};
use tests::containerd::Containerd;
use tests::daemon::free_port;
use tests::dnf::System;
use tests::{peer, sealift};

use super::site::{INSTALLED, Running, Site};

/// Runs `sealift` with `arguments`, then names two nodes, the first of them gone, and writes below the scratch folder.
fn configure(site: &Site, server: &Running, arguments: &[&str]) -> String {
    // At an address of its own: apt gives up a host, not a port.
    let gone = format!("http://127.0.0.2:{}", free_port());
    let serves = format!("http://{}", server.address);
    let nodes = ["--node", &gone, "--node", &serves, "--root", "client"];
    let (code, out, err) = sealift::run(site.scratch.path(), &[arguments, &nodes].concat());
    assert_eq!(code, 0, "{err}");
    // Again: nothing changes.
    let (code, again, err) = sealift::run(site.scratch.path(), &[arguments, &nodes].concat());
    assert!(code == 0 && again.is_empty(), "{again}{err}");
    out
}

#[test]
fn containerd_and_skopeo_pull_by_the_name_of_the_original() {
    let site = Site::new();
    let server = Running::serving(&[&site.iso]);
    let client = site.scratch.path().join("client");
    let name = "metalk8s-registry-from-config.invalid/example-1.0/team/skopeo:1.0";
    let digest = site.digest("team/skopeo", "1.0").to_string();

    configure(&site, &server, &["registry", "containerd-config"]);
    if let Some(containerd) = Containerd::start(site.scratch.path()) {
        let hosts = client.join("etc/containerd/certs.d").display().to_string();
        containerd.run(&["images", "pull", "--hosts-dir", &hosts, name]);
        let listed = containerd.run(&["images", "ls"]);
        assert!(listed.contains(name) && listed.contains(&digest), "{listed}");
    }

    let written = configure(&site, &server, &["registry", "crio-config"]);
    let Some(skopeo) = peer::find("skopeo") else { return };
    let copy = site.scratch.path().join("copy");
    let mut command = Command::new(skopeo);
    command.current_dir(site.scratch.path()).args(["--insecure-policy", "--registries-conf", written.trim()]);
    peer::run(
        command.args(["copy", "-q"]).arg(format!("docker://{name}")).arg(format!("dir:{}", copy.display())),
    );
    let manifest = fs::read(copy.join("manifest.json")).unwrap();
    assert_eq!(images::Digest::of(&manifest).to_string(), digest);
}

#[test]
fn dnf_installs_from_the_repository_file() {
    let site = Site::new();
    let server = Running::serving(&[&site.iso]);
    configure(&site, &server, &["repository", "dnf-config", "example.iso"]);
    let Some(system) = System::new(site.scratch.path(), "") else { return };
    let written = site.scratch.path().join("client/etc/yum.repos.d/sealift.repo");
    fs::copy(&written, system.root.join("repos/test.repo")).unwrap();
    system.run(&["install", "greeting"]);
    assert_eq!(fs::read_to_string(system.root.join(INSTALLED.0)).unwrap(), INSTALLED.1);
    // What somebody wrote by hand stays.
    fs::write(&written, "by hand").unwrap();
    let arguments =
        ["repository", "dnf-config", "example.iso", "--node", "http://10.0.0.1", "--root", "client"];
    let (code, _, err) = sealift::run(site.scratch.path(), &arguments);
    assert!(code == 1 && err.contains("was not generated") && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(&written).unwrap(), "by hand");
}

/// A repository of one package for apt, as `dists/` and `pool/`, signed by a key that lies in it.
fn deb(scratch: &Path, repository: &Path) {
    let package = scratch.join("deb");
    fs::create_dir_all(package.join("DEBIAN")).unwrap();
    let control = "Package: greeting\nVersion: 1.0\nArchitecture: all\nMaintainer: Site <site@example.invalid>\nDescription: A greeting\n";
    fs::write(package.join("DEBIAN/control"), control).unwrap();
    fs::write(package.join("hello"), "hello\n").unwrap();
    let (pool, dists) = (repository.join("pool"), repository.join("dists/stable"));
    let binary = dists.join("main/binary-amd64");
    fs::create_dir_all(&pool).unwrap();
    fs::create_dir_all(&binary).unwrap();
    let file = pool.join("greeting_1.0_all.deb");
    peer::run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&package).arg(&file));
    let described = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        (bytes.len(), hex::encode(Sha256::digest(&bytes)))
    };
    let (size, sum) = described(&file);
    let packages = format!("{control}Filename: pool/greeting_1.0_all.deb\nSize: {size}\nSHA256: {sum}\n");
    fs::write(binary.join("Packages"), packages).unwrap();
    let (size, sum) = described(&binary.join("Packages"));
    let release = format!(
        "Suite: stable\nCodename: stable\nComponents: main\nArchitectures: amd64 all\nDate: Tue, 14 Nov 2023 22:13:20 UTC\n\
         SHA256:\n {sum} {size} main/binary-amd64/Packages\n"
    );
    fs::write(dists.join("Release"), release).unwrap();
    let home = scratch.join("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command.arg("--homedir").arg(&home).args([
            "--batch",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        peer::run(command.current_dir(&dists).args(arguments)).stdout
    };
    gpg(&["--quick-generate-key", "Site <site@example.invalid>", "ed25519", "sign", "never"]);
    gpg(&["--clearsign", "--output", "InRelease", "Release"]);
    fs::write(repository.join("site.asc"), gpg(&["--armor", "--export"])).unwrap();
    let _ = Command::new("gpgconf").arg("--homedir").arg(&home).args(["--kill", "gpg-agent"]).status();
}

#[test]
fn apt_downloads_from_the_sources_file() {
    let (Some(apt), Some(_)) = (peer::find("apt-get"), peer::find("gpg")) else { return };
    let site = Site::new();
    deb(site.scratch.path(), &site.tree.join("packages/debian"));
    let server = Running::serving(&[&site.tree]);
    configure(&site, &server, &["repository", "apt-config", "tree"]);
    let root = site.scratch.path().join("client");
    let sources = root.join("etc/apt/sources.list.d/sealift.sources");
    // apt has no root folder of its own for the list of mirrors and the keys.
    let written = fs::read_to_string(&sources).unwrap();
    let here = root.display();
    assert!(written.contains("mirror+file:/etc/apt/mirrors/sealift-example-1.0-0.list"), "{written}");
    assert!(written.contains("Signed-By: /etc/apt/keyrings/example-1.0-site.asc"), "{written}");
    fs::write(&sources, written.replace("/etc/apt/", &format!("{here}/etc/apt/"))).unwrap();
    for folder in ["state/lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("status"), "").unwrap();
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(&apt);
        command.current_dir(&root).arg("-q");
        for (setting, place) in [
            ("Dir::Etc::SourceList", "none"),
            ("Dir::Etc::SourceParts", "etc/apt/sources.list.d"),
            ("Dir::State", "state"),
            ("Dir::State::status", "status"),
            ("Dir::Cache", "cache"),
        ] {
            command.args(["-o", &format!("{setting}={}", root.join(place).display())]);
        }
        command.args(["-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64"]);
        command.args([
            "-o",
            "APT::Sandbox::User=root",
            "-o",
            "Acquire::Retries=0",
            "-o",
            "Acquire::http::Proxy=false",
        ]);
        peer::run(command.args(arguments));
    };
    apt(&["update"]);
    apt(&["download", "greeting"]);
    let downloaded = fs::read(root.join("greeting_1.0_all.deb")).unwrap();
    assert!(downloaded == fs::read(site.tree.join("packages/debian/pool/greeting_1.0_all.deb")).unwrap());
}
