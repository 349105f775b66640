//! Mounts of tests: small file systems, which fill quickly, and those that programs serve.

use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer;
use crate::user::is_root;

/// A file system in memory. It is unmounted when dropped, with everything below it.
#[derive(Debug)]
pub struct Disk(PathBuf);

/// How much of a [`Disk`] is used.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Bytes.
    pub bytes: u64,
    /// Files, folders and links.
    pub inodes: u64,
}

impl Disk {
    /// Mounts one at the folder `at` with options of tmpfs(5), `size=1m`; or reports on standard error that it may not.
    ///
    /// # Panics
    ///
    /// In CI, where it must be possible.
    #[must_use]
    pub fn mount(at: &Path, options: &str) -> Option<Self> {
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", options, "none"]).arg(at);
        if command.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_path_buf()));
        }
        peer::skip("a small disk needs the right to mount");
        None
    }

    /// The folder it is mounted at.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it larger or smaller, `size=2m`, `nr_inodes=20`.
    ///
    /// # Panics
    ///
    /// If it already holds more.
    pub fn resize(&self, options: &str) {
        peer::run(Command::new("mount").arg("-o").arg(format!("remount,{options}")).arg(&self.0));
    }

    /// How much of it is used.
    ///
    /// # Panics
    ///
    /// If the operating system does not report it.
    #[must_use]
    pub fn taken(&self) -> Taken {
        let said = peer::run(Command::new("stat").args(["-f", "-c", "%b %f %S %c %d"]).arg(&self.0)).stdout;
        let said = String::from_utf8(said).unwrap();
        let numbers: Vec<u64> = said.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [blocks, free_blocks, block, inodes, free_inodes] = numbers[..] else { panic!("{said}") };
        Taken { bytes: (blocks - free_blocks) * block, inodes: inodes - free_inodes }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a test that failed may have left something in use.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A disk in a file, with a file system of its own, unmounted when dropped.
#[derive(Debug)]
pub struct Loop {
    at: PathBuf,
    image: PathBuf,
}

impl Loop {
    /// Makes the file `image` of `size` bytes, makes a file system in it by the command `make` with the file as its last
    /// argument, and mounts it at the folder `at`; or reports on standard error that it may not.
    ///
    /// # Panics
    ///
    /// If the file system cannot be made; in CI, where mounting must be possible.
    #[must_use]
    pub fn mount(image: &Path, size: u64, make: &[&str], at: &Path) -> Option<Self> {
        let (program, arguments) = make.split_first()?;
        let program = peer::find(program)?;
        File::create(image).unwrap().set_len(size).unwrap();
        peer::run(Command::new(program).args(arguments).arg(image));
        let mut command = Command::new("mount");
        command.args(["-o", "loop"]).arg(image).arg(at);
        if command.output().is_ok_and(|output| output.status.success()) {
            return Some(Self { at: at.to_path_buf(), image: image.to_path_buf() });
        }
        peer::skip("a disk in a file needs the right to mount, and a kernel that knows its file system");
        None
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // Lazily: a test that failed may have left something in use.
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
        let _ = std::fs::remove_file(&self.image);
    }
}

/// As [`fuse`], for mounts by this process, which only root may do.
///
/// # Panics
///
/// In CI, where it must be possible.
#[must_use]
pub fn fuse_as_root() -> bool {
    if !is_root() {
        peer::skip("mounting without the help of a program needs root");
    }
    is_root() && fuse()
}

/// Whether FUSE works here; reports on standard error if not.
///
/// # Panics
///
/// In CI, where it must work.
#[must_use]
pub fn fuse() -> bool {
    let there = File::options().read(true).write(true).open("/dev/fuse").is_ok();
    if !there {
        peer::skip("mounting needs /dev/fuse");
    }
    there
}

/// As [`fuse`], for other users than root too. If udev has not opened the device to them, root does.
///
/// # Panics
///
/// In CI, where it must work.
#[must_use]
pub fn fuse_for_users() -> bool {
    if is_root() {
        // If root may not, the test shows it.
        let _ = std::fs::set_permissions("/dev/fuse", std::fs::Permissions::from_mode(0o666));
    }
    fuse()
}
