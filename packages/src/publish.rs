//! Files that appear under their final name whole or not at all.
//!
//! The folder is locked while metadata are written under a fixed hidden name (`flock(2)`; the lock ends with the
//! process): a run that was killed leaves nothing that the next one would not overwrite.

use std::fs::{self, File};
use std::io::{BufWriter, ErrorKind, Seek as _, Write};
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// A folder that this process alone writes to, created where it is missing.
pub(crate) struct PrivateFolder {
    path: PathBuf,
    handle: File,
}

impl PrivateFolder {
    /// Creates the folder where it is missing and waits until no other process holds it.
    pub(crate) fn lock(path: &Path) -> Result<Self> {
        content::create_folder(path)?;
        Self::lock_existing(path)
    }

    /// Waits until no other process holds the folder.
    pub(crate) fn lock_existing(path: &Path) -> Result<Self> {
        let handle = content::open_folder(path)?;
        match handle.lock().map_err(|error| (Errno::from_io_error(&error), error)) {
            // NFS and some others lock no folders: there, two runs must not write to one at the same time.
            Ok(()) | Err((Some(Errno::BADF | Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP), _)) => {}
            Err((_, error)) => return Err(Error::io("lock the folder", path)(error)),
        }
        Ok(Self { path: path.to_owned(), handle })
    }

    /// Writes the file `name`, whole and on disk before it gets its name.
    pub(crate) fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<PathBuf> {
        self.write_checked(name, content, |_, _| Ok(()))
    }

    /// As [`Self::write`]; the file gets its name only if `check` accepts it, which gets it open at its start, and the path
    /// that it will have.
    pub(crate) fn write_checked(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> Result<()>,
        check: impl FnOnce(&File, &Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path.join(name);
        let file = AtomicFile::create(&path, 0o644, Durability::Durable)?;
        let mut writer = BufWriter::new(file.file());
        content(&mut writer)?;
        writer.flush().map_err(Error::io("write", &path))?;
        drop(writer);
        file.file().rewind().map_err(Error::io("read", &path))?;
        check(file.file(), &path)?;
        file.commit()?;
        Ok(path)
    }

    /// Waits until the names in this folder are on disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.handle.sync_all().map_err(Error::io("write the folder", &self.path))
    }
}

/// Removes a folder and everything in it, if it exists.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("remove the folder", path)),
    }
}

/// Puts the folder `new` in the place of `old`, both in `parent`; readers see the one or the other.
pub(crate) fn replace_folder(parent: &PrivateFolder, new: &Path, old: &Path) -> Result<()> {
    match fs::symlink_metadata(old) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            fs::rename(new, old).map_err(Error::io("rename", new))?;
            return parent.sync();
        }
        Err(error) => return Err(Error::io("read", old)(error)),
        Ok(metadata) if !metadata.is_dir() => {
            return Err(Error::Unindexable { path: old.to_owned(), reason: "it exists and is not a folder" });
        }
        Ok(_) => {}
    }
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        // Some network filesystems cannot exchange two names: there, the place is empty for an instant.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            remove_folder(old)?;
            fs::rename(new, old).map_err(Error::io("rename", new))?;
        }
        Err(error) => {
            return Err(Error::io("exchange with the new folder", old)(error.into()));
        }
    }
    parent.sync()?;
    remove_folder(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let place = PrivateFolder::lock(folder.path()).unwrap();
        place.write("x", |file| file.write_all(b"old").map_err(Error::io("write", folder.path()))).unwrap();
        let failed = place.write("x", |file| {
            file.write_all(b"new").unwrap();
            Err(Error::Unindexable { path: folder.path().to_owned(), reason: "" })
        });
        failed.unwrap_err();
        assert_eq!(fs::read(folder.path().join("x")).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_takes_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let place = PrivateFolder::lock(folder.path()).unwrap();
        let (new, old) = (folder.path().join("new"), folder.path().join("old"));
        for content in ["first", "second"] {
            fs::create_dir(&new).unwrap();
            fs::write(new.join("x"), content).unwrap();
            replace_folder(&place, &new, &old).unwrap();
            assert_eq!(fs::read_to_string(old.join("x")).unwrap(), content);
            assert!(!new.exists());
        }
        fs::remove_dir_all(&old).unwrap();
        fs::write(&old, "a file").unwrap();
        fs::create_dir(&new).unwrap();
        replace_folder(&place, &new, &old).unwrap_err();
        assert_eq!(fs::read_to_string(&old).unwrap(), "a file");
    }
}
