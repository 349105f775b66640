//! What the writers of trees share: hard links that fall back to copies, and folders replaced whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result, io};

/// Makes `to` the same file as `from`, or a copy where the file system cannot link (another device, too many links).
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            Err(io("link", to)(error))
        }
        Err(_) => fs::copy(from, to).map(drop).map_err(io("copy", from)),
    }
}

/// A folder that is built beside its place and renamed into it; dropped unfinished, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    staging: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Starts the folder that is to become `target`. What an earlier, killed attempt left beside it is removed.
    pub(crate) fn new(target: &Path) -> Result<Self> {
        let bad = || Error::Layout { path: target.to_owned(), reason: "not the path of a folder".into() };
        let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(bad)?;
        let parent = target.parent().ok_or_else(bad)?;
        fs::create_dir_all(parent).map_err(io("create", parent))?;
        let staged = Self { staging: parent.join(format!(".{name}.new")), target: target.to_owned() };
        remove_folder(&staged.staging)?;
        fs::create_dir(&staged.staging).map_err(io("create", &staged.staging))?;
        Ok(staged)
    }

    /// Where to build.
    pub(crate) fn path(&self) -> &Path {
        &self.staging
    }

    /// Puts the folder into its place; what was there is exchanged for it at once, then removed.
    pub(crate) fn finish(self) -> Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let rename = io("rename into place", &self.target);
        match fs::symlink_metadata(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(&self.staging, &self.target).map_err(rename)
            }
            Err(error) => Err(rename(error)),
            // Dropping `self` removes what the exchange leaves under the staging name.
            Ok(_) => renameat_with(CWD, &self.staging, CWD, &self.target, RenameFlags::EXCHANGE)
                .map_err(|error| rename(error.into())),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The next attempt removes what cannot be removed now.
        let _ = remove_folder(&self.staging);
    }
}

fn remove_folder(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path).map_err(io("remove", path)),
        Ok(_) => fs::remove_file(path).map_err(io("remove", path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(io("stat", path)(error)),
    }
}

/// Writes a small file of a staged tree. It needs no name of its own for the time being: the whole tree gets one at once.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).map_err(io("write", path))
}
