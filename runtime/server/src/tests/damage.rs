//! Content that is missing, damaged, or changed under the server.

use std::path::Path;

use serde_json::json;

use super::each_form;
use super::site::{Running, archive, image, iso_of, layer, put};
use crate::ServerOptions;

#[test]
fn a_manifest_is_served_only_with_all_its_blobs() {
    let damages: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, "short").unwrap(),
        |path| put(path.parent().unwrap(), "manifest.json", b"{"),
    ];
    for damage in damages {
        let (folder, app) = archive("Example");
        damage(&folder.path().join(format!("images/app/1/{}", app.layer.hex())));
        let server = Running::start(&[folder.path()]);
        assert_eq!(server.get("/v2/app/manifests/1").code(), "MANIFEST_UNKNOWN");
        assert_eq!(server.get("/v2/app/manifests/2").status, 200);
        let ready = server.get("/readyz").json();
        assert_eq!(ready["status"], "degraded");
        assert!(
            ready["archives"][0]["notServed"][0]
                .as_str()
                .is_some_and(|why| why.starts_with("app:1 is not served"))
        );
        assert!(server.events().contains("app:1 is not served"));
    }
}

#[test]
fn a_manifest_is_not_served_once_a_blob_is_missing() {
    let losses: [fn(&Path); 3] = [
        |path| std::fs::remove_file(path).unwrap(),
        |path| std::fs::write(path, "short").unwrap(),
        // The second half of an image file.
        |path| {
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        },
    ];
    let (folder, _) = archive("Example");
    let iso = iso_of(folder.path());
    for (number, lose) in losses.into_iter().enumerate() {
        let (folder, app) = archive("Example");
        let blob = folder.path().join(format!("images/app/1/{}", app.layer.hex()));
        let (served, target) = if number < 2 { (folder.path(), blob.as_path()) } else { (&*iso, &*iso) };
        let server = Running::start(&[served]);
        let manifests = ["/v2/app/manifests/1", "/v2/app/manifests/2", "/v2/nested/tool/manifests/v1"];
        assert!(manifests.iter().all(|path| server.get(path).status == 200));
        lose(target);
        let after: Vec<u16> = manifests.iter().map(|path| server.get(path).status).collect();
        assert!(
            if number < 2 { after == [404, 200, 200] } else { after.contains(&404) },
            "{number}: {after:?}"
        );
        let blob = server.send("HEAD", &format!("/v2/app/blobs/{}", app.layer), &[]);
        assert!(number == 2 || blob.status == 404);
        let ready = server.get("/readyz").json();
        assert_eq!(ready["status"], "degraded");
        let digest = ready["archives"][0]["damaged"][0].as_str().unwrap().to_owned();
        assert!(server.events().contains(&digest), "{digest}");
    }
    std::fs::remove_file(iso).unwrap();
}

#[test]
fn a_corrupt_blob_is_never_served_whole() {
    each_form("Example", |_, app, path| {
        let content = layer(300_001, 1);
        let target = if path.is_dir() {
            path.join(format!("images/app/1/{}", app.layer.hex()))
        } else {
            path.to_path_buf()
        };
        let mut bytes = std::fs::read(&target).unwrap();
        let at = bytes.windows(64).position(|window| window == &content[..64]).unwrap();
        bytes[at + 150_000] ^= 1;
        std::fs::write(&target, bytes).unwrap();

        let server = Running::start(&[path]);
        let reply = server.get(&format!("/v2/app/blobs/{}", app.layer));
        assert_eq!((reply.status, reply.header("content-length")), (200, "300001"));
        assert!(reply.body.len() < 300_001, "the connection ends before the last byte");
        assert!(server.events().contains(&app.layer.to_string()));
        assert_eq!(server.get("/readyz").json()["archives"][0]["damaged"], json!([app.layer.to_string()]));
        assert_eq!(server.get(&format!("/v2/app/blobs/{}", app.layer)).code(), "BLOB_UNKNOWN");
        assert_eq!(server.get("/v2/app/manifests/1").code(), "MANIFEST_UNKNOWN");
        assert_eq!(server.get("/v2/app/manifests/2").status, 200);

        let last = Running::start(&[path]);
        let range = last.send("GET", &format!("/v2/app/blobs/{}", app.layer), &[("Range", "bytes=300000-")]);
        assert_eq!((range.status, range.body.len()), (206, 0), "its last byte alone is not served either");
    });
}

#[test]
fn damage_is_found_in_the_background() {
    let (folder, app) = archive("Example");
    put(folder.path(), &format!("images/app/1/{}", app.layer.hex()), &vec![0; 300_001]);
    let config = ServerOptions {
        archives: vec![folder.path().into()],
        check_in_background: true,
        ..ServerOptions::default()
    };
    let server = Running::with(config);
    let began = std::time::Instant::now();
    while server.get("/v2/app/manifests/1").status == 200 {
        assert!(began.elapsed().as_secs() < 300, "the damage is not found");
    }
    assert!(server.get("/metrics").body.windows(24).any(|window| window == b"sealift_damaged{archive="));
}

#[test]
fn a_file_changed_under_the_server_is_checked_again() {
    each_form("Example", |_, app, path| {
        let server = Running::start(&[path]);
        let blob = format!("/v2/app/blobs/{}", app.layer);
        assert_eq!(server.get(&blob).body.len(), 300_001);
        let target = if path.is_dir() {
            path.join(format!("images/app/1/{}", app.layer.hex()))
        } else {
            path.to_path_buf()
        };
        let mut bytes = std::fs::read(&target).unwrap();
        let content = layer(300_001, 1);
        let at = bytes.windows(64).position(|window| window == &content[..64]).unwrap();
        bytes[at + 299_000] ^= 1;
        std::fs::write(&target, &bytes).unwrap();
        assert!(server.get(&blob).body.len() < 300_001);
        std::fs::write(&target, &bytes[..at + 1000]).unwrap();
        let second = Running::start(&[path]);
        assert_eq!(second.get("/v2/app/manifests/1").status, 404, "its layer is cut");
        assert_eq!(second.get(&blob).status, 404);
    });
}

#[test]
fn an_iso_that_is_replaced_is_served_as_it_was_until_the_next_reload() {
    let ((old, app), (new, _)) = (archive("Example"), archive("Example"));
    let another = image(new.path(), "app", "1", b"another layer");
    let (served, other) = (iso_of(old.path()), iso_of(new.path()));
    let server = Running::start(&[&served]);
    let (manifest, blob) = ("/v2/app/manifests/1", format!("/v2/app/blobs/{}", app.layer));
    std::fs::rename(&other, &served).unwrap();
    assert_eq!(server.get(manifest).header("docker-content-digest"), app.manifest.to_string());
    assert!(server.get(&blob).body == layer(300_001, 1));
    server.handle.reload(&[served.to_path_buf()]).unwrap();
    assert_eq!(server.get(manifest).header("docker-content-digest"), another.manifest.to_string());
    assert_eq!(server.get(&format!("/v2/app/blobs/{}", another.layer)).body, b"another layer");
    assert_eq!(server.get(&blob).code(), "BLOB_UNKNOWN");
    std::fs::remove_file(served).unwrap();
}

#[test]
fn a_file_changed_during_a_transfer_is_not_served_whole() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::FileExt as _;
    // More than the kernel buffers for a connection.
    let content = layer(60_000_000, 9);
    let changes: [fn(&std::fs::File, u64); 2] = [
        |file, at| file.write_all_at(b"another", at + 50_000_000).unwrap(),
        |file, at| file.set_len(at + 50_000_000).unwrap(),
    ];
    for change in changes {
        let (folder, _) = archive("Example");
        let big = image(folder.path(), "big", "1", &content);
        let iso = iso_of(folder.path());
        let blob = folder.path().join(format!("images/big/1/{}", big.layer.hex()));
        for (served, target) in [(folder.path(), blob.as_path()), (&*iso, &*iso)] {
            let server = Running::start(&[served]);
            let path = format!("/v2/big/blobs/{}", big.layer);
            assert_eq!(server.get(&path).body.len(), content.len(), "whole, and found to be good");
            let mut stream = server.connect();
            write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
            stream.read_exact(&mut [0; 1000]).unwrap();
            let bytes = std::fs::read(target).unwrap();
            let at = bytes.windows(64).position(|window| window == &content[..64]).unwrap();
            change(&std::fs::File::options().write(true).open(target).unwrap(), at as u64);
            let mut rest = Vec::new();
            // The connection may end in a reset.
            let _ = stream.read_to_end(&mut rest);
            assert!(1000 + rest.len() < content.len(), "{} bytes", rest.len());
            let again = server.get(&path);
            assert!(again.status == 404 || again.body.len() < content.len(), "{}", again.status);
        }
        std::fs::remove_file(iso).unwrap();
    }
}
