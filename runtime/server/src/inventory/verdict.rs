//! What is known of bytes that should have a digest: a verdict, which holds for the file as it was, and for no other.

use std::fs::{File, Metadata};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use images::Digest;

/// How long what could not be read is left alone.
const PAUSE: Duration = Duration::from_secs(2);

/// A digest, and what was found when a file was held against it.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) digest: Digest,
    /// 0: nothing. With the second bit set: the stamp of a file, and in the lowest bit whether it was good. Else: when it
    /// could not be read.
    known: AtomicU64,
}

/// What is known about the bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    Bad,
    Unknown,
}

/// Changes whenever a file is replaced, written to or cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Stamp(u64);

impl Stamp {
    pub(crate) fn of(data: &Metadata) -> Self {
        // The standard hasher with fixed keys, so that a server that is started again gives the same.
        let mut hash = std::hash::BuildHasherDefault::<std::hash::DefaultHasher>::default().build_hasher();
        hash.write_u64(data.dev());
        hash.write_u64(data.ino());
        hash.write_u64(data.len());
        for time in [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()] {
            hash.write_i64(time);
        }
        // The lowest bit is the verdict's; the next tells a stamp from a time.
        Self(hash.finish() & !1 | 2)
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

impl Checked {
    pub(crate) fn new(digest: Digest) -> Self {
        Self { digest, known: AtomicU64::new(0) }
    }

    /// What is known about the bytes of a file with this stamp.
    pub(crate) fn verdict(&self, stamp: Stamp) -> Verdict {
        match self.known.load(Ordering::Acquire) {
            known if known == stamp.0 | 1 => Verdict::Good,
            known if known == stamp.0 => Verdict::Bad,
            _ => Verdict::Unknown,
        }
    }

    /// Whether the last look found it damaged or could not read it, as far as that is known without another.
    pub(crate) fn damaged(&self) -> bool {
        let known = self.known.load(Ordering::Acquire);
        known != 0 && known & 1 == 0
    }

    /// Whether the last look could not read it.
    pub(crate) fn unreadable(&self) -> bool {
        let known = self.known.load(Ordering::Acquire);
        known != 0 && known & 3 == 0
    }

    /// Whether it may be looked at again: what could not be read only after a pause.
    pub(crate) fn due(&self) -> bool {
        let known = self.known.load(Ordering::Acquire);
        known & 3 != 0 || now().saturating_sub(known) >= time(PAUSE)
    }

    pub(crate) fn learn(&self, stamp: Stamp, good: bool) {
        self.known.store(stamp.0 | u64::from(good), Ordering::Release);
    }

    /// It could not be read, which says nothing about its bytes. Answers whether that is news.
    pub(crate) fn fail(&self) -> bool {
        let before = self.known.swap(now(), Ordering::AcqRel);
        before == 0 || before & 3 != 0
    }

    /// Takes over what was known of the same file before; `stamp` is asked for that of the file where it was damaged.
    pub(crate) fn take_over(&self, former: &Self, stamp: impl FnOnce() -> io::Result<Stamp>) {
        let known = former.known.load(Ordering::Acquire);
        if known & 1 == 1 || stamp().is_ok_and(|stamp| former.verdict(stamp) == Verdict::Bad) {
            self.known.store(known, Ordering::Release);
        }
    }
}

/// A time as it stands in [`Checked::known`], never 0.
fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    time(START.elapsed() + Duration::from_millis(1))
}

fn time(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX >> 2) << 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_read_is_not_known_to_be_bad() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let stamp = Stamp::of_path(&path).unwrap();
        let checked = Checked::new(Digest::of(b"content"));
        assert!(!checked.damaged());
        assert!(checked.fail(), "news");
        assert!(checked.damaged() && checked.unreadable());
        assert_eq!(checked.verdict(stamp), Verdict::Unknown);
        assert!(!checked.fail(), "no news");
        checked.learn(stamp, true);
        assert_eq!((checked.verdict(stamp), checked.damaged()), (Verdict::Good, false));
        assert!(checked.fail(), "news again");
        checked.learn(stamp, false);
        assert_eq!(
            (checked.verdict(stamp), checked.unreadable(), checked.due()),
            (Verdict::Bad, false, true)
        );
        std::fs::write(&path, "another one").unwrap();
        assert_eq!(checked.verdict(Stamp::of_path(&path).unwrap()), Verdict::Unknown, "of another file");
    }

    #[test]
    fn a_verdict_is_taken_over_for_the_same_file_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "content").unwrap();
        let stamp = Stamp::of_path(&path).unwrap();
        let taken_over = |former: &Checked| {
            let fresh = Checked::new(former.digest);
            fresh.take_over(former, || Stamp::of_path(&path));
            fresh
        };
        let former = Checked::new(Digest::of(b"content"));
        former.fail();
        assert!(!taken_over(&former).damaged(), "read anew");
        former.learn(stamp, true);
        assert_eq!(taken_over(&former).verdict(stamp), Verdict::Good);
        former.learn(stamp, false);
        assert_eq!(taken_over(&former).verdict(stamp), Verdict::Bad);
        std::fs::write(&path, "repaired").unwrap();
        assert!(!taken_over(&former).damaged(), "another file");
    }
}
