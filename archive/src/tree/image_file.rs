//! An ISO file, read in place.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{EntryKind, Location, LocationPiece, TreeEntry, wrong_kind};
use crate::{Error, Result};

/// An ISO file as a tree.
#[derive(Debug)]
pub struct IsoTree {
    path: PathBuf,
    image: iso::IsoImage<Declared>,
    file: Arc<File>,
    /// The bytes the file had when it was opened.
    bytes: u64,
}

/// An image file that is as long as its volume descriptor says, so that the folders of a truncated image can still be
/// read and the lost files named. Reading beyond the end of the file gives the end of file.
#[derive(Debug)]
struct Declared {
    file: Arc<File>,
    size: u64,
}

impl iso::ReadAt for Declared {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        iso::ReadAt::read_at(&*self.file, buffer, offset)
    }

    fn size(&self) -> std::io::Result<u64> {
        Ok(self.size)
    }
}

impl IsoTree {
    pub(super) fn of(file: File, path: &Path) -> Result<Self> {
        let wrong = |reason| Error::Iso { path: path.to_path_buf(), reason };
        let image = iso::IsoImage::new(file, path, None).map_err(wrong)?;
        let bytes = image.size();
        let size = bytes.max(u64::from(image.volume().sectors) * 2048);
        let file = image.file().try_clone().map_err(|source| Error::io("open", path, source))?;
        let file = Arc::new(file);
        let image =
            iso::IsoImage::new(Declared { file: Arc::clone(&file), size }, path, None).map_err(wrong)?;
        Ok(Self { path: path.to_path_buf(), image, file, bytes })
    }

    /// The name of the volume.
    #[must_use]
    pub fn volume_id(&self) -> &str {
        self.image.volume_id()
    }

    /// The bytes the image should have by its volume descriptor.
    #[must_use]
    pub fn declared_bytes(&self) -> u64 {
        u64::from(self.image.volume().sectors) * 2048
    }

    /// The bytes of the image that can be read: those of its file, or of a disc in a drive, which may have more sectors, those of
    /// the volume.
    pub(crate) fn readable_bytes(&self) -> u64 {
        let data = self.file.metadata().ok();
        data.filter(std::fs::Metadata::is_file).map_or_else(|| self.declared_bytes(), |data| data.len())
    }

    /// What lets readers of the image disagree about what is in it.
    pub(crate) fn disagreements(&self) -> Result<Vec<iso::Disagreement>> {
        self.image.disagreements().map_err(|reason| self.failed(reason))
    }

    /// What the volume descriptors say.
    pub(crate) fn volume(&self) -> &iso::Volume {
        self.image.volume()
    }

    /// All entries with the names of `view`, with their paths.
    pub(crate) fn entries(&self, view: iso::View) -> Result<Vec<(String, iso::IsoEntry)>> {
        let size = self.image.size();
        let image =
            iso::IsoImage::new(Declared { file: Arc::clone(&self.file), size }, &self.path, Some(view));
        image.and_then(|image| image.walk()).map_err(|reason| self.failed(reason))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file is long enough to hold all bytes of an entry.
    pub(super) fn holds(&self, entry: &TreeEntry) -> bool {
        entry
            .pieces
            .iter()
            .all(|piece| piece.offset.checked_add(piece.len).is_some_and(|end| end <= self.bytes))
    }

    /// The open image file.
    #[must_use]
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub(super) fn entry(&self, path: &str) -> Result<Option<TreeEntry>> {
        Ok(self.find(path)?.map(|found| entry(&found)))
    }

    pub(super) fn read_dir(&self, path: &str) -> Result<Vec<TreeEntry>> {
        let folder = self.existing(path)?;
        if !matches!(folder.kind, iso::IsoEntryKind::Directory) {
            return Err(wrong_kind(&self.path, path, "a folder", &entry(&folder).kind));
        }
        let found = self.image.read_dir(&folder).map_err(|reason| self.failed(reason))?;
        Ok(found.iter().map(entry).collect())
    }

    /// The entries of `folder`. `seen` has the places of all folders listed so far: a folder that holds itself, which
    /// only a forged image has, is an error, not an endless walk.
    pub(super) fn list(
        &self,
        path: &str,
        folder: &iso::IsoEntry,
        seen: &mut HashSet<u64>,
    ) -> Result<Vec<(TreeEntry, iso::IsoEntry)>> {
        if let Some(place) = folder.extents.first()
            && !seen.insert(place.offset)
        {
            return Err(Error::Path {
                path: path.to_owned(),
                problem: "the folder lies in two places of the archive",
            });
        }
        let found = self.image.read_dir(folder).map_err(|reason| self.failed(reason))?;
        Ok(found.into_iter().map(|found| (entry(&found), found)).collect())
    }

    pub(super) fn locate(&self, path: &str) -> Result<Location> {
        let entry = entry(&self.existing(path)?);
        if entry.kind != EntryKind::File {
            return Err(wrong_kind(&self.path, path, "a file", &entry.kind));
        }
        Ok(self.location(&entry))
    }

    pub(super) fn location(&self, entry: &TreeEntry) -> Location {
        Location {
            file: Arc::clone(&self.file),
            pieces: entry.pieces.clone(),
            size: entry.size,
            mtime: entry.mtime,
        }
    }

    pub(super) fn find(&self, path: &str) -> Result<Option<iso::IsoEntry>> {
        if path.is_empty() {
            return Ok(Some(self.image.root()));
        }
        self.image.find(path).map_err(|reason| self.failed(reason))
    }

    fn existing(&self, path: &str) -> Result<iso::IsoEntry> {
        self.find(path)?.ok_or_else(|| Error::NotFound { archive: self.path.clone(), path: path.to_owned() })
    }

    fn failed(&self, reason: iso::Error) -> Error {
        Error::Iso { path: self.path.clone(), reason }
    }
}

fn entry(found: &iso::IsoEntry) -> TreeEntry {
    let kind = match &found.kind {
        // What cannot be read is not taken for a file without content; a folder says why when it is read.
        iso::IsoEntryKind::File | iso::IsoEntryKind::Symlink(_) if found.fault.is_some() => EntryKind::Other,
        iso::IsoEntryKind::Directory => EntryKind::Directory,
        iso::IsoEntryKind::File => EntryKind::File,
        iso::IsoEntryKind::Symlink(target) => EntryKind::Symlink(target.clone()),
        iso::IsoEntryKind::Other => EntryKind::Other,
    };
    let (size, pieces) = match kind {
        EntryKind::File => (
            found.size,
            found
                .extents
                .iter()
                .map(|extent| LocationPiece { offset: extent.offset, len: extent.len })
                .collect(),
        ),
        _ => (0, Box::default()),
    };
    TreeEntry { name: found.name.clone(), kind, size, mode: found.mode & 0o7777, mtime: found.mtime, pieces }
}
