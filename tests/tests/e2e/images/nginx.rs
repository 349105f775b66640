//! The responses of nginx from the tree, request by request.

use std::fs;

use content::Digest;
use images::{MediaKind, Store, dir_layout, nginx, registry};
use tests::http::ask;
use tests::nginx as server;
use tests::registry::IMAGES;

use super::{Laid, lay_out};

/// Adds an image `signed` whose manifest refers to another, and indexes again.
fn sign(laid: &Laid, subject: &Digest) {
    let store = Store::open(&laid.folder.join("store")).unwrap();
    let empty = serde_json::json!({
        "mediaType": "application/vnd.oci.empty.v1+json", "digest": store.put(b"{}").unwrap(), "size": 2,
    });
    let manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "artifactType": "application/x.signature",
        "config": empty, "layers": [empty],
        "subject": {"mediaType": MediaKind::OciManifest.media_type(), "digest": subject, "size": 1},
    });
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    dir_layout::write(&store, &digest, &[], &laid.images.join("signed/1")).unwrap();
    registry::index(&laid.images, &laid.folder.join("archive/registry")).unwrap();
}

#[test]
fn nginx_answers_as_the_distribution_specification_says() {
    let Some(laid) = lay_out() else { return };
    let subject = laid.digests[0];
    sign(&laid, &subject);
    let includes = nginx::common().to_owned() + &nginx::render("a.b", laid.images.to_str().unwrap()).unwrap();
    let Some(server) = server::start(&laid.folder, &includes) else { return };
    let image = dir_layout::read(&laid.images.join("curl/oci")).unwrap();
    let blob = image.blobs.last().unwrap();
    let bytes = fs::read(laid.images.join("curl/oci").join(blob.digest.hex())).unwrap();
    let manifest = fs::read(laid.images.join("curl/oci/manifest.json")).unwrap();

    for (name, tag, kind) in IMAGES {
        let digest = laid.digests[IMAGES.iter().position(|image| (image.0, image.1) == (name, tag)).unwrap()];
        for reference in [tag.to_owned(), digest.to_string(), digest.to_string().replace(':', "%3A")] {
            for method in ["GET", "HEAD"] {
                let path = format!("/v2/a.b/{name}/manifests/{reference}");
                let answer = ask(server.port, method, &path, "");
                let header = |name: &str| answer.headers.get(name).map(String::as_str);
                assert_eq!(answer.status, 200, "{path}");
                assert_eq!(header("content-type"), Some(kind.media_type()), "{path}");
                assert_eq!(header("docker-content-digest"), Some(digest.to_string().as_str()), "{path}");
                assert_eq!(header("docker-distribution-api-version"), Some("registry/2.0"), "{path}");
                let length =
                    fs::metadata(laid.images.join(name).join(tag).join("manifest.json")).unwrap().len();
                assert_eq!(header("content-length"), Some(length.to_string().as_str()), "{path}");
                assert_eq!(answer.body.is_empty(), method == "HEAD");
                assert_eq!(header("cache-control"), Some("no-cache"), "{path}");
            }
        }
    }
    assert_eq!(ask(server.port, "GET", "/v2/a.b/curl/manifests/oci", "").body, manifest);

    let path = format!("/v2/a.b/curl/blobs/{}", blob.digest);
    let whole = ask(server.port, "GET", &path, "");
    assert!(whole.status == 200 && whole.body == bytes);
    assert_eq!(whole.headers["docker-content-digest"], blob.digest.to_string());
    assert_eq!(whole.headers["content-type"], "application/octet-stream");
    assert_eq!(ask(server.port, "HEAD", &path, "").headers["content-length"], bytes.len().to_string());
    let part = ask(server.port, "GET", &path, "Range: bytes=1000-\r\n");
    assert_eq!(part.status, 206);
    assert_eq!(part.headers["content-range"], format!("bytes 1000-{}/{}", bytes.len() - 1, bytes.len()));
    assert!(part.body == bytes[1000..]);
    assert_eq!(ask(server.port, "GET", &path, "Range: bytes=999999999-\r\n").status, 416);
    let etag = format!("If-None-Match: {}\r\n", whole.headers["etag"]);
    assert_eq!(ask(server.port, "GET", &path, &etag).status, 304);

    let tags = ask(server.port, "GET", "/v2/a.b/curl/tags/list", "");
    assert_eq!(tags.headers["content-type"], "application/json");
    let tags: serde_json::Value = serde_json::from_slice(&tags.body).unwrap();
    assert_eq!(tags["tags"], serde_json::json!(["docker", "oci"]));
    for (query, expected) in [
        ("last=docker", r#"["oci"]"#),
        ("n=9&last=oci", "[]"),
        ("last=unknown", r#"["docker","oci"]"#),
        ("last=../list", r#"["docker","oci"]"#),
        ("last=", r#"["docker","oci"]"#),
    ] {
        let answer = ask(server.port, "GET", &format!("/v2/a.b/curl/tags/list?{query}"), "");
        assert_eq!(
            (answer.status, answer.headers["content-type"].as_str()),
            (200, "application/json"),
            "{query}"
        );
        let list: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(list["tags"].to_string(), expected, "{query}");
    }
    let signed = ask(server.port, "GET", &format!("/v2/a.b/signed/referrers/{subject}"), "");
    assert_eq!(
        (signed.status, signed.headers["content-type"].as_str()),
        (200, MediaKind::OciIndex.media_type())
    );
    let signed: serde_json::Value = serde_json::from_slice(&signed.body).unwrap();
    assert_eq!(signed["manifests"][0]["artifactType"], "application/x.signature");
    let none = ask(server.port, "GET", &format!("/v2/a.b/curl/referrers/{}", image.digest), "");
    assert_eq!((none.status, none.headers["content-type"].as_str()), (200, MediaKind::OciIndex.media_type()));
    let base = ask(server.port, "GET", "/v2/", "");
    assert_eq!((base.status, base.body.as_slice()), (200, b"{}".as_slice()));

    let zeros = format!("sha256:{}", "0".repeat(64));
    let digest = image.digest;
    for (status, code, method, path) in [
        (404, "MANIFEST_UNKNOWN", "GET", "/v2/a.b/curl/manifests/none".to_owned()),
        (404, "MANIFEST_UNKNOWN", "GET", format!("/v2/a.b/curl/manifests/{zeros}")),
        // The manifest of another image.
        (404, "MANIFEST_UNKNOWN", "GET", format!("/v2/a.b/multi/manifests/{}", laid.digests[2])),
        (404, "MANIFEST_UNKNOWN", "GET", "/v2/a.b/curl/manifests/sha256".into()),
        (404, "MANIFEST_UNKNOWN", "GET", "/v2/a.b/none/manifests/1".into()),
        (404, "BLOB_UNKNOWN", "GET", format!("/v2/a.b/curl/blobs/{zeros}")),
        (404, "NAME_UNKNOWN", "GET", format!("{path}00")),
        (404, "NAME_UNKNOWN", "GET", path.replace("a.b", "aXb")),
        (404, "NAME_UNKNOWN", "GET", path.replace("a.b", "a")),
        (404, "NAME_UNKNOWN", "GET", "/v2/a.b/none/tags/list".into()),
        (400, "DIGEST_INVALID", "GET", "/v2/a.b/curl/referrers/sha256:00".into()),
        (405, "UNSUPPORTED", "PUT", "/v2/a.b/curl/manifests/oci".into()),
        (405, "UNSUPPORTED", "PUT", format!("/v2/a.b/curl/manifests/{digest}")),
        (405, "UNSUPPORTED", "DELETE", path.clone()),
        (405, "UNSUPPORTED", "POST", "/v2/a.b/curl/blobs/uploads/".into()),
        (405, "UNSUPPORTED", "PATCH", "/v2/a.b/curl/tags/list".into()),
        (405, "UNSUPPORTED", "DELETE", format!("/v2/a.b/curl/referrers/{digest}")),
        (405, "UNSUPPORTED", "POST", "/v2/".into()),
    ] {
        let length = if method == "GET" { "" } else { "Content-Length: 0\r\n" };
        let answer = ask(server.port, method, &path, length);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status, status, "{method} {path}: {text}");
        assert_eq!(answer.headers["content-type"], "application/json", "{method} {path}");
        let body: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(body["errors"][0]["code"], code, "{method} {path}");
        if status == 405 {
            assert_eq!(answer.headers["allow"], "GET, HEAD");
        }
    }
    let log = fs::read_to_string(laid.folder.join(format!("nginx-{}/error.log", server.port))).unwrap();
    assert_eq!(log, "");
    // nginx resolves dots before it looks for a location: this leaves the archive.
    assert_eq!(ask(server.port, "GET", "/v2/a.b/curl/blobs/../../../../etc/passwd", "").status, 404);
}
