//! Files that appear under their final name whole or not at all.
//!
//! What is being written lies beside its final place under a fixed hidden name, so that a run that was killed
//! leaves nothing that the next one would not overwrite. The folder is locked meanwhile (`flock(2)`; the lock
//! ends with the process), so that two runs never write under the same hidden name.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A folder that this process alone writes to, created where it is missing.
pub(crate) struct Folder {
    path: PathBuf,
    handle: File,
}

impl Folder {
    /// Creates the folder where it is missing and waits until no other process holds it.
    pub(crate) fn lock(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(Error::io("create the folder", path))?;
        let handle = File::open(path).map_err(Error::io("open the folder", path))?;
        handle.lock().map_err(Error::io("lock the folder", path))?;
        Ok(Self { path: path.to_owned(), handle })
    }

    /// Writes the file `name`, whole and on disk before it gets its name.
    pub(crate) fn write(
        &self,
        name: &str,
        content: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<PathBuf> {
        let part = self.path.join(format!(".{name}.part"));
        let path = self.path.join(name);
        let file = File::create(&part).map_err(Error::io("create", &part))?;
        let written = (|| {
            let mut file = BufWriter::new(file);
            content(&mut file)?;
            let file = file.into_inner().map_err(|error| Error::io("write", &part)(error.into_error()))?;
            file.sync_all().map_err(Error::io("write", &part))?;
            fs::rename(&part, &path).map_err(Error::io("rename", &part))?;
            self.sync()
        })();
        if written.is_err() {
            // Best effort: the next run overwrites it, and the first error is the one that counts.
            let _ = fs::remove_file(&part);
        }
        written.map(|()| path)
    }

    /// Waits until the names in this folder are on disk.
    pub(crate) fn sync(&self) -> Result<()> {
        self.handle.sync_all().map_err(Error::io("write the folder", &self.path))
    }
}
