//! What an image says of a file, folder or link.

use std::fmt;
use std::path::Path;

use crate::Error;

/// A stretch of the image file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it begins, in bytes from the start of the image.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// The kind of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IsoEntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link to this target. Bytes that are not UTF-8 are shown as U+FFFD.
    Symlink(String),
    /// A device node, socket or named pipe.
    Other,
}

/// A file, folder or link in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IsoEntry {
    /// Its name in its folder; empty for the root. Bytes that are not UTF-8 are shown as U+FFFD.
    pub name: String,
    /// What it is.
    pub kind: IsoEntryKind,
    /// Its size in bytes: of a file's content, of a folder's records; 0 for the rest.
    pub size: u64,
    /// File type and permission bits as in `st_mode`.
    pub mode: u32,
    /// The owner's user id.
    pub uid: u32,
    /// The owner's group id.
    pub gid: u32,
    /// How many names the image says that it has.
    pub links: u32,
    /// Modification time: seconds since 1970-01-01T00:00:00Z.
    pub mtime: i64,
    /// Where the content lies in the image file, in order. All of it lies inside the image.
    pub extents: Vec<Extent>,
    /// What is wrong with the entry. Its content or target cannot be read then, and its name may be one made up.
    pub fault: Option<Box<EntryFault>>,
    /// The name's bytes where they are not UTF-8.
    pub(super) raw_name: Option<Vec<u8>>,
    /// The target's bytes where they are not UTF-8.
    pub(super) raw_target: Option<Vec<u8>>,
}

/// What is wrong with one entry of an image. The others are not affected.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EntryFault {
    /// Where in the image the entry's record lies, in bytes.
    pub offset: u64,
    /// What was expected and what was found, or what is not supported.
    pub problem: String,
    /// The entry is sound but uses something that this reader does not read.
    pub unsupported: bool,
}

impl EntryFault {
    pub(super) fn damaged(offset: u64, problem: impl Into<String>) -> Box<Self> {
        Box::new(Self { offset, problem: problem.into(), unsupported: false })
    }

    pub(super) fn unsupported(offset: u64, problem: impl Into<String>) -> Box<Self> {
        Box::new(Self { offset, problem: problem.into(), unsupported: true })
    }

    /// The error of an operation that needs what the fault denies it.
    pub(super) fn error(&self, path: &Path) -> Error {
        let (path, offset, problem) = (path.to_owned(), self.offset, self.problem.clone());
        if self.unsupported {
            Error::Unsupported { path, offset, what: problem }
        } else {
            Error::Damaged { path, offset, problem }
        }
    }
}

impl fmt::Display for EntryFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, problem, unsupported } = self;
        if *unsupported {
            write!(f, "{problem} at byte {offset} is not supported")
        } else {
            write!(f, "damaged at byte {offset}: {problem}")
        }
    }
}

impl IsoEntry {
    /// The name's own bytes.
    #[must_use]
    pub fn name_bytes(&self) -> &[u8] {
        self.raw_name.as_deref().unwrap_or(self.name.as_bytes())
    }

    /// The own bytes of a link's target.
    #[must_use]
    pub fn target_bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            IsoEntryKind::Symlink(target) => Some(self.raw_target.as_deref().unwrap_or(target.as_bytes())),
            _ => None,
        }
    }
}
