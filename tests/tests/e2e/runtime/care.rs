//! Upgrade, downgrade, backup and restoration of a node on the command line, with kills in between.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tests::mounts::Disk;
use tests::{killed, sealift};

use super::site::DATE;

/// At how many moments the upgrade is killed.
const MOMENTS: u32 = 6;

/// A node below one folder, with two versions of an archive and hooks.
pub(super) struct Node(pub(super) tempfile::TempDir);

impl Node {
    pub(super) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// A node below this folder.
    fn at(folder: tempfile::TempDir) -> Self {
        let node = Self(folder);
        let mut list =
            String::from("apiVersion: sealift.dev/v1alpha1\nkind: ArchivesConfiguration\narchives:\n");
        for version in ["1.0.0", "1.1.0"] {
            list.push_str(&format!("  - {}\n", node.iso(version).display()));
        }
        node.write("etc/sealift/archives.yaml", &list);
        node.write("etc/sealift/tls/node.key", "secret");
        node.write(
            "etc/sealift/versions.yaml",
            "apiVersion: sealift.dev/v1alpha1\nkind: NodeVersions\nversions:\n  example: 1.0.0\n",
        );
        node.hook("upgrade", "echo now $SEALIFT_TO_VERSION");
        node.hook("backup", "echo snapshot > $SEALIFT_BACKUP_FOLDER/etcd");
        node.hook("restore", "cat $SEALIFT_BACKUP_FOLDER/etcd; echo from $SEALIFT_APISERVER_NODE_IP");
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn hook(&self, step: &str, text: &str) {
        let name = format!("hooks/{step}/10-hook");
        self.write(&name, &format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(self.path(&name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn iso(&self, version: &str) -> PathBuf {
        let (iso, tree) = (self.path(&format!("example-{version}.iso")), self.path(version));
        fs::create_dir_all(tree.join("packages/redhat/8/r")).unwrap();
        fs::write(tree.join("product.txt"), format!("NAME=Example\nVERSION={version}\n")).unwrap();
        fs::write(tree.join(format!("packages/redhat/8/r/app-{version}-1.x86_64.rpm")), "").unwrap();
        archive::sums::write(&tree, &archive::sums::digest_file).unwrap();
        let options =
            iso::IsoOptions { volume_id: "Example".into(), source_date: DATE, ..iso::IsoOptions::default() };
        iso::PlannedIso::from_dir(&tree, &options).unwrap().write_file(&iso, &()).unwrap();
        iso
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = sealift::command(self.0.path());
        command.arg("node").args(words);
        for (option, name) in [
            ("--bootstrap-config", "etc/metalk8s/bootstrap.yaml"),
            ("--solutions-config", "etc/metalk8s/solutions.yaml"),
            ("--archives-config", "etc/sealift/archives.yaml"),
            ("--mounts", "srv"),
            ("--units", "units"),
            ("--fstab", "fstab"),
            ("--lock-file", "run/lock"),
            ("--state", "state"),
            ("--sysconfig", "etc/sysconfig/sealift"),
            ("--salt", "etc/salt"),
            ("--hooks", "hooks"),
            ("--log-file", "log"),
        ] {
            command.arg(option).arg(self.path(name));
        }
        command
    }

    pub(super) fn run(&self, words: &[&str]) -> (i32, String, String) {
        sealift::told(&self.command(words).output().unwrap())
    }

    fn succeed(&self, words: &[&str]) -> String {
        let (code, out, err) = self.run(words);
        assert_eq!(code, 0, "{words:?}: {out}{err}");
        out
    }

    fn version(&self) -> String {
        let text = fs::read_to_string(self.path("etc/sealift/versions.yaml")).unwrap();
        let text: Value = serde_saphyr::from_str(&text).unwrap();
        text["versions"]["example"].as_str().unwrap().to_owned()
    }

    fn backups(&self) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = fs::read_dir(self.path("state"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some())
            .filter(|path| !path.file_name().unwrap().to_string_lossy().starts_with('.'))
            .collect();
        found.sort();
        found
    }
}

const UPGRADE: [&str; 5] = ["upgrade", "--destination-version", "1.1.0", "--mount", "never"];
const DOWNGRADE: [&str; 5] = ["downgrade", "--destination-version", "1.0.0", "--mount", "never"];

#[test]
fn a_node_is_upgraded_downgraded_backed_up_and_restored() {
    let node = Node::new();
    let planned = node.succeed(&[&UPGRADE[..], &["--dry-run"]].concat());
    assert!(planned.starts_with("would upgrade from example-1.0.0 to example-1.1.0\n"), "{planned}");
    for line in ["no image differs", "1 package differs:", "  redhat/8/r/app.x86_64: 1.0.0-1 -> 1.1.0-1"] {
        assert!(planned.lines().any(|found| found == line), "{planned}");
    }
    assert_eq!((node.version().as_str(), node.path("state").exists()), ("1.0.0", false));

    let done = node.succeed(&UPGRADE);
    assert!(done.starts_with("the node runs example-1.1.0; before, it ran example-1.0.0\n"), "{done}");
    assert_eq!((node.version().as_str(), node.backups().len()), ("1.1.0", 2));
    let log = fs::read_to_string(node.path("log")).unwrap();
    assert!(log.contains("10-hook: now 1.1.0\n"), "{log}");
    assert_eq!(node.succeed(&UPGRADE), "the node runs example-1.1.0; nothing to do\n");

    // A hook that fails, and one that is interrupted by its user.
    node.hook("downgrade", "echo cannot >&2; exit 4");
    let (code, _, err) = node.run(&DOWNGRADE);
    assert_eq!((code, node.version().as_str()), (1, "1.1.0"), "{err}");
    assert!(err.contains("the downgrade failed, and the node runs example-1.1.0 as before"), "{err}");
    node.hook("downgrade", "true");
    node.succeed(&DOWNGRADE);
    assert_eq!(node.version(), "1.0.0");

    // The backup goes to a node without configuration, where one ISO is missing at first.
    let made = node.succeed(&["backup", "--keep", "1", "-o", "json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    let backup = made["path"].as_str().unwrap();
    assert_eq!(node.backups(), [Path::new(backup)]);
    fs::remove_dir_all(node.path("etc")).unwrap();
    fs::rename(node.path("example-1.1.0.iso"), node.path("away")).unwrap();
    let restore = ["restore", "--backup-file", backup, "--apiserver-node-ip", "10.0.0.2", "--mount", "never"];
    let (code, _, err) = node.run(&restore);
    assert!(code == 1 && err.contains("example-1.1.0.iso: it is missing; copy example-1.1.0 "), "{err}");
    assert!(!node.path("etc").exists());
    fs::rename(node.path("away"), node.path("example-1.1.0.iso")).unwrap();
    let (code, out, err) = node.run(&restore);
    assert_eq!(code, 0, "{out}{err}");
    assert!(err.contains("10-hook: snapshot\n") && err.contains("10-hook: from 10.0.0.2\n"), "{err}");
    assert_eq!(fs::read_to_string(node.path("etc/sealift/tls/node.key")).unwrap(), "secret");
    assert_eq!((node.version().as_str(), node.backups().len()), ("1.0.0", 2));
}

/// The files of the configuration, and the names of the backups.
fn state(node: &Node) -> (Vec<(PathBuf, Vec<u8>)>, Vec<PathBuf>) {
    let (mut folders, mut files) = (vec![node.path("etc")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push((path.clone(), fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    (files, node.backups())
}

#[test]
fn on_a_full_disk_a_backup_and_a_restoration_change_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(scratch.path(), "size=8m,nr_inodes=2000") else { return };
    let node = Node::at(tempfile::tempdir_in(disk.path()).unwrap());
    let hooks = node.path("hooks");
    fs::rename(&hooks, node.path("no-hooks")).unwrap();
    // Bytes that a backup cannot compress.
    let noise: Vec<u8> =
        (0..20_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    fs::write(node.path("etc/sealift/tls/noise"), &noise).unwrap();
    let backup = node.succeed(&["backup", "-o", "json"]);
    let backup: Value = serde_json::from_str(&backup).unwrap();
    let restore = ["restore", "--backup-file", backup["path"].as_str().unwrap(), "--mount", "never"];
    fs::write(node.path("etc/sealift/tls/node.key"), "other").unwrap();
    fs::remove_file(node.path("etc/sealift/tls/noise")).unwrap();
    for (resource, words) in
        [("nr_inodes", &["backup"][..]), ("size", &["backup"]), ("nr_inodes", &restore), ("size", &restore)]
    {
        let (before, taken) = (state(&node), disk.taken());
        let mut refusals = 0;
        loop {
            disk.resize(&match resource {
                "nr_inodes" => format!("nr_inodes={}", taken.inodes + refusals),
                _ => format!("size={}", taken.bytes + refusals * 4096),
            });
            let (code, out, err) = node.run(words);
            if code == 0 {
                break;
            }
            refusals += 1;
            assert!(
                matches!(code, 1 | 2) && err.contains("No space left on device"),
                "{words:?}: {code} {out}{err}"
            );
            assert!(state(&node) == before && refusals < 100, "{resource}, {words:?}: {err}");
        }
        assert!(refusals > 0, "{resource}, {words:?}");
        disk.resize("size=8m,nr_inodes=2000");
        if words == restore {
            assert_eq!(fs::read(node.path("etc/sealift/tls/noise")).unwrap(), noise);
            fs::write(node.path("etc/sealift/tls/node.key"), "other").unwrap();
            fs::remove_file(node.path("etc/sealift/tls/noise")).unwrap();
        }
    }
}

#[test]
fn a_killed_upgrade_is_finished_or_undone() {
    let node = Node::new();
    node.hook("upgrade", "sleep 0.2");
    let began = Instant::now();
    node.succeed(&UPGRADE);
    let usual = began.elapsed();
    node.succeed(&DOWNGRADE);
    for moment in 0..MOMENTS {
        let child = killed::start(&mut node.command(&UPGRADE));
        std::thread::sleep(usual * moment / MOMENTS);
        killed::kill(child);
        // A hook has a process group of its own and holds the lock until it ends.
        let deadline = Instant::now() + Duration::from_secs(20);
        let abort = moment % 2 == 0;
        loop {
            let words = if abort { &["upgrade", "--abort"][..] } else { &UPGRADE };
            let (code, out, err) = node.run(words);
            if err.contains("is locked") && Instant::now() < deadline {
                continue;
            }
            if abort && err.contains("no upgrade or downgrade was interrupted") {
                break;
            }
            assert_eq!(code, 0, "{moment}: {out}{err}");
            assert_eq!(node.version(), if abort { "1.0.0" } else { "1.1.0" }, "{moment}");
            break;
        }
        if node.version() == "1.1.0" {
            node.succeed(&DOWNGRADE);
        }
    }
}
