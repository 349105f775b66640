//! Images and the operating system: mounts, full disks.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::Command;

use iso::Image;
use tests::peer;

use super::tree::{as_archived, assert_same, snapshot};
use super::{empty_files_apart, options, plain_tree, write};

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
