//! Tests of backups, with files and ISOs of a node.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::archives::{ImportOptions, LinuxMachine, MountChoice};
use crate::care::{CareLayout, Interrupted};
use crate::transaction::fault::killed_at;
use crate::transaction::tests::everything;

/// A node whose files are below one folder, with an archive.
pub(crate) struct Node {
    pub(crate) root: tempfile::TempDir,
    pub(crate) layout: CareLayout,
}

const BOOTSTRAP: &str = "apiVersion: metalk8s.scality.com/v1alpha3\nkind: BootstrapConfiguration\nnetworks:\n  \
                         controlPlane: {cidr: 10.0.0.0/8}\n  workloadPlane: {cidr: 10.0.0.0/8}\nca: {minion: b}\narchives:\n";

impl Node {
    /// A node with archives of these versions, all of them imported.
    pub(crate) fn new(versions: &[&str]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let layout = CareLayout {
            node: crate::archives::NodeLayout {
                bootstrap: at("etc/metalk8s/bootstrap.yaml"),
                solutions: at("etc/metalk8s/solutions.yaml"),
                archives: at("etc/sealift/archives.yaml"),
                mounts: at("srv"),
                units: at("etc/systemd/system"),
                fstab: at("etc/fstab"),
                trust: at("etc/sealift/trust.yaml"),
                trust_must_exist: false,
                lock: at("run/archives.lock"),
            },
            state: at("var/lib/metalk8s"),
            sysconfig: at("etc/sysconfig/sealift"),
            salt: at("etc/salt"),
            hooks: at("etc/metalk8s/hooks.d"),
        };
        let node = Self { root, layout };
        let mut bootstrap = BOOTSTRAP.to_owned();
        for version in versions {
            bootstrap.push_str(&format!("  - {}\n", node.iso(version).display()));
        }
        node.write("etc/metalk8s/bootstrap.yaml", &bootstrap, 0o644);
        std::fs::create_dir_all(node.root.path().join("srv")).unwrap();
        node
    }

    /// Writes a file of the node.
    pub(crate) fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// The ISO of a version, outside the configuration.
    pub(crate) fn iso(&self, version: &str) -> PathBuf {
        let path = self.root.path().join(format!("metalk8s-{version}.iso"));
        if !path.exists() {
            let tree = tempfile::tempdir().unwrap();
            std::fs::write(tree.path().join("product.txt"), format!("NAME=MetalK8s\nVERSION={version}\n"))
                .unwrap();
            archive::sums::write(tree.path(), &archive::sums::digest_file).unwrap();
            let options =
                iso::IsoOptions { volume_id: "Test".into(), source_date: 1, ..iso::IsoOptions::default() };
            iso::PlannedIso::from_dir(tree.path(), &options).unwrap().write_file(&path, &()).unwrap();
        }
        path
    }

    pub(crate) fn etc(&self) -> BTreeMap<PathBuf, (u32, String)> {
        everything(&self.root.path().join("etc"))
    }

    fn back_up(&self) -> Backup {
        create(&self.layout, &options(), &mut |_| Ok(())).unwrap()
    }

    fn restore(&self, backup: &Path) -> Result<Restoration, Error> {
        self.restore_with(backup, false, &mut |_| Ok(()))
    }

    fn restore_with(
        &self,
        backup: &Path,
        dry_run: bool,
        hooks: &mut dyn FnMut(&Path) -> Result<(), Error>,
    ) -> Result<Restoration, Error> {
        // Tests must not mount.
        let import = ImportOptions { mounting: MountChoice::Never, ..ImportOptions::default() };
        let machine = machine();
        restore(
            &self.layout,
            backup,
            &RestoreOptions { import, dry_run },
            &machine,
            &mut |_| Box::new(()),
            hooks,
        )
    }
}

/// A machine without systemd.
pub(crate) fn machine() -> LinuxMachine {
    LinuxMachine { systemd: "/nonexistent".into(), ..LinuxMachine::default() }
}

fn options() -> BackupOptions {
    BackupOptions {
        created: "2026-11-29T16:09:18Z".to_owned(),
        seconds: 1_795_968_558,
        reason: BackupReason::Manual,
        into: None,
        keep: None,
        dry_run: false,
    }
}

/// A node with everything that a backup has.
fn site() -> Node {
    let node = Node::new(&["2.10.0"]);
    node.write("etc/metalk8s/hooks.d/backup/10-etcd", "#!/bin/sh\n", 0o755);
    node.write("etc/metalk8s/pki/node.key", "secret", 0o600);
    node.write("etc/sealift/trust/site.asc", "key of the site", 0o644);
    node.write("etc/sysconfig/sealift", "SEALIFT_LISTEN=0.0.0.0:8080\n", 0o640);
    node.write("etc/systemd/system/sealift-registry.service.d/tls.conf", "[Service]\n", 0o644);
    node.write("etc/systemd/system/other.service", "not ours", 0o644);
    std::os::unix::fs::symlink("node.key", node.root.path().join("etc/metalk8s/pki/current.key")).unwrap();
    node
}

#[test]
fn a_backup_has_the_configuration_and_lists_the_archives() {
    let node = site();
    let made = create(&node.layout, &options(), &mut |folder| {
        std::fs::write(folder.join("etcd.db"), "snapshot").unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!(made.path, node.layout.state.join("backup_20261129_160918.tar.gz"));
    assert_eq!(std::fs::metadata(&made.path).unwrap().permissions().mode() & 0o777, 0o600);
    let listed = std::process::Command::new("tar").arg("tzf").arg(&made.path).output().unwrap();
    let expected = "manifest.json\nmetalk8s/bootstrap.yaml\nmetalk8s/hooks.d/backup/10-etcd\nmetalk8s/pki/node.key\n\
                    sealift/trust/site.asc\nsysconfig/sealift\nservice/sealift-registry.service.d/tls.conf\nhooks/etcd.db\n";
    assert_eq!(String::from_utf8_lossy(&listed.stdout), expected);
    let [archive] = &made.manifest.archives[..] else { panic!("{:?}", made.manifest) };
    assert_eq!(archive.id.as_deref(), Some("metalk8s-2.10.0"));
    assert!(matches!(archive.digest, Some(ArchiveDigest::Sums(_))), "{archive:?}");
    // The same state and date give the same bytes, under the next name.
    let again = create(&node.layout, &options(), &mut |folder| {
        std::fs::write(folder.join("etcd.db"), "snapshot").unwrap();
        Ok(())
    })
    .unwrap();
    assert_eq!(
        (again.path.file_name().unwrap().to_str(), again.sha256),
        (Some("backup_20261129_160918_1.tar.gz"), made.sha256)
    );
    let bytes = std::fs::read(&made.path).unwrap();
    assert_eq!(content::Digest::of(&bytes), made.sha256.unwrap());
    assert_eq!(std::fs::read_dir(&node.layout.state).unwrap().count(), 2, "nothing else is left");
}

#[test]
fn only_the_newest_backups_are_kept() {
    let node = Node::new(&[]);
    std::fs::create_dir_all(&node.layout.state).unwrap();
    std::fs::write(node.layout.state.join("backup_of_mine.tar.gz"), "").unwrap();
    for second in 10..15 {
        let created = format!("2026-11-29T16:09:{second}Z");
        let options =
            BackupOptions { created, keep: Some(2), reason: BackupReason::BeforeChange, ..options() };
        create(&node.layout, &options, &mut |_| Ok(())).unwrap();
    }
    let mut names: Vec<String> =
        everything(&node.layout.state).into_keys().map(|path| path.display().to_string()).collect();
    names.sort();
    let expected = [
        "backup_20261129_160913_before-change.tar.gz",
        "backup_20261129_160914_before-change.tar.gz",
        "backup_of_mine.tar.gz",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_second_node_gets_the_files_with_their_modes() {
    let node = site();
    let made = node.back_up();
    // The ISOs of the backup are where they were, so only the files of the node are gone.
    let before = node.etc();
    std::fs::remove_dir_all(node.root.path().join("etc")).unwrap();
    let planned = node.restore_with(&made.path, true, &mut |_| Ok(())).unwrap();
    assert!(!node.root.path().join("etc").exists());
    let mut added = None;
    let done = node
        .restore_with(&made.path, false, &mut |folder| {
            added = Some(folder.to_path_buf());
            Ok(())
        })
        .unwrap();
    assert_eq!((&planned.changed, planned.unchanged), (&done.changed, done.unchanged));
    let mut after = node.etc();
    for (path, state) in &before {
        if !path.ends_with("other.service") {
            assert_eq!(after.remove(path).as_ref(), Some(state), "{}", path.display());
        }
    }
    assert!(after.is_empty(), "{after:?}");
    assert!(added.is_some_and(|folder| folder.ends_with("hooks")));
    let again = node.restore(&made.path).unwrap();
    assert_eq!((again.changed, again.unchanged), (Vec::<PathBuf>::new(), done.changed.len()));
    assert!(node.layout.interrupted().unwrap().is_none());
}

#[test]
fn hooks_of_a_restoration_find_all_that_those_of_the_backup_added() {
    let node = Node::new(&["2.10.0"]);
    let add = |folder: &Path| -> Result<(), Error> {
        std::fs::create_dir_all(folder.join("empty/folder")).unwrap();
        std::fs::write(folder.join("run"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(folder.join("run"), std::fs::Permissions::from_mode(0o750)).unwrap();
        std::os::unix::fs::symlink("run", folder.join("current")).unwrap();
        Ok(())
    };
    for added in [true, false] {
        let mut hooks = |folder: &Path| if added { add(folder) } else { Ok(()) };
        let made = create(&node.layout, &options(), &mut hooks).unwrap();
        let mut found = BTreeMap::new();
        node.restore_with(&made.path, false, &mut |folder| {
            assert!(folder.is_dir());
            found = everything(folder);
            Ok(())
        })
        .unwrap();
        let expected = tempfile::tempdir().unwrap();
        if added {
            add(expected.path()).unwrap();
        }
        // Of the modes, only that of an executable file matters.
        let told = |found: BTreeMap<PathBuf, (u32, String)>| -> Vec<(PathBuf, bool, String)> {
            found.into_iter().map(|(path, (mode, text))| (path, mode & 0o100 != 0, text)).collect()
        };
        assert_eq!(told(found), told(everything(expected.path())), "{added}");
    }
}

#[test]
fn a_backup_whose_hook_fails_leaves_nothing_that_hooks_have_added() {
    let node = Node::new(&[]);
    let mut hooks = |folder: &Path| {
        std::fs::write(folder.join("secret"), "").unwrap();
        Err(Error::NotInterrupted)
    };
    create(&node.layout, &options(), &mut hooks).unwrap_err();
    assert!(!node.layout.scratch().exists());
}

#[test]
fn a_dry_run_of_a_restoration_leaves_the_folder_of_a_running_backup() {
    let node = site();
    let made = node.back_up();
    let snapshot = node.layout.scratch().join("hooks/etcd");
    let again = create(
        &node.layout,
        &BackupOptions { created: "2026-11-29T16:09:19Z".into(), ..options() },
        &mut |_| {
            std::fs::write(&snapshot, "snapshot").unwrap();
            node.restore_with(&made.path, true, &mut |_| Ok(())).map(drop)
        },
    );
    assert_eq!(again.unwrap().files, made.files + 1);
}

#[test]
fn a_restoration_puts_back_the_environment_of_salt() {
    let node = Node::new(&["2.10.0", "2.11.0"]);
    let environment = |version: &str| {
        node.write("etc/salt/minion.d/99.conf", &format!("saltenv: metalk8s-{version}\n"), 0o600);
        crate::change_version::set_version(&node.layout, "metalk8s", version).unwrap();
    };
    environment("2.10.0");
    let made = node.back_up();
    let before = node.etc();
    environment("2.11.0");
    node.restore(&made.path).unwrap();
    assert_eq!(node.etc(), before);
}

#[test]
fn all_archives_that_are_missing_or_others_are_named_at_once() {
    let node = Node::new(&["2.10.0", "2.11.0", "2.12.0"]);
    let made = node.back_up();
    let before = node.etc();
    std::fs::remove_file(node.iso("2.10.0")).unwrap();
    std::fs::copy(node.iso("2.12.0"), node.iso("2.11.0")).unwrap();
    let refused = node.restore(&made.path).unwrap_err();
    let Error::Missing(problems) = &refused else { panic!("{refused}") };
    let text = refused.to_string();
    assert_eq!(problems.len(), 2, "{text}");
    for expected in [
        "metalk8s-2.10.0.iso: it is missing; copy metalk8s-2.10.0 (SHA-256 of SHA256SUMS ",
        "metalk8s-2.11.0.iso: it is metalk8s-2.12.0; copy ",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(node.etc(), before);
}

#[test]
fn a_restoration_that_fails_or_is_killed_leaves_the_former_files() {
    let node = site();
    let made = node.back_up();
    node.write("etc/metalk8s/pki/node.key", "another secret", 0o640);
    node.write("etc/sealift/new.yaml", "kept", 0o644);
    std::fs::remove_file(node.root.path().join("etc/sysconfig/sealift")).unwrap();
    let former = node.etc();
    let failed = node.restore_with(&made.path, false, &mut |_| Err(Error::NotInterrupted)).unwrap_err();
    assert!(matches!(failed, Error::RolledBack(_)), "{failed}");
    assert_eq!(node.etc(), former);
    let mut kills = 0;
    for number in (0..).step_by(5) {
        if killed_at(number, || node.restore(&made.path)).is_some_and(|done| done.is_ok()) {
            break;
        }
        kills += 1;
        match node.layout.interrupted().unwrap() {
            None => assert_eq!(node.etc(), former, "{number}"),
            Some(Interrupted::Restoration { backup, .. }) => {
                assert_eq!(backup, made.path);
                // A backup of now would have files of two states.
                let manual = create(&node.layout, &options(), &mut |_| Ok(()));
                assert!(matches!(manual, Err(Error::Interrupted(_))), "{manual:?}");
                abort(&node.layout, &machine()).unwrap();
                assert_eq!(node.etc(), former, "{number}");
            }
            Some(other) => panic!("{other}"),
        }
    }
    assert!(kills > 5, "{kills}");
    assert_eq!(
        std::fs::read_to_string(node.root.path().join("etc/metalk8s/pki/node.key")).unwrap(),
        "secret"
    );
    assert!(matches!(abort(&node.layout, &machine()), Err(Error::NotInterrupted)));
}

/// A tar.gz with these members.
#[test]
fn an_archive_that_is_replaced_after_its_verification_is_not_imported() {
    let node = Node::new(&["2.10.0", "2.11.0"]);
    let backup = node.back_up();
    let (first, other) = (node.iso("2.10.0"), node.iso("2.12.0"));
    let mut verified = 0;
    let mut verifying = |_: &Path| -> Box<dyn iso::ByteProgress> {
        verified += 1;
        if verified == 2 {
            std::fs::rename(&other, &first).unwrap();
        }
        Box::new(())
    };
    let import = ImportOptions { mounting: MountChoice::Never, ..ImportOptions::default() };
    let options = RestoreOptions { import, dry_run: false };
    let restored = restore(&node.layout, &backup.path, &options, &machine(), &mut verifying, &mut |_| Ok(()));
    let error = restored.unwrap_err().to_string();
    assert!(error.contains("metalk8s-2.10.0.iso was replaced or changed while it was in use"), "{error}");
}

fn tar_of(members: &[(&str, tar::EntryType, &str)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind, content) in members {
        let mut header = tar::Header::new_ustar();
        // Not through the builder, which refuses what an attacker writes.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o600);
        if *kind == tar::EntryType::Symlink {
            header.set_link_name(content).unwrap();
            header.set_size(0);
            header.set_cksum();
            tar.append(&header, std::io::empty()).unwrap();
        } else {
            header.set_size(content.len() as u64);
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        }
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&tar.into_inner().unwrap()).unwrap();
    gzip.finish().unwrap()
}

/// A manifest with these parts.
fn manifest(files: &str, folders: &str, links: &str) -> String {
    format!(
        "{{\"apiVersion\":\"sealift.dev/v1alpha1\",\"kind\":\"NodeBackup\",\"created\":\"\",\"reason\":\"\",\"versions\":{{}},\
         \"archives\":[],\"folders\":[{folders}],\"files\":[{files}],\"links\":[{links}]}}"
    )
}

fn file(place: &str, path: &str, mode: u32, content: &str) -> String {
    let digest = content::Digest::of(content.as_bytes());
    format!(
        "{{\"place\":\"{place}\",\"path\":\"{path}\",\"owned\":{{\"mode\":{mode},\"uid\":0,\"gid\":0,\"user\":null,\"group\":null}},\
         \"bytes\":{},\"sha256\":{}}}",
        content.len(),
        serde_json::to_string(&digest).unwrap()
    )
}

/// A member of a tar: its name, its kind, and its content or target.
type Member = (&'static str, tar::EntryType, String);

#[test]
fn a_hostile_backup_changes_nothing() {
    use tar::EntryType::{Fifo, Regular, Symlink};

    let node = site();
    let before = node.etc();
    let good = manifest(&file("sealift", "a", 0o600, "x"), "", "");
    let cases: Vec<(&str, Vec<Member>)> = vec![
        ("no tar", vec![]),
        ("a path that leads out", vec![("../outside", Regular, "x".into())]),
        ("an absolute path", vec![("/etc/passwd", Regular, "x".into())]),
        (
            "a link that leads out",
            vec![("metalk8s", Symlink, "../..".into()), ("metalk8s/x", Regular, "x".into())],
        ),
        ("a pipe", vec![("pipe", Fifo, String::new())]),
        (
            "a duplicate",
            vec![("manifest.json", Regular, good.clone()), ("manifest.json", Regular, good.clone())],
        ),
        ("no manifest", vec![("sealift/a", Regular, "x".into())]),
        ("a missing file", vec![("manifest.json", Regular, good.clone())]),
        (
            "another content",
            vec![("manifest.json", Regular, good.clone()), ("sealift/a", Regular, "y".into())],
        ),
        (
            "a link for a file",
            vec![("manifest.json", Regular, good.clone()), ("sealift/a", Symlink, "../manifest.json".into())],
        ),
        (
            "a file that is not listed",
            vec![
                ("manifest.json", Regular, good.clone()),
                ("sealift/a", Regular, "x".into()),
                ("more", Regular, "".into()),
            ],
        ),
        (
            "a path in the manifest that leads out",
            vec![("manifest.json", Regular, manifest(&file("sealift", "../../passwd", 0o600, "x"), "", ""))],
        ),
        (
            "a unit that is not ours",
            vec![
                ("manifest.json", Regular, manifest(&file("service", "evil.service", 0o600, "x"), "", "")),
                ("service/evil.service", Regular, "x".into()),
            ],
        ),
        (
            "another file of /etc/sysconfig",
            vec![
                ("manifest.json", Regular, manifest(&file("sysconfig", "sshd", 0o600, "x"), "", "")),
                ("sysconfig/sshd", Regular, "x".into()),
            ],
        ),
        (
            "a setuid file",
            vec![
                ("manifest.json", Regular, manifest(&file("sealift", "a", 0o4755, "x"), "", "")),
                ("sealift/a", Regular, "x".into()),
            ],
        ),
        (
            "a path that is listed twice",
            vec![
                (
                    "manifest.json",
                    Regular,
                    manifest(
                        &[file("sealift", "a", 0o600, "x"), file("sealift", "a", 0o644, "x")].join(","),
                        "",
                        "",
                    ),
                ),
                ("sealift/a", Regular, "x".into()),
            ],
        ),
        (
            "an invalid configuration",
            vec![
                ("manifest.json", Regular, manifest(&file("metalk8s", "bootstrap.yaml", 0o600, "x"), "", "")),
                ("metalk8s/bootstrap.yaml", Regular, "x".into()),
            ],
        ),
    ];
    let path = node.root.path().join("hostile.tar.gz");
    for (what, members) in &cases {
        let members: Vec<_> =
            members.iter().map(|(name, kind, text)| (*name, *kind, text.as_str())).collect();
        let bytes = if members.is_empty() { b"no tar".to_vec() } else { tar_of(&members) };
        std::fs::write(&path, bytes).unwrap();
        let refused = node.restore(&path);
        assert!(refused.is_err(), "{what}");
        assert_eq!(node.etc(), before, "{what}");
        assert!(
            !node.root.path().join("outside").exists() && !node.layout.state.join("outside").exists(),
            "{what}"
        );
        assert!(!node.layout.state.join(".scratch").exists(), "{what}");
    }
    std::fs::write(&path, tar_of(&[("manifest.json", Regular, &good), ("sealift/a", Regular, "x")])).unwrap();
    assert_eq!(node.restore(&path).unwrap().changed, [node.root.path().join("etc/sealift/a")]);
}
