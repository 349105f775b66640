//! Folders that the user named.

use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, openat};

use crate::{IoError, printable_path};

/// Creates a folder that the user named, with those above it; one that exists is fine. Links on the way are followed.
///
/// For a folder whose name comes from outside there is [`Root::create_dir_all`](crate::Root::create_dir_all).
///
/// # Errors
///
/// Something else has the name, or a folder on the way cannot be written to.
pub fn create_folder(path: &Path) -> Result<(), IoError> {
    #[expect(clippy::disallowed_methods, reason = "this function is the one to use in its place")]
    std::fs::create_dir_all(path)
        .map_err(|error| IoError::at("create", path)(obstacle(path).unwrap_or(error)))
}

/// Refuses a path where no folder exists and none can be created, since something else has its name or that of a folder
/// above it. For commands that work long before they write.
///
/// # Errors
///
/// [`std::io::ErrorKind::NotADirectory`], and what is in the way.
pub fn check_folder(path: &Path) -> Result<(), IoError> {
    obstacle(path).map_or(Ok(()), |error| Err(IoError::at("write to", path)(error)))
}

/// What keeps a folder from being created at `path`, if that is something else with its name or that of a folder above.
fn obstacle(path: &Path) -> Option<Error> {
    // A slash at the end would hide a link.
    let path = path.components().as_path();
    let refuse = |at: &Path, what: &str| {
        let name = if at == path { "it".to_owned() } else { printable_path(at).to_string() };
        Some(Error::new(ErrorKind::NotADirectory, format!("{name} {what}")))
    };
    for at in path.ancestors().filter(|at| !at.as_os_str().is_empty()) {
        match std::fs::metadata(at) {
            Ok(found) if found.is_dir() => return None,
            Ok(_) => return refuse(at, "is not a folder"),
            Err(_) if at.is_symlink() => return refuse(at, "is a symbolic link whose target does not exist"),
            Err(_) => {}
        }
    }
    None
}

/// Removes a file, or whatever else stands at `path`: a link, a named pipe, a folder with all that it holds. No link is
/// followed. A path that does not exist is not an error.
///
/// # Errors
///
/// It cannot be removed.
pub fn remove(path: &Path) -> Result<(), IoError> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(IoError::at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Opens a folder, to lock it or to bring its names to the disk. Anything else is refused at once.
///
/// # Errors
///
/// It does not exist, is not a folder or cannot be opened.
pub fn open_folder(path: &Path) -> Result<File, IoError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = openat(CWD, path, flags, Mode::empty());
    folder.map(File::from).map_err(|errno| IoError::at("open", path)(errno.into()))
}

/// Waits until the names in a folder are on the disk, so that a rename survives a power cut.
///
/// # Errors
///
/// As [`open_folder`]; the disk fails.
pub fn sync_folder(path: &Path) -> Result<(), IoError> {
    open_folder(path)?.sync_all().map_err(IoError::at("write", path))
}
