//! A file that appears under its name whole or not at all.
//!
//! The bytes go to `.NAME.partial` in the same folder, which is locked while a process writes it. A process that was
//! killed leaves it behind; the next one takes it over, so that nothing piles up.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::{Error, Result};

/// A file on its way to its name.
pub(crate) struct Partial {
    pub(crate) file: File,
    path: PathBuf,
    target: PathBuf,
    done: bool,
}

impl Partial {
    /// Opens an empty partial file for `target`, which must not be in the hands of another process.
    pub(crate) fn create(target: &Path) -> Result<Self> {
        let name = target.file_name().ok_or_else(|| {
            Error::io("write", target)(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))
        })?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".partial");
        let path = target.with_file_name(hidden);
        let file = lock(&path).map_err(Error::io("write", &path))?;
        let partial = Self { file, path, target: target.to_owned(), done: false };
        partial.file.set_len(0).map_err(Error::io("write", &partial.path))?;
        Ok(partial)
    }

    /// The path that errors name.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name once its bytes are on disk.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.file.sync_all().map_err(Error::io("write", &self.path))?;
        fs::rename(&self.path, &self.target).map_err(Error::io("write", &self.target))?;
        self.done = true;
        let folder = self.target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("write", folder))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // There is nobody left to tell; the next run takes the file over.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens and locks `path`, and makes sure that it is still the file of that name: its last owner may just have renamed it.
fn lock(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => {
                io::Error::new(io::ErrorKind::ResourceBusy, "another process is writing it")
            }
            error => error.into(),
        })?;
        let (ours, named) = (file.metadata()?, fs::symlink_metadata(path));
        if named.is_ok_and(|named| (named.dev(), named.ino()) == (ours.dev(), ours.ino())) {
            return Ok(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_name_appears_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.iso");
        fs::write(&target, "old").unwrap();
        let mut partial = Partial::create(&target).unwrap();
        partial.file.write_all(b"new").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"old");
        partial.finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["a.iso"]);
    }

    #[test]
    fn what_is_dropped_leaves_nothing_and_what_was_killed_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.iso");
        drop(Partial::create(&target).unwrap());
        assert!(names(folder.path()).is_empty());
        fs::write(folder.path().join(".a.iso.partial"), "debris").unwrap();
        Partial::create(&target).unwrap().finish().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"");
        assert_eq!(names(folder.path()), ["a.iso"]);
    }

    #[test]
    fn two_writers_of_one_name_do_not_mix() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a.iso");
        let first = Partial::create(&target).unwrap();
        let error = Partial::create(&target).err().expect("the second is refused").to_string();
        assert!(error.contains("another process is writing it"), "{error}");
        first.finish().unwrap();
    }

    #[test]
    fn a_missing_folder_is_named() {
        let error =
            Partial::create(Path::new("/nonexistent/a.iso")).err().expect("no such folder").to_string();
        assert!(error.starts_with("cannot write /nonexistent/.a.iso.partial: "), "{error}");
    }
}
