//! Images and the operating system: mounts, full disks.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use iso::Image;
use tests::peer;

use super::differences::empty_files_apart;
use super::tree::{as_archived, assert_same, snapshot};
use super::{options, plain_tree, write};

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[test]
fn a_mounted_image_is_its_tree() {
    if !is_root() || File::options().read(true).write(true).open("/dev/fuse").is_err() {
        return peer::skip("mounting needs root and /dev/fuse");
    }
    let scratch = tempfile::tempdir().unwrap();
    let (source, image, at) =
        (scratch.path().join("source"), scratch.path().join("a.iso"), scratch.path().join("mounted"));
    plain_tree(&source);
    fs::write(source.join("large"), super::tree::content(7, 3_000_000)).unwrap();
    write(&source, &image);
    fs::create_dir(&at).unwrap();
    let mount = Image::open(&image).unwrap().mount(&at, false).unwrap();
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
    if !is_root() || File::options().read(true).write(true).open("/dev/fuse").is_err() {
        return peer::skip("mounting needs root and /dev/fuse");
    }
    let scratch = tempfile::tempdir().unwrap();
    let (source, image, at) =
        (scratch.path().join("source"), scratch.path().join("a.iso"), scratch.path().join("mounted"));
    plain_tree(&source);
    write(&source, &image);
    fs::create_dir(&at).unwrap();
    let first = Image::open(&image).unwrap().mount(&at, false).unwrap();
    peer::run(Command::new("umount").arg(&at));
    while !first.is_gone() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let second = Image::open(&image).unwrap().mount(&at, false).unwrap();
    drop(first);
    assert!(fs::exists(at.join("linked")).unwrap(), "the second is mounted");
    second.unmount().unwrap();
}

/// Everything there is to see of a tree: names, modes, links, sizes, times, targets and sums.
const REPORT: &str = r#"cd "$1"
find . -type f -printf '%P %m %n %s %T@\n' | sort
find . -type d -printf '%P %m %T@\n' | sort
find . -type l -printf '%P %T@ %l\n' | sort
find . -type f -print0 | sort -z | xargs -0 sha256sum"#;

/// A command of a user who is not root: nobody, where the tests are run by root.
fn as_user(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command
}

#[test]
fn any_user_may_mount() {
    if peer::find("fusermount3").is_none() {
        return;
    }
    if File::options().read(true).write(true).open("/dev/fuse").is_err() {
        return peer::skip("mounting needs /dev/fuse");
    }
    // In a folder that everybody may enter.
    let scratch = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    plain_tree(&path("source"));
    fs::write(path("source/large"), super::tree::content(7, 3_000_000)).unwrap();
    write(&path("source"), &path("a.iso"));
    Image::open(&path("a.iso")).unwrap().extract(&path("copy"), &()).unwrap();
    fs::copy(tests::sealift::binary(), path("sealift")).unwrap();
    fs::create_dir(path("mounted")).unwrap();
    if is_root() {
        std::os::unix::fs::chown(path("mounted"), Some(65_534), Some(65_534)).unwrap();
    }
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

/// A small file system that is unmounted at the end.
struct Disk(PathBuf);

impl Drop for Disk {
    fn drop(&mut self) {
        peer::run(Command::new("umount").arg(&self.0));
    }
}

#[test]
fn a_full_disk_is_one_error_and_leaves_what_was_there() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, at) = (scratch.path().join("source"), scratch.path().join("disk"));
    fs::create_dir(&at).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).arg(&at).status();
    if !mounted.is_ok_and(|status| status.success()) {
        return peer::skip("a small disk needs the right to mount");
    }
    let disk = Disk(at);
    fs::create_dir(&source).unwrap();
    fs::write(source.join("large"), super::tree::content(3, 2_000_000)).unwrap();
    let image = disk.0.join("a.iso");
    fs::write(&image, "what was there").unwrap();
    let error = iso::Plan::from_dir(&source, &options()).unwrap().write_file(&image, &()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with("cannot write ") && error.contains("No space left on device"), "{error}");
    assert_eq!(fs::read(&image).unwrap(), b"what was there");
    assert_eq!(fs::read_dir(&disk.0).unwrap().count(), 1, "nothing else is left");
}
