//! The archive that a mount point shows.

use std::path::{Path, PathBuf};

use content::IoError;

use super::error::Error;
use crate::archives::{self, LinuxMachine, Machine as _, MountedFile, NodeLayout};

/// The ISO file or folder behind `path`, which may be a mount point: an import needs the file itself, since that is mounted
/// again at each boot.
///
/// # Errors
///
/// [`Error::NoFile`] for an archive that is mounted from a drive; [`Error::Archives`]; [`Error::Io`].
pub fn source(path: &Path, layout: &NodeLayout, machine: &LinuxMachine) -> Result<PathBuf, Error> {
    let at = std::fs::canonicalize(path).map_err(IoError::at("open", path))?;
    if !at.is_dir() {
        return Ok(at);
    }
    let failed = || IoError::at("determine the mount at", &at);
    // An invalid configuration is reported by the checks.
    for archive in archives::configured(layout).unwrap_or_default() {
        if machine.shows(&archive, &at).map_err(failed())? {
            return Ok(archive);
        }
    }
    match machine.file_mounted_at(&at).map_err(failed())? {
        MountedFile::None => Ok(at),
        MountedFile::File(file) => Ok(file),
        MountedFile::Device(device) => Err(Error::NoFile { at, device }),
    }
}
