//! The verdict on the bytes of a file: it holds for the file as it was, and for no other.

use std::fs::{File, Metadata};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use content::Digest;

/// How long an unreadable file is left alone before it is read again.
const PAUSE: Duration = Duration::from_secs(2);

/// A digest, and the result of the last comparison of a file with it.
#[derive(Debug)]
pub(crate) struct CheckedDigest {
    pub(crate) digest: Digest,
    last: Mutex<Last>,
}

/// The result of the last check.
#[derive(Clone, Copy, Debug, Default)]
enum Last {
    /// Not checked yet.
    #[default]
    None,
    /// The file with this stamp has the digest.
    Good(FileStamp),
    /// The file with this stamp has another digest.
    Bad(FileStamp),
    /// The file could not be read at this moment, so nothing is known of its bytes.
    Unreadable(Instant),
}

/// What is known about the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContentVerdict {
    Good,
    Bad,
    Unknown,
}

/// The result of the last check, whatever file it was of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckState {
    Unchecked,
    Good,
    Bad,
    Unreadable,
}

/// Changes whenever a file is replaced, written to or truncated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FileStamp(u64);

/// A number that changes whenever the file at `path` is replaced, written to or truncated; `None` where there is no file.
#[must_use]
pub fn file_stamp(path: &Path) -> Option<u64> {
    FileStamp::of_path(path).ok().map(FileStamp::number)
}

impl FileStamp {
    pub(crate) fn of(data: &Metadata) -> Self {
        // The standard hasher with fixed keys: a restarted server computes the same stamp.
        let mut hash = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
        hash.write_u64(data.dev());
        hash.write_u64(data.ino());
        hash.write_u64(data.len());
        for time in [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()] {
            hash.write_i64(time);
        }
        Self(hash.finish())
    }

    pub(crate) fn of_path(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::fs::metadata(path)?))
    }

    pub(crate) fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&file.metadata()?))
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

impl CheckedDigest {
    pub(crate) fn new(digest: Digest) -> Self {
        Self { digest, last: Mutex::default() }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The verdict on the bytes of a file with this stamp.
    pub(crate) fn verdict(&self, stamp: FileStamp) -> ContentVerdict {
        match *self.last() {
            Last::Good(of) if of == stamp => ContentVerdict::Good,
            Last::Bad(of) if of == stamp => ContentVerdict::Bad,
            _ => ContentVerdict::Unknown,
        }
    }

    /// The result of the last check.
    pub(crate) fn state(&self) -> CheckState {
        match *self.last() {
            Last::None => CheckState::Unchecked,
            Last::Good(_) => CheckState::Good,
            Last::Bad(_) => CheckState::Bad,
            Last::Unreadable(_) => CheckState::Unreadable,
        }
    }

    /// Whether the last check found it damaged or could not read it.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(*self.last(), Last::Bad(_) | Last::Unreadable(_))
    }

    /// Whether the last check could not read it.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(*self.last(), Last::Unreadable(_))
    }

    /// Whether it may be checked again: an unreadable file only after [`PAUSE`].
    pub(crate) fn is_due(&self) -> bool {
        match *self.last() {
            Last::Unreadable(since) => since.elapsed() >= PAUSE,
            _ => true,
        }
    }

    /// Records the verdict on the file with this stamp.
    pub(crate) fn record(&self, stamp: FileStamp, good: bool) {
        *self.last() = if good { Last::Good(stamp) } else { Last::Bad(stamp) };
    }

    /// Records that the file could not be read. Returns whether the check before this one could read it.
    pub(crate) fn record_unreadable(&self) -> bool {
        let before = std::mem::replace(&mut *self.last(), Last::Unreadable(Instant::now()));
        !matches!(before, Last::Unreadable(_))
    }

    /// Adopts the verdict of `former` on the same file; `stamp` returns the stamp of the file as it is now, and is called
    /// only where that file was damaged.
    pub(crate) fn adopt(&self, former: &Self, stamp: impl FnOnce() -> io::Result<FileStamp>) {
        let last = *former.last();
        let holds = match last {
            Last::Good(_) => true,
            Last::Bad(of) => stamp().is_ok_and(|now| now == of),
            Last::None | Last::Unreadable(_) => false,
        };
        if holds {
            *self.last() = last;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unreadable_file_is_not_known_to_be_bad() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let stamp = FileStamp::of_path(&path).unwrap();
        let checked = CheckedDigest::new(Digest::of(b"content"));
        assert!(!checked.is_damaged());
        assert!(checked.record_unreadable(), "the first time");
        assert!(checked.is_damaged() && checked.is_unreadable());
        assert_eq!(checked.verdict(stamp), ContentVerdict::Unknown);
        assert!(!checked.record_unreadable(), "not the first time");
        checked.record(stamp, true);
        assert_eq!((checked.verdict(stamp), checked.is_damaged()), (ContentVerdict::Good, false));
        assert!(checked.record_unreadable(), "the first time since it was read");
        checked.record(stamp, false);
        assert_eq!(
            (checked.verdict(stamp), checked.is_unreadable(), checked.is_due()),
            (ContentVerdict::Bad, false, true)
        );
        std::fs::write(&path, "another one").unwrap();
        assert_eq!(
            checked.verdict(FileStamp::of_path(&path).unwrap()),
            ContentVerdict::Unknown,
            "of another file"
        );
    }

    #[test]
    fn a_verdict_is_adopted_for_the_same_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let stamp = FileStamp::of_path(&path).unwrap();
        let adopted = |former: &CheckedDigest| {
            let fresh = CheckedDigest::new(former.digest);
            fresh.adopt(former, || FileStamp::of_path(&path));
            fresh
        };
        let former = CheckedDigest::new(Digest::of(b"content"));
        former.record_unreadable();
        assert!(!adopted(&former).is_damaged(), "checked again");
        former.record(stamp, true);
        assert_eq!(adopted(&former).verdict(stamp), ContentVerdict::Good);
        former.record(stamp, false);
        assert_eq!(adopted(&former).verdict(stamp), ContentVerdict::Bad);
        std::fs::write(&path, "repaired").unwrap();
        assert!(!adopted(&former).is_damaged(), "another file");
    }
}
