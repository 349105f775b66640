//! A registry that requires TLS, certificates and a password.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use images::RegistrySession;
use images::Store;
use images::pull::{self, HostTls, PullRequest, RegistryOptions};
use tests::daemon::{free_port, start};
use tests::registry::{self as debian, fill};
use tests::{peer, sealift};

use super::{options, requests};

/// Keys and certificates of an authority, a server on the loopback address and a client, made by openssl.
fn certificates(folder: &Path) -> PathBuf {
    let place = folder.join("tls");
    fs::create_dir(&place).unwrap();
    let openssl = |arguments: &str| {
        let program = peer::find("openssl").unwrap();
        peer::run(Command::new(program).current_dir(&place).args(arguments.split_whitespace()));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"));
    for (name, extension) in
        [("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")]
    {
        fs::write(place.join("extension"), extension).unwrap();
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out {name}.pem"
        ));
    }
    place
}

#[test]
fn a_registry_behind_tls_asks_for_certificate_and_password() {
    for peer in ["skopeo", "docker-registry", "openssl", "bsdtar", "curl", "dpkg"] {
        if peer::find(peer).is_none() {
            return;
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let port = free_port();
    let open = debian::start(folder, port).unwrap();
    fill(folder, &open);
    let requests: Vec<PullRequest> = requests(&open).drain(..1).collect();
    let digest =
        pull::resolve(&requests[0].reference, &RegistrySession::new(options(&open)), &()).unwrap().digest;
    drop(open);

    // The same images behind TLS, with client certificates and a password.
    let tls = certificates(folder);
    let mut config = fs::read_to_string(folder.join("registry.yml")).unwrap();
    let here = tls.display();
    config = config.replace(
        &format!("http: {{addr: \"127.0.0.1:{port}\"}}"),
        &format!(
            "http: {{addr: \"127.0.0.1:{port}\", tls: {{certificate: {here}/server.pem, key: {here}/server.key, clientcas: [{here}/ca.pem]}}}}\n\
             auth: {{htpasswd: {{realm: r, path: {here}/htpasswd}}}}"
        ),
    );
    // The password is `p$w:d`.
    fs::write(tls.join("htpasswd"), "user:$2b$04$v6Y6R3y1Zvyp.ZTs.kiIguP0TeF6lUuHFpRD9h.gJd9UOVXLkRT0e\n")
        .unwrap();
    fs::write(folder.join("registry.yml"), config).unwrap();
    let program = peer::find("docker-registry").unwrap();
    let config = folder.join("registry.yml");
    let _closed = start(Command::new(program).arg("serve").arg(config), port, &folder.join("closed.log"));

    let auth = folder.join("auth.json");
    let login = |password: &str| {
        // base64 of `user:p$w:d` and of `user:wrong`.
        fs::write(&auth, format!(r#"{{"auths": {{"127.0.0.1:{port}": {{"auth": "{password}"}}}}}}"#))
            .unwrap();
    };
    login("dXNlcjpwJHc6ZA==");
    let host = format!("127.0.0.1:{port}");
    let both = HostTls {
        certificate_authorities: vec![tls.join("ca.pem")],
        client_certificate: Some((tls.join("client.pem"), tls.join("client.key"))),
    };
    let full = RegistryOptions {
        attempts: 1,
        tls: [(host.clone(), both)].into(),
        auth_files: vec![auth.clone()],
        ..RegistryOptions::default()
    };
    let store = Store::open(&folder.join("store")).unwrap();
    assert_eq!(
        pull::pull(&requests, &store, &RegistrySession::new(full.clone()), &()).unwrap()[0].digest,
        digest
    );

    let refused_for_one_of = |options: &RegistryOptions, reasons: &[&str]| {
        let error = pull::resolve(&requests[0].reference, &RegistrySession::new(options.clone()), &())
            .unwrap_err()
            .to_string();
        assert!(reasons.iter().any(|reason| error.contains(reason)), "{reasons:?}: {error}");
    };
    let refused = |options: &RegistryOptions, reason: &str| refused_for_one_of(options, &[reason]);
    // Options for another host have no effect here.
    let other = [("other.invalid".to_owned(), full.tls[&host].clone())].into();
    refused(&RegistryOptions { tls: other, ..full.clone() }, "is from an authority that is not trusted here");
    // In TLS 1.3 the server checks the client after the client has finished the handshake. The alert with the reason may arrive
    // too late to be read.
    let authorities = vec![tls.join("ca.pem")];
    let without =
        RegistryOptions { tls: BTreeMap::new(), certificate_authorities: authorities, ..full.clone() };
    refused_for_one_of(&without, &["client certificate", "the connection broke"]);
    refused(
        &RegistryOptions { auth_files: Vec::new(), ..full.clone() },
        "asks for a user name and a password",
    );
    login("dXNlcjp3cm9uZw==");
    let file = auth.display();
    refused(
        &full,
        &format!("not authorized: {host} refuses the user name or password from {file}: UNAUTHORIZED"),
    );
    refused(&RegistryOptions { auth_files: vec![folder.join("none")], ..full.clone() }, "none");

    // From the command line, with a helper that knows the password.
    let helpers = folder.join("helpers");
    fs::create_dir(&helpers).unwrap();
    fs::write(&auth, format!(r#"{{"credHelpers": {{"{host}": "test"}}}}"#)).unwrap();
    let helper = |body: &str| {
        let path = helpers.join("docker-credential-test");
        fs::write(&path, format!("#!/bin/sh\ntest \"$1\" = get || exit 9\nread -r server\n{body}\n"))
            .unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let search = std::env::var("PATH").unwrap();
    let pull = || {
        let mut command = sealift::command(folder);
        command.args(["image", "pull", "--into", "pulled", "--store", "pulled-store"]);
        command.arg(format!("--ca={host}=tls/ca.pem"));
        command.arg(format!("--client-certificate={host}=tls/client.pem,tls/client.key"));
        command.arg(requests[0].reference.to_string());
        command.env("REGISTRY_AUTH_FILE", &auth).env("PATH", format!("{}:{search}", helpers.display()));
        sealift::told(&command.output().unwrap())
    };
    let knows = r#"echo '{"ServerURL":"x","Username":"user","Secret":"p$w:d"}'"#;
    for (body, expected) in [
        (&*format!("test \"$server\" = '{host}' && {knows}"), None),
        ("echo 'credentials not found in native keychain'; exit 1", Some("asks for a user name")),
        ("echo locked; exit 1", Some("credential helper `test`: it exited with code 1: locked")),
        ("echo nonsense", Some("credential helper `test`: line 1, column 2: it is not JSON")),
    ] {
        helper(body);
        let (code, out, err) = pull();
        match expected {
            None => assert!(code == 0 && out.contains(&digest.to_string()), "{out}{err}"),
            Some(expected) => assert!(code == 2 && err.contains(expected), "{body}: {code}: {err}"),
        }
    }
}
