//! ISOs and the operating system: mounts, full disks.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use iso::IsoImage;
use tests::mounts::{Disk, fuse_as_root, fuse_for_users};
use tests::peer;
use tests::user::{as_user, make_folder, open_folder};

use super::differences::empty_files_apart;
use super::tree::{as_archived, assert_same, snapshot};
use super::{options, plain_tree, write};

/// A tree, the path of its image, and an empty folder to mount it on.
fn to_mount(scratch: &Path) -> (PathBuf, PathBuf, PathBuf) {
    let (source, image, at) = (scratch.join("source"), scratch.join("a.iso"), scratch.join("mounted"));
    plain_tree(&source);
    fs::create_dir(&at).unwrap();
    (source, image, at)
}

#[test]
fn a_mounted_image_is_its_tree() {
    if !fuse_as_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (source, image, at) = to_mount(scratch.path());
    fs::write(source.join("large"), super::tree::content(7, 3_000_000)).unwrap();
    write(&source, &image);
    let mount = IsoImage::open(&image).unwrap().mount(&at, false).unwrap();
    let expected = empty_files_apart(as_archived(snapshot(&source)));
    // Several readers at once.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_same("the mount", &expected, &empty_files_apart(snapshot(&at))));
        }
    });
    assert_eq!(fs::metadata(at.join("linked")).unwrap().nlink(), 2);
    assert_eq!(fs::metadata(at.join("large")).unwrap().mtime(), options().source_date);
    let error = fs::write(at.join("new"), "x").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
    mount.unmount().unwrap();
    assert_eq!(fs::read_dir(&at).unwrap().count(), 0, "it is unmounted");
}

#[test]
fn the_end_of_a_mount_that_others_unmounted_leaves_the_next_one_alone() {
    if !fuse_as_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let (source, image, at) = to_mount(scratch.path());
    write(&source, &image);
    let first = IsoImage::open(&image).unwrap().mount(&at, false).unwrap();
    peer::run(Command::new("umount").arg(&at));
    while !first.is_gone() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let second = IsoImage::open(&image).unwrap().mount(&at, false).unwrap();
    drop(first);
    assert!(fs::exists(at.join("linked")).unwrap(), "the second is mounted");
    second.unmount().unwrap();
}

/// Everything visible of a tree: names, modes, links, sizes, times, targets and digests.
const REPORT: &str = r#"cd "$1"
find . -type f -printf '%P %m %n %s %T@\n' | sort
find . -type d -printf '%P %m %T@\n' | sort
find . -type l -printf '%P %T@ %l\n' | sort
find . -type f -print0 | sort -z | xargs -0 sha256sum"#;

#[test]
fn a_mount_that_is_in_use_leaves_no_dead_folder_behind() {
    if !fuse_as_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    plain_tree(&path("source"));
    fs::write(path("source/used"), "used").unwrap();
    write(&path("source"), &path("a.iso"));
    fs::create_dir(path("mounted")).unwrap();
    let mounted = IsoImage::open(&path("a.iso")).unwrap().mount(&path("mounted"), false).unwrap();
    let used = fs::File::open(path("mounted/used")).unwrap();
    mounted.unmount().unwrap();
    assert_eq!(fs::read_dir(path("mounted")).unwrap().count(), 0, "it is unmounted, and not dead");
    drop(used);
}

#[test]
fn any_user_may_mount() {
    if peer::find("fusermount3").is_none() || !fuse_for_users() {
        return;
    }
    let scratch = open_folder();
    let path = |name: &str| scratch.path().join(name);
    plain_tree(&path("source"));
    fs::write(path("source/large"), super::tree::content(7, 3_000_000)).unwrap();
    write(&path("source"), &path("a.iso"));
    IsoImage::open(&path("a.iso"))
        .unwrap()
        .extract(&path("copy"), iso::ExtractedModes::Permissions, &())
        .unwrap();
    fs::copy(tests::sealift::binary(), path("sealift")).unwrap();
    make_folder(&path("mounted"));
    let report = |folder: &str| {
        let mut command = as_user("sh");
        command.args(["-euc", REPORT]).current_dir(scratch.path()).env("LC_ALL", "C");
        command.args(["-", folder]);
        command
    };
    let mut mounting = as_user(path("sealift"));
    let mut child = mounting
        .args(["iso", "mount"])
        .arg(path("a.iso"))
        .arg(path("mounted"))
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.contains("is mounted at"), "{said}");
    let expected = peer::run(&mut report("copy")).stdout;
    // Several readers at once.
    let readers: Vec<_> = (0..4).map(|_| report("mounted").stdout(Stdio::piped()).spawn().unwrap()).collect();
    for reader in readers {
        let output = reader.wait_with_output().unwrap();
        let found = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}", output.status);
        assert_eq!(found, String::from_utf8_lossy(&expected));
    }
    peer::run(Command::new("kill").arg("-TERM").arg(child.id().to_string()));
    assert!(child.wait().unwrap().success(), "a signal ends it well");
    assert_eq!(fs::read_dir(path("mounted")).unwrap().count(), 0, "it is unmounted");
}

#[test]
fn a_full_disk_is_one_error_and_leaves_what_was_there() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, at) = (scratch.path().join("source"), scratch.path().join("disk"));
    fs::create_dir(&at).unwrap();
    let Some(disk) = Disk::mount(&at, "size=1m") else { return };
    fs::create_dir(&source).unwrap();
    fs::write(source.join("large"), super::tree::content(3, 2_000_000)).unwrap();
    let image = disk.path().join("a.iso");
    fs::write(&image, "what was there").unwrap();
    let error = iso::PlannedIso::from_dir(&source, &options()).unwrap().write_file(&image, &()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("cannot write ") && error.contains("No space left on device"), "{error}");
    assert_eq!(fs::read(&image).unwrap(), b"what was there");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 1, "nothing else is left");
}
