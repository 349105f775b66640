//! Reading an image.

mod source;

use std::fs::File;
use std::path::Path;

pub use source::ReadAt;

use crate::{Error, Result};

/// An image opened for reading. Any number of threads may read it at once.
#[derive(Debug)]
pub struct Image<S = File> {
    source: S,
    volume_id: String,
    root: Entry,
}

/// A stretch of the image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Where it begins, in bytes from the start of the image.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link to this target.
    Symlink(String),
}

/// A file, folder or link in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its name in its folder; empty for the root. Bytes that are not UTF-8 are shown as U+FFFD.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes: the content of a file, 0 for links.
    pub size: u64,
    /// File type and permission bits as in `st_mode`.
    pub mode: u32,
    /// Modification time: seconds since 1970-01-01T00:00:00Z.
    pub mtime: i64,
    /// Where the content lies in the image file, in order.
    pub extents: Vec<Extent>,
}

impl Image<File> {
    /// Opens the image at `path`.
    pub fn open(path: &Path) -> Result<Self> {
        let _file = File::open(path).map_err(Error::io("open", path))?;
        Err(Error::NoVolume { path: path.to_owned(), found: "the reader is on its way" })
    }

    /// The open file, for those who send its extents themselves.
    pub fn file(&self) -> &File {
        &self.source
    }
}

impl<S: ReadAt> Image<S> {
    /// The volume's name.
    pub fn volume_id(&self) -> &str {
        &self.volume_id
    }

    /// The root folder.
    pub fn root(&self) -> Entry {
        self.root.clone()
    }

    /// What is in a folder, in the order of the image.
    pub fn read_dir(&self, _directory: &Entry) -> Result<Vec<Entry>> {
        Ok(Vec::new())
    }

    /// The entry at `path` (`a/b`, from the root), or `None` if there is none.
    pub fn find(&self, _path: &str) -> Result<Option<Entry>> {
        Ok(None)
    }

    /// Everything below the root with its path, folders before what is in them.
    pub fn walk(&self) -> Result<Vec<(String, Entry)>> {
        Ok(Vec::new())
    }

    /// Reads a file's content at `offset` into `buffer`: how many bytes came, 0 at the end.
    pub fn read_at(&self, _file: &Entry, _offset: u64, _buffer: &mut [u8]) -> Result<usize> {
        Ok(0)
    }
}
