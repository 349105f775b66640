//! `archive copy-to` to several nodes at the same time, and from another node.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::archives;
use super::copies::Node;

/// Nodes below one folder, and a remote shell that reaches them by the names of their folders.
struct Nodes {
    folder: tempfile::TempDir,
    shell: String,
}

impl Nodes {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            Node::new(folder.path().join(name)).program();
        }
        let shell = folder.path().join("shell");
        // Each call is recorded: the node, and what runs there.
        let text = format!(
            "#!/bin/sh\necho \"$1 $2\" >>{0}/calls\ncd {0}/$1 2>/dev/null || {{ echo \"no route to $1\" >&2; exit 255; }}\nexec sh -c \"$2\"\n",
            folder.path().display()
        );
        fs::write(&shell, text).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        Self { shell: shell.display().to_string(), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, node: &str, words: &[&str]) -> (i32, String, String) {
        let remote = ["--remote-shell", &self.shell, "--remote-sealift", "./sealift"];
        Node(self.path(node)).run(&[words, &remote[..]].concat())
    }

    fn has(&self, node: &str) -> bool {
        let (code, out, err) = Node(self.path(node)).run(&["archive", "get", "-o", "json"]);
        assert_eq!(code, 0, "{err}");
        let list: Value = serde_json::from_str(&out).unwrap();
        list["items"].as_array().unwrap().iter().any(|one| one["id"] == "example-1.0")
    }

    /// The nodes that were called since the last look, each with the command of `sealift archive`.
    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        let call = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {}", words[0], words[3])
        };
        let mut calls: Vec<String> = calls.lines().map(call).collect();
        calls.sort();
        calls
    }
}

#[test]
fn archives_are_copied_to_many_nodes_and_from_another_one() {
    let nodes = Nodes::new(&["one", "two", "three", "four"]);
    let files = archives::Node::new();
    let at = nodes.path("one").join("iso/example.iso");
    fs::copy(files.archive("1.0", 200_000), &at).unwrap();
    let import = ["archive", "import", "--mount", "never", at.to_str().unwrap()];
    assert_eq!(Node(nodes.path("one")).run(&import).0, 0);

    // One node that cannot be reached does not stop the others.
    let into = |node: &str| nodes.path(node).join("iso").display().to_string();
    let copy = ["archive", "copy-to", "two", "gone", "--jobs", "8", "--into", &into("two")];
    let (code, out, err) = nodes.run("one", &copy);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("gone: example-1.0: ") && err.contains("1 of 2 copies failed"), "{err}");
    assert!(out.contains("two: example-1.0 is at ") && nodes.has("two"), "{out}");
    assert_eq!(nodes.calls(), ["gone receive", "two receive"]);

    // The second node copies to the others: the first one only asks it.
    let from = ["archive", "copy-to", "three", "--from", "two", "--into", &into("three"), "-o", "json"];
    let (code, out, err) = nodes.run("one", &[&from[..], &["--archive", "example-1.0"]].concat());
    assert_eq!(code, 0, "{out}{err}");
    let list: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&list["kind"], &list["items"][0]["node"]), (&"ArchiveCopyList".into(), &"three".into()));
    assert!(nodes.has("three") && Path::new(list["items"][0]["path"].as_str().unwrap()).is_file());
    assert_eq!(nodes.calls(), ["three receive", "two copy-to"]);
    let (code, _, err) = nodes.run("one", &["archive", "copy-to", "gone", "--from", "two"]);
    assert_eq!(code, 1, "{err}");
    let (code, _, err) = nodes.run("one", &["archive", "copy-to", "four", "--from", "gone"]);
    assert_eq!(code, 2, "{err}");
}
