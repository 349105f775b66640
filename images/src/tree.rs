//! What the writers of trees share: hard links that fall back to copies, and folders replaced whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use content::Links;

use crate::error::{Error, Result, io};

/// Makes `to` the same file as `from`, or a copy where the file system cannot link (another device, too many links).
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            Err(io("link", to)(error))
        }
        Err(_) => copy_file(from, to).map(drop),
    }
}

/// Copies a regular file, or what a link leads to, to a new one; what it had beside its content.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<fs::Metadata> {
    let source = content::open(from, Links::Follow)?;
    let found = source.metadata().map_err(io("stat", from))?;
    let target = File::create_new(to).map_err(io("create", to))?;
    content::copy(&source, from, &target, to)?;
    target.set_permissions(found.permissions()).map_err(io("change the mode of", to))?;
    Ok(found)
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
        content::create_folder(parent)?;
        let staged = Self { staging: parent.join(format!(".{name}.new")), target: target.to_owned() };
        crate::store::remove(&staged.staging)?;
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
        let _ = crate::store::remove(&self.staging);
    }
}

/// Writes a small file of a staged tree. It needs no name of its own for the time being: the whole tree gets one at once.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(io("create", path))?;
    file.write_all(bytes).map_err(io("write", path))
}
