//! Every document that a command reports in JSON, as programs read it.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;
use tests::sealift;

use super::care::Node as Care;
use super::dry_runs::{Nodes, iso, tree};
use crate::project::Project;

/// Documents that need a registry; the tests of `lock`, `archive push` and `archive fetch` read them.
const OF_REGISTRIES: [&str; 3] = ["ArchiveFetch", "ArchivePush", "LockedTagList"];

/// Documents that need the tag of a candidate; the test of promotion reads them.
const OF_CANDIDATES: [&str; 1] = ["ReleasePromotion"];

/// Documents that need images with signatures; the test of policies reads them.
const OF_SIGNED_IMAGES: [&str; 1] = ["AdmissionPolicy"];

/// Documents that need a cluster; the tests of environments read them.
const OF_CLUSTERS: [&str; 2] = ["EnvironmentChange", "EnvironmentList"];

/// The document of a server; the tests of its page read it.
const OF_SERVERS: [&str; 1] = ["NodeStatus"];

/// Documents that need a node of their own; the test of bring-up reads them.
const OF_NODES: [&str; 1] = ["NodeBootstrap"];

/// Replaces what differs from run to run: folders, sums, times, sizes that depend on them.
fn steady(value: &mut Value, folders: &[String]) {
    match value {
        Value::String(text) => {
            for folder in folders {
                *text = text.replace(folder.as_str(), "[folder]");
            }
            let words: Vec<String> = text.split(' ').map(steady_word).collect();
            *text = words.join(" ");
        }
        Value::Array(values) => values.iter_mut().for_each(|value| steady(value, folders)),
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key.as_str() {
                    "commit" | "elapsed" | "started" | "mtime" | "version" | "sector" if !value.is_null() => {
                        *value = Value::from(format!("[{key}]"));
                    }
                    // In seconds, where the test sets it.
                    "created" if value.is_string() => *value = Value::from("[created]"),
                    // The key of a task depends on the program.
                    "key" | "was" | "now" if !value.is_null() => *value = Value::from(format!("[{key}]")),
                    _ => steady(value, folders),
                }
            }
        }
        _ => {}
    }
}

/// A sum without its digits.
fn steady_word(word: &str) -> String {
    if let Some((folder, _)) = word.split_once("/backup_") {
        return format!("{folder}/backup_[date].tar.gz");
    }
    let digits = word.rsplit([':', '/']).next().unwrap_or(word);
    let name = match digits.len() {
        64 => "[sha256]",
        32 => "[md5]",
        _ => return word.to_owned(),
    };
    if digits.chars().all(|digit| digit.is_ascii_hexdigit()) {
        format!("{}{name}", &word[..word.len() - digits.len()])
    } else {
        word.to_owned()
    }
}

/// The documents so far.
struct Documents {
    folders: Vec<String>,
    seen: BTreeSet<String>,
}

impl Documents {
    /// Compares a document with its snapshot.
    fn see(&mut self, words: &[&str], (code, out, err): (i32, String, String)) {
        let text = if out.is_empty() { &err } else { &out };
        let mut document: Value =
            serde_json::from_str(text).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}{err}"));
        assert_eq!(document["apiVersion"], "sealift.dev/v1", "{words:?}");
        let kind = document["kind"].as_str().unwrap().to_owned();
        steady(&mut document, &self.folders);
        let document = serde_json::to_string_pretty(&document).unwrap();
        let shown = format!("sealift {}\nexit code {code}\n{document}\n", words.join(" "));
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(kind.clone(), shown);
        });
        self.seen.insert(kind);
    }
}

/// A change of a document shows in review: `INSTA_UPDATE=always` accepts it.
#[test]
fn every_document_has_the_form_that_is_recorded() {
    let nodes = Nodes::new(true);
    let project = Project::new();
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let folders = [nodes.folder(), folder, &project.path("")]
        .map(|path| path.display().to_string().trim_end_matches('/').to_owned());
    let mut documents = Documents { folders: folders.to_vec(), seen: BTreeSet::new() };

    // Archives and ISOs.
    let (tree, _) = tree(folder);
    iso(&tree, &folder.join("site.iso"), true);
    fs::write(tree.join("product.txt"), "NAME=Site\nVERSION=1.1\n").unwrap();
    let mut damaged = fs::read(folder.join("site.iso")).unwrap();
    let product = damaged.windows(10).position(|bytes| bytes == b"NAME=Site\n").unwrap();
    damaged[product] = b'X';
    fs::write(folder.join("damaged.iso"), damaged).unwrap();
    fs::write(folder.join("hello"), "#!/bin/sh\n").unwrap();
    let package = "{name: hello, version: '1.0', release: '1', arch: noarch, summary: Says hello, license: MIT,\n\
                   files: [{from: hello, to: /usr/bin/hello, mode: '0755'}]}\n";
    fs::write(folder.join("package.yaml"), package).unwrap();
    let key = sealift::repository().join("packages/src/openpgp/tests/data/ed.secret.asc");
    fs::copy(key, folder.join("key")).unwrap();
    for (from, to) in [("ed.pk8.pem", "vendor.pem"), ("ed.pub", "vendor.pub")] {
        fs::copy(sealift::repository().join("trust/src/tests/data").join(from), folder.join(to)).unwrap();
    }
    fs::create_dir(folder.join("manifests")).unwrap();
    let pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{name: web, image: nginx:1.27}]}\n";
    fs::write(folder.join("manifests/pod.yaml"), pod).unwrap();
    for words in [
        &["archive", "verify", "damaged.iso"][..],
        &["archive", "verify", "site.iso", "tree"],
        &["archive", "sign", "site.iso", "--key", "vendor.pem"],
        &["archive", "verify", "site.iso", "--key", "vendor.pub", "--file", "product.txt"],
        &["archive", "inspect", "site.iso"],
        &["archive", "inspect", "site.iso", "--packages"],
        &["archive", "push", "site.iso", "--to", "127.0.0.1:1", "--dry-run"],
        &["archive", "publish", "site.iso", "--to", "oci://127.0.0.1:1/site", "--dry-run"],
        &["archive", "inspect", "missing.iso"],
        &["iso", "create", "tree", "--file", "other.iso", "--volume-id", "Other", "--dry-run"],
        &["iso", "create", "tree", "--file", "other.iso", "--volume-id", "Other"],
        &["iso", "info", "other.iso"],
        &["iso", "ls", "other.iso", "-r"],
        &["iso", "check", "other.iso"],
        &["iso", "diff", "site.iso", "other.iso"],
        &["iso", "extract", "other.iso", "--into", "extracted"],
        &["iso", "implant", "--force", "other.iso"],
        &["image", "ls", "tree/images"],
        &["image", "find", "manifests"],
        &["image", "check", "tree/images"],
        &["image", "check", "--store", "store"],
        &["image", "gc", "--store", "store", "--dry-run"],
        &["registry", "index", "tree/images"],
        &["registry", "containerd-config", "--node", "http://10.0.0.1:8080"],
        &["registry", "nginx-config", "tree/images", "--repository", "site-1.0"],
        &["package", "build", "package.yaml", "--into", "packages"],
        &["package", "index", "packages"],
        &["package", "check", "packages"],
        &["package", "sign", "packages/hello-1.0-1.noarch.rpm", "--sign-key", "key"],
        &["solution", "new", "my-app"],
        &["solution", "manifest", "--name", "app", "--version", "1.0.0", "--operator-image", "op", "1.0.0"],
        &["version"],
    ] {
        documents.see(words, sealift::run(folder, &[words, &["-o", "json"]].concat()));
    }

    // Nodes.
    let solution = nodes.one_folder().join("solution");
    fs::create_dir_all(solution.join("images")).unwrap();
    fs::write(
        solution.join("manifest.yaml"),
        "apiVersion: solutions.metalk8s.scality.com/v1alpha1\nkind: Solution\nmetadata: {name: example}\n\
         spec: {version: 1.0.0, images: []}\n",
    )
    .unwrap();
    let hook = nodes.one_folder().join("hooked/hooks/backup/10-etcd");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let hooks = ["node", "hooks", "--archive", "hooked"];
    documents.see(&hooks, sealift::run(nodes.one_folder(), &[&hooks[..], &["-o", "json"]].concat()));
    let care = Care::new();
    documents.folders.push(care.0.path().display().to_string());
    let compare = ["archive", "diff", "example-1.0.0.iso", "example-1.1.0.iso"];
    documents.see(&compare, sealift::run(care.0.path(), &[&compare[..], &["-o", "json"]].concat()));
    for words in [&["upgrade", "--destination-version", "1.1.0", "--dry-run"][..], &["backup", "--dry-run"]] {
        let shown = [&["node"], words].concat();
        documents.see(&shown, care.run(&[words, &["-o", "json"]].concat()));
    }
    let made = care.run(&["backup", "-o", "json"]).1;
    let made: Value = serde_json::from_str(&made).unwrap();
    let restore = ["restore", "--dry-run", "--backup-file", made["path"].as_str().unwrap()];
    documents.see(&["node", "restore", "--dry-run"], care.run(&[&restore[..], &["-o", "json"]].concat()));
    let check = ["solution", "check", "solution"];
    documents.see(&check, sealift::run(nodes.one_folder(), &[&check[..], &["-o", "json"]].concat()));
    let import = ["archive", "import", "solution", "--unverified", "--allow", "operator-image-missing"];
    for words in [
        &["archive", "get"][..],
        &["archive", "get", "--images"],
        &["archive", "get", "--node", "two"],
        &["archive", "copy-to", "two", "--dry-run"],
        &["archive", "copy-to", "two"],
        &[&import[..], &["--mount", "never"]].concat(),
        &["solution", "get"],
        &["solution", "activate", "--name", "example", "--version", "1.0.0", "--dry-run"],
    ] {
        let words: Vec<&str> = words.to_vec();
        documents.see(&words, nodes.report(&words));
    }

    // Projects.
    project.write(
        "rpms.in.yaml",
        "contentOrigin: {repos: [{repoid: epel, baseurl: 'https://h/'}]}\npackages: [socat]\n",
    );
    for words in [
        &["list"][..],
        &["info", "salt_tree"],
        &["explain", "salt_tree"],
        &["graph", "salt_tree"],
        &["run", "--jobs", "1", "salt_tree"],
        &["reset-dep", "salt_tree"],
        &["forget", "salt_tree"],
        &["package", "why"],
        &["package", "import", "rpms.in.yaml", "--release", "9"],
        &["cache", "show"],
        &["cache", "gc"],
        &["clean", "salt_tree", "--dry-run"],
        &["init", "new", "--dry-run"],
        &["init", "--ci", "gitlab", "--dry-run"],
    ] {
        documents.see(words, project.sealift(&[words, &["-o", "json"]].concat()));
    }

    project.commit();
    let text = fs::read_to_string(project.path("sealift.yaml")).unwrap();
    project.write("sealift.yaml", &text.replace("spec:\n", "spec:\n  evidence: {provenance: true}\n"));
    project.commit();
    project.build();
    let again = ["archive", "reproduce", "_build/example.iso", "--source", "."];
    documents.see(&again, project.sealift(&[&again[..], &["-o", "json"]].concat()));
    let check = ["release", "check", "v1.2.3-rc1"];
    documents.see(&check, project.sealift(&[&check[..], &["-o", "json"]].concat()));

    let schemas = fs::read_dir(sealift::repository().join("docs/reference/schemas")).unwrap();
    let kinds = schemas.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned());
    let missing: Vec<String> = kinds
        .filter(|kind| {
            !documents.seen.contains(kind)
                && !OF_REGISTRIES.contains(&kind.as_str())
                && !OF_CANDIDATES.contains(&kind.as_str())
                && !OF_SIGNED_IMAGES.contains(&kind.as_str())
                && !OF_CLUSTERS.contains(&kind.as_str())
                && !OF_SERVERS.contains(&kind.as_str())
                && !OF_NODES.contains(&kind.as_str())
        })
        .collect();
    assert!(missing.is_empty(), "no command above reports {missing:?}");
}
