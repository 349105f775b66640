//! Images under the names of the registries that they came from.

use std::path::Path;

use content::Digest;
use images::original_names::OriginalNames;
use serde_json::json;

use super::MANIFEST;
use super::site::{Image, Running, descriptor, image, iso_of, layer, put, write_image};
use crate::{RegistryListener, ServerOptions};

/// Writes the original names of images: place and reference.
fn name(root: &Path, names: &[(&str, &str)]) {
    let mut all = OriginalNames::default();
    for (place, reference) in names {
        all.insert(&place.parse().unwrap(), &reference.parse().unwrap());
    }
    put(root, "images/original-names.json", &all.write());
}

/// The images of [`site`], by their folders.
struct Site {
    folder: tempfile::TempDir,
    nginx: Image,
    other_nginx: Image,
    tool: Image,
    /// An image without an original name.
    built: Image,
    signature: Digest,
}

/// An archive with images of four registries; two of them lie in folders of one name.
fn site() -> Site {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    put(root, "product.txt", b"NAME=Example\nVERSION=1.0\n");
    let nginx = image(root, "nginx", "1.25", &layer(300_001, 1));
    let other_nginx = image(root, "nginx", "1", &layer(300_000, 2));
    let tool = image(root, "tool", "v1", b"tool");
    let built = image(root, "built", "1", b"built");
    let mut subject = descriptor(MANIFEST, b"");
    subject["digest"] = nginx.manifest.to_string().into();
    let signature = json!({
        "schemaVersion": 2, "mediaType": MANIFEST, "subject": subject, "artifactType": "application/x-signature",
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"), "layers": [],
    });
    let tag = format!("sha256-{}.sig", nginx.manifest.hex());
    write_image(root, "nginx", &tag, &signature, &[b"{}"]);
    name(
        root,
        &[
            ("nginx:1.25", "nginx:1.25"),
            ("nginx:1.25", "public.ecr.example/nginx:stable"),
            (&format!("nginx:{tag}"), &format!("docker.io/library/nginx:{tag}")),
            ("nginx:1", "quay.io/other/nginx:1"),
            ("tool:v1", "localhost:5000/team/tool:v1"),
            ("tool:v1", &format!("ghcr.io/pinned/tool@{}", tool.manifest)),
        ],
    );
    let signature = Digest::of(signature.to_string().as_bytes());
    Site { folder, nginx, other_nginx, tool, built, signature }
}

#[test]
fn an_original_name_means_one_image_and_nothing_else() {
    let site = site();
    let iso = iso_of(site.folder.path());
    let (nginx, other) = (site.nginx.manifest, site.other_nginx.manifest);
    let (tool, built) = (site.tool.manifest, site.built.manifest);
    let pinned = format!("pinned/tool/manifests/{tool}");
    let cases: [(&str, &str, Option<Digest>); 44] = [
        // containerd sends the host in the query.
        ("library/nginx/manifests/1.25?ns=docker.io", "", Some(nginx)),
        ("library/nginx/manifests/1.25?ns=registry-1.docker.io", "", Some(nginx)),
        ("library/nginx/manifests/1.25?ns=INDEX.docker.io", "", Some(nginx)),
        ("nginx/manifests/stable?ns=public.ecr.example", "", Some(nginx)),
        ("other/nginx/manifests/1?ns=quay.io", "", Some(other)),
        ("team/tool/manifests/v1?ns=localhost%3A5000", "", Some(tool)),
        ("team/tool/manifests/v1?ns=localhost:5000", "", Some(tool)),
        (&format!("{pinned}?ns=ghcr.io"), "", Some(tool)),
        // Tags of other repositories in the same folder, and tags that the folder has and the registry had not.
        ("library/nginx/manifests/1?ns=docker.io", "", None),
        ("other/nginx/manifests/1.25?ns=quay.io", "", None),
        ("nginx/manifests/1.25?ns=public.ecr.example", "", None),
        ("pinned/tool/manifests/v1?ns=ghcr.io", "", None),
        // Bare names are not those of another registry.
        ("nginx/manifests/1.25?ns=quay.io", "", None),
        ("nginx/manifests/1.25?ns=docker.io", "", None),
        ("built/manifests/1?ns=other.example", "", None),
        ("team/tool/manifests/v1?ns=localhost", "", None),
        ("team/tool/manifests/v1?ns=localhost__5000", "", None),
        // Text that is no registry.
        ("library/nginx/manifests/1.25?ns=", "", None),
        ("nginx/manifests/1.25?ns=", "", None),
        ("nginx/manifests/1.25?ns=../docker.io", "", None),
        ("nginx/manifests/1.25?ns=%2e%2e%2fx", "", None),
        ("nginx/manifests/1.25?ns=docker.io/library", "", None),
        ("library/nginx/manifests/1.25?ns=docker.io%00", "", None),
        ("library/nginx/manifests/1.25?ns=docker.io%20", "", None),
        // The first of two decides.
        ("library/nginx/manifests/1.25?ns=docker.io&ns=quay.io", "", Some(nginx)),
        ("library/nginx/manifests/1.25?ns=quay.io&ns=docker.io", "", None),
        // The others have it in the path, with an archive or without.
        ("docker.io/library/nginx/manifests/1.25", "", Some(nginx)),
        ("localhost__5000/team/tool/manifests/v1", "", Some(tool)),
        ("localhost:5000/team/tool/manifests/v1", "", None),
        ("example-1.0/docker.io/library/nginx/manifests/1.25", "", Some(nginx)),
        ("example-1.0/quay.io/other/nginx/manifests/1", "", Some(other)),
        ("example-1.0/docker.io/library/nginx/manifests/1", "", None),
        ("example-2.0/docker.io/library/nginx/manifests/1.25", "", None),
        ("Docker.io/library/nginx/manifests/1.25", "", None),
        // Both at once, as containerd sends with override_path.
        ("docker.io/library/nginx/manifests/1.25?ns=docker.io", "", Some(nginx)),
        ("example-1.0/docker.io/library/nginx/manifests/1.25?ns=docker.io", "", Some(nginx)),
        ("docker.io/library/nginx/manifests/1.25?ns=evil.example", "", None),
        // DNS leads the names of registries here.
        ("other/nginx/manifests/1", "quay.io", Some(other)),
        ("library/nginx/manifests/1.25", "registry-1.docker.io", Some(nginx)),
        ("nginx/manifests/1.25", "quay.io", None),
        // The own address, in the query too, and names of the archive.
        ("nginx/manifests/1.25", "localhost:5000", Some(nginx)),
        ("nginx/manifests/1.25?ns=node:8080", "node:8080", Some(nginx)),
        // A name that starts with an archive is unambiguous.
        ("example-1.0/built/manifests/1?ns=node2:8080", "", Some(built)),
        ("nginx/manifests/1.25", "", Some(nginx)),
    ];
    for path in [site.folder.path(), &iso] {
        let server = Running::start(&[path]);
        let missing = server.get("/v2/library/none/manifests/1?ns=docker.io");
        let message = "no image named library/none of the registry docker.io is served";
        assert!(String::from_utf8_lossy(&missing.body).contains(message), "{missing:?}");
        for (target, host, expected) in &cases {
            let host = if host.is_empty() { "test" } else { host };
            let request = format!("GET /v2/{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            let reply = server.raw(request.as_bytes());
            let expected = expected.map(|digest| digest.to_string());
            match expected {
                Some(digest) => {
                    assert_eq!(
                        (reply.status, reply.header("docker-content-digest")),
                        (200, &*digest),
                        "{target}"
                    );
                }
                None => assert_eq!(
                    (reply.status, reply.header("docker-content-digest")),
                    (404, ""),
                    "{target} {host}"
                ),
            }
        }
        assert_eq!(server.get("/v2/library/nginx/manifests/1.25?ns=other.example").code(), "NAME_UNKNOWN");
        assert_eq!(server.get("/v2/library/nginx/manifests/9?ns=docker.io").code(), "MANIFEST_UNKNOWN");
    }
    std::fs::remove_file(iso).unwrap();
}

#[test]
fn blobs_tags_and_referrers_are_those_of_the_original_repository() {
    let site = site();
    let server = Running::start(&[site.folder.path()]);
    let tag = format!("sha256-{}.sig", site.nginx.manifest.hex());
    let tags = |target: &str| server.get(target).json()["tags"].clone();
    assert_eq!(tags("/v2/library/nginx/tags/list?ns=docker.io"), json!(["1.25", tag]));
    assert_eq!(tags("/v2/docker.io/library/nginx/tags/list"), json!(["1.25", tag]));
    assert_eq!(tags("/v2/other/nginx/tags/list?ns=quay.io"), json!(["1"]));
    assert_eq!(tags("/v2/pinned/tool/tags/list?ns=ghcr.io"), json!([]));
    assert_eq!(server.get("/v2/nginx/tags/list?ns=quay.io").code(), "NAME_UNKNOWN");
    // The next page is of the same registry.
    let page = server.get("/v2/library/nginx/tags/list?n=1&ns=docker.io");
    assert_eq!(page.header("link"), "</v2/library/nginx/tags/list?n=1&last=1.25&ns=docker.io>; rel=\"next\"");

    for (target, status) in [
        (format!("library/nginx/blobs/{}?ns=docker.io", site.nginx.layer), 200),
        (format!("docker.io/library/nginx/blobs/{}", site.nginx.layer), 200),
        (format!("library/nginx/blobs/{}?ns=docker.io", site.other_nginx.layer), 404),
        (format!("other/nginx/blobs/{}?ns=quay.io", site.nginx.layer), 404),
        (format!("library/nginx/blobs/{}?ns=quay.io", site.nginx.layer), 404),
    ] {
        assert_eq!(server.get(&format!("/v2/{target}")).status, status, "{target}");
    }
    let signed = format!("library/nginx/referrers/{}?ns=docker.io", site.nginx.manifest);
    let referrers = server.get(&format!("/v2/{signed}")).json();
    assert_eq!(referrers["manifests"][0]["digest"], site.signature.to_string());
    let by_tag = server.get(&format!("/v2/docker.io/library/nginx/manifests/{tag}"));
    assert_eq!(by_tag.header("docker-content-digest"), site.signature.to_string());
    // The catalogue lists each image once, by its name in the archive.
    let catalogue = server.get("/v2/_catalog").json();
    let names = ["built", "example-1.0/built", "example-1.0/nginx", "example-1.0/tool", "nginx", "tool"];
    assert_eq!(catalogue, json!({"repositories": names}));
    assert_eq!(server.get("/v2/_catalog?ns=docker.io").json(), catalogue);
    for base in ["/v2/", "/v2/?ns=docker.io", "/v2/?ns=../x"] {
        assert_eq!(server.get(base).status, 200, "{base}");
    }
}

/// An archive with `docker.io/library/nginx:1.25`, and with a tag of its own.
fn version(version: &str) -> (tempfile::TempDir, Image) {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "product.txt", format!("NAME=Example\nVERSION={version}\n").as_bytes());
    let content: Vec<u8> = layer(200_000, version.bytes().map(u32::from).sum());
    let nginx = image(folder.path(), "nginx", "1.25", &content);
    let own = format!("own-{version}");
    image(folder.path(), "nginx", &own, version.as_bytes());
    name(
        folder.path(),
        &[("nginx:1.25", "nginx:1.25"), (&format!("nginx:{own}"), &format!("docker.io/library/nginx:{own}"))],
    );
    (folder, nginx)
}

#[test]
fn of_several_archives_the_newest_decides_about_a_tag_and_each_serves_its_digests() {
    let (old, old_nginx) = version("1.9.0");
    let (new, new_nginx) = version("1.10.0");
    for order in [[old.path(), new.path()], [new.path(), old.path()]] {
        let server = Running::start(&order);
        let digest = |target: &str| server.get(target).header("docker-content-digest").to_owned();
        for base in
            ["/v2/library/nginx/manifests/1.25?ns=docker.io", "/v2/docker.io/library/nginx/manifests/1.25"]
        {
            assert_eq!(digest(base), new_nginx.manifest.to_string());
        }
        for (archive, image) in [("example-1.9.0", &old_nginx), ("example-1.10.0", &new_nginx)] {
            let manifest = image.manifest.to_string();
            assert_eq!(digest(&format!("/v2/{archive}/docker.io/library/nginx/manifests/1.25")), manifest);
            assert_eq!(digest(&format!("/v2/library/nginx/manifests/{manifest}?ns=docker.io")), manifest);
            let blob = format!("/v2/docker.io/library/nginx/blobs/{}", image.layer);
            assert_eq!(server.get(&blob).status, 200);
        }
        let tags = server.get("/v2/library/nginx/tags/list?ns=docker.io").json();
        assert_eq!(tags["tags"], json!(["1.25", "own-1.10.0", "own-1.9.0"]));
        let page = server.get("/v2/library/nginx/tags/list?ns=docker.io&n=1&last=1.25");
        assert_eq!(page.json()["tags"], json!(["own-1.10.0"]));
        // Names without a registry are those of no archive here.
        assert_eq!(server.get("/v2/nginx/manifests/1.25").status, 404);
    }
}

#[test]
fn an_image_that_the_newest_archive_cannot_serve_is_not_replaced_by_an_older_one() {
    let (old, old_nginx) = version("1.9.0");
    let (new, new_nginx) = version("1.10.0");
    let layer = new.path().join(format!("images/nginx/1.25/{}", new_nginx.layer.hex()));
    let content = std::fs::read(&layer).unwrap();
    let tag = "/v2/library/nginx/manifests/1.25?ns=docker.io";

    // Its content is damaged, which is found when it is read.
    let server = Running::start(&[old.path(), new.path()]);
    std::fs::write(&layer, vec![0; content.len()]).unwrap();
    let blob = server.get(&format!("/v2/library/nginx/blobs/{}?ns=docker.io", new_nginx.layer));
    assert!(blob.body != content);
    assert_eq!(server.get(tag).code(), "MANIFEST_UNKNOWN");
    let by_digest = format!("/v2/library/nginx/manifests/{}?ns=docker.io", old_nginx.manifest);
    assert_eq!(server.get(&by_digest).status, 200);

    // A blob is missing.
    std::fs::remove_file(&layer).unwrap();
    let server = Running::start(&[old.path(), new.path()]);
    assert_eq!(server.get(tag).code(), "MANIFEST_UNKNOWN");
    let tags = server.get("/v2/library/nginx/tags/list?ns=docker.io").json();
    assert_eq!(tags["tags"], json!(["own-1.10.0", "own-1.9.0"]));
    assert_eq!(server.get(&by_digest).status, 200);
}

#[test]
fn content_that_one_archive_has_lost_comes_from_another() {
    let (first, nginx) = version("1.9.0");
    let (second, _) = version("1.10.0");
    // The same image in both.
    for file in std::fs::read_dir(first.path().join("images/nginx/1.25")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), second.path().join("images/nginx/1.25").join(file.file_name())).unwrap();
    }
    let server = Running::start(&[first.path(), second.path()]);
    let lost = second.path().join(format!("images/nginx/1.25/{}", nginx.layer.hex()));
    std::fs::write(&lost, "x").unwrap();
    let blob = server.get(&format!("/v2/library/nginx/blobs/{}?ns=docker.io", nginx.layer));
    assert_eq!((blob.status, Digest::of(&blob.body)), (200, nginx.layer));
    let manifest = server.get(&format!("/v2/library/nginx/manifests/{}?ns=docker.io", nginx.manifest));
    assert_eq!(manifest.status, 200);
}

#[test]
fn a_listener_is_a_registry_to_its_clients() {
    let site = site();
    let registries = vec![RegistryListener { host: "docker.io".into(), address: ([127, 0, 0, 1], 0).into() }];
    let archives = vec![site.folder.path().to_path_buf()];
    let server = Running::with(ServerOptions {
        archives,
        registries,
        check_in_background: false,
        ..ServerOptions::default()
    });
    let at = |address| Running::get_at(address, "/v2/library/nginx/manifests/1.25");
    assert_eq!(at(server.address).status, 404);
    let registry = server.registry.unwrap();
    assert_eq!(at(registry).header("docker-content-digest"), site.nginx.manifest.to_string());
    for (path, status) in [
        ("/v2/", 200),
        ("/v2/nginx/manifests/1.25", 404),
        ("/v2/other/nginx/manifests/1", 404),
        ("/v2/other/nginx/manifests/1?ns=quay.io", 200),
        ("/v2/example-1.0/nginx/manifests/1", 200),
        ("/healthz", 200),
    ] {
        assert_eq!(Running::get_at(registry, path).status, status, "{path}");
    }
}

#[test]
fn without_readable_original_names_the_images_keep_those_of_the_archive() {
    let site = site();
    for text in ["{", r#"{"schemaVersion":9,"images":{}}"#, r#"{"schemaVersion":1,"images":{"../x:1":[]}}"#] {
        put(site.folder.path(), "images/original-names.json", text.as_bytes());
        let server = Running::start(&[site.folder.path()]);
        assert_eq!(server.get("/v2/nginx/manifests/1.25").status, 200, "{text}");
        assert_eq!(server.get("/v2/library/nginx/manifests/1.25?ns=docker.io").status, 404, "{text}");
        let ready = server.get("/readyz").json();
        assert_eq!(ready["status"], "degraded", "{text}");
        let problem = ready["archives"][0]["notServed"][0].as_str().unwrap();
        assert!(problem.starts_with("original names of images: images/original-names.json: "), "{problem}");
    }
    std::fs::remove_file(site.folder.path().join("images/original-names.json")).unwrap();
    let server = Running::start(&[site.folder.path()]);
    assert_eq!(server.get("/readyz").json()["status"], "ready");
    assert_eq!(server.get("/v2/library/nginx/manifests/1.25?ns=docker.io").status, 404);
}
