//! Images and the operating system: mounts, full disks, files beyond 4 GiB.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use iso::Image;
use sha2::{Digest, Sha256};
use tests::peer;

use super::tree::{as_archived, assert_same, snapshot};
use super::{empty_files_apart, options, plain_tree, write};

/// Says on standard error that a test cannot run here, and fails in CI, where it must.
fn skipped(why: &str) {
    assert!(std::env::var_os("CI").is_none(), "{why}");
    eprintln!("SKIPPED: {why}");
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

#[test]
fn a_mounted_image_is_its_tree() {
    if !is_root() || File::options().read(true).write(true).open("/dev/fuse").is_err() {
        return skipped("mounting needs root and /dev/fuse");
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
        return skipped("a small disk needs the right to mount");
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

/// SHA-256 of all that a reader gives.
fn sha256(mut reader: impl Read) -> String {
    let (mut sha256, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => return hex::encode(sha256.finalize()),
            length => sha256.update(&buffer[..length]),
        }
    }
}

/// SHA-256 of what a command prints.
fn sha256_of(command: &mut Command) -> String {
    let mut child: Child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let sum = sha256(child.stdout.take().unwrap());
    assert!(child.wait().unwrap().success(), "{command:?}");
    sum
}

/// A file of two sections, which most of the old tools cannot hold. It is sparse, and so is its image.
#[test]
#[ignore = "slow: reads more than 4 GiB several times"]
fn a_file_beyond_4_gib() {
    let scratch = tempfile::tempdir().unwrap();
    let (source, image) = (scratch.path().join("source"), scratch.path().join("a.iso"));
    fs::create_dir(&source).unwrap();
    let large = source.join("large");
    let size = 0xFFFF_F800 + 5_000_123_u64;
    let file = File::create(&large).unwrap();
    file.set_len(size).unwrap();
    for at in [0, 0xFFFF_F000, 0xFFFF_F7FE, 0x1_0000_0000, size - 5] {
        file.write_all_at(b"here", at).unwrap();
    }
    fs::hard_link(&large, source.join("linked")).unwrap();
    fs::write(source.join("small"), "behind").unwrap();
    let sums = write(&source, &image);
    assert!(fs::metadata(&image).unwrap().blocks() * 512 < 100_000_000, "the zeros are holes");
    assert_eq!(iso::md5::check(&image, &()).unwrap(), iso::md5::Check::Intact { md5: sums.md5 });
    let expected = sha256(File::open(&large).unwrap());

    let ours = Image::open(&image).unwrap();
    for (path, entry) in ours.walk().unwrap().iter().filter(|(path, _)| path != "small") {
        assert_eq!((entry.size, entry.extents.len(), entry.links), (size, 2, 2), "{path}");
        let mut tail = [0; 100];
        assert_eq!(ours.read_at(entry, size - 5, &mut tail).unwrap(), 5);
        assert_eq!(&tail[..5], b"here\0");
    }
    if let Some(bsdtar) = peer::find("bsdtar") {
        for name in ["large", "small"] {
            let found = sha256_of(Command::new(&bsdtar).arg("-xOf").arg(&image).arg(name));
            assert_eq!(found, sha256(File::open(source.join(name)).unwrap()), "bsdtar: {name}");
        }
    }
    if let Some(seven_zip) = peer::find("7z") {
        let found = sha256_of(Command::new(seven_zip).args(["x", "-so"]).arg(&image).arg("linked"));
        assert_eq!(found, expected, "7z");
    }
    if let Some(xorriso) = peer::find("xorriso") {
        let out = scratch.path().join("xorriso");
        let mut command = Command::new(xorriso);
        command.args(["-osirrox", "on", "-indev"]).arg(&image).args(["-extract", "/large"]).arg(&out);
        peer::run(&mut command);
        assert_eq!(sha256(File::open(&out).unwrap()), expected, "xorriso");
    }
    assert!(super::peers::checkisomd5(Path::new(&image)).unwrap_or(true), "checkisomd5");
}
