//! Runs of `sealift iso create` that are killed at any moment: the ISO exists whole or not at all, and the next run
//! completes the work.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Instant;

use iso::md5::Md5Check;
use tests::folder::names;
use tests::{peer, sealift};

/// The number of moments in a run.
const MOMENTS: u32 = 24;

fn create(folder: &Path, tree: &str) -> Command {
    let mut command = sealift::command(folder);
    command.args(["iso", "create", tree, "--file", "out/a.iso", "--volume-id"]).arg(tree);
    command
}

#[test]
fn killed_runs_leave_a_whole_image_or_none_and_the_next_run_cleans_up() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, out) = (scratch.path(), scratch.path().join("out"));
    for (seed, tree) in ["old", "new"].into_iter().enumerate() {
        fs::create_dir(folder.join(tree)).unwrap();
        fs::write(folder.join(tree).join("large"), super::tree::content(seed, 8_000_000)).unwrap();
    }
    fs::create_dir(&out).unwrap();
    let image = out.join("a.iso");
    let start = Instant::now();
    peer::run(&mut create(folder, "new"));
    let (usual, new) = (start.elapsed(), fs::read(&image).unwrap());
    peer::run(&mut create(folder, "old"));
    let old = fs::read(&image).unwrap();
    assert!(old != new);

    for moment in 1..=MOMENTS {
        // Every second run finds no ISO.
        let before = moment % 2 == 0;
        if before {
            fs::write(&image, &old).unwrap();
        } else if image.exists() {
            fs::remove_file(&image).unwrap();
        }
        let mut child = create(folder, "new").stdout(Stdio::null()).spawn().unwrap();
        sleep(usual * moment / MOMENTS);
        // It may have ended.
        let _ = child.kill();
        child.wait().unwrap();
        match fs::read(&image) {
            Ok(found) => assert!(found == new || before && found == old, "after {moment}/{MOMENTS}"),
            Err(error) => assert!(!before && error.kind() == std::io::ErrorKind::NotFound, "{error}"),
        }
        // A temporary file has no name, so nothing is left. But a run may be killed while the file replaces another one.
        let beside = names(&out).iter().filter(|name| *name != "a.iso").count();
        assert!(beside <= 1, "runs leave files behind: {:?}", names(&out));
    }
    peer::run(&mut create(folder, "new"));
    assert!(fs::read(&image).unwrap() == new, "the same bytes as without an interruption");
    assert!(matches!(iso::md5::check(&image, &()).unwrap(), Md5Check::Intact { .. }));
}
