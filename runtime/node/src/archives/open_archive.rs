//! An archive that stays open from the verification to the last step.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use archive::Tree;
use content::{FileStamp, IoError, LinkPolicy};

use super::error::Error;
use super::machine::Machine;

/// An archive that is being mounted or imported. Everything is read through one open file. Steps that need its path are
/// checked against that file, before and after.
#[derive(Debug)]
pub(super) struct OpenArchive {
    path: PathBuf,
    /// The open ISO file; `None` for a folder, whose content can change at any time.
    file: Option<File>,
    stamp: FileStamp,
}

impl OpenArchive {
    /// Opens the archive at `path`, an ISO file or a folder. Symbolic links are followed once, here.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let failed = |error| IoError::at("open", path)(error);
        let real = std::fs::canonicalize(path).map_err(failed)?;
        let (file, data) = match content::open_device(&real, LinkPolicy::Refuse) {
            Ok(file) => {
                let data = file.metadata().map_err(failed)?;
                (Some(file), data)
            }
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                (None, std::fs::symlink_metadata(&real).map_err(failed)?)
            }
            Err(error) => return Err(failed(error.source).into()),
        };
        Ok(Self { path: real, file, stamp: FileStamp::of(&data) })
    }

    /// Its path, without symbolic links.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The archive as it was opened.
    pub(super) fn tree(&self) -> Result<Tree, Error> {
        let Some(file) = &self.file else { return Ok(Tree::open(&self.path)?) };
        let file = file.try_clone().map_err(IoError::at("open", &self.path))?;
        Ok(Tree::of_file(file, &self.path)?)
    }

    /// Checks that its path still leads to it, and that nobody has written to it.
    pub(super) fn check(&self) -> Result<(), Error> {
        let open = self.file.as_ref().map(File::metadata);
        let named = std::fs::symlink_metadata(&self.path);
        let same =
            |data: std::io::Result<Metadata>| data.is_ok_and(|data| FileStamp::of(&data) == self.stamp);
        if same(named) && open.is_none_or(same) { Ok(()) } else { Err(Error::Changed(self.path.clone())) }
    }

    /// As [`OpenArchive::check`], and checks that it is the archive mounted at `at`.
    pub(super) fn check_mounted(&self, at: &Path, machine: &dyn Machine) -> Result<(), Error> {
        self.check()?;
        let shown = machine.shows(&self.path, at).map_err(IoError::at("determine the mount at", at))?;
        if shown { Ok(()) } else { Err(Error::Changed(self.path.clone())) }
    }
}
