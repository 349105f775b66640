//! Files by URL.

use std::sync::atomic::{AtomicUsize, Ordering};

use images::pull::{DOWNLOAD_MAX, Download, download};

use super::*;
use crate::server::{Answer, Asked, Body, nobody};

fn wanted(urls: &[String], digest: Option<Digest>) -> Download {
    Download { name: "tool".into(), urls: urls.to_vec(), digest, limit: DOWNLOAD_MAX, accounts: Vec::new() }
}

fn url(server: &Server) -> String {
    format!("http://{}/x/tool-1.tar.gz?key=secret", server.host())
}

fn session() -> RegistrySession {
    RegistrySession::new(options(&[]))
}

fn file(bytes: &[u8]) -> Answer {
    Answer::new(200, "application/octet-stream", bytes)
}

/// What is in the store, whole or not.
fn kept(folder: &Path) -> usize {
    ["blobs/sha256", "partial/sha256", "new"]
        .iter()
        .map(|name| std::fs::read_dir(folder.join(name)).unwrap().count())
        .sum()
}

#[test]
fn a_file_is_fetched_once_and_without_credentials() {
    let bytes = layer(1, 300_000);
    let other = Server::start({
        let bytes = bytes.clone();
        move |_| file(&bytes)
    });
    let elsewhere = format!("http://{}/storage", other.host());
    let server = Server::start(move |_| Answer::redirect(302, &elsewhere));
    let (_folder, store) = store();
    let auth = tempfile::NamedTempFile::new().unwrap();
    let logins: Vec<String> =
        [&server, &other].iter().map(|one| format!(r#""{}":{{"auth":"dTpw"}}"#, one.host())).collect();
    std::fs::write(auth.path(), format!(r#"{{"auths":{{{}}}}}"#, logins.join(","))).unwrap();
    let options = RegistryOptions { auth_files: vec![auth.path().to_owned()], ..options(&[]) };
    let session = RegistrySession::new(options);
    let digest = Digest::of(&bytes);
    // First without a digest, as to lock it.
    for expected in [None, Some(digest)] {
        assert_eq!(download(&wanted(&[url(&server)], expected), &store, &session, &()).unwrap(), digest);
    }
    assert_eq!(store.read(&digest, DOWNLOAD_MAX).unwrap(), bytes);
    assert_eq!((server.paths().len(), other.paths()), (1, vec!["/storage".to_owned()]));
    assert_eq!([server.secrets(), other.secrets()], [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn a_server_that_asks_for_credentials_gets_none_and_no_message_has_the_query() {
    let server = Server::start(|_| Answer::challenge([r#"Basic realm="x""#]));
    let (_folder, store) = store();
    let error = download(&wanted(&[url(&server)], None), &store, &session(), &()).unwrap_err().to_string();
    let expected = format!("tool: http://{}/x/tool-1.tar.gz: the server returned 401", server.host());
    assert_eq!(error, expected);
    assert_eq!(server.paths().len(), 1);
}

#[test]
fn other_bytes_are_an_error_with_both_digests_and_nothing_of_them_is_kept() {
    let server = Server::start(|_| file(b"other"));
    let (folder, store) = store();
    let expected = Digest::of(b"bytes");
    let error = download(&wanted(&[url(&server)], Some(expected)), &store, &session(), &()).unwrap_err();
    let error = error.to_string();
    assert!(error.contains(&format!("expected {expected}, found {}", Digest::of(b"other"))), "{error}");
    assert_eq!(kept(folder.path()), 0);
}

#[test]
fn mirrors_are_tried_in_their_order() {
    let bytes = layer(2, 1000);
    let gone = Server::start(|_| Answer::empty(404));
    let liar = Server::start(|_| file(b"other"));
    let good = Server::start({
        let bytes = bytes.clone();
        move |_| file(&bytes)
    });
    let (_folder, store) = store();
    let urls = [format!("http://{}/x", nobody()), url(&gone), url(&liar), url(&good)];
    let digest = Digest::of(&bytes);
    assert_eq!(download(&wanted(&urls, Some(digest)), &store, &session(), &()).unwrap(), digest);
    assert_eq!([gone.paths().len(), liar.paths().len(), good.paths().len()], [1, 1, 1]);
}

#[test]
fn a_transfer_that_breaks_is_resumed_also_by_the_next_command() {
    let bytes = layer(3, 400_000);
    let digest = Digest::of(&bytes);
    let broken = Server::start({
        let bytes = bytes.clone();
        move |asked: &Asked| file(&bytes).ranged(asked).body(Body::CutAfter(50_000))
    });
    let whole = Server::start({
        let bytes = bytes.clone();
        move |asked: &Asked| file(&bytes).ranged(asked)
    });
    let (_folder, store) = store();
    download(&wanted(&[url(&broken)], Some(digest)), &store, &session(), &()).unwrap_err();
    let ranges: Vec<String> = broken.asked().iter().map(|asked| asked.header("range").to_owned()).collect();
    assert_eq!(ranges.first().map(String::as_str), Some(""));
    assert!(ranges.iter().skip(1).all(|range| range.starts_with("bytes=")), "{ranges:?}");
    download(&wanted(&[url(&whole)], Some(digest)), &store, &session(), &()).unwrap();
    assert!(whole.asked()[0].header("range").starts_with("bytes="));
    assert_eq!(store.read(&digest, DOWNLOAD_MAX).unwrap(), bytes);
}

#[test]
fn without_a_digest_a_file_starts_from_the_beginning_and_must_be_whole() {
    let count = AtomicUsize::new(0);
    let bytes = layer(4, 100_000);
    let server = Server::start({
        let bytes = bytes.clone();
        move |asked: &Asked| {
            assert_eq!(asked.header("range"), "");
            let cut = count.fetch_add(1, Ordering::SeqCst) == 0;
            file(&bytes).body(if cut { Body::CutAfter(70_000) } else { Body::Chunked })
        }
    });
    let (folder, store) = store();
    assert_eq!(
        download(&wanted(&[url(&server)], None), &store, &session(), &()).unwrap(),
        Digest::of(&bytes)
    );
    assert_eq!(kept(folder.path()), 1);
    // The connection may have broken: nobody can tell.
    let server = Server::start(move |_| file(b"text").body(Body::Unannounced));
    let error = download(&wanted(&[url(&server)], None), &store, &session(), &()).unwrap_err().to_string();
    assert!(error.contains("does not say how long the file is"), "{error}");
}

#[test]
fn a_file_without_an_end_is_bounded() {
    let server = Server::start(|_| file(b"endless").body(Body::Endless));
    let large = Server::start(|_| file(&[0; 2000]));
    let (folder, store) = store();
    for server in [&server, &large] {
        let wanted = Download { limit: 1000, ..wanted(&[url(server)], Some(Digest::of(b""))) };
        let error = download(&wanted, &store, &session(), &()).unwrap_err().to_string();
        assert!(error.contains("larger than 1000 bytes"), "{error}");
        assert_eq!(kept(folder.path()), 0);
    }
}

#[test]
fn a_url_with_a_password_is_refused_without_it() {
    let (_folder, store) = store();
    for url in ["https://me:hunter2@h/x", "ftp://h/hunter2", "https://me:hunter2@h:port/", "nonsense"] {
        let error = download(&wanted(&[url.into()], None), &store, &session(), &()).unwrap_err();
        assert!(matches!(error.failures[0].fault, RegistryFault::Configuration(_)), "{error}");
        assert!(!error.to_string().contains("me:hunter2"), "{error}");
    }
}
