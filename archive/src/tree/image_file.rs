//! An ISO file, read in place.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Entry, Kind, Location, Piece, wrong_kind};
use crate::{Error, Result};

/// An ISO file as a tree.
#[derive(Debug)]
pub struct ImageFile {
    path: PathBuf,
    image: iso::Image,
    file: Arc<File>,
}

impl ImageFile {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let image =
            iso::Image::open(path).map_err(|source| Error::Iso { path: path.to_path_buf(), source })?;
        let file = image.file().try_clone().map_err(|source| Error::io("open", path, source))?;
        Ok(Self { path: path.to_path_buf(), image, file: Arc::new(file) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The image itself, for what only an ISO has: its volume identifier and implanted MD5.
    #[must_use]
    pub fn image(&self) -> &iso::Image {
        &self.image
    }

    /// The open image file.
    #[must_use]
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn entry(&self, path: &str) -> Result<Option<Entry>> {
        Ok(self.find(path)?.map(|found| entry(&found)))
    }

    pub(super) fn read_dir(&self, path: &str) -> Result<Vec<Entry>> {
        let folder = self.existing(path)?;
        if !matches!(folder.kind, iso::Kind::Directory) {
            return Err(wrong_kind(&self.path, path, "a folder", &entry(&folder).kind));
        }
        let found = self.image.read_dir(&folder).map_err(|source| self.failed(source))?;
        Ok(found.iter().map(entry).collect())
    }

    /// The entries of `folder`. `seen` has the places of all folders listed so far: a folder that holds itself, which
    /// only a forged image has, is an error and no endless walk.
    pub(super) fn list(
        &self,
        path: &str,
        folder: &iso::Entry,
        seen: &mut HashSet<u64>,
    ) -> Result<Vec<(Entry, iso::Entry)>> {
        if let Some(place) = folder.extents.first()
            && !seen.insert(place.offset)
        {
            return Err(Error::Path {
                path: path.to_owned(),
                problem: "the folder lies in two places of the archive",
            });
        }
        let found = self.image.read_dir(folder).map_err(|source| self.failed(source))?;
        Ok(found.into_iter().map(|found| (entry(&found), found)).collect())
    }

    pub(super) fn locate(&self, path: &str) -> Result<Location> {
        let entry = entry(&self.existing(path)?);
        if entry.kind != Kind::File {
            return Err(wrong_kind(&self.path, path, "a file", &entry.kind));
        }
        Ok(self.location(&entry))
    }

    pub(super) fn location(&self, entry: &Entry) -> Location {
        Location {
            file: Arc::clone(&self.file),
            pieces: entry.pieces.clone(),
            size: entry.size,
            mtime: entry.mtime,
        }
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<iso::Entry>> {
        if path.is_empty() {
            return Ok(Some(self.image.root()));
        }
        self.image.find(path).map_err(|source| self.failed(source))
    }

    fn existing(&self, path: &str) -> Result<iso::Entry> {
        self.find(path)?.ok_or_else(|| Error::NotFound { archive: self.path.clone(), path: path.to_owned() })
    }

    fn failed(&self, source: iso::Error) -> Error {
        Error::Iso { path: self.path.clone(), source }
    }
}

fn entry(found: &iso::Entry) -> Entry {
    let kind = match &found.kind {
        iso::Kind::Directory => Kind::Directory,
        iso::Kind::File => Kind::File,
        iso::Kind::Symlink(target) => Kind::Symlink(target.clone()),
    };
    let (size, pieces) = match kind {
        Kind::File => (
            found.size,
            found.extents.iter().map(|extent| Piece { offset: extent.offset, len: extent.len }).collect(),
        ),
        _ => (0, Box::default()),
    };
    Entry { name: found.name.clone(), kind, size, mode: found.mode & 0o7777, mtime: found.mtime, pieces }
}
