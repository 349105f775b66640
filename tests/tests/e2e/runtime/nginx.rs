//! The whole configuration of nginx for the archives of a node: ours, and one of an older release.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tests::daemon::{self, Daemon, free_port};
use tests::{http, peer, sealift};

use super::content;
use super::site::{IMAGES, Site};

/// As archives of older releases bring it: named with two placeholders, every image in it.
const OLDER: &str = r#"
location = /v2/ {
    return 200 'ok';
}
location @404_tag {
    internal;
    types { } default_type "application/json";
    return 404 '{"errors": [{"code": "TAG_INVALID", "message": "manifest tag did not match URI"}]}';
}
location ~ "/v2/{{ repository }}/(.*)/manifests/(.*)" {
    alias {{ registry_root }}/;
    types { } default_type "application/vnd.docker.distribution.manifest.v2+json";
    try_files $1/$2/manifest.json =404;
    error_page 404 @404_tag;
}
location = /v2/{{ repository }}/curl/tags/list {
    types { } default_type "application/json";
    return 200 '{"name": "curl", "tags": ["docker"]}';
}
location ~ "/v2/{{ repository }}/curl/blobs/sha256:([a-f0-9]{64})" {
    alias {{ registry_root }}/curl/;
    try_files docker/$1 =404;
}
"#;

/// A node with two archives and an nginx.
struct Node {
    site: Site,
    older: PathBuf,
    port: u16,
    program: PathBuf,
}

impl Node {
    fn new() -> Option<Self> {
        let program = peer::find("nginx")?;
        let site = Site::new();
        let folder = site.scratch.path();
        // nginx's workers belong to somebody else.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
        images::registry::index(&site.tree.join("images"), &site.tree.join("registry")).unwrap();
        let older = folder.join("older");
        fs::create_dir_all(older.join("images/curl/docker")).unwrap();
        for file in fs::read_dir(site.folder("curl", "docker")).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), older.join("images/curl/docker").join(file.file_name())).unwrap();
        }
        fs::write(older.join("product.txt"), "NAME=Older\nVERSION=0.9\n").unwrap();
        fs::write(older.join("registry-config.inc.j2"), OLDER).unwrap();
        fs::create_dir(older.join("pillar")).unwrap();
        fs::write(older.join("pillar/secret.sls"), "password: x\n").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", older.join("link")).unwrap();
        let node = Self { older, port: free_port(), program, site };
        node.list(&[&node.site.tree, &node.older]);
        Some(node)
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.site.scratch.path().join(relative)
    }

    /// Writes the configuration that lists the archives.
    fn list(&self, archives: &[&Path]) {
        let archives: String = archives.iter().map(|path| format!("  - {}\n", path.display())).collect();
        let text = format!(
            "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
             controlPlane: {{cidr: [10.0.0.0/24]}}\n  workloadPlane: {{cidr: [10.1.0.0/24]}}\nca: {{minion: node}}\n\
             archives:\n{archives}"
        );
        fs::write(self.path("bootstrap.yaml"), text).unwrap();
    }

    fn install(&self, more: &[&str]) -> (i32, String, String) {
        let mut command = sealift::command(self.site.scratch.path());
        command.args(["registry", "nginx-config", "--configured", "--install", "nginx.conf"]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]).arg("--nginx").arg(&self.program);
        for (flag, name) in [
            ("--pid", "nginx.pid"),
            ("--error-log", "error.log"),
            ("--bootstrap-config", "bootstrap.yaml"),
            ("--solutions-config", "solutions.yaml"),
            ("--mounts", "mounts"),
        ] {
            command.arg(flag).arg(self.path(name));
        }
        sealift::told(&command.args(more).output().unwrap())
    }

    fn start(&self) -> Running<'_> {
        let mut command = Command::new(&self.program);
        command.args(["-g", "daemon off;", "-c"]).arg(self.path("nginx.conf"));
        Running { node: self, _daemon: daemon::start(&mut command, self.port, &self.path("nginx.log")) }
    }

    fn status(&self, path: &str) -> u16 {
        http::ask(self.port, "GET", path, "").status
    }

    fn config(&self) -> String {
        fs::read_to_string(self.path("nginx.conf")).unwrap()
    }
}

/// An nginx with workers of its own, which must end with it.
struct Running<'a> {
    node: &'a Node,
    _daemon: Daemon,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut command = Command::new(&self.node.program);
        let _ = command.args(["-s", "stop", "-c"]).arg(self.node.path("nginx.conf")).status();
        let pid = self.node.path("nginx.pid");
        let began = Instant::now();
        while pid.exists() && began.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn nginx_serves_the_archives_of_a_node_side_by_side() {
    let Some(node) = Node::new() else { return };
    let (code, out, err) = node.install(&[]);
    assert!(code == 0 && out.contains("replaced; nginx is not running"), "{out}{err}");
    assert!(
        node.config()
            .starts_with("# Generated by `sealift registry nginx-config` from example-1.0 older-0.9.\n")
    );
    let _nginx = node.start();
    if let Some(skopeo) = peer::find("skopeo") {
        let images =
            IMAGES.iter().map(|(name, tag, kind)| (format!("example-1.0/{name}:{tag}"), (*name, *tag), kind));
        let older = ("older-0.9/curl:docker".to_owned(), ("curl", "docker"), &images::Kind::DockerManifest);
        for (position, (name, (image, tag), kind)) in images.chain([older]).enumerate() {
            let pulled = node.path(&format!("pulled-{position}"));
            let mut command = Command::new(&skopeo);
            command.args(["--insecure-policy", "copy", "-q", "--src-tls-verify=false"]);
            command
                .args(kind.is_index().then_some("--all"))
                .arg(format!("docker://127.0.0.1:{}/{name}", node.port));
            peer::run(command.arg(format!("dir:{}", pulled.display())));
            assert!(content(&node.site.folder(image, tag)) == content(&pulled), "{name}");
        }
    }
    for path in [
        "/example-1.0/redhat/8/scality-el8/repodata/repomd.xml",
        "/example-1.0/redhat/8/example-scality-el8/repodata/repomd.xml",
        "/archives/example-1.0/product.txt",
        "/archives/older-0.9/product.txt",
        "/example-1.0/redhat/8/",
        "/v2/",
    ] {
        assert_eq!(node.status(path), 200, "{path}");
    }
    for path in ["/archives/example-1.0/../../etc/passwd", "/v2/none-1.0/curl/manifests/7", "/etc/passwd"] {
        assert!(matches!(node.status(path), 400 | 404), "{path}");
    }
    assert_eq!(node.status("/archives/older-0.9/pillar/secret.sls"), 404);
    assert_eq!(node.status("/archives/older-0.9/link"), 403);
    let listing = http::ask(node.port, "GET", "/example-1.0/redhat/8/scality-el8/", "");
    assert!(String::from_utf8(listing.body).unwrap().contains("repodata/"));

    // A change: told to the running nginx, and only then.
    assert!(node.install(&[]).1.contains("unchanged"));
    node.list(&[&node.site.tree]);
    let (code, out, err) = node.install(&[]);
    assert!(code == 0 && out.contains("nginx was told"), "{out}{err}");
    let began = Instant::now();
    while node.status("/archives/older-0.9/product.txt") != 404 {
        assert!(began.elapsed() < Duration::from_secs(20), "nginx goes on as before");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(node.status("/example-1.0/redhat/8/"), 200);
}

#[test]
fn what_nginx_or_we_refuse_changes_nothing() {
    let Some(node) = Node::new() else { return };
    assert_eq!(node.install(&[]).0, 0);
    let before = node.config();
    // nginx refuses: there is no such certificate.
    let (code, _, err) = node.install(&["--tls-certificate", "/none.pem", "--tls-key", "/none.pem"]);
    assert!(code == 1 && err.contains("none.pem") && err.contains("still in use"), "{err}");
    assert_eq!(node.config(), before);
    // We refuse: an archive wants more than to serve its images.
    for evil in [
        "location / { root /; autoindex on; }",
        "location = /v2/{{ repository }}/x { alias /etc/; }",
        "include /etc/passwd;",
        "} } server { listen 1; ",
    ] {
        fs::write(node.older.join("registry-config.inc.j2"), format!("{OLDER}\n{evil}\n")).unwrap();
        let (code, _, err) = node.install(&[]);
        assert!(code == 1 && err.contains("registry-config.inc.j2: line "), "{evil}: {code} {err}");
        assert_eq!(node.config(), before, "{evil}");
    }
    let left: Vec<_> = fs::read_dir(node.site.scratch.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with(".sealift"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn nginx_speaks_tls() {
    let Some(node) = Node::new() else { return };
    let (Some(openssl), Some(curl)) = (peer::find("openssl"), peer::find("curl")) else { return };
    let (certificate, key) = (node.path("cert.pem"), node.path("key.pem"));
    let mut command = Command::new(openssl);
    command.args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]);
    command.args(["-subj", "/CN=node", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]).arg(&key);
    peer::run(command.arg("-out").arg(&certificate));
    let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
    let (code, _, err) = node.install(&["--tls-certificate", &certificate, "--tls-key", &key]);
    assert_eq!(code, 0, "{err}");
    let _nginx = node.start();
    let url = format!("https://127.0.0.1:{}/archives/example-1.0/product.txt", node.port);
    let answer = peer::run(Command::new(curl).args(["-sSf", "--cacert", &certificate, &url])).stdout;
    assert_eq!(answer, b"NAME=Example\nVERSION=1.0\n");
}
