//! The limits on the memory and time that one archive or one client uses.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;

use super::MANIFEST;
use super::site::{Running, archive, descriptor, image, layer, write_image};
use crate::{ServerLimits, ServerOptions};

#[test]
fn referrers_with_large_annotations_come_in_pages() {
    let (folder, app) = archive("Example");
    let config = b"{}";
    for (tag, kind) in [("a", "application/x-a"), ("b", "application/x-b"), ("c", "application/x-b")] {
        let mut subject = descriptor(MANIFEST, b"");
        subject["digest"] = app.manifest.to_string().into();
        let signature = json!({
            "schemaVersion": 2, "mediaType": MANIFEST, "subject": subject, "artifactType": kind,
            "config": descriptor("application/vnd.oci.empty.v1+json", config), "layers": [],
            "annotations": {"note": tag.repeat(3 << 20)},
        });
        write_image(folder.path(), "app", tag, &signature, &[config]);
        // The same referrer under another tag counts once.
        write_image(folder.path(), "app", &format!("{tag}-again"), &signature, &[config]);
    }
    let server = Running::start(&[folder.path()]);
    let first = format!("/v2/app/referrers/{}", app.manifest);
    for (filter, expected) in [("", 3), ("?artifactType=application%2Fx-b", 2)] {
        let (mut next, mut found) = (format!("{first}{filter}"), Vec::new());
        let mut pages = 0;
        while !next.is_empty() {
            let page = server.get(&next);
            assert!(page.status == 200 && page.body.len() < 5 << 20, "{next}: {}", page.status);
            found
                .extend(page.json()["manifests"].as_array().unwrap().iter().map(|m| m["digest"].to_string()));
            let applied = if filter.is_empty() { "" } else { "artifactType" };
            assert_eq!(page.header("oci-filters-applied"), applied, "{next}");
            let link = page.header("link");
            next =
                link.strip_prefix('<').and_then(|link| link.split_once('>')).map_or("", |link| link.0).into();
            pages += 1;
        }
        assert_eq!((found.len(), pages), (expected, 3), "{filter}");
    }
}

#[test]
fn a_large_manifest_is_served_whole_or_not_at_all() {
    let (folder, _) = archive("Example");
    let config = b"{}";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [],
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "annotations": {"note": "x".repeat(1 << 20)},
    });
    write_image(folder.path(), "large", "1", &manifest, &[config]);
    let server = Running::start(&[folder.path()]);
    let url = "/v2/large/manifests/1";
    let reply = server.get(url);
    assert!(reply.status == 200 && reply.body == manifest.to_string().as_bytes(), "{}", reply.status);
    let head = server.send("HEAD", url, &[]);
    assert_eq!(head.header("content-length"), reply.body.len().to_string());
    let path = folder.path().join("images/large/1/manifest.json");
    let damaged = std::fs::read_to_string(&path).unwrap().replacen("xx", "xy", 1);
    std::fs::write(&path, damaged).unwrap();
    assert_eq!(server.get(url).code(), "MANIFEST_UNKNOWN");
}

#[test]
fn a_folder_with_too_many_files_is_listed_in_part() {
    let (folder, _) = archive("Example");
    for number in 0..10_002 {
        std::fs::write(folder.path().join(format!("documents/{number}")), "").unwrap();
    }
    let page = Running::start(&[folder.path()]).get("/archives/example-1.0/documents/");
    let page = String::from_utf8(page.body).unwrap();
    assert_eq!((page.matches("<a href=\"./").count(), page.contains("and 3 more")), (10_000, true));
}

fn limited(folder: &std::path::Path, limits: ServerLimits) -> Running {
    let archives = vec![folder.to_path_buf()];
    Running::with(ServerOptions { archives, limits, check_in_background: false, ..ServerOptions::default() })
}

#[test]
fn a_client_with_too_many_connections_is_refused() {
    let (folder, _) = archive("Example");
    let limits = ServerLimits { connections_per_address: 3, ..ServerLimits::default() };
    let server = limited(folder.path(), limits);
    let mut held: Vec<_> = (0..3).map(|_| server.connect()).collect();
    for stream in &mut held {
        // The server has responded, so the connection counts.
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 12]).unwrap();
    }
    assert_eq!(server.get("/healthz").status, 0, "closed without an answer");
    drop(held);
    let began = Instant::now();
    while server.get("/healthz").status != 200 {
        assert!(began.elapsed() < Duration::from_secs(300), "it is never let in again");
    }
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    assert!(!metrics.contains("refused_connections_total 0"), "{metrics}");
}

#[test]
fn a_client_that_receives_too_slowly_is_disconnected() {
    let (folder, _) = archive("Example");
    // More than the kernel buffers for a connection.
    let big = image(folder.path(), "big", "1", &layer(30_000_000, 7));
    let limits = ServerLimits {
        stall_time: Duration::from_secs(1),
        minimum_rate: 100_000_000,
        ..ServerLimits::default()
    };
    let server = limited(folder.path(), limits);
    let mut stream = server.connect();
    let path = format!("/v2/big/blobs/{}", big.layer);
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let target = format!("GET {path} 200");
    let began = Instant::now();
    let ended = || server.messages.access.lock().unwrap().iter().any(|line| line.starts_with(&target));
    while !ended() {
        assert!(began.elapsed() < Duration::from_secs(300), "it is waited for");
        // The client always receives something within a second.
        let _ = stream.read(&mut [0; 100_000]);
        std::thread::sleep(Duration::from_millis(100));
    }
    let access = server.messages.access.lock().unwrap().join("\n");
    assert!(access.ends_with("false"), "{access}");
}
