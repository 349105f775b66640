//! The archives of a node on the command line: import, list, delete, and kills in between.

mod machine;
mod system;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use content::Digest;
use images::original_names::OriginalNames;
use serde_json::Value;
use tests::qemu::Machine;
use tests::sealift;

use super::site::{DATE, Site};

const BOOTSTRAP: &str = "# Site A\napiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
                         controlPlane: {cidr: 10.0.0.0/8}\n  workloadPlane: {cidr: 10.0.0.0/8}\nca:\n  minion: b\narchives: []\n";

/// A node with a configuration and no archives, all of it in one folder.
pub(crate) struct Node {
    root: tempfile::TempDir,
}

impl Node {
    pub(crate) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// One in a new folder below `place`.
    fn below(place: &Path) -> Self {
        let root = tempfile::tempdir_in(place).unwrap();
        fs::write(root.path().join("bootstrap.yaml"), BOOTSTRAP).unwrap();
        for folder in ["mounts", "units"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The archive `Example <version>`, with a file of `bytes` bytes.
    pub(super) fn archive(&self, version: &str, bytes: usize) -> PathBuf {
        let tree = self.path(&format!("tree-{version}"));
        fs::create_dir(&tree).unwrap();
        fs::write(tree.join("product.txt"), format!("NAME=Example\nVERSION={version}\n")).unwrap();
        fs::write(tree.join("data"), vec![7; bytes]).unwrap();
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        let iso = self.path(&format!("example-{version}.iso"));
        let options =
            iso::IsoOptions { volume_id: "Example".into(), source_date: DATE, ..iso::IsoOptions::default() };
        iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&iso, &()).unwrap();
        iso
    }

    /// The options with the paths of the node.
    pub(super) fn places(&self) -> Vec<String> {
        sealift::places(self.root.path())
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = sealift::command(self.root.path());
        command.args(words).args(self.places());
        command
    }

    /// Runs `sealift archive …` to its end: exit code, standard output, standard error.
    pub(crate) fn archive_command(&self, words: &[&str]) -> (i32, String, String) {
        sealift::told(&self.command(&[&["archive"], words].concat()).output().unwrap())
    }

    fn succeed(&self, words: &[&str]) -> String {
        let (code, out, error) = self.archive_command(words);
        assert_eq!(code, 0, "{words:?}: {out}{error}");
        out
    }

    fn listed(&self) -> Vec<Value> {
        items(&self.succeed(&["get", "--output", "json"]))
    }

    fn configuration(&self) -> String {
        fs::read_to_string(self.path("bootstrap.yaml")).unwrap()
    }

    /// Every file and folder of the node by name, but for the lock.
    fn names(&self) -> Vec<String> {
        let walk = archive::Tree::open(self.root.path()).and_then(|tree| tree.walk()).unwrap();
        walk.into_iter().map(|(path, _)| path).filter(|path| path != "lock").collect()
    }
}

/// The items of a list that `sealift` reports.
fn items(report: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(report).unwrap();
    report["items"].as_array().unwrap().clone()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn listed_as_they_are() {
    let node = Node::new();
    assert_eq!(node.succeed(&["get"]), "no archives\n");
    let iso = node.archive("1.0", 100);
    let dry = node.succeed(&["import", "--dry-run", "--mount", "never", text(&iso)]);
    assert!(dry.starts_with("example-1.0: would add "), "{dry}");
    assert_eq!(node.configuration(), BOOTSTRAP);
    node.succeed(&["import", "--mount", "never", text(&iso)]);
    let table = node.succeed(&["get"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "KIND", "SIZE", "READABLE", "IMAGES", "MOUNTED", "ARCHIVE"]);
    assert_eq!(rows[1][..2], ["example-1.0", "platform"]);
    assert_eq!(rows[1][4..], ["yes", "0", "complete", "no", text(&iso)]);
    let again = node.succeed(&["import", "--mount", "never", text(&iso)]);
    assert!(again.starts_with("example-1.0: nothing to do\n"), "{again}");

    fs::remove_file(&iso).unwrap();
    assert_eq!(node.listed()[0]["id"], Value::Null);
    let table = node.succeed(&["get"]);
    assert!(table.contains("  missing  ") && table.contains("it does not exist"), "{table}");
    node.succeed(&["delete", text(&iso)]);
    assert_eq!(node.configuration(), BOOTSTRAP);
    let (code, _, error) = node.archive_command(&["delete", "example-1.0"]);
    assert!(code == 3 && error.contains("this node has no archive `example-1.0`"), "{code} {error}");
}

#[test]
fn a_report_is_of_the_archives_that_are_named_and_in_the_form_that_is_asked_for() {
    let node = Node::new();
    let isos = ["1.0", "2.0"].map(|version| node.archive(version, 100));
    node.succeed(&["import", "--mount", "never", text(&isos[0]), text(&isos[1])]);
    let listed = |names: &[&str]| {
        let out = node.succeed(&[&["get", "-o", "json"], names].concat());
        items(&out).iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["example-2.0"]), ["example-2.0"]);
    assert_eq!(listed(&["Example"]), ["example-1.0", "example-2.0"]);
    assert_eq!(listed(&[text(&isos[0])]), ["example-1.0"]);
    let (code, _, error) = node.archive_command(&["get", "none"]);
    assert!(code == 3 && error.contains("this node has no archive `none`"), "{code}: {error}");

    let yaml = node.succeed(&["get", "example-1.0", "--output", "yaml"]);
    assert!(yaml.contains("id: example-1.0\n") && !yaml.contains("example-2.0"), "{yaml}");
    // A configured archive can be imported again; a dry run of a mount mounts nothing.
    let again = node.succeed(&["import", "--configured", "--mount", "never"]);
    assert_eq!(again.lines().filter(|line| line.ends_with("nothing to do")).count(), 2, "{again}");
    let (code, _, error) = node.archive_command(&["mount", "--dry-run", "--by", "fuse", text(&isos[0])]);
    assert_eq!(code, 0, "{error}");
    assert_eq!(fs::read_dir(node.path("mounts")).unwrap().count(), 0);

    // Several archives are verified one by one.
    let run = |words: &[&str]| sealift::run(node.root.path(), &[&["archive", "verify"], words].concat());
    let (code, out, _) = run(&[text(&isos[0]), text(&isos[1])]);
    assert!(code == 0 && out.matches(": intact").count() == 2, "{out}");
    let (code, out, error) = run(&["none.iso", text(&isos[1])]);
    assert!(code == 2 && out.matches(": intact").count() == 1 && error.contains("none.iso"), "{out}{error}");
    let (code, out, _) = run(&[text(&isos[0]), text(&isos[1]), "-o", "json"]);
    assert!(code == 0 && items(&out).iter().all(|report| report["ok"] == true), "{out}");
    fs::write(node.path("bad.iso"), &fs::read(&isos[0]).unwrap()[..60_000]).unwrap();
    let (code, out, _) = run(&["bad.iso", text(&isos[1])]);
    assert!(code == 1 && out.contains("NOT intact") && out.contains(": intact"), "{code}: {out}");
}

#[test]
fn archives_are_deleted_beside_one_that_the_node_does_not_have() {
    let node = Node::new();
    let iso = node.archive("2.0", 100);
    node.succeed(&["import", "--mount", "never", text(&iso)]);
    // As after a command that was killed when it had deleted the first archive.
    let (code, out, error) = node.archive_command(&["delete", "example-1.0", "example-2.0"]);
    assert!(code == 3 && error.contains("this node has no archive `example-1.0`"), "{code}: {error}");
    assert!(out.starts_with("example-2.0: remove "), "{out}");
    assert_eq!(node.configuration(), BOOTSTRAP);
}

#[test]
fn one_missing_archive_does_not_keep_the_others_from_clients() {
    let node = Node::new();
    let isos = ["1.0", "2.0"].map(|version| node.archive(version, 100));
    let config = |words: &[&str]| sealift::told(&node.command(words).output().unwrap());
    let (dnf, nginx) = (
        ["repository", "dnf-config", "--configured", "--node", "http://10.0.0.1"],
        ["registry", "nginx-config", "--configured"],
    );
    let apt = ["repository", "apt-config", "--configured", "--node", "http://10.0.0.1"];
    // The first is a folder, which nginx serves as it is.
    let folder = node.path("tree-1.0");
    node.succeed(&["import", "--mount", "never", text(&folder), text(&isos[1])]);
    fs::remove_file(&isos[1]).unwrap();
    for (words, expected) in [(&dnf[..], "example-1.0"), (&apt, "example-1.0"), (&nginx, "example-1.0")] {
        let (code, out, error) = config(words);
        assert!(code == 0 && out.contains(expected), "{words:?}: {out}{error}");
        assert!(error.contains("left out: ") && error.contains(text(&isos[1])), "{words:?}: {error}");
    }
    // Without any archive, clients keep their configuration.
    fs::remove_dir_all(&folder).unwrap();
    for words in [&dnf[..], &apt, &nginx] {
        let (code, out, error) = config(words);
        assert!(
            code == 1 && out.is_empty() && error.contains("none of this node's archives"),
            "{code}: {error}"
        );
    }
}

#[test]
fn clients_are_configured_for_no_archive_that_the_policy_refuses() {
    let node = Node::new();
    let trees = [("Site", "quay.io"), ("Old", "ghcr.io")].map(|(name, registry)| {
        let tree = node.path(name);
        let put = |path: &str, content: &[u8]| {
            let path = tree.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        put("product.txt", format!("NAME={name}\nVERSION=1.0\n").as_bytes());
        put("packages/redhat/8/repo/repodata/repomd.xml", b"<repomd/>");
        put("packages/debian/12/repo/Packages", b"");
        let mut names = OriginalNames::default();
        names.insert(&"app:1".parse().unwrap(), &format!("{registry}/team/app:1").parse().unwrap());
        put("images/original-names.json", &names.write());
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        tree
    });
    let list = |paths: &[&PathBuf]| {
        let header = "apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\narchives:\n";
        let lines: String = paths.iter().map(|path| format!("- {}\n", text(path))).collect();
        fs::write(node.path("archives.yaml"), format!("{header}{lines}")).unwrap();
    };
    list(&[&trees[0], &trees[1]]);
    let policy = node.path("trust.yaml");
    fs::write(&policy, "require: none\narchives: {old: {minimumVersion: 2.0}}\n").unwrap();
    fs::set_permissions(&policy, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let to = ["--configured", "--node", "http://10.0.0.1"];
    let config = |words: &[&str], more: &[&str]| {
        let command = node.command(&[words, more].concat()).output().unwrap();
        sealift::told(&command)
    };
    let commands = [
        (vec!["registry", "containerd-config", "--original-names"], &to[..], "quay.io", "ghcr.io"),
        (vec!["registry", "crio-config", "--original-names"], &to[..], "quay.io", "ghcr.io"),
        (vec!["repository", "dnf-config"], &to[..], "site-1.0", "old-1.0"),
        (vec!["repository", "apt-config"], &to[..], "site-1.0", "old-1.0"),
        (vec!["registry", "nginx-config"], &to[..1], "site-1.0", "old-1.0"),
    ];
    let obeying = ["--trust-config", text(&policy)];
    for (command, options, accepted, refused) in &commands {
        let words = [&command[..], options].concat();
        let (code, out, error) = config(&words, &[]);
        assert!(code == 0 && out.contains(accepted) && out.contains(refused), "{words:?}: {out}{error}");
        let (code, out, error) = config(&words, &obeying);
        assert!(code == 0 && out.contains(accepted) && !out.contains(refused), "{words:?}: {out}{error}");
        let reason = format!("{}: version 1.0 is older than 2.0", text(&trees[1]));
        assert!(error.starts_with("warning: left out: ") && error.contains(&reason), "{words:?}: {error}");
        assert_eq!(error.matches("left out").count(), 1, "{words:?}: {error}");
    }
    // Without any archive, clients keep their configuration.
    list(&[&trees[1]]);
    for (command, options, ..) in &commands {
        let (code, out, error) = config(&[&command[..], options].concat(), &obeying);
        assert!(
            code == 1 && out.is_empty() && error.contains("refuses all its archives"),
            "{command:?}: {code}: {out}{error}"
        );
    }
    // The policy is for the archives of the node.
    for format in ["dnf-config", "apt-config"] {
        let words = ["repository", format, "Site", "--node", "http://10.0.0.1"];
        let (code, out, error) = config(&words, &obeying);
        assert!(code == 3 && error.contains("cannot be used with"), "{format}: {code}: {out}{error}");
    }
}

#[test]
fn a_site_without_metalk8s_imports_and_a_wrong_configuration_says_all_that_is_wrong() {
    let node = Node::new();
    let iso = node.archive("1.0", 100);
    fs::write(node.path("bootstrap.yaml"), "archives: []\n").unwrap();
    let (code, _, error) = node.archive_command(&["import", "--mount", "never", text(&iso)]);
    assert_eq!(code, 3, "{error}");
    for expected in ["apiVersion", "kind", "ca.minion", "networks.controlPlane", "help: "] {
        assert!(error.contains(expected), "{expected}: {error}");
    }
    fs::remove_file(node.path("bootstrap.yaml")).unwrap();
    let said = node.succeed(&["import", "--mount", "never", text(&iso)]);
    assert!(said.contains("archives.yaml"), "{said}");
    assert_eq!(node.listed()[0]["id"], "example-1.0");
    node.succeed(&["delete", "example-1.0"]);
    assert_eq!(node.succeed(&["get"]), "no archives\n");
}

#[test]
fn killed_two_hundred_times_it_finishes_when_run_again() {
    let node = Node::new();
    let iso = node.archive("1.0", 2_000_000);
    let import = ["archive", "import", "--mount", "never", text(&iso)];
    let delete = ["archive", "delete", "example-1.0"];
    let start = |words: &[&str]| {
        let mut command = node.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut whole = [Duration::ZERO; 2];
    for (whole, words) in whole.iter_mut().zip([&import[..], &delete]) {
        let began = Instant::now();
        assert!(start(words).wait().unwrap().success());
        *whole = began.elapsed();
    }
    let listed = BOOTSTRAP.replace("archives: []\n", &format!("archives:\n  - {}\n", text(&iso)));
    let mut killed = 0;
    for turn in 0..2000_u32 {
        if killed == 200 {
            break;
        }
        let importing = turn % 2 == 0;
        let mut child = start(if importing { &import } else { &delete });
        let part = turn.wrapping_mul(2_654_435_761) >> 16;
        std::thread::sleep(whole[usize::from(!importing)] * part / (1 << 16));
        child.kill().unwrap();
        killed += usize::from(!child.wait().unwrap().success());
        // The configuration is the old or the new one, whole.
        let now = node.configuration();
        assert!(now == BOOTSTRAP || now == listed, "{now}");
        if importing {
            node.succeed(&import[1..]);
            assert_eq!(node.configuration(), listed);
        } else if now == listed {
            node.succeed(&delete[1..]);
            assert_eq!(node.configuration(), BOOTSTRAP);
        } else {
            continue;
        }
        nothing_begun(&node);
    }
    assert_eq!(killed, 200);
    node.succeed(&import[1..]);
    nothing_begun(&node);
}

/// Checks that a killed process left no temporary file.
fn nothing_begun(node: &Node) {
    let hidden = |path: &String| path.split('/').any(|name| name.starts_with('.'));
    let left: Vec<_> = node.names().into_iter().filter(hidden).collect();
    assert_eq!(left, [""; 0]);
}

/// The lines of the README that an operator types on a bootstrap node.
fn operators_lines() -> Vec<String> {
    let readme = fs::read_to_string(sealift::repository().join("README.md")).unwrap();
    let section =
        readme.split("\n## ").find(|section| section.starts_with("On the bootstrap node\n")).unwrap();
    let block = section.split("```console\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    block.lines().map(|line| line.strip_prefix("# ").unwrap_or_else(|| panic!("{line}")).to_owned()).collect()
}

#[test]
fn what_the_readme_tells_operators_to_type() {
    let Some(machine) = Machine::find() else { return };
    let (node, site) = (Node::new(), Site::new());
    // The archive of this version of the repository.
    let version = env!("CARGO_PKG_VERSION");
    let id = format!("metalk8s-{version}");
    let packages = site.tree.join("packages/redhat/8");
    fs::rename(packages.join("example-scality-el8"), packages.join("metalk8s-scality-el8")).unwrap();
    fs::write(site.tree.join("product.txt"), format!("NAME=MetalK8s\nVERSION={version}\n")).unwrap();
    archive::sums::write(&site.tree, &archive::sums::digest_file).unwrap();
    let iso = site.scratch.path().join(format!("{id}.iso"));
    let options = iso::IsoOptions {
        volume_id: format!("MetalK8s {version}"),
        source_date: DATE,
        ..iso::IsoOptions::default()
    };
    iso::PlannedIso::from_dir(&site.tree, &options).unwrap().write_file(&iso, &()).unwrap();

    let mut script =
        "mkdir -p /etc/metalk8s /etc/systemd/system /run/lock\nifconfig lo up\ncd /\n".to_owned();
    for line in operators_lines() {
        // The server does not end; the client waits until it responds.
        let serves = line.contains("registry serve");
        script += &format!("{line}{}\n", if serves { " &" } else { "" });
        script += if serves {
            "until wget -q -O /dev/null http://127.0.0.1:8080/readyz; do sleep 0.1; done\n"
        } else {
            ""
        };
    }
    let repository = "redhat/8/scality-el8/repodata/repomd.xml";
    for path in [format!("v2/{id}/curl/manifests/7"), format!("{id}/{repository}")] {
        script += &format!("wget -q -O - http://127.0.0.1:8080/{path} | sha256sum\n");
    }
    // The machine runs as long as a program in it can print.
    script += "kill $!\nwait $!\n";
    let machine = machine
        .module("loop")
        .module("isofs")
        .program("bin/sealift", sealift::binary())
        .file("etc/metalk8s/bootstrap.yaml", &node.path("bootstrap.yaml"))
        .file(&format!("{id}.iso"), &iso);
    let said = machine.run(&script);
    let index = fs::read(packages.join("metalk8s-scality-el8/repodata/repomd.xml")).unwrap();
    for expected in [
        site.digest("curl", "7").hex().to_string(),
        Digest::of(&index).hex().to_string(),
        "by the kernel at".into(),
    ] {
        assert!(said.contains(&expected), "{expected}\n--- in\n{said}");
    }
}
