//! What the file system has at a path.

use content::Digest;
use rustix::fs::Stat;

/// The metadata of a file that changes with its content. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileIdentity {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) changed: i64,
}

impl FileIdentity {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// When the content or the metadata of the file last changed.
    pub(crate) fn last_change(&self) -> i64 {
        self.changed.max(self.modified)
    }
}

pub(crate) fn nanoseconds(seconds: i64, nanoseconds: impl TryInto<i64>) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds.try_into().unwrap_or(0))
}

/// The digest of a file. It is valid while the file has this identity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FileDigest {
    pub(crate) identity: FileIdentity,
    pub(crate) digest: Digest,
}

/// A file, link or folder, with all that the result of a task can depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileEntry {
    pub(crate) kind: FileEntryKind,
    /// The permission bits.
    pub(crate) mode: u16,
    /// The digest of the content of a file, or of the target of a link; zeros for a folder.
    pub(crate) digest: Digest,
}

/// The kinds of files that inputs and outputs may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileEntryKind {
    File,
    Link,
    Folder,
}
