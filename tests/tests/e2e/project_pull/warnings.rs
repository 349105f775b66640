//! The warnings of `sealift lock`.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};

use tests::sealift;

/// A registry that gives everybody a token, and has every tag.
fn start() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            answer(&stream.unwrap(), port);
        }
    });
    port
}

fn answer(mut stream: &TcpStream, port: u16) {
    let lines: Vec<String> =
        BufReader::new(stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let asked = lines.join("\n").to_ascii_lowercase();
    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\"\r\n");
    let manifest =
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let (status, header, body) = match asked.as_str() {
        asked if asked.starts_with("get /token") => ("200 OK", "", r#"{"token":"t"}"#),
        asked if asked.contains("\nauthorization: bearer t") => ("200 OK", "", manifest),
        _ => ("401 Unauthorized", challenge.as_str(), ""),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{header}Content-Length: {}\r\n\r\n", body.len());
    // The client may have closed the connection.
    let _ = stream.write_all((head + body).as_bytes());
}

#[test]
fn a_credential_helper_that_is_missing_is_told_of_once_by_lock() {
    let folder = tempfile::tempdir().unwrap();
    let host = format!("127.0.0.1:{}", start());
    let mut text = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: Platform\nmetadata: {{name: Example, version: 1.0.0}}\n\
         spec:\n  registries: [{{host: '{host}', plainHttp: true}}]\n  images:\n    pull:\n"
    );
    for number in 0..4 {
        text += &format!("      - {{name: image-{number}, source: '{host}/image-{number}', tag: '1'}}\n");
    }
    fs::write(folder.path().join("sealift.yaml"), text).unwrap();
    let auth = folder.path().join("auth.json");
    fs::write(&auth, format!(r#"{{"credHelpers":{{"{host}":"of-nobody"}}}}"#)).unwrap();
    let mut command = sealift::command(folder.path());
    command.arg("lock").env("REGISTRY_AUTH_FILE", &auth).env("SEALIFT_CACHE", folder.path().join("cache"));
    let (code, out, err) = sealift::told(&command.output().unwrap());
    assert!(code == 0 && out.matches(" is new: ").count() == 4, "{code}: {out}{err}");
    let warning = "warning: credential helper `of-nobody`: ";
    assert_eq!(err.matches(warning).count(), 1, "{err}");
    assert!(err.contains("continuing without credentials"), "{err}");
}
