//! What `archive push` and `archive copy-to` report without doing it, and what they refuse before anything travels.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use content::Digest;
use images::{Store, dir_layout};
use serde_json::{Value, json};
use tests::sealift;

use super::copies::Node;

/// The tree of an archive with one image, and the digest of that.
pub(super) fn tree(folder: &Path) -> (PathBuf, Digest) {
    let tree = folder.join("tree");
    let image = tree.join("images/app/1");
    fs::create_dir_all(&image).unwrap();
    fs::write(tree.join("product.txt"), "NAME=Site\nVERSION=1.0\n").unwrap();
    let store = Store::open(&folder.join("store")).unwrap();
    let blob = store.put(b"{}").unwrap();
    let config = json!({"mediaType": "application/vnd.oci.image.config.v1+json", "digest": blob, "size": 2});
    let media_type = images::MediaKind::OciManifest.media_type();
    let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": []});
    let digest = store.put(manifest.to_string().as_bytes()).unwrap();
    dir_layout::write(&store, &digest, &[], &image).unwrap();
    (tree, digest)
}

/// The ISO of a tree, with checksums and an implanted MD5, or without both.
pub(super) fn iso(tree: &Path, output: &Path, listed: bool) {
    if listed {
        archive::sums::write(tree, &archive::sums::digest_file).unwrap();
    }
    let options = iso::IsoOptions { volume_id: "Site 1.0".into(), ..iso::IsoOptions::default() };
    iso::PlannedIso::from_dir(tree, &options).unwrap().write_file(output, &()).unwrap();
    if !listed {
        // The field of the volume descriptor that holds the sum.
        let mut bytes = fs::read(output).unwrap();
        bytes[32768 + 883..32768 + 1395].fill(b' ');
        fs::write(output, bytes).unwrap();
    }
}

/// Every file below a folder with its content.
fn state(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut state = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let content = fs::read(&path).unwrap();
                state.insert(path, content);
            }
        }
    }
    state
}

#[test]
fn a_dry_run_of_a_push_lists_the_images_and_asks_no_registry() {
    let scratch = tempfile::tempdir().unwrap();
    let (tree, digest) = tree(scratch.path());
    iso(&tree, &scratch.path().join("site.iso"), true);
    let registry = TcpListener::bind("127.0.0.1:0").unwrap();
    registry.set_nonblocking(true).unwrap();
    let host = registry.local_addr().unwrap().to_string();
    let push = |archive: &str, more: &[&str]| {
        let words = ["archive", "push", archive, "--to", &host, "--plain-http", &host, "--dry-run"];
        sealift::run(scratch.path(), &[&words, more].concat())
    };
    let before = state(scratch.path());
    let reference = format!("{host}/site-1.0/app:1");
    for archive in ["site.iso", "tree"] {
        let (code, out, err) = push(archive, &[]);
        assert_eq!((code, err.as_str()), (0, ""));
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines[0], format!("would push {reference}  {digest}"));
        assert!(lines[1].starts_with("1 image; at most ") && lines.len() == 2, "{out}");
        let (code, out, _) = push(archive, &["--output", "json"]);
        let planned: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(code, 0);
        assert_eq!(planned["images"], json!([{"reference": reference, "digest": digest}]));
        assert!(planned["bytesAtMost"].as_u64().is_some_and(|bytes| bytes > 2), "{planned}");
    }
    let (_, out, _) = push("tree", &["--repository", "mirror/x"]);
    assert!(out.starts_with(&format!("would push {host}/mirror/x/app:1  ")), "{out}");
    // What the push itself would refuse, the dry run refuses.
    fs::remove_dir_all(tree.join("images")).unwrap();
    let (code, out, err) = push("tree", &[]);
    assert!(code == 1 && out.is_empty() && err.contains("no image to push"), "{code} {out}{err}");
    let nobody = registry.accept().unwrap_err();
    assert_eq!(nobody.kind(), std::io::ErrorKind::WouldBlock, "the registry was asked");
    let after = state(scratch.path());
    assert!(after.iter().all(|(path, content)| before.get(path) == Some(content)), "something was written");
}

/// Two nodes, the archive `site-1.0` on the first, and a stand-in for ssh that notes what it runs on the second.
pub(super) struct Nodes {
    scratch: tempfile::TempDir,
    one: Node,
    two: Node,
    log: PathBuf,
    remote: [String; 4],
}

impl Nodes {
    pub(super) fn new(listed: bool) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| Node::new(scratch.path().join(name)));
        let archive = one.0.join("iso/site.iso");
        iso(&tree(scratch.path()).0, &archive, listed);
        let words = ["archive", "import", "--mount", "never", "--unverified", "iso/site.iso"];
        let (code, out, err) = one.run(&words);
        assert_eq!(code, 0, "{out}{err}");
        let (shell, log) = (scratch.path().join("shell"), scratch.path().join("log"));
        let script = format!(
            "#!/bin/sh\ntest \"$1\" = two || exit 255\necho \"$2\" >>{}\nexec sh -c \"$2\"\n",
            log.display()
        );
        fs::write(&shell, script).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        let (shell, program) = (shell.display().to_string(), two.program().display().to_string());
        let remote = ["--remote-shell".into(), shell, "--remote-sealift".into(), program];
        Self { scratch, one, two, log, remote }
    }

    /// The folder of both nodes.
    pub(super) fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The folder of the first node.
    pub(super) fn one_folder(&self) -> &Path {
        &self.one.0
    }

    /// Runs `words` on the first node, which reports in JSON.
    pub(super) fn report(&self, words: &[&str]) -> (i32, String, String) {
        let into = self.two.0.join("iso").display().to_string();
        let mut all = words.to_vec();
        all.extend(["--output", "json"]);
        if words.contains(&"copy-to") {
            all.extend(["--into", &into]);
        }
        if words.contains(&"two") {
            all.extend(self.remote.iter().map(String::as_str));
        }
        self.one.run(&all)
    }

    fn copy(&self, more: &[&str]) -> (i32, String, String) {
        let into = self.two.0.join("iso").display().to_string();
        let mut words = vec!["archive", "copy-to", "--into", &into];
        words.extend(more);
        words.extend(self.remote.iter().map(String::as_str));
        self.one.run(&words)
    }

    /// What was run on the second node since the last call, the words after the program.
    fn ran(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let _ = fs::remove_file(&self.log);
        log.lines().map(|line| line.split_once(' ').unwrap().1.replace('\'', "")).collect()
    }

    fn state(&self) -> [BTreeMap<PathBuf, Vec<u8>>; 2] {
        [state(&self.one.0), state(&self.two.0)]
    }
}

#[test]
fn a_dry_run_of_a_copy_only_asks_the_node_what_it_has() {
    let nodes = Nodes::new(true);
    let before = nodes.state();
    let (code, out, err) = nodes.copy(&["two", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let into = nodes.two.0.join("iso");
    let expected = format!("two: would copy site-1.0 into {}; at most ", into.display());
    assert!(out.starts_with(&expected) && out.ends_with(" would be sent\n"), "{out}");
    let (code, out, _) = nodes.copy(&["two", "--dry-run", "--output", "json"]);
    let planned: Value = serde_json::from_str(&out).unwrap();
    let bytes = fs::metadata(nodes.one.0.join("iso/site.iso")).unwrap().len();
    let expected = json!([{"node": "two", "archive": "site-1.0", "present": false, "bytes": bytes, "into": into, "error": null}]);
    assert_eq!((code, &planned["items"]), (0, &expected));
    assert_eq!(planned["kind"], "ArchiveCopyPlanList");
    let (code, out, _) = nodes.copy(&["three", "two", "--dry-run"]);
    assert!(code == 1 && out.contains("three: site-1.0 would not be copied: "), "{code} {out}");
    assert_eq!(nodes.ran(), ["archive get --output json"; 3]);
    assert_eq!(nodes.state(), before);

    assert_eq!(nodes.copy(&["two"]).0, 0);
    assert_eq!(nodes.ran().len(), 1);
    let before = nodes.state();
    let (code, out, _) = nodes.copy(&["two", "--dry-run"]);
    assert_eq!((code, out.as_str()), (0, "two already has site-1.0\n"));
    assert_eq!(nodes.state(), before);
}

#[test]
fn an_unverifiable_archive_is_copied_only_on_request() {
    let nodes = Nodes::new(false);
    let before = nodes.state();
    for more in [&["two"][..], &["two", "--dry-run"]] {
        let (code, out, err) = nodes.copy(more);
        let said = format!("{out}{err}");
        assert!(
            code == 1 && said.contains("is unverifiable") && said.contains("--unverified"),
            "{code} {said}"
        );
        assert!(!nodes.ran().iter().any(|words| words.starts_with("archive receive")));
        assert_eq!(nodes.state(), before);
    }
    let (code, out, err) = nodes.copy(&["two", "--dry-run", "--unverified"]);
    assert!(code == 0 && out.contains("would copy site-1.0"), "{out}{err}");
    assert_eq!(nodes.state(), before);
    nodes.ran();
    let (code, out, err) = nodes.copy(&["two", "--unverified"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(nodes.ran()[0].ends_with(" --unverified"));
    let configuration = fs::read_to_string(nodes.two.0.join("bootstrap.yaml")).unwrap();
    assert!(configuration.contains("/two/iso/site.iso"), "{configuration}");
}

#[test]
fn one_archive_that_is_gone_does_not_keep_the_others_from_being_imported_again() {
    let nodes = Nodes::new(true);
    let file = nodes.one.0.join("bootstrap.yaml");
    let listed = fs::read_to_string(&file).unwrap();
    fs::write(&file, listed.replace("archives:\n", "archives:\n  - /gone.iso\n")).unwrap();
    let words = ["archive", "import", "--configured", "--mount", "never", "--output", "json"];
    let (code, out, err) = nodes.one.run(&words);
    assert!(code == 1 && err.contains("/gone.iso") && err.contains("1 of 2 archives"), "{code} {err}");
    let done: Value = serde_json::from_str(&out).unwrap();
    let done = &done["items"];
    assert_eq!((done[0]["id"].as_str(), done.as_array().map(Vec::len)), (Some("site-1.0"), Some(1)));
}

#[test]
fn with_verbose_the_programs_that_are_run_are_shown() {
    let nodes = Nodes::new(true);
    let (code, _, err) = nodes.copy(&["two", "--dry-run", "--verbose"]);
    let shell = &nodes.remote[1];
    assert!(code == 0 && err.contains(&format!("note: running `{shell} two '")), "{err}");
    assert!(!nodes.copy(&["two", "--dry-run"]).2.contains("running"));
}

#[test]
fn an_archive_that_cannot_be_read_is_named_once_by_every_command() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("some.iso"), vec![7; 100_000]).unwrap();
    let places = sealift::places(scratch.path());
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    for (words, of_node) in [
        (&["archive", "verify", "some.iso"][..], false),
        (&["archive", "inspect", "some.iso"], false),
        (&["archive", "import", "some.iso"], true),
        (&["archive", "mount", "some.iso", "--at", "x"], true),
        (&["archive", "push", "some.iso", "--to", "127.0.0.1:1"], false),
        (&["repository", "dnf-config", "some.iso", "--node", "http://a"], true),
        (&["registry", "serve", "some.iso", "--listen", "127.0.0.1:0"], false),
        (&["iso", "info", "some.iso"], false),
    ] {
        let words = if of_node { [words, &places].concat() } else { words.to_vec() };
        let (code, out, err) = sealift::run(scratch.path(), &words);
        assert!(code == 2 && out.is_empty(), "{words:?}: {code} {out}");
        assert_eq!(err.matches("some.iso").count(), 1, "{words:?}: {err}");
    }
    // In the list of a node, too, beside the column that has it.
    let listed = scratch.path().join("some.iso");
    let text = format!(
        "apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\narchives: [{}]\n",
        listed.display()
    );
    fs::write(scratch.path().join("archives.yaml"), text).unwrap();
    let (code, out, _) = sealift::run(scratch.path(), &[&["archive", "get"], &places[..]].concat());
    assert_eq!((code, out.lines().last().unwrap().matches("some.iso").count()), (0, 1), "{out}");
}
