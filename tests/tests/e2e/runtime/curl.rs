//! curl: resumed transfers, plain files, TLS.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use server::{ServerOptions, TlsFiles};
use tests::{peer, sealift};

use super::service::Service;
use super::site::{Running, Site};

#[test]
fn a_transfer_is_resumed() {
    let Some(curl) = peer::find("curl") else { return };
    let site = Site::new();
    let layer = super::largest(&site.folder("team/skopeo", "1.0"));
    let whole = fs::read(&layer).unwrap();
    let digest = layer.file_name().unwrap().to_string_lossy().into_owned();
    let server = Running::serving(&[&site.iso]);
    let url = format!("http://{}/v2/team/skopeo/blobs/sha256:{digest}", server.address);
    for have in [0, 1, 65_536, whole.len() / 2, whole.len() - 1] {
        let part = site.scratch.path().join("part");
        fs::write(&part, &whole[..have]).unwrap();
        peer::run(Command::new(&curl).args(["-fsS", "-C", "-", "-o"]).arg(&part).arg(&url));
        assert!(fs::read(&part).unwrap() == whole, "resumed at {have}");
    }
}

#[test]
fn every_file_of_the_archive_can_be_had() {
    let Some(curl) = peer::find("curl") else { return };
    let site = Site::new();
    let server = Running::serving(&[&site.iso]);
    for (path, entry) in archive::Tree::open(&site.tree).and_then(|tree| tree.walk()).unwrap() {
        if entry.kind != archive::tree::EntryKind::File {
            continue;
        }
        let url = format!("http://{}/archives/example-1.0/{path}", server.address);
        let got = peer::run(Command::new(&curl).args(["-fsS", &url])).stdout;
        assert!(got == fs::read(site.tree.join(&path)).unwrap(), "{path}");
    }
}

/// A certificate authority and a certificate of it, as PEM files named after `name`.
pub(crate) fn certificate(folder: &Path, name: &str) -> Option<()> {
    let openssl = peer::find("openssl")?;
    let openssl = |arguments: &str| {
        peer::run(Command::new(&openssl).current_dir(folder).args(arguments.split(' ')));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout {name}-ca.key -out {name}-ca.pem -subj /CN={name}-ca -days 2"));
    openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
    fs::write(folder.join("extensions"), "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(&format!(
        "x509 -req -in {name}.csr -CA {name}-ca.pem -CAkey {name}-ca.key -CAcreateserial -out {name}.pem -days 2 \
         -extfile extensions"
    ));
    Some(())
}

#[test]
fn tls_with_certificates_of_both_sides() {
    let Some(curl) = peer::find("curl") else { return };
    let site = Site::new();
    let folder = site.scratch.path();
    if certificate(folder, "server").and_then(|()| certificate(folder, "client")).is_none() {
        return;
    }
    let tls = TlsFiles {
        certificate: folder.join("server.pem"),
        key: folder.join("server.key"),
        client_authorities: Some(folder.join("client-ca.pem")),
    };
    let archives = vec![site.iso.clone()];
    let server = Running::start(ServerOptions {
        archives: archives.clone(),
        tls: Some(tls),
        ..ServerOptions::default()
    });
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(&curl);
        command.current_dir(folder).args(["-fsS", "-m", "20"]).args(arguments);
        command.arg(format!("https://{}/v2/curl/tags/list", server.address)).output().unwrap()
    };
    let client = ["--cacert", "server-ca.pem", "--cert", "client.pem", "--key", "client.key"];
    for version in ["--tlsv1.3", "--tls-max=1.2"] {
        let arguments: Vec<&str> = client.iter().copied().chain(version.split('=')).collect();
        let output = ask(&arguments);
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.stdout, b"{\"name\":\"curl\",\"tags\":[\"7\",\"docker\"]}");
    }
    assert!(!ask(&client[..2]).status.success(), "no certificate of the client");
    assert!(!ask(&client[2..]).status.success(), "an authority that the client does not know");

    // A new certificate is taken up with the archives.
    certificate(folder, "server").unwrap();
    let before = ask(&client);
    assert!(!before.status.success(), "the old certificate is still served");
    server.handle.reload(&archives).unwrap();
    assert!(ask(&client).status.success());
}

#[test]
fn without_an_authority_for_them_clients_need_no_certificate() {
    let Some(curl) = peer::find("curl") else { return };
    let site = Site::new();
    let folder = site.scratch.path();
    if certificate(folder, "server").is_none() {
        return;
    }
    let words = ["--tls-certificate", "server.pem", "--tls-key", "server.key", site.iso.to_str().unwrap()];
    let service = Service::start(sealift::command(folder), &words);
    let ask = || {
        let mut command = Command::new(&curl);
        command.current_dir(folder).args(["-fsS", "-m", "20", "--cacert", "server-ca.pem"]);
        command.arg(format!("https://{}/v2/curl/tags/list", service.address)).output().unwrap()
    };
    assert_eq!(ask().stdout, b"{\"name\":\"curl\",\"tags\":[\"7\",\"docker\"]}");
    // Renewed, and taken up with the signal.
    certificate(folder, "server").unwrap();
    assert!(!ask().status.success(), "the old certificate is still served");
    service.signal("HUP");
    let began = Instant::now();
    while !ask().status.success() {
        assert!(began.elapsed() < Duration::from_secs(300), "the new certificate is not taken up");
    }
}
