//! Runs that are killed at any moment: existing files are whole, and the next run completes the work.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

use tests::folder::names;
use tests::sealift;

use super::{DATE, build_own};

#[test]
fn killed_runs_leave_whole_metadata_and_the_next_run_cleans_up() {
    let scratch = tempfile::tempdir().unwrap();
    let repository = scratch.path().join("repository");
    for version in 0..40 {
        build_own(&format!("1.0.{version}"), scratch.path(), &repository.join("x86_64"));
    }
    let index = |revision: i64| {
        let mut command = sealift::command(scratch.path());
        command.args(["package", "index", "repository", "--revision", &revision.to_string()]);
        command
    };
    let start = Instant::now();
    tests::peer::run(&mut index(DATE));
    let usual = start.elapsed();
    let files = ["filelists.xml.gz", "other.xml.gz", "primary.xml.gz", "repomd.xml"];
    let repodata = repository.join("repodata");

    for run in 1..=24_u32 {
        let mut child = index(DATE + i64::from(run)).stdout(std::process::Stdio::null()).spawn().unwrap();
        sleep(usual * run / 24);
        // It may have ended.
        let _ = child.kill();
        child.wait().unwrap();

        assert_eq!(names(&repodata), files, "after {run}/24 of {usual:?}");
        let repomd = fs::read_to_string(repodata.join("repomd.xml")).unwrap();
        for file in &files[..3] {
            let digest = sha256(&repodata.join(file));
            assert!(
                repomd.contains(&digest),
                "{file} is not the one of repomd.xml after {run}/24 of {usual:?}"
            );
        }
    }
    tests::peer::run(&mut index(DATE));
    assert_eq!(names(&repository), ["repodata", "x86_64"]);
}

fn sha256(path: &Path) -> String {
    content::Digest::of(&fs::read(path).unwrap()).hex()
}
