//! The configuration that Sealift writes for clients, checked with the clients. The first node in it is always unreachable.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use content::Digest;
use node::client_config::HOST;
use server::{ServerOptions, TlsFiles};
use tests::apt::Apt;
use tests::containerd::Containerd;
use tests::daemon::NOBODY;
use tests::dnf::System;
use tests::signing_key::SigningKey;
use tests::{peer, sealift};

use super::curl::certificate;
use super::site::{INSTALLED, Running, Site};

/// Runs `sealift` with `arguments` for two nodes, of which the first is unreachable, and writes below the scratch folder.
fn configure(site: &Site, server: &Running, arguments: &[&str]) -> String {
    configure_beside("127.0.0.2", site, server, arguments)
}

/// [`configure`] with the unreachable node at `address`.
fn configure_beside(address: &str, site: &Site, server: &Running, arguments: &[&str]) -> String {
    let gone = format!("http://{address}:{}", NOBODY);
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
    assert_eq!(content::Digest::of(&manifest).to_string(), digest);
}

#[test]
fn containerd_asks_ipv6_nodes_in_their_order_and_skopeo_is_not_given_any() {
    let site = Site::new();
    let folder = site.scratch.path();
    let server = Running::serving_by_ipv6(&[&site.iso]);
    let name = format!("{HOST}/example-1.0/team/skopeo:1.0");
    configure(&site, &server, &["registry", "containerd-config"]);
    if let Some(containerd) = Containerd::start(folder) {
        let hosts = folder.join("client/etc/containerd/certs.d").display().to_string();
        containerd.run(&["images", "pull", "--hosts-dir", &hosts, &name]);
        let listed = containerd.run(&["images", "ls"]);
        assert!(listed.contains(&site.digest("team/skopeo", "1.0").to_string()), "{listed}");
    }
    let node = format!("http://{}", server.address);
    let (code, out, err) =
        sealift::run(folder, &["registry", "crio-config", "--node", "http://10.0.0.1", "--node", &node]);
    assert!(code == 3 && out.is_empty(), "{code}: {out}");
    assert!(err.contains(&server.address.to_string()) && err.contains("IPv4"), "{err}");
}

/// Has dnf install from a server by the repository file, whose path it returns; `None` without dnf, which is reported on standard error.
fn installed_by_dnf(site: &Site, server: &Running) -> Option<PathBuf> {
    configure(site, server, &["repository", "dnf-config", "example.iso"]);
    let system = System::new(site.scratch.path(), "")?;
    let written = site.scratch.path().join("client/etc/yum.repos.d/sealift.repo");
    fs::copy(&written, system.root.join("repos/test.repo")).unwrap();
    system.run(&["install", "greeting"]);
    assert_eq!(fs::read_to_string(system.root.join(INSTALLED.0)).unwrap(), INSTALLED.1);
    Some(written)
}

#[test]
fn dnf_installs_from_an_ipv6_node() {
    let site = Site::new();
    let server = Running::serving_by_ipv6(&[&site.iso]);
    installed_by_dnf(&site, &server);
}

#[test]
fn containerd_pulls_over_tls_from_who_shows_the_right_certificate() {
    let site = Site::new();
    let folder = site.scratch.path();
    let Some(containerd) = Containerd::start(folder) else { return };
    if certificate(folder, "server").and_then(|()| certificate(folder, "other")).is_none() {
        return;
    }
    let tls = TlsFiles {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        client_authorities: None,
    };
    let archives = vec![site.iso.clone()];
    let server = Running::start(ServerOptions { archives, tls: Some(tls), ..ServerOptions::default() });
    let name = format!("{HOST}/example-1.0/team/skopeo:1.0");
    let node = format!("https://{}", server.address);
    let pull = |authority: &str| {
        let file = folder.join(authority).display().to_string();
        let root = format!("client-{authority}");
        let arguments = ["registry", "containerd-config", "--node", &node, "--ca", &file, "--root", &root];
        let (code, _, err) = sealift::run(folder, &arguments);
        assert_eq!(code, 0, "{err}");
        let hosts = folder.join(root).join("etc/containerd/certs.d").display().to_string();
        containerd.command(&["images", "pull", "--hosts-dir", &hosts, &name]).output().unwrap()
    };
    let refused = pull("other-ca.pem");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("x509"), "{said}");
    let pulled = pull("server-ca.pem");
    assert!(pulled.status.success(), "{}", String::from_utf8_lossy(&pulled.stderr));
    let listed = containerd.run(&["images", "ls", &format!("name=={name}")]);
    assert!(listed.contains(&site.digest("team/skopeo", "1.0").to_string()), "{listed}");
}

#[test]
fn dnf_installs_from_the_repository_file() {
    let site = Site::new();
    let server = Running::serving(&[&site.iso]);
    let Some(written) = installed_by_dnf(&site, &server) else { return };
    // A file that a user wrote stays.
    fs::write(&written, "by hand").unwrap();
    let arguments =
        ["repository", "dnf-config", "example.iso", "--node", "http://10.0.0.1", "--root", "client"];
    let (code, _, err) = sealift::run(site.scratch.path(), &arguments);
    assert!(code == 1 && err.contains("was not generated") && err.contains("--force"), "{err}");
    assert_eq!(fs::read_to_string(&written).unwrap(), "by hand");
}

#[test]
fn dnf_takes_what_the_key_of_the_repository_has_signed() {
    let site = Site::new();
    let folder = site.scratch.path();
    let Some(system) = System::new(folder, "") else { return };
    let Some(key) = SigningKey::new(folder, "rsa2048") else { return };
    // What changes here is not what they are of.
    fs::remove_file(site.tree.join("SHA256SUMS")).unwrap();
    let repository = site.tree.join("packages/redhat/8/example-scality-el8");
    let package = super::largest(&repository.join("noarch"));
    let unsigned = fs::read(&package).unwrap();
    key.sign_package(&package);
    let publish = || {
        packages::repository::index(&repository, super::site::DATE).unwrap();
        key.sign_metadata(&repository);
    };
    publish();
    fs::write(repository.join("RPM-GPG-KEY-site"), key.public()).unwrap();
    let server = Running::serving(&[&site.tree]);
    configure(&site, &server, &["repository", "dnf-config", "tree", "--release", "8"]);
    let client = folder.join("client");
    let written = fs::read_to_string(client.join("etc/yum.repos.d/sealift.repo")).unwrap();
    for line in
        ["gpgcheck=1", "repo_gpgcheck=1", "gpgkey=file:///etc/pki/rpm-gpg/example-1.0-RPM-GPG-KEY-site"]
    {
        assert!(written.lines().any(|found| found == line), "{line}\n{written}");
    }
    // dnf looks for keys on this machine, and the client is a folder.
    let keys = format!("gpgkey=file://{}/etc/pki", client.display());
    fs::write(system.root.join("repos/test.repo"), written.replace("gpgkey=file:///etc/pki", &keys)).unwrap();
    system.run(&["install", "greeting"]);
    assert_eq!(fs::read_to_string(system.root.join(INSTALLED.0)).unwrap(), INSTALLED.1);

    // The same package without its signature, in metadata that the key has signed.
    system.run(&["remove", "greeting"]);
    fs::write(&package, unsigned).unwrap();
    publish();
    let refused = system.command(&["install", "--refresh", "greeting"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("is not signed"), "{said}");
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
        (bytes.len(), Digest::of(&bytes).hex())
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
    let key = SigningKey::new(scratch, "rsa2048").unwrap();
    let gpg = |arguments: &[&str]| key.gpg(&dists, arguments);
    gpg(&["--clearsign", "--output", "InRelease", "Release"]);
    fs::write(repository.join("site.asc"), gpg(&["--armor", "--export"])).unwrap();
}

#[test]
fn apt_downloads_from_the_sources_file() {
    let (Some(apt), Some(_)) = (peer::find("apt-get"), peer::find("gpg")) else { return };
    let site = Site::new();
    deb(site.scratch.path(), &site.tree.join("packages/debian"));
    let server = Running::serving(&[&site.tree]);
    let root = site.scratch.path().join("client");
    let sources = root.join("etc/apt/sources.list.d/sealift.sources");
    configure(&site, &server, &["repository", "apt-config", "tree"]);
    // apt has no root folder of its own for the list of mirrors and the keys.
    let written = fs::read_to_string(&sources).unwrap();
    let here = root.display();
    assert!(written.contains("mirror+file:/etc/apt/mirrors/sealift-example-1.0-0.list"), "{written}");
    assert!(written.contains("Signed-By: /etc/apt/keyrings/example-1.0-site.asc"), "{written}");
    fs::write(&sources, written.replace("/etc/apt/", &format!("{here}/etc/apt/"))).unwrap();
    let client = Apt::new(apt, &root);
    let apt = |arguments: &[&str]| client.command(arguments);
    peer::run(&mut apt(&["update"]));
    peer::run(&mut apt(&["download", "greeting"]));
    let downloaded = fs::read(root.join("greeting_1.0_all.deb")).unwrap();
    assert!(downloaded == fs::read(site.tree.join("packages/debian/pool/greeting_1.0_all.deb")).unwrap());

    // As documented: apt gives up an address, not a port.
    fs::remove_file(root.join("etc/apt/mirrors/sealift-example-1.0-0.list")).unwrap();
    fs::write(&sources, &written).unwrap();
    configure_beside("127.0.0.1", &site, &server, &["repository", "apt-config", "tree"]);
    fs::write(&sources, written.replace("/etc/apt/", &format!("{here}/etc/apt/"))).unwrap();
    let output = apt(&["update", "--error-on=any"]).output().unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    // A node with an IPv6 address.
    fs::remove_file(root.join("etc/apt/mirrors/sealift-example-1.0-0.list")).unwrap();
    fs::remove_dir_all(root.join("state")).unwrap();
    fs::create_dir_all(root.join("state/lists/partial")).unwrap();
    fs::write(&sources, &written).unwrap();
    let server = Running::serving_by_ipv6(&[&site.tree]);
    configure(&site, &server, &["repository", "apt-config", "tree"]);
    fs::write(&sources, written.replace("/etc/apt/", &format!("{here}/etc/apt/"))).unwrap();
    peer::run(&mut apt(&["update", "--error-on=any"]));
}

#[test]
fn printed_files_say_where_they_belong() {
    let folder = tempfile::tempdir().unwrap();
    let node = ["--node", "http://10.0.0.1:8080"];
    let hosts = ["--original-names", "--host", "docker.io", "--host", "quay.io"];
    for (arguments, paths) in [
        (
            [&["registry", "containerd-config"], &hosts[..], &node].concat(),
            &["etc/containerd/certs.d/docker.io/hosts.toml", "etc/containerd/certs.d/quay.io/hosts.toml"][..],
        ),
        ([&["registry", "k3s-config"], &node[..]].concat(), &["etc/rancher/k3s/registries.yaml"][..]),
    ] {
        let (code, printed, err) = sealift::run(folder.path(), &arguments);
        assert_eq!(code, 0, "{err}");
        let (code, _, err) = sealift::run(folder.path(), &[&arguments[..], &["--root", "client"]].concat());
        assert_eq!(code, 0, "{err}");
        let files = paths.iter().map(|path| {
            let written = fs::read_to_string(folder.path().join("client").join(path)).unwrap();
            format!("# File: /{path}\n{written}")
        });
        assert_eq!(printed, files.collect::<Vec<_>>().join("\n"));
    }
}
