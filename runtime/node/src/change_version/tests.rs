//! Tests of upgrades and downgrades, with real hooks.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::archives::MountChoice;
use crate::backup::tests::{Node, machine};
use crate::backup::{self, Backup, BackupOptions, BackupReason};
use crate::hooks::{Hook, HookProgress, HookRun};
use crate::transaction::fault::killed_at;

/// Keeps what is done.
struct Told<'a> {
    node: &'a Node,
    lines: RefCell<Vec<String>>,
    full: bool,
}

impl HookProgress for Told<'_> {
    fn started(&self, _: &Hook) {}

    fn line(&self, _: &Hook, _: content::Stream, line: &str) {
        self.lines.borrow_mut().push(line.to_owned());
    }
}

impl ChangeProgress for Told<'_> {
    fn step(&self, _: &str) {}

    fn verifying(&self, _: &Path) -> Box<dyn iso::ByteProgress> {
        Box::new(())
    }

    fn backup(&self, reason: BackupReason) -> Result<Backup, backup::Error> {
        if self.full {
            return Err(content::IoError::at("write", Path::new("backup"))(
                std::io::ErrorKind::StorageFull.into(),
            )
            .into());
        }
        let options = BackupOptions {
            created: "2026-11-29T16:09:18Z".to_owned(),
            seconds: 1,
            reason,
            into: None,
            keep: None,
            dry_run: false,
        };
        self.lines.borrow_mut().push(reason.to_string());
        backup::create(&self.node.layout, &options, &mut |_| Ok(()))
    }
}

fn options(direction: Direction, destination: &str) -> ChangeOptions {
    ChangeOptions {
        direction,
        destination: destination.to_owned(),
        name: None,
        from: None,
        ignore_requires: false,
        mounting: MountChoice::Never,
    }
}

/// Changes the version of a node; what hooks printed and which backups were made.
fn change(
    node: &Node,
    direction: Direction,
    destination: &str,
) -> (Result<ChangeOutcome, Error>, Vec<String>) {
    let told = Told { node, lines: RefCell::default(), full: false };
    let done = change_with(node, direction, destination, &told);
    (done, told.lines.into_inner())
}

fn change_with(
    node: &Node,
    direction: Direction,
    destination: &str,
    told: &Told<'_>,
) -> Result<ChangeOutcome, Error> {
    let planned = plan(&node.layout, &options(direction, destination))?;
    let run = HookRun { limit: Duration::from_secs(60), cancelled: &|| false, progress: told, lock: None };
    let context = HookContext { run, program: PathBuf::from("sealift") };
    super::run(&node.layout, &planned, &machine(), &context, told)
}

/// A node with two versions, Salt and hooks that print the step and the versions.
fn site() -> Node {
    let node = Node::new(&["2.10.0", "2.11.0", "2.12.0"]);
    node.write("etc/salt/minion.d/99-metalk8s.conf", "master: bootstrap\nsaltenv: metalk8s-2.10.0\n", 0o600);
    for step in ["pre-upgrade", "upgrade", "post-upgrade", "pre-downgrade", "downgrade", "post-downgrade"] {
        hook(&node, step, "echo $SEALIFT_STEP $SEALIFT_FROM_VERSION $SEALIFT_TO_VERSION $(cat versions)");
    }
    set_version(&node.layout, "MetalK8s", "2.10.0").unwrap();
    node
}

/// A hook; `versions` stands for the record of versions.
fn hook(node: &Node, step: &str, text: &str) {
    let record = node.layout.versions();
    let text =
        text.replace("$(cat versions)", &format!("$(sed -n 's/.*metalk8s.: //p' {})", record.display()));
    node.write(&format!("etc/metalk8s/hooks.d/{step}/10-tell"), &format!("#!/bin/sh\n{text}\n"), 0o755);
}

#[test]
fn an_upgrade_and_a_downgrade_change_the_version_with_hooks_and_backups() {
    let node = site();
    let before = node.etc();
    let (done, told) = change(&node, Direction::Upgrade, "2.11.0");
    let done = done.unwrap();
    let expected = [
        "pre-upgrade 2.10.0 2.11.0 \"2.10.0\"",
        "before-change",
        "upgrade 2.10.0 2.11.0 \"2.11.0\"",
        "post-upgrade 2.10.0 2.11.0 \"2.11.0\"",
        "after-change",
    ];
    assert_eq!(told, expected);
    assert_eq!((done.files.len(), done.backups.len(), done.failed.len()), (2, 2, 0));
    let salt = std::fs::read_to_string(node.root.path().join("etc/salt/minion.d/99-metalk8s.conf")).unwrap();
    assert_eq!(salt, "master: bootstrap\nsaltenv: metalk8s-2.11.0\n");
    assert!(plan(&node.layout, &options(Direction::Upgrade, "2.11.0")).unwrap().is_done());

    let (done, told) = change(&node, Direction::Downgrade, "2.10.0");
    assert_eq!(done.unwrap().failed, [""; 0]);
    let expected = [
        "pre-downgrade 2.11.0 2.10.0 \"2.11.0\"",
        "before-change",
        // The newer version does the downgrade.
        "downgrade 2.11.0 2.10.0 \"2.11.0\"",
        "post-downgrade 2.11.0 2.10.0 \"2.10.0\"",
        "after-change",
    ];
    assert_eq!(told, expected);
    let mut after = node.etc();
    after.retain(|path, _| before.contains_key(path));
    assert_eq!(after, before);
}

#[test]
fn what_is_not_possible_changes_nothing() {
    let node = site();
    let before = node.etc();
    for (direction, version, expected) in [
        (Direction::Upgrade, "2.12.0", "2.10.0 and 2.12.0 are 2 minor versions apart"),
        (Direction::Downgrade, "2.11.0", "2.11.0 is newer than 2.10.0: that is an upgrade"),
        (
            Direction::Upgrade,
            "2.13.0",
            "no archive of version 2.13.0 is imported; imported versions: metalk8s-2.10.0, metalk8s-2.11.0, metalk8s-2.12.0",
        ),
    ] {
        let refused = change(&node, direction, version).0.unwrap_err().to_string();
        assert!(refused.contains(expected), "{refused}");
        assert_eq!(node.etc(), before);
    }
    let policy = "require: checksum\narchives:\n  metalk8s: {minimumVersion: 2.10.0}\n";
    node.write("etc/sealift/trust.yaml", policy, 0o644);
    plan(&node.layout, &options(Direction::Upgrade, "2.11.0")).unwrap();
    node.write("etc/sealift/trust.yaml", &policy.replace("2.10.0", "2.12.0"), 0o644);
    let refused = change(&node, Direction::Upgrade, "2.11.0").0.unwrap_err().to_string();
    for id in ["metalk8s-2.10.0: the policy", "metalk8s-2.11.0: the policy"] {
        assert!(refused.contains(id), "{refused}");
    }
    std::fs::remove_file(&node.layout.node.trust).unwrap();
    std::fs::remove_file(node.layout.versions()).unwrap();
    let refused = change(&node, Direction::Upgrade, "2.11.0").0.unwrap_err();
    assert!(matches!(refused, Error::UnknownCurrent { .. }), "{refused}");
    let named = ChangeOptions { from: Some("2.10.0".to_owned()), ..options(Direction::Upgrade, "2.11.0") };
    assert_eq!(plan(&node.layout, &named).unwrap().from.version, "2.10.0");
}

#[test]
fn a_node_without_a_folder_of_sealift_gets_one_that_a_failure_removes() {
    let node = Node::new(&["2.10.0", "2.11.0"]);
    let folder = node.root.path().join("etc/sealift");
    hook(&node, "upgrade", "exit 1");
    let failed = change(&node, Direction::Upgrade, "2.11.0").0.unwrap_err();
    assert!(matches!(failed, Error::RolledBack { .. }) && !folder.exists(), "{failed}");
    hook(&node, "upgrade", "true");
    let done = change(&node, Direction::Upgrade, "2.11.0").0.unwrap();
    assert_eq!(done.files, [folder.clone(), folder.join("versions.yaml")]);
}

#[test]
fn a_failure_leaves_the_node_as_it_was() {
    let node = site();
    hook(&node, "upgrade", "exit 9");
    let before = node.etc();
    let (failed, told) = change(&node, Direction::Upgrade, "2.11.0");
    let failed = failed.unwrap_err().to_string();
    assert!(
        failed.starts_with("the upgrade failed, and the node runs metalk8s-2.10.0 as before: the hook "),
        "{failed}"
    );
    assert_eq!(told, ["pre-upgrade 2.10.0 2.11.0 \"2.10.0\"", "before-change"]);
    let now = node.etc();
    let same: Vec<_> = before.iter().filter(|(path, state)| now.get(*path) != Some(*state)).collect();
    assert!(same.is_empty(), "{same:?}");
    // Before the first change: the disk is full, and a hook of the step before fails.
    let full = Told { node: &node, lines: RefCell::default(), full: true };
    let failed = change_with(&node, Direction::Upgrade, "2.11.0", &full).unwrap_err();
    assert!(matches!(failed, Error::Backup(_)), "{failed}");
    hook(&node, "pre-upgrade", "exit 8");
    assert!(matches!(change(&node, Direction::Upgrade, "2.11.0").0, Err(Error::Hooks(_))));
    assert!(node.layout.interrupted().unwrap().is_none());
    // After the last change, the upgrade stands.
    hook(&node, "pre-upgrade", "true");
    hook(&node, "upgrade", "true");
    hook(&node, "post-upgrade", "exit 7");
    let done = change(&node, Direction::Upgrade, "2.11.0").0.unwrap();
    assert_eq!(done.failed.len(), 1, "{:?}", done.failed);
}

#[test]
fn a_change_that_is_killed_at_any_write_is_finished_or_undone() {
    let node = site();
    let relevant = |node: &Node| {
        let mut etc = node.etc();
        etc.retain(|path, _| !path.starts_with("systemd"));
        etc
    };
    let before = relevant(&node);
    let mut kills = 0;
    for (direction, version) in [(Direction::Upgrade, "2.11.0"), (Direction::Downgrade, "2.10.0")] {
        let start = relevant(&node);
        for number in (0..).step_by(2) {
            if killed_at(number, || change(&node, direction, version)).is_some_and(|(done, _)| done.is_ok()) {
                break;
            }
            kills += 1;
            let Some(interrupted) = node.layout.interrupted().unwrap() else {
                if !plan(&node.layout, &options(direction, version)).unwrap().is_done() {
                    assert_eq!(relevant(&node), start, "{number}");
                }
                continue;
            };
            // Another change is refused, and says what was interrupted.
            let other = if direction == Direction::Upgrade { "2.10.0" } else { "2.11.0" };
            let refused = change(&node, direction, other).0.unwrap_err();
            assert!(matches!(&refused, Error::Interrupted(found) if *found == interrupted), "{refused}");
            if kills % 2 == 0 {
                abort(&node.layout).unwrap();
            } else {
                assert!(plan(&node.layout, &options(direction, version)).unwrap().resumed.is_some());
                change(&node, direction, version).0.unwrap();
                let back =
                    if direction == Direction::Upgrade { Direction::Downgrade } else { Direction::Upgrade };
                change(&node, back, other).0.unwrap();
            }
            assert_eq!(relevant(&node), start, "{number}");
        }
    }
    assert_eq!(relevant(&node), before);
    assert!(kills > 8, "{kills}");
    assert!(matches!(abort(&node.layout), Err(Error::NotInterrupted)));
}
