//! Hooks of a node, as people list and run them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tests::sealift;

/// A hook in the folder of a step.
fn hook(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(name), format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn hooks_are_listed_and_run_by_hand_and_logged() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = &scratch.path().canonicalize().unwrap();
    hook(&folder.join("hooks.d/upgrade"), "20-site", "echo to $SEALIFT_TO_VERSION; echo loud >&2");
    hook(&folder.join("archive/hooks/upgrade"), "10-archive", "echo $SEALIFT_STEP of $SEALIFT_ARCHIVE_ID");
    fs::write(folder.join("archive/product.txt"), "NAME=Site\nVERSION=1.1\n").unwrap();
    let site = ["--hooks", "hooks.d", "--archive", "archive"];
    let (code, out, err) = sealift::run(folder, &[&["node", "hooks"], &site[..]].concat());
    let archive_hook = format!("{}/archive/hooks/upgrade/10-archive", folder.display());
    let site_hook = format!("{}/hooks.d/upgrade/20-site", folder.display());
    let table =
        format!("STEP     ORIGIN   HOOK\nupgrade  archive  {archive_hook}\nupgrade  site     {site_hook}\n");
    assert_eq!((code, out), (0, table), "{err}");

    let run = |more: &[&str]| {
        let words = [
            "node",
            "run-hooks",
            "upgrade",
            "--log-file",
            "hooks.log",
            "--to-version",
            "1.1",
            "--state",
            "state",
        ];
        sealift::run(folder, &[&words, &site[..], more].concat())
    };
    let (code, out, err) = run(&["--dry-run"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("would run ") && !folder.join("hooks.log").exists(), "{out}");
    let (code, out, err) = run(&[]);
    assert_eq!((code, out), (0, format!("ran {archive_hook}\nran {site_hook}\n")), "{err}");
    for line in ["10-archive: upgrade of site-1.1", "20-site: to 1.1", "20-site: loud"] {
        assert!(err.lines().any(|found| found == line), "{err}");
        let log = fs::read_to_string(folder.join("hooks.log")).unwrap();
        assert!(log.lines().any(|found| found.ends_with(&format!("Z {line}"))), "{log}");
    }

    // While another command changes the node, none runs.
    let lock = std::fs::File::options().write(true).open(folder.join("state/.lock/care")).unwrap();
    lock.lock().unwrap();
    let (code, _, err) = run(&[]);
    assert!(code != 0 && !err.contains("10-archive:") && err.contains("help: wait until"), "{code} {err}");
    drop(lock);

    hook(&folder.join("hooks.d/upgrade"), "05-fails", "exit 3");
    let (code, out, err) = run(&[]);
    assert_eq!((code, out.as_str()), (1, ""), "{err}");
    assert!(
        err.contains("hooks.d/upgrade/05-fails exited with code 3") && !err.contains("10-archive:"),
        "{err}"
    );
    fs::set_permissions(folder.join("hooks.d/upgrade/05-fails"), fs::Permissions::from_mode(0o777)).unwrap();
    let (code, _, err) = run(&["--dry-run"]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("05-fails: other users can write to it") && err.contains("help: "), "{err}");
}
