//! Files put into the tree: whole under their final name or not there, never written into the inode of another name.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Copies content and permissions.
pub(super) fn copy(source: &Path, target: &Path) -> io::Result<()> {
    let mut from = File::open(source)?;
    let mode = from.metadata()?.permissions().mode() & 0o777;
    put(target, mode, |file| io::copy(&mut from, file).map(drop))
}

/// Writes `content` with the permissions `mode`.
pub(super) fn write(target: &Path, content: &str, mode: u32) -> io::Result<()> {
    put(target, mode, |file| io::Write::write_all(file, content.as_bytes()))
}

/// Gives the file at `source` a second name.
pub(super) fn link(source: &Path, target: &Path) -> io::Result<()> {
    vacate(target)?;
    std::fs::hard_link(source, target)
}

/// Makes a symbolic link that says `text`.
pub(super) fn symlink(text: &Path, target: &Path) -> io::Result<()> {
    vacate(target)?;
    std::os::unix::fs::symlink(text, target)
}

fn put(target: &Path, mode: u32, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    // Always the same name, so that kills leave no heap: a target has one task, and a build root one run at a time.
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let partial = target.with_file_name(format!(".{}.partial", name.display()));
    vacate(&partial)?;
    let mut file = File::create_new(&partial)?;
    let put = fill(&mut file)
        .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
        .and_then(|()| std::fs::rename(&partial, target));
    if put.is_err() {
        // What fails here is the lesser trouble.
        let _ = vacate(&partial);
    }
    put
}

fn vacate(target: &Path) -> io::Result<()> {
    match std::fs::remove_file(target) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
