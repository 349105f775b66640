//! Tests of hooks, with real programs.

use std::cell::RefCell;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use content::Stream;

use super::*;

/// A program below `folder`, which is created.
fn program(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Keeps what hooks print.
#[derive(Default)]
struct Kept(RefCell<Vec<String>>);

impl HookProgress for Kept {
    fn started(&self, hook: &Hook) {
        self.0.borrow_mut().push(format!("start {}", hook.path.file_name().unwrap().display()));
    }

    fn line(&self, _: &Hook, stream: Stream, line: &str) {
        self.0.borrow_mut().push(format!("{stream:?} {line}"));
    }
}

fn folders(folder: &Path) -> HookFolders {
    HookFolders { site: folder.join("hooks.d"), archive: Some(folder.join("archive")) }
}

fn run(found: &FoundHooks, environment: &HookEnvironment, kept: &Kept) -> Result<(), Error> {
    let run = HookRun { limit: Duration::from_secs(60), cancelled: &|| false, progress: kept, lock: None };
    run.run(found, environment)
}

#[test]
fn hooks_of_the_archive_and_the_site_run_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (site, archive) =
        (folder.path().join("hooks.d/upgrade"), folder.path().join("archive/hooks/upgrade"));
    program(&site, "20-b", "echo site $SEALIFT_STEP $SEALIFT_FROM_VERSION $SEALIFT_TO_VERSION; pwd");
    program(&site, "30-both", "echo of the site");
    program(&archive, "10-a", "echo archive $SEALIFT_ARCHIVE_ROOT $SEALIFT_MORE >&2; cat");
    program(&archive, "30-both", "echo of the archive");
    program(&archive, ".hidden", "exit 1");
    program(&archive, "10-a.rpmsave", "exit 1");
    std::fs::write(archive.join("README"), "").unwrap();
    let found = find(HookStep::Upgrade, &folders(folder.path())).unwrap();
    let notes = [
        format!("{}/README is not executable: it is not run", archive.display()),
        format!("{}/30-both replaces {}/30-both", site.display(), archive.display()),
    ];
    assert_eq!(found.notes, notes);
    let environment = HookEnvironment {
        archive_root: Some("/srv/a".into()),
        from_version: Some("1.0".to_owned()),
        to_version: Some("1.1".to_owned()),
        more: vec![("SEALIFT_MORE", "more".into())],
        ..HookEnvironment::default()
    };
    let kept = Kept::default();
    run(&found, &environment, &kept).unwrap();
    let expected = [
        "start 10-a",
        "Err archive /srv/a more",
        "start 20-b",
        "Out site upgrade 1.0 1.1",
        "Out /",
        "start 30-both",
        "Out of the site",
    ];
    assert_eq!(*kept.0.borrow(), expected);
    let none = find(HookStep::Restore, &folders(folder.path())).unwrap();
    assert_eq!((none.hooks, none.notes), (Vec::new(), Vec::new()));
}

#[test]
fn the_first_hook_that_fails_ends_the_step() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("hooks.d/backup");
    program(&site, "1", "echo one");
    program(&site, "2", "exit 7");
    program(&site, "3", "echo three");
    let found = find(HookStep::Backup, &folders(folder.path())).unwrap();
    let kept = Kept::default();
    let failed = run(&found, &HookEnvironment::default(), &kept).unwrap_err();
    assert_eq!(failed.to_string(), format!("the hook {}/2 exited with code 7", site.display()));
    assert_eq!(*kept.0.borrow(), ["start 1", "Out one", "start 2"]);
}

#[test]
fn hooks_that_others_can_change_are_refused_all_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("hooks.d/backup");
    for name in ["1-fine", "2-open", "3-folder", "4-link", "5-owned"] {
        program(&site, name, "exit 1");
    }
    let mode = |name: &str, mode| {
        std::fs::set_permissions(site.join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("2-open", 0o775);
    std::fs::remove_file(site.join("3-folder")).unwrap();
    std::fs::create_dir(site.join("3-folder")).unwrap();
    std::fs::remove_file(site.join("4-link")).unwrap();
    std::os::unix::fs::symlink("1-fine", site.join("4-link")).unwrap();
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        std::os::unix::fs::chown(site.join("5-owned"), Some(4242), None).unwrap();
    }
    let refused = |folder: &Path| match find(HookStep::Backup, &folders(folder)) {
        Err(Error::Unsafe { hooks, .. }) => {
            let mut names: Vec<String> = hooks.iter().map(ToString::to_string).collect();
            names.sort();
            names.iter().map(|text| text.replace(&format!("{}/", site.display()), "")).collect()
        }
        other => vec![format!("{other:?}")],
    };
    let mut expected = vec![
        "2-open: other users can write to it",
        "3-folder: expected a regular file",
        "4-link: expected a regular file",
    ];
    if is_root {
        expected.push("5-owned: it belongs to another user, with the ID 4242");
    }
    assert_eq!(refused(folder.path()), expected);
    mode("", 0o777);
    let of_folder: Vec<String> = refused(folder.path());
    assert_eq!(of_folder, [format!("{}: other users can write to it", site.display())]);
}

#[test]
fn too_many_hooks_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("hooks.d/backup");
    std::fs::create_dir_all(&site).unwrap();
    for number in 0..257 {
        std::fs::write(site.join(number.to_string()), "").unwrap();
    }
    assert!(matches!(find(HookStep::Backup, &folders(folder.path())), Err(Error::TooMany { .. })));
}

#[test]
fn a_hook_that_takes_too_long_or_is_cancelled_is_ended_with_its_children() {
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path().join("hooks.d/backup");
    // The shell waits for a child that would write a file.
    program(&site, "1", "echo started; (sleep 60; echo > /dev/null) & wait");
    let found = find(HookStep::Backup, &folders(folder.path())).unwrap();
    let kept = Kept::default();
    let began = Instant::now();
    let run = |limit, cancelled: &dyn Fn() -> bool| {
        HookRun { limit, cancelled, progress: &kept, lock: None }.run(&found, &HookEnvironment::default())
    };
    let late = run(Duration::from_millis(50), &|| false).unwrap_err();
    assert!(matches!(late, Error::TimedOut { .. }), "{late}");
    let cancelled = AtomicBool::new(false);
    let ended = run(Duration::from_secs(60), &|| cancelled.swap(true, Ordering::Relaxed)).unwrap_err();
    assert!(matches!(ended, Error::Cancelled { .. }), "{ended}");
    assert!(began.elapsed() < Duration::from_secs(40), "the child was not ended");
}
