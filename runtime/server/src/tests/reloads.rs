//! Several archives, and archives that are added and removed.

use std::path::Path;

use super::site::{Running, archive, image};
use crate::{Error, Server, ServerOptions};

#[test]
fn several_archives() {
    let (first, app) = archive("First");
    let (second, _) = archive("Second");
    let plain = tempfile::tempdir().unwrap();
    let loose = image(plain.path(), "loose", "1", b"loose layer");
    let images = plain.path().join("images");
    let server = Running::start(&[first.path(), second.path(), &images]);
    assert_eq!(
        server.get("/v2/first-1.0/app/manifests/1").header("docker-content-digest"),
        app.manifest.to_string()
    );
    assert_eq!(server.get("/v2/second-1.0/app/manifests/1").status, 200);
    assert_eq!(
        server.get("/v2/loose/manifests/1").header("docker-content-digest"),
        loose.manifest.to_string()
    );
    assert_eq!(server.get("/v2/app/manifests/1").code(), "NAME_UNKNOWN", "it could be either");

    let bind = |archives: &[&Path]| {
        let archives = archives.iter().map(|path| path.to_path_buf()).collect();
        Server::bind(ServerOptions {
            listen: vec![([127, 0, 0, 1], 0).into()],
            archives,
            ..ServerOptions::default()
        })
        .unwrap_err()
    };
    assert!(matches!(bind(&[first.path(), first.path()]), Error::Twice { id, .. } if id == "first-1.0"));
    assert!(matches!(bind(&[&images, &images]), Error::Conflict { name, .. } if name == "loose"));
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(bind(&[empty.path()]), Error::Nothing { .. }));
    assert!(matches!(bind(&[Path::new("/none")]), Error::Archive(_)));
}

#[test]
fn an_unreadable_archive_is_left_out_if_configured() {
    let (folder, _) = archive("Example");
    let archives = vec!["/none.iso".into(), folder.path().to_path_buf()];
    let server =
        Running::with(ServerOptions { archives, leave_out_unreadable: true, ..ServerOptions::default() });
    assert_eq!(server.get("/v2/example-1.0/app/manifests/1").status, 200);
    let ready = server.get("/readyz").json();
    assert_eq!(
        (ready["status"].as_str(), ready["leftOut"][0]["path"].as_str()),
        (Some("degraded"), Some("/none.iso"))
    );
    assert!(server.events().contains("/none.iso"));
}

#[test]
fn archives_come_and_go_without_a_pause() {
    let (first, app) = archive("First");
    let (second, _) = archive("Second");
    let server = Running::start(&[first.path()]);
    let mut kept = server.connect();
    let mut ask = |expected: &str| {
        use std::io::{Read as _, Write as _};
        kept.write_all(b"GET /v2/first-1.0/app/tags/list HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        kept.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), expected);
        let mut rest = [0; 4096];
        let _ = kept.read(&mut rest).unwrap();
    };
    ask("HTTP/1.1 200");
    let both = [first.path().to_path_buf(), second.path().to_path_buf()];
    server.handle.reload(&both).unwrap();
    assert_eq!(server.get("/v2/second-1.0/app/manifests/1").status, 200);
    ask("HTTP/1.1 200");
    // An unreadable archive changes nothing.
    assert!(server.handle.reload(&["/none".into()]).is_err());
    ask("HTTP/1.1 200");
    server.handle.reload(&both[1..]).unwrap();
    ask("HTTP/1.1 404");
    assert_eq!(
        server.get(&format!("/v2/app/blobs/{}", app.layer)).status,
        200,
        "the only one is served bare"
    );
}

#[test]
fn of_two_reloads_the_second_reads_after_the_first_is_done() {
    let ((one, _), (two, _)) = (archive("One"), archive("Two"));
    let server = Running::start(&[one.path()]);
    let (entered, has_entered) = std::sync::mpsc::channel();
    let (go, may_go) = std::sync::mpsc::channel();
    let (handle, old) = (server.handle.clone(), vec![two.path().to_path_buf()]);
    let expected = old.clone();
    let first = std::thread::spawn(move || {
        handle.reload_from(|| {
            entered.send(()).unwrap();
            may_go.recv().unwrap();
            Ok(old)
        })
    });
    has_entered.recv().unwrap();
    let (handle, new) = (server.handle.clone(), vec![one.path().to_path_buf()]);
    let (overtakes, has_overtaken) = std::sync::mpsc::channel();
    let second = std::thread::spawn(move || {
        handle.reload_from(|| {
            overtakes.send(()).unwrap();
            assert_eq!(handle.archives(), expected);
            Ok(new)
        })
    });
    // Longer than an unblocked read takes.
    has_overtaken.recv_timeout(std::time::Duration::from_millis(200)).unwrap_err();
    go.send(()).unwrap();
    first.join().unwrap().unwrap();
    second.join().unwrap().unwrap();
    assert_eq!(server.handle.archives(), [one.path().to_path_buf()]);
}

#[test]
fn a_server_without_archives_is_alive_and_not_ready() {
    let (folder, _) = archive("Example");
    let server = Running::with(ServerOptions { leave_out_unreadable: true, ..ServerOptions::default() });
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.json()["status"].as_str()), (503, Some("empty")));
    assert_eq!(server.get("/healthz").status, 200);
    server.handle.reload(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(server.get("/readyz").status, 200);
}
