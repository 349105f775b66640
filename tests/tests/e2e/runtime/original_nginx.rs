//! nginx and images under the names that they were published under.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use content::Digest;
use images::original_names::{OriginalNamesFile, Place};
use images::{MediaKind, Store, dir_layout, registry};
use tests::containerd::Containerd;
use tests::daemon::{self, free_port};
use tests::nginx::Nginx;
use tests::{http, peer, sealift};

use super::content;

/// A node with two versions of an archive, a third archive, and an nginx.
struct Node {
    folder: tempfile::TempDir,
    port: u16,
    /// Where nginx is Docker Hub.
    hub: u16,
    nginx: Option<Nginx>,
    /// The digests of the images, by the names of their content.
    digests: BTreeMap<&'static str, Digest>,
}

/// An image of one layer: its digest. It is attached to `subject`, if there is one.
fn image(store: &Store, name: &str, subject: Option<Digest>) -> Digest {
    let config = r#"{"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let blob = |kind: &str, text: &str| {
        let digest = store.put(text.as_bytes()).unwrap();
        serde_json::json!({
            "mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest, "size": text.len(),
        })
    };
    let kind = MediaKind::OciManifest.media_type();
    let mut manifest = serde_json::json!({
        "schemaVersion": 2, "mediaType": kind, "config": blob("config.v1+json", config),
        "layers": [blob("layer.v1.tar", &format!("the layer of {name}"))],
    });
    if let Some(subject) = subject {
        manifest["subject"] = serde_json::json!({ "mediaType": kind, "digest": subject, "size": 1 });
    }
    store.put(manifest.to_string().as_bytes()).unwrap()
}

impl Node {
    /// Archives `Site 1.9`, `Site 1.10` and `Other 0.1`, listed from the oldest to the newest.
    fn new() -> Option<Self> {
        let program = peer::find("nginx")?;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let store = Store::open(&folder.path().join("store")).unwrap();
        let mut node =
            Self { port: free_port(), hub: free_port(), nginx: None, digests: BTreeMap::new(), folder };
        for name in ["hub-old", "hub-new", "quay", "ghcr", "local", "pinned", "built"] {
            node.digests.insert(name, image(&store, name, None));
        }
        node.digests.insert("signature", image(&store, "signature", Some(node.digests["hub-new"])));
        let signed = format!("nginx:sha256-{}", node.digests["hub-new"].hex());
        let pinned = format!("quay.io/pinned@{}", node.digests["pinned"]);
        node.archive(&store, "other", ("Other", "0.1"), &[("tool:1", "ghcr", &["ghcr.io/team/tool:1"])]);
        node.archive(
            &store,
            "old",
            ("Site", "1.9"),
            &[
                ("nginx:1.25", "hub-old", &["nginx:1.25"]),
                ("nginx:1.24", "quay", &["nginx:1.24"]),
                ("built:1", "built", &[]),
            ],
        );
        node.archive(
            &store,
            "new",
            ("Site", "1.10"),
            &[
                ("nginx:1.25", "hub-new", &["nginx:1.25"]),
                (&signed, "signature", &[&signed]),
                ("nginx:q", "quay", &["quay.io/team/nginx:1.25", "quay.io/team/nginx/deep:2"]),
                ("mine:1", "local", &["localhost:5000/mine:1"]),
                ("pinned:x", "pinned", &[&pinned]),
                ("quay.io/shadow:1", "built", &[]),
                ("shadow:2", "local", &["quay.io/shadow:1"]),
            ],
        );
        let listed: String =
            ["other", "old", "new"].map(|name| format!("  - {}\n", node.path(name).display())).concat();
        let text = format!(
            "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
             controlPlane: {{cidr: [10.0.0.0/24]}}\n  workloadPlane: {{cidr: [10.1.0.0/24]}}\nca: {{minion: node}}\n\
             archives:\n{listed}"
        );
        fs::write(node.path("bootstrap.yaml"), text).unwrap();
        let mut command = sealift::command(node.folder.path());
        command.args(["registry", "nginx-config", "--configured", "--install", "nginx.conf"]);
        command.args(["--listen", &format!("127.0.0.1:{}", node.port)]);
        command.args(["--listen", &format!("docker.io=127.0.0.1:{}", node.hub)]);
        command.arg("--nginx").arg(&program);
        for (flag, name) in [("--pid", "nginx.pid"), ("--error-log", "error.log")] {
            command.arg(flag).arg(node.path(name));
        }
        command.args(sealift::places(node.folder.path()));
        let (code, out, err) = sealift::told(&command.output().unwrap());
        assert_eq!(code, 0, "{out}{err}");
        let mut command = Command::new(program);
        let user = if tests::user::is_root() { "user root; " } else { "" };
        command.args(["-g", &format!("{user}daemon off;"), "-c"]).arg(node.path("nginx.conf"));
        node.nginx = Some(Nginx(daemon::start(&mut command, node.port, &node.path("nginx.log"))));
        Some(node)
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn archive(&self, store: &Store, folder: &str, product: (&str, &str), images: &[(&str, &str, &[&str])]) {
        let root = self.path(folder);
        let into = root.join("images");
        let mut file = OriginalNamesFile::open(&into).unwrap();
        for (place, content, references) in images {
            let place: Place = place.parse().unwrap();
            dir_layout::write(store, &self.digests[content], &[], &place.folder(&into)).unwrap();
            for reference in *references {
                file.names.insert(&place, &reference.parse().unwrap());
            }
        }
        file.save().unwrap();
        drop(file);
        registry::index(&into, &root.join("registry")).unwrap();
        fs::write(root.join("product.txt"), format!("NAME={}\nVERSION={}\n", product.0, product.1)).unwrap();
    }

    /// The content that a request gives, by its digest; else the status and the code of the error.
    fn answer(&self, method: &str, host: &str, path: &str) -> String {
        let port = if host == "HUB" { self.hub } else { self.port };
        let host = match host {
            "" | "HUB" => format!("127.0.0.1:{port}"),
            host => host.to_owned(),
        };
        let answer = http::ask_host(port, &host, method, path);
        if let Some(digest) = answer.header("docker-content-digest").filter(|_| answer.status == 200) {
            let found = self.digests.iter().find(|(_, known)| known.to_string() == digest);
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(
                kind == MediaKind::OciManifest.media_type() || kind == "application/octet-stream",
                "{path}"
            );
            assert_eq!(Digest::of(&answer.body).to_string(), digest, "{path}");
            return found.map_or_else(|| "blob".to_owned(), |(name, _)| (*name).to_owned());
        }
        let text = String::from_utf8_lossy(&answer.body);
        let error: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        match error["errors"][0]["code"].as_str() {
            Some(code) => format!("{} {code}", answer.status),
            None if answer.status == 200 => text.into_owned(),
            None => answer.status.to_string(),
        }
    }
}

const UNKNOWN: &str = "404 NAME_UNKNOWN";
const NO_MANIFEST: &str = "404 MANIFEST_UNKNOWN";

#[test]
fn nginx_answers_for_original_names_in_every_form_and_for_nothing_else() {
    let Some(node) = Node::new() else { return };
    let digest = |name: &str| node.digests[name].to_string();
    let new = |rest: &str| format!("/v2/site-1.10/{rest}");
    let by_digest = |name: &str, content: &str| format!("{name}/manifests/{}", digest(content));
    let tags = |repository: &str, tags: &str| format!(r#"{{"name":"{repository}","tags":[{tags}]}}"#);
    let attached = format!("sha256-{}", node.digests["hub-new"].hex());
    let layer = format!("blobs/{}", Digest::of(b"the layer of hub-new"));
    let none = format!("blobs/{}", Digest::of(b"nothing"));
    let cases: Vec<(&str, &str, String, String)> = [
        // ?ns=, as containerd sends it.
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=docker.io".to_owned(), "hub-new".to_owned()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=index.docker.io".into(), "hub-new".into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=registry-1.docker.io".into(), "hub-new".into()),
        ("GET", "", "/v2/team/nginx/manifests/1.25?ns=quay.io".into(), "quay".into()),
        ("GET", "", "/v2/team/nginx/deep/manifests/2?ns=quay.io".into(), "quay".into()),
        ("GET", "", "/v2/team/tool/manifests/1?ns=ghcr.io".into(), "ghcr".into()),
        ("GET", "", "/v2/mine/manifests/1?ns=localhost%3A5000".into(), "local".into()),
        ("GET", "", "/v2/mine/manifests/1?ns=localhost%3a5000".into(), "local".into()),
        ("GET", "", "/v2/mine/manifests/1?ns=localhost:5000".into(), "local".into()),
        // Another tag of the same folder, or the same tag of another host, is another image.
        ("GET", "", "/v2/library/nginx/manifests/q?ns=docker.io".into(), NO_MANIFEST.into()),
        ("GET", "", "/v2/library/nginx/manifests/sha256?ns=docker.io".into(), NO_MANIFEST.into()),
        ("GET", "", "/v2/team/nginx/manifests/1.24?ns=quay.io".into(), NO_MANIFEST.into()),
        ("GET", "", "/v2/nginx/manifests/1.25?ns=docker.io".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=quay.io".into(), UNKNOWN.into()),
        ("GET", "", "/v2/built/manifests/1?ns=docker.io".into(), UNKNOWN.into()),
        // A tag is that of the newest version; every digest is served.
        ("GET", "", format!("/v2/{}?ns=docker.io", by_digest("library/nginx", "hub-new")), "hub-new".into()),
        ("GET", "", format!("/v2/{}?ns=docker.io", by_digest("library/nginx", "hub-old")), "hub-old".into()),
        ("GET", "", "/v2/library/nginx/manifests/1.24?ns=docker.io".into(), "quay".into()),
        ("GET", "", format!("/v2/{}?ns=quay.io", by_digest("pinned", "pinned")), "pinned".into()),
        ("GET", "", "/v2/pinned/manifests/x?ns=quay.io".into(), NO_MANIFEST.into()),
        ("GET", "", format!("/v2/{}?ns=docker.io", by_digest("library/nginx", "ghcr")), NO_MANIFEST.into()),
        ("GET", "", format!("/v2/library/nginx/{layer}?ns=docker.io"), "blob".into()),
        ("GET", "", format!("/v2/library/nginx/{none}?ns=docker.io"), "404 BLOB_UNKNOWN".into()),
        ("GET", "", format!("/v2/library/other/{layer}?ns=docker.io"), UNKNOWN.into()),
        // Lists.
        (
            "GET",
            "",
            "/v2/library/nginx/tags/list?ns=docker.io".into(),
            tags("library/nginx", &format!(r#""1.25","{attached}""#)),
        ),
        (
            "GET",
            "",
            "/v2/library/nginx/tags/list?ns=docker.io&last=1.25".into(),
            tags("library/nginx", &format!(r#""{attached}""#)),
        ),
        ("GET", "", "/v2/library/nginx/tags/list?last=../list&ns=quay.io".into(), UNKNOWN.into()),
        ("GET", "", "/v2/pinned/tags/list?ns=quay.io".into(), tags("pinned", "")),
        ("GET", "", format!("/v2/library/nginx/manifests/{attached}?ns=docker.io"), "signature".into()),
        ("GET", "", "/v2/library/nginx/referrers/sha256:0?ns=docker.io".into(), "400 DIGEST_INVALID".into()),
        // The host in the path, for clients that do not send `ns`.
        ("GET", "", "/v2/docker.io/library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "", "/v2/localhost__5000/mine/manifests/1".into(), "local".into()),
        ("GET", "", format!("/v2/docker.io/library/nginx/{layer}"), "blob".into()),
        ("GET", "", "/v2/docker.io/nginx/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "", "/v2/quay.io/library/nginx/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "", "/v2/nginx/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "", "/v2/docker.io/tags/list".into(), UNKNOWN.into()),
        // After an archive.
        ("GET", "", new("docker.io/library/nginx/manifests/1.25"), "hub-new".into()),
        ("GET", "", "/v2/site-1.9/docker.io/library/nginx/manifests/1.25".into(), "hub-old".into()),
        ("GET", "", new(&by_digest("docker.io/library/nginx", "hub-old")), NO_MANIFEST.into()),
        ("GET", "", new("localhost__5000/mine/manifests/1"), "local".into()),
        ("GET", "", new(&format!("docker.io/library/nginx/{layer}")), "blob".into()),
        ("GET", "", new("quay.io/team/nginx/tags/list"), tags("team/nginx", r#""1.25""#)),
        ("GET", "", new("quay.io/team/nginx/tags/list?last=1.25"), tags("team/nginx", "")),
        ("GET", "", new("ghcr.io/team/tool/manifests/1"), NO_MANIFEST.into()),
        ("GET", "", new("ghcr.io/team/tool/tags/list"), UNKNOWN.into()),
        // An image of the archive with that name comes first, and the archive before `ns`.
        ("GET", "", new("quay.io/shadow/manifests/1"), "built".into()),
        ("GET", "", "/v2/quay.io/shadow/manifests/1".into(), "local".into()),
        ("GET", "", new("nginx/manifests/1.25?ns=quay.io"), "hub-new".into()),
        ("GET", "", new("nginx/manifests/1.25?ns=127.0.0.1%3A8102"), "hub-new".into()),
        ("GET", "", new("docker.io/library/nginx/manifests/1.25?ns=docker.io"), "hub-new".into()),
        // Clients that believe that this server is the registry.
        ("GET", "docker.io", "/v2/library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "registry-1.docker.io", "/v2/library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "quay.io", "/v2/team/nginx/manifests/1.25".into(), "quay".into()),
        ("GET", "localhost:5000", "/v2/mine/manifests/1".into(), "local".into()),
        ("GET", "quay.io", "/v2/library/nginx/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "quay.io", "/v2/docker.io/library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "quay.io", "/v2/library/nginx/manifests/1.25?ns=docker.io".into(), "hub-new".into()),
        ("GET", "docker.io", "/v2/team/nginx/manifests/1.25?ns=docker.io".into(), UNKNOWN.into()),
        ("GET", "quay.io", "/v2/team/nginx/manifests/1.25?ns=quay.io".into(), "quay".into()),
        (
            "GET",
            "node.example:8080",
            "/v2/docker.io/library/nginx/manifests/1.25?ns=node.example%3A8080".into(),
            "hub-new".into(),
        ),
        ("GET", "other.example", "/v2/docker.io/library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "HUB", "/v2/library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "HUB", format!("/v2/library/nginx/{layer}"), "blob".into()),
        ("GET", "HUB", "/v2/".into(), "{}".into()),
        ("GET", "HUB", "/v2/team/nginx/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "HUB", "/v2/quay.io/team/nginx/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "HUB", "/v2/team/nginx/manifests/1.25?ns=quay.io".into(), "quay".into()),
        ("GET", "HUB", new("nginx/manifests/1.25"), "hub-new".into()),
        // Other methods, and what is odd.
        ("GET", "", "/v2/".into(), "{}".into()),
        ("GET", "", "/v2/?ns=docker.io".into(), "{}".into()),
        ("PUT", "", "/v2/library/nginx/manifests/1.25?ns=docker.io".into(), "405 UNSUPPORTED".into()),
        ("PUT", "", new("docker.io/library/nginx/manifests/1.25"), "405 UNSUPPORTED".into()),
        ("POST", "", "/v2/library/nginx/blobs/uploads/?ns=docker.io".into(), "405 UNSUPPORTED".into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=0".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=../docker.io".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=..".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=%2e%2e%2fx".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=docker.io/library".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=docker.io%3A".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=[::1]:5000".into(), UNKNOWN.into()),
        ("GET", "", "/v2/mine/manifests/1?ns=localhost__5000".into(), UNKNOWN.into()),
        ("GET", "", "/v2/library/nginx/manifests/1.25?ns=unknown.example".into(), UNKNOWN.into()),
        ("GET", "", "/v2/_original/docker.io/library/nginx/manifests/1.25".into(), "404".into()),
        ("GET", "", "/v2/_original_manifest".into(), "404".into()),
        ("GET", "", new("_original/docker.io/library/nginx/manifests/1.25"), "404".into()),
        ("GET", "", "/v2/docker.io/library/nginx/_manifests/manifests/1.25".into(), UNKNOWN.into()),
        ("GET", "", "/v2/docker.io/library/../library/nginx/manifests/1.25".into(), "hub-new".into()),
        ("GET", "", "/v2/docker.io/library/nginx/manifests/..%2f..%2f1.25".into(), UNKNOWN.into()),
        ("GET", "", "/v2/../../etc/passwd?ns=docker.io".into(), "400".into()),
    ]
    .into();
    let mut wrong = Vec::new();
    for (method, host, path, expected) in &cases {
        let found = node.answer(method, host, path);
        if found != *expected {
            wrong.push(format!("{method} {host} {path}: expected {expected}, found {found}"));
        }
    }
    assert_eq!(wrong, [""; 0]);
    for path in
        ["/v2/library/nginx/referrers/{}?ns=docker.io", "/v2/site-1.10/docker.io/library/nginx/referrers/{}"]
    {
        let asked = |name: &str| node.answer("GET", "", &path.replace("{}", &digest(name)));
        assert!(asked("hub-new").contains(&digest("signature")), "{path}");
        assert!(asked("hub-old").ends_with(r#""manifests":[]}"#), "{path}");
    }
    let whole = http::ask_host(node.port, "x", "HEAD", "/v2/library/nginx/manifests/1.25?ns=docker.io");
    assert!(whole.status == 200 && whole.body.is_empty() && whole.headers.contains_key("content-length"));
    assert_eq!(fs::read_to_string(node.path("error.log")).unwrap(), "");
}

#[test]
fn no_link_below_original_names_leads_nginx_out_of_the_archive() {
    let Some(node) = Node::new() else { return };
    let outside = node.path("outside");
    fs::create_dir_all(outside.join("_tags")).unwrap();
    fs::create_dir_all(outside.join("_manifests/sha256").join("1".repeat(64))).unwrap();
    for file in ["list", "_tags/list", "m.ociman", "secret"] {
        fs::write(outside.join(file), "secret").unwrap();
    }
    let hosts = node.path("new/registry/hosts");
    let repository = hosts.join("quay.io/team/nginx");
    let hex = "3".repeat(64);
    fs::create_dir_all(repository.join("_referrers/sha256")).unwrap();
    fs::rename(repository.join("_tags"), repository.join("_old")).unwrap();
    for (target, link) in [
        (outside.clone(), hosts.join("out.example")),
        (outside.clone(), repository.join("_manifests/sha256").join(&hex)),
        (outside.clone(), repository.join("_manifests/out")),
        (outside.clone(), repository.join("_tags")),
        (outside.join("secret"), repository.join("_referrers/sha256").join(&hex)),
        (outside.join("secret"), node.path("new/registry/blobs/sha256").join(&hex)),
    ] {
        symlink(target, link).unwrap();
    }
    for path in [
        "/v2/{}/tags/list?ns=quay.io",
        "/v2/{}/manifests/out?ns=quay.io",
        "/v2/{}/manifests/sha256:HEX?ns=quay.io",
        "/v2/{}/referrers/sha256:HEX?ns=quay.io",
        "/v2/{}/blobs/sha256:HEX?ns=quay.io",
        "/v2/site-1.10/quay.io/{}/tags/list",
        "/v2/site-1.10/quay.io/{}/manifests/out",
        "/v2/site-1.10/quay.io/{}/manifests/sha256:HEX",
        "/v2/site-1.10/quay.io/{}/referrers/sha256:HEX",
    ] {
        let path = path.replace("{}", "team/nginx").replace("HEX", &hex);
        let answer = http::ask_host(node.port, "x", "GET", &path);
        let body = String::from_utf8_lossy(&answer.body);
        let is_empty = body.ends_with(r#""manifests":[]}"#);
        assert!(
            (matches!(answer.status, 403 | 404) || is_empty) && !body.contains("secret"),
            "{path}: {body}"
        );
    }
    for path in ["/v2/out.example/tags/list", "/v2/x/tags/list?ns=out.example"] {
        assert!(
            !String::from_utf8_lossy(&http::ask_host(node.port, "x", "GET", path).body).contains("secret")
        );
    }
}

#[test]
fn skopeo_and_containerd_pull_through_nginx_under_original_names() {
    let Some(node) = Node::new() else { return };
    let images = |archive: &str, place: &str| content(&node.path(archive).join("images").join(place));
    if let Some(skopeo) = peer::find("skopeo") {
        for (position, (port, name, archive, place)) in [
            (node.port, "docker.io/library/nginx:1.25", "new", "nginx/1.25"),
            (node.port, "site-1.9/docker.io/library/nginx:1.25", "old", "nginx/1.25"),
            (node.port, "localhost__5000/mine:1", "new", "mine/1"),
            (node.port, "quay.io/team/nginx/deep:2", "new", "nginx/q"),
            (node.hub, "library/nginx:1.25", "new", "nginx/1.25"),
        ]
        .into_iter()
        .enumerate()
        {
            let pulled = node.path(&format!("pulled-{position}"));
            let mut command = Command::new(&skopeo);
            command.args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"]);
            command.arg(format!("docker://127.0.0.1:{port}/{name}"));
            peer::run(command.arg(format!("dir:{}", pulled.display())));
            assert!(content(&pulled) == images(archive, place), "{name}");
        }
    }
    let Some(containerd) = Containerd::start(node.folder.path()) else { return };
    let hosts = node.path("certs.d");
    fs::create_dir_all(hosts.join("_default")).unwrap();
    let text = format!(
        "server = \"http://127.0.0.1:{}\"\ncapabilities = [\"pull\", \"resolve\"]\n[host]\n",
        node.port
    );
    fs::write(hosts.join("_default/hosts.toml"), text).unwrap();
    let fetch = |name: &str| {
        containerd
            .command(&["content", "fetch", "--hosts-dir", hosts.to_str().unwrap(), name])
            .output()
            .unwrap()
    };
    for (name, expected) in [
        ("docker.io/library/nginx:1.25", Some("hub-new")),
        ("quay.io/team/nginx:1.25", Some("quay")),
        ("ghcr.io/team/tool:1", Some("ghcr")),
        ("localhost:5000/mine:1", Some("local")),
        ("docker.io/library/nginx:9", None),
        ("quay.io/nginx:1.25", None),
        ("registry.invalid/nginx:1.25", None),
    ] {
        let output = fetch(name);
        let told = sealift::told(&output);
        assert_eq!(output.status.success(), expected.is_some(), "{name}: {told:?}");
        if let Some(expected) = expected {
            let listed = containerd.run(&["images", "ls", &format!("name=={name}")]);
            assert!(listed.contains(&node.digests[expected].to_string()), "{listed}");
        }
    }
}
