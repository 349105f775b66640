//! The file on disk.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use content::{AtomicFile, Durability};

use super::{FILE, FILE_MAX, OriginalNames, Place};
use crate::error::{Error, Result, io};
use crate::store::read_limited;
use crate::tree::lock_beside;

impl OriginalNames {
    /// Reads the file in the folder `images`. Without the file, no image has an original reference.
    ///
    /// # Errors
    ///
    /// [`Error::OriginalNames`] for an invalid file, [`Error::Io`].
    pub fn load(images: &Path) -> Result<Self> {
        read(&images.join(FILE)).map(|(names, _)| names)
    }

    /// Removes the names of images that do not exist below `images` from the file there. In a folder that cannot be changed
    /// they stay: nothing serves them.
    ///
    /// # Errors
    ///
    /// Those of [`OriginalNamesFile::open`] and [`OriginalNamesFile::save`].
    pub fn forget_missing(images: &Path) -> Result<()> {
        // Most folders have nothing to forget, and can be read-only then.
        let names = Self::load(images)?;
        let missing = |place: &Place| !place.folder(images).join("manifest.json").exists();
        if !names.images().any(|(place, _)| missing(place)) {
            return Ok(());
        }
        let mut file = OriginalNamesFile::open(images)?;
        file.names.retain(|place| !missing(place));
        match file.save() {
            Err(error) if error.is_unusable_place() => Ok(()),
            saved => saved,
        }
    }
}

/// The file in a folder of images, open for changes. Other processes that change it wait until this is dropped.
#[derive(Debug)]
pub struct OriginalNamesFile {
    /// The names, to be changed.
    pub names: OriginalNames,
    path: PathBuf,
    /// What is on the disk; `None` if there is no file.
    written: Option<Vec<u8>>,
    _lock: Option<File>,
}

impl OriginalNamesFile {
    /// Waits for other processes that change the file in the folder `images`, then reads it. The folder is created if it does
    /// not exist.
    ///
    /// # Errors
    ///
    /// [`Error::OriginalNames`] for an invalid file, [`Error::Io`].
    pub fn open(images: &Path) -> Result<Self> {
        let path = images.join(FILE);
        let lock = lock_beside(&path)?;
        let (names, written) = read(&path)?;
        Ok(Self { names, path, written, _lock: lock })
    }

    /// Writes the names, if they changed. The file appears whole; without any name it is removed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::OriginalNames`] if the file would be too large to be read.
    pub fn save(&mut self) -> Result<()> {
        let content = Some(self.names.write()).filter(|_| !self.names.is_empty());
        if content == self.written {
            return Ok(());
        }
        match &content {
            Some(content) if content.len() as u64 > FILE_MAX => {
                let reason = super::OriginalNamesError::TooLarge.to_string();
                return Err(Error::OriginalNames { path: self.path.clone(), reason });
            }
            Some(content) => AtomicFile::write(&self.path, content, 0o644, Durability::Durable)?,
            None => match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io("remove", &self.path)(error));
                }
                _ => {}
            },
        }
        self.written = content;
        Ok(())
    }
}

/// The names in a file, and its bytes, if it exists.
fn read(path: &Path) -> Result<(OriginalNames, Option<Vec<u8>>)> {
    let bytes = match read_limited(path, FILE_MAX) {
        Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Ok((OriginalNames::default(), None));
        }
        read => read?,
    };
    let bad = |error: super::OriginalNamesError| Error::OriginalNames {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    Ok((OriginalNames::read(&bytes).map_err(bad)?, Some(bytes)))
}
