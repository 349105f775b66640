//! Verdicts on damaged content: what they apply to, and how long they last.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;

use super::site::{Running, archive, image, iso_of, layer, put};

const PACKAGE: &str = "packages/redhat/8/example-scality-el8/x86_64/app-1-1.x86_64.rpm";
const METADATA: &str = "packages/redhat/8/example-scality-el8/repodata/repomd.xml";

/// An archive with checksums and a package that is larger than a chunk.
fn summed() -> tempfile::TempDir {
    let (folder, _) = archive("Example");
    put(folder.path(), PACKAGE, &layer(200_000, 5));
    ::archive::sums::write(folder.path(), &::archive::sums::digest_file).unwrap();
    folder
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn a_damaged_package_is_not_served_whole() {
    let folder = summed();
    flip(&folder.path().join(PACKAGE), 100_000);
    flip(&folder.path().join(METADATA), 3);
    let iso = iso_of(folder.path());
    for path in [folder.path(), &iso] {
        let server = Running::start(&[path]);
        for (file, size) in [(PACKAGE, 200_000), (METADATA, 9)] {
            let url = format!("/example-1.0/{}", file.strip_prefix("packages/").unwrap());
            let reply = server.get(&url);
            assert_eq!((reply.status, reply.header("content-length")), (200, size.to_string().as_str()));
            assert!(reply.body.len() < size, "the connection ends before the last byte");
            assert_eq!(server.get(&url).status, 404, "known by now");
            assert_eq!(server.send("HEAD", &format!("/archives/example-1.0/{file}"), &[]).status, 404);
            assert!(server.events().contains(file));
        }
        let ready = server.get("/readyz").json();
        assert_eq!(ready["status"], "degraded");
        assert_eq!(ready["archives"][0]["damagedFiles"], json!([METADATA, PACKAGE]));
        assert_eq!(server.get("/archives/example-1.0/documents/a%20b.txt").body, b"text", "others are");
        assert_eq!(server.get("/v2/app/manifests/1").status, 200);
    }
    std::fs::remove_file(iso).unwrap();
}

#[test]
fn no_file_is_served_where_the_checksums_are_damaged() {
    let folder = summed();
    std::fs::write(folder.path().join("SHA256SUMS"), "damaged").unwrap();
    let server = Running::start(&[folder.path()]);
    let reply = server.get(&format!("/archives/example-1.0/{PACKAGE}"));
    assert_eq!(reply.status, 404);
    assert!(String::from_utf8_lossy(&reply.body).contains("SHA256SUMS, line 1"), "{reply:?}");
    assert_eq!(server.get("/v2/app/manifests/1").status, 200);
    assert_eq!(server.get("/readyz").json()["status"], "degraded");
}

#[test]
fn a_rebuild_of_equal_size_and_date_is_another_file() {
    for sums in [true, false] {
        let folder = summed();
        let file = folder.path().join(METADATA);
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let settle = |content: &str| {
            std::fs::write(&file, content).unwrap();
            std::fs::File::options().write(true).open(&file).unwrap().set_modified(date).unwrap();
            if sums {
                ::archive::sums::write(folder.path(), &::archive::sums::digest_file).unwrap();
            } else {
                let _ = std::fs::remove_file(folder.path().join("SHA256SUMS"));
            }
        };
        settle("<repomd>1");
        let server = Running::start(&[folder.path()]);
        let url = "/example-1.0/redhat/8/scality-el8/repodata/repomd.xml";
        let etag = server.get(url).header("etag").to_owned();
        assert_eq!(server.send("GET", url, &[("If-None-Match", &etag)]).status, 304);
        settle("<repomd>2");
        server.handle.reload(&[folder.path().to_path_buf()]).unwrap();
        let fields: [super::Fields<'_>; 2] =
            [&[("If-None-Match", &etag)], &[("If-Range", &etag), ("Range", "bytes=1-")]];
        for fields in fields {
            let reply = server.send("GET", url, fields);
            assert_eq!((reply.status, &reply.body[..]), (200, &b"<repomd>2"[..]), "{fields:?}");
        }
    }
}

#[test]
fn unreadable_content_is_checked_again() {
    let (folder, app) = archive("Example");
    let blob = folder.path().join(format!("images/app/1/{}", app.layer.hex()));
    let away = folder.path().join("away");
    let server = Running::start(&[folder.path()]);
    std::fs::rename(&blob, &away).unwrap();
    assert_eq!(server.get("/v2/app/manifests/1").status, 404);
    assert_eq!(server.get("/readyz").json()["archives"][0]["damaged"], json!([app.layer.to_string()]));
    std::fs::rename(&away, &blob).unwrap();
    let began = Instant::now();
    while server.get("/v2/app/manifests/1").status != 200 {
        assert!(began.elapsed() < Duration::from_secs(300), "it is given up for good");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    assert_eq!(server.events().matches(&app.layer.to_string()).count(), 1, "said once");
}

#[test]
fn damage_that_is_repaired_is_forgotten() {
    let (folder, app) = archive("Example");
    let blob = folder.path().join(format!("images/app/1/{}", app.layer.hex()));
    flip(&blob, 1000);
    let server = Running::start(&[folder.path()]);
    assert!(server.get(&format!("/v2/app/blobs/{}", app.layer)).body.len() < 300_001);
    assert_eq!(server.get("/v2/app/manifests/1").status, 404);
    flip(&blob, 1000);
    let began = Instant::now();
    while server.get("/v2/app/manifests/1").status != 200 {
        assert!(began.elapsed() < Duration::from_secs(300), "it is given up for good");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_blob_replaced_during_a_transfer_is_judged_by_what_is_sent() {
    // More than the kernel buffers for a connection.
    let content = layer(30_000_000, 9);
    let (folder, _) = archive("Example");
    let big = image(folder.path(), "big", "1", &content);
    let blob = folder.path().join(format!("images/big/1/{}", big.layer.hex()));
    let good = folder.path().join("good");
    std::fs::copy(&blob, &good).unwrap();
    flip(&blob, 20_000_000);
    let server = Running::start(&[folder.path()]);
    let path = format!("/v2/big/blobs/{}", big.layer);
    let mut stream = server.connect();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    stream.read_exact(&mut [0; 1000]).unwrap();
    std::fs::rename(&good, &blob).unwrap();
    let mut rest = Vec::new();
    // The connection may end in a reset.
    let _ = stream.read_to_end(&mut rest);
    assert!(1000 + rest.len() < content.len(), "{} bytes", rest.len());
}

#[test]
fn a_reload_does_not_forget_damage() {
    let (folder, app) = archive("Example");
    flip(&folder.path().join(format!("images/app/1/{}", app.layer.hex())), 1000);
    let server = Running::start(&[folder.path()]);
    assert!(server.get(&format!("/v2/app/blobs/{}", app.layer)).body.len() < 300_001);
    assert_eq!(server.get("/v2/app/manifests/1").status, 404);
    // As the import of another archive does.
    server.handle.reload(&[folder.path().to_path_buf()]).unwrap();
    assert_eq!(server.get("/v2/app/manifests/1").status, 404);
    assert_eq!(server.get("/v2/app/manifests/2").status, 200);
    assert_eq!(server.get("/readyz").json()["archives"][0]["damaged"], json!([app.layer.to_string()]));
}
