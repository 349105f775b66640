//! Whether a file is still the one that was read.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;

/// Changes whenever a file is replaced or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    inode: (u64, u64),
    /// For a file: the size, and the times of the last change of content and inode in seconds and nanoseconds.
    content: Option<(u64, [i64; 4])>,
}

impl FileStamp {
    /// The stamp of a file. That of a folder says only which folder it is.
    #[must_use]
    pub fn of(data: &Metadata) -> Self {
        let times = [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
        Self { inode: (data.dev(), data.ino()), content: (!data.is_dir()).then_some((data.len(), times)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_or_written_to_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let stamp = || FileStamp::of(&std::fs::metadata(&path).unwrap());
        std::fs::write(&path, "one").unwrap();
        let first = stamp();
        assert_eq!(first, stamp());
        std::fs::write(&path, "longer").unwrap();
        assert_ne!(first, stamp());
        let written = stamp();
        std::fs::rename(&path, folder.path().join("kept")).unwrap();
        std::fs::write(&path, "longer").unwrap();
        assert_ne!(written, stamp());

        let of_folder = || FileStamp::of(&std::fs::metadata(folder.path()).unwrap());
        let before = of_folder();
        std::fs::write(folder.path().join("more"), "").unwrap();
        assert_eq!(before, of_folder());
    }
}
