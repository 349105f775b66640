mod bounds;
mod damage;
mod hostile;
mod original;
mod reloads;
mod site;
mod status;
mod verdicts;

use std::path::Path;

use content::Digest;
use serde_json::json;

use super::{Error, Server, ServerOptions};
use site::{Running, archive, descriptor, image, iso_of, layer, put, write_image};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Header fields of a request.
type Fields<'a> = &'a [(&'a str, &'a str)];

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Every test of served content runs against a folder and against the ISO of that folder.
fn each_form(name: &str, check: impl Fn(&Running, &site::Image, &Path)) {
    let (folder, app) = archive(name);
    let image = iso_of(folder.path());
    for path in [folder.path(), &image] {
        check(&Running::start(&[path]), &app, path);
    }
    std::fs::remove_file(image).unwrap();
}

#[test]
fn the_pull_api() {
    each_form("Example", |server, app, _| {
        let base = server.get("/v2/");
        assert_eq!((base.status, base.header("docker-distribution-api-version")), (200, "registry/2.0"));
        for name in ["app", "example-1.0/app"] {
            let by_tag = server.get(&format!("/v2/{name}/manifests/1"));
            let manifest = app.manifest.to_string();
            assert_eq!(by_tag.status, 200, "{name}");
            assert_eq!(by_tag.header("content-type"), MANIFEST);
            assert_eq!(by_tag.header("docker-content-digest"), manifest);
            assert_eq!(Digest::of(&by_tag.body), app.manifest);
            let by_digest = server.get(&format!("/v2/{name}/manifests/{manifest}"));
            assert_eq!((by_digest.status, &by_digest.body), (200, &by_tag.body));
            let encoded = server.get(&format!("/v2/{name}/manifests/{}", manifest.replace(':', "%3A")));
            assert_eq!(encoded.body, by_tag.body);
            let head = server.send("HEAD", &format!("/v2/{name}/manifests/1"), &[]);
            assert_eq!((head.status, head.body.len()), (200, 0));
            for field in ["content-type", "content-length", "docker-content-digest", "etag"] {
                assert_eq!(head.header(field), by_tag.header(field), "{field}");
            }
            let blob = server.get(&format!("/v2/{name}/blobs/{}", app.layer));
            assert_eq!((blob.status, Digest::of(&blob.body)), (200, app.layer));
            assert_eq!(blob.header("content-length"), "300001");
            assert_eq!(blob.header("docker-content-digest"), app.layer.to_string());
            let head = server.send("HEAD", &format!("/v2/{name}/blobs/{}", app.layer), &[]);
            assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, "300001", 0));
        }
    });
}

#[test]
fn parts_of_blobs() {
    each_form("Example", |server, app, _| {
        let path = format!("/v2/app/blobs/{}", app.layer);
        let whole = layer(300_001, 1);
        let etag = format!("\"{}\"", app.layer);
        let cases: [(Fields<'_>, u16, &[u8], &str); 8] = [
            (&[("Range", "bytes=0-9")], 206, &whole[..10], "bytes 0-9/300001"),
            (&[("Range", "bytes=299990-")], 206, &whole[299_990..], "bytes 299990-300000/300001"),
            (&[("Range", "bytes=-5")], 206, &whole[299_996..], "bytes 299996-300000/300001"),
            (&[("Range", "bytes=65530-131080")], 206, &whole[65_530..131_081], "bytes 65530-131080/300001"),
            (&[("Range", "bytes=300001-")], 416, b"", "bytes */300001"),
            (&[("Range", "bytes=0-1,5-6")], 200, &whole, ""),
            (&[("Range", "bytes=1-"), ("If-Range", "\"other\"")], 200, &whole, ""),
            (&[("If-None-Match", &etag)], 304, b"", ""),
        ];
        for (fields, status, body, range) in cases {
            let reply = server.send("GET", &path, fields);
            assert_eq!((reply.status, reply.header("content-range")), (status, range), "{fields:?}");
            assert!(reply.body == body, "{fields:?}: {} bytes", reply.body.len());
        }
        let resumed = server.send("GET", &path, &[("Range", "bytes=1-"), ("If-Range", &etag)]);
        assert_eq!((resumed.status, resumed.body.len()), (206, 300_000));
    });
}

#[test]
fn a_range_of_a_head_is_ignored() {
    each_form("Example", |server, app, _| {
        for path in [&format!("/v2/app/blobs/{}", app.layer), "/archives/example-1.0/documents/a%20b.txt"] {
            let head = server.send("HEAD", path, &[("Range", "bytes=1-2")]);
            let whole = server.send("HEAD", path, &[]);
            assert_eq!((head.status, head.header("content-range")), (200, ""), "{path}");
            assert_eq!(head.header("content-length"), whole.header("content-length"), "{path}");
        }
    });
}

#[test]
fn a_manifest_that_the_client_has_is_not_sent_again() {
    each_form("Example", |server, app, _| {
        let etag = format!("\"{}\"", app.manifest);
        for wanted in [&etag, &format!("W/{etag}"), &format!("\"other\", {etag}"), "*"] {
            for (reference, caching) in
                [("1".to_owned(), "no-cache"), (app.manifest.to_string(), "immutable")]
            {
                let path = format!("/v2/app/manifests/{reference}");
                let reply = server.send("GET", &path, &[("If-None-Match", wanted)]);
                assert_eq!((reply.status, reply.body.len(), reply.header("etag")), (304, 0, etag.as_str()));
                assert!(reply.header("cache-control").ends_with(caching), "{path}: {wanted}");
            }
        }
        assert_eq!(server.send("GET", "/v2/app/manifests/1", &[("If-None-Match", "\"other\"")]).status, 200);
    });
}

#[test]
fn responses_to_pipelined_requests_keep_their_order() {
    use std::io::{Read as _, Write as _};
    let (folder, app) = archive("Example");
    let content = layer(5_000_000, 3);
    let big = image(folder.path(), "big", "1", &content);
    let iso = iso_of(folder.path());
    for path in [folder.path(), &iso] {
        let server = Running::start(&[path]);
        let mut stream = server.connect();
        let big = format!("/v2/big/blobs/{}", big.layer);
        let small = format!("/v2/app/blobs/{}", app.layer);
        // Large and small ones, whole and in parts, before and after their check.
        let asked: [(&str, std::ops::Range<usize>); 6] = [
            (&big, 0..5_000_000),
            (&small, 0..300_001),
            (&big, 1_000_003..5_000_000),
            (&big, 17..3_500_000),
            (&small, 300_000..300_001),
            (&big, 0..5_000_000),
        ];
        let requests: String = asked
            .iter()
            .map(|(path, part)| {
                let range = format!("bytes={}-{}", part.start, part.end - 1);
                format!("GET {path} HTTP/1.1\r\nHost: test\r\nRange: {range}\r\n\r\n")
            })
            .collect();
        stream.write_all(requests.as_bytes()).unwrap();
        let small = layer(300_001, 1);
        for (path, part) in asked {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            assert!(head.starts_with(b"HTTP/1.1 206"), "{}", String::from_utf8_lossy(&head));
            let mut body = vec![0; part.len()];
            stream.read_exact(&mut body).unwrap();
            let whole = if path == big { &content } else { &small };
            assert!(body == whole[part.clone()], "{path} {part:?}");
        }
    }
    std::fs::remove_file(iso).unwrap();
}

#[test]
fn lists_in_pages() {
    each_form("Example", |server, _, _| {
        let names = ["app", "example-1.0/app", "example-1.0/nested/tool", "nested/tool"];
        let cases = [
            ("/v2/app/tags/list", json!({"name": "app", "tags": ["1", "2"]}), ""),
            (
                "/v2/app/tags/list?n=1",
                json!({"name": "app", "tags": ["1"]}),
                "</v2/app/tags/list?n=1&last=1>; rel=\"next\"",
            ),
            ("/v2/app/tags/list?n=1&last=1", json!({"name": "app", "tags": ["2"]}), ""),
            ("/v2/app/tags/list?last=0", json!({"name": "app", "tags": ["1", "2"]}), ""),
            ("/v2/app/tags/list?n=0", json!({"name": "app", "tags": []}), ""),
            ("/v2/app/tags/list?n=9&last=9", json!({"name": "app", "tags": []}), ""),
            ("/v2/_catalog", json!({"repositories": names}), ""),
            (
                "/v2/_catalog?n=2",
                json!({"repositories": names[..2]}),
                "</v2/_catalog?n=2&last=example-1.0%2Fapp>; rel=\"next\"",
            ),
            ("/v2/_catalog?n=2&last=example-1.0%2Fapp", json!({"repositories": names[2..]}), ""),
        ];
        for (path, expected, link) in cases {
            let reply = server.get(path);
            assert_eq!((reply.status, reply.json(), reply.header("link")), (200, expected, link), "{path}");
        }
        assert_eq!(server.get("/v2/app/tags/list?n=-1").code(), "PAGINATION_NUMBER_INVALID");
    });
}

#[test]
fn missing_names_are_not_found() {
    each_form("Example", |server, app, _| {
        let zero = format!("sha256:{}", "0".repeat(64));
        let cases = [
            ("/v2/app/manifests/3".to_owned(), 404, "MANIFEST_UNKNOWN"),
            (format!("/v2/app/manifests/{zero}"), 404, "MANIFEST_UNKNOWN"),
            (format!("/v2/app/manifests/{}", app.layer), 404, "MANIFEST_UNKNOWN"),
            ("/v2/app/manifests/sha256:12".to_owned(), 400, "DIGEST_INVALID"),
            (format!("/v2/app/blobs/{zero}"), 404, "BLOB_UNKNOWN"),
            // The blob of another image: content is served only under the names of its own images.
            (format!("/v2/nested/tool/blobs/{}", app.layer), 404, "BLOB_UNKNOWN"),
            ("/v2/app/blobs/sha512:00".to_owned(), 400, "DIGEST_INVALID"),
            (format!("/v2/app/blobs/{}00", app.layer), 400, "DIGEST_INVALID"),
            ("/v2/none/manifests/1".to_owned(), 404, "NAME_UNKNOWN"),
            ("/v2/none/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
            ("/v2/App/tags/list".to_owned(), 404, "NAME_INVALID"),
            ("/v2/app/referrers/x".to_owned(), 400, "DIGEST_INVALID"),
            ("/v2/whatever".to_owned(), 404, "NAME_UNKNOWN"),
        ];
        for (path, status, code) in cases {
            let reply = server.get(&path);
            assert_eq!((reply.status, reply.code().as_str()), (status, code), "{path}");
            assert_eq!(reply.header("content-type"), "application/json");
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            for path in [
                "/v2/app/blobs/uploads/",
                "/v2/app/manifests/1",
                "/archives/",
                "/",
                "/healthz",
                "/readyz",
                "/metrics",
            ] {
                let reply = server.send(method, path, &[]);
                assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD"), "{method} {path}");
            }
        }
        assert_eq!(server.send("PUT", "/v2/app/manifests/1", &[]).code(), "UNSUPPORTED");
    });
}

#[test]
fn indexes_and_referrers() {
    let (folder, app) = archive("Example");
    let root = folder.path();
    let config = b"{}";
    let child = |layer: &[u8]| {
        json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", config),
            "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
        })
        .to_string()
    };
    let (here, there) = (child(b"here"), child(b"there"));
    let listed = |manifest: &str, architecture: &str| {
        let mut listed = descriptor(MANIFEST, manifest.as_bytes());
        listed["platform"] = json!({"os": "linux", "architecture": architecture});
        listed
    };
    // The archive contains one platform; its build left out the other.
    let index = json!({
        "schemaVersion": 2, "mediaType": INDEX,
        "manifests": [listed(&here, "amd64"), listed(&there, "arm64")],
    });
    write_image(root, "multi", "1", &index, &[config, b"here"]);
    put(
        root,
        &format!("images/multi/1/{}.manifest.json", Digest::of(here.as_bytes()).hex()),
        here.as_bytes(),
    );
    let mut signature: serde_json::Value = serde_json::from_str(&child(b"signature")).unwrap();
    signature["subject"] = descriptor(MANIFEST, b"");
    signature["subject"]["digest"] = app.manifest.to_string().into();
    signature["artifactType"] = "application/x-signature".into();
    write_image(root, "app", "sha256-signature", &signature, &[config, b"signature"]);

    let server = Running::start(&[root]);
    let top = server.get("/v2/multi/manifests/1");
    assert_eq!((top.status, top.header("content-type")), (200, INDEX));
    let by_digest =
        |text: &str| server.get(&format!("/v2/multi/manifests/{}", Digest::of(text.as_bytes()))).status;
    assert_eq!((by_digest(&here), by_digest(&there)), (200, 404));
    assert_eq!(server.get(&format!("/v2/multi/blobs/{}", Digest::of(b"here"))).body, b"here");

    let referrers = server.get(&format!("/v2/app/referrers/{}", app.manifest));
    assert_eq!((referrers.status, referrers.header("content-type")), (200, INDEX));
    let found = &referrers.json()["manifests"];
    assert_eq!(found[0]["artifactType"], "application/x-signature");
    assert_eq!(found[0]["digest"], Digest::of(signature.to_string().as_bytes()).to_string());
    let filtered = server.get(&format!("/v2/app/referrers/{}?artifactType=other", app.manifest));
    assert_eq!(
        (filtered.header("oci-filters-applied"), filtered.json()["manifests"].clone()),
        ("artifactType", json!([]))
    );
    let none = server.get(&format!("/v2/app/referrers/{}", app.layer));
    assert_eq!((none.status, none.json()["manifests"].clone()), (200, json!([])));
}

#[test]
fn packages_and_files() {
    each_form("Example", |server, _, _| {
        for path in ["redhat/8/scality-el8", "redhat/8/example-scality-el8"] {
            let reply = server.get(&format!("/example-1.0/{path}/repodata/repomd.xml"));
            assert_eq!((reply.status, &reply.body[..]), (200, &b"<repomd/>"[..]), "{path}");
            assert_eq!(reply.header("content-type"), "application/xml");
        }
        let whole = server.get("/archives/example-1.0/documents/a%20b.txt");
        assert_eq!((whole.status, &whole.body[..]), (200, &b"text"[..]));
        let etag = whole.header("etag").to_owned();
        let modified = whole.header("last-modified").to_owned();
        let cases: [(Fields<'_>, u16, &[u8]); 4] = [
            (&[("Range", "bytes=1-2")], 206, b"ex"),
            (&[("If-None-Match", &etag)], 304, b""),
            (&[("If-Modified-Since", &modified)], 304, b""),
            (&[("If-Range", &modified), ("Range", "bytes=3-")], 206, b"t"),
        ];
        for (fields, status, body) in cases {
            let reply = server.send("GET", "/archives/example-1.0/documents/a%20b.txt", fields);
            assert_eq!((reply.status, &reply.body[..]), (status, body), "{fields:?}");
        }
        let pages = [
            ("/archives/", "./example-1.0/"),
            ("/archives/example-1.0/", "./product.txt"),
            ("/archives/example-1.0/documents/", "./a%20b.txt"),
            ("/example-1.0/redhat/8/scality-el8/", "./repodata/"),
            ("/example-1.0/", "./redhat/"),
        ];
        for (path, link) in pages {
            let reply = server.get(path);
            let page = String::from_utf8_lossy(&reply.body).into_owned();
            assert_eq!(reply.status, 200, "{path}");
            assert!(page.contains(&format!("href=\"{link}\"")), "{path}: {page}");
            assert_eq!(server.send("HEAD", path, &[]).header("content-length"), page.len().to_string());
        }
        for path in
            ["/archives", "/archives/example-1.0", "/archives/example-1.0/documents", "/example-1.0/redhat"]
        {
            let reply = server.get(path);
            assert_eq!(
                (reply.status, reply.header("location")),
                (301, format!("{path}/").as_str()),
                "{path}"
            );
        }
        for path in ["/none", "/example-1.0/redhat/8/none/x", "/archives/none/", "/archives/example-1.0/none"]
        {
            assert_eq!(server.get(path).status, 404, "{path}");
        }
    });
}

#[test]
fn a_port_in_use_is_said() {
    let (folder, _) = archive("Example");
    let server = Running::start(&[folder.path()]);
    let error =
        Server::bind(ServerOptions { listen: vec![server.address], ..ServerOptions::default() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot listen on {}: the port is in use by another process", server.address)
    );
    assert!(matches!(Server::bind(ServerOptions::default()), Err(Error::NoAddress)));
}

#[test]
fn a_server_that_hangs_does_not_respond_to_itself() {
    let (folder, _) = archive("Example");
    let server = Running::start(&[folder.path()]);
    let ask = || {
        let (handle, (tell, told)) = (server.handle.clone(), std::sync::mpsc::channel());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            tell.send(runtime.block_on(handle.responds())).unwrap();
        });
        told
    };
    let patience = std::time::Duration::from_secs(20);
    assert_eq!(ask().recv_timeout(patience), Ok(true));
    let held = server.handle.0.inventory.write().unwrap();
    let hangs = ask();
    assert!(hangs.recv_timeout(std::time::Duration::from_millis(200)).is_err());
    drop(held);
    assert_eq!(hangs.recv_timeout(patience), Ok(true));
    assert_eq!(server.messages.access.lock().unwrap().len(), 0, "no request of a client");
}

#[test]
fn health_metrics_and_the_access_log() {
    let (folder, app) = archive("Example");
    let server = Running::start(&[folder.path()]);
    assert_eq!(server.get("/healthz").body, b"ok\n");
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    server.get(&format!("/v2/app/blobs/{}", app.layer));
    server.get("/v2/none/tags/list");
    let metrics = String::from_utf8(server.get("/metrics").body).unwrap();
    for line in [
        "sealift_requests_total{endpoint=\"blob\",status=\"2xx\"} 1",
        "sealift_requests_total{endpoint=\"tags\",status=\"4xx\"} 1",
        "sealift_images{archive=\"example-1.0\"} 3",
        "sealift_damaged{archive=\"example-1.0\"} 0",
        "# TYPE sealift_sent_bytes_total counter",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let access = server.messages.access.lock().unwrap().join("\n");
    assert!(access.contains(&format!("GET /v2/app/blobs/{} 200 300001 true", app.layer)), "{access}");
}
