//! The files of a build: what they are and what is in them. Each content is read once.
//!
//! A digest is recorded under the device and inode of its file, together with the size and both times of that file. While
//! these stay the same, so does the content, and the file is not read again. Hard links share one record.
//!
//! A file that changes within the clock's granularity of our reading keeps its times. The digest of such a *racy* file is
//! valid for this run only. The clock that counts is that of the file system, so it is read from a file beside the state,
//! which is touched for it.
//!
//! A new hard link changes the change time of its file. Only reading the file can distinguish that from an edit, since builds set
//! modification times as they like. So whoever creates a link records the digest
//! ([`TaskContext::link`](crate::TaskContext::link), [`TaskContext::record`](crate::TaskContext::record)), and nothing is read.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use content::Digest;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;

use crate::model::error::FileError;
use crate::record::entry::{FileDigest, FileEntry, FileEntryKind, FileIdentity, nanoseconds};
use crate::record::threads::{in_parallel, lock};

type Inode = (u64, u64);

/// The files of one run.
pub(crate) struct KnownFiles {
    root: OwnedFd,
    /// Its times are the clock of the file system. Without it every file is racy.
    clock: Option<File>,
    /// The digests recorded by earlier runs.
    earlier: HashMap<Inode, FileDigest>,
    /// The digests that this run has recorded.
    recorded: RwLock<HashMap<Inode, FileDigest>>,
    /// The digests of racy files: valid for this run only.
    racy: RwLock<HashMap<Inode, FileDigest>>,
    /// Racy files that nobody writes to any more, to be recorded by [`KnownFiles::persist`].
    deferred: Mutex<Vec<(PathBuf, FileDigest)>>,
    /// Recorded since the state was last written.
    unsaved: Mutex<Vec<FileDigest>>,
    /// Files that a thread reads now; other readers wait for it.
    reading: Mutex<HashSet<Inode>>,
    read: Condvar,
    threads: usize,
    /// How many files were read, for the tests.
    pub(crate) reads: AtomicUsize,
    bytes_read: AtomicU64,
}

/// Files with this sum of sizes or more are read by several threads.
const WORTH_THREADS: u64 = 1 << 20;

const BUFFER: usize = 256 << 10;

/// Passed where a reading is not to be stopped.
pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

impl KnownFiles {
    pub(crate) fn new(
        root: &Path,
        clock: Option<File>,
        earlier: HashMap<Inode, FileDigest>,
        threads: usize,
    ) -> Result<Self, FileError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(root, flags, Mode::empty()).map_err(FileError::at("open", root))?;
        Ok(Self {
            root: opened,
            clock,
            earlier,
            recorded: RwLock::default(),
            racy: RwLock::default(),
            deferred: Mutex::default(),
            unsaved: Mutex::default(),
            reading: Mutex::default(),
            read: Condvar::new(),
            threads: threads.max(1),
            reads: AtomicUsize::new(0),
            bytes_read: AtomicU64::new(0),
        })
    }

    /// The entry at `path`, links followed; `None` if it does not exist.
    pub(crate) fn entry(&self, path: &Path) -> Result<Option<FileEntry>, FileError> {
        self.entry_with(path, AtFlags::empty(), &NEVER)
    }

    /// The entry at `path`, which may be a link itself; `None` if it does not exist. Fails once `stop` is true.
    pub(crate) fn link_entry(&self, path: &Path, stop: &AtomicBool) -> Result<Option<FileEntry>, FileError> {
        self.entry_with(path, AtFlags::SYMLINK_NOFOLLOW, stop)
    }

    fn entry_with(
        &self,
        path: &Path,
        flags: AtFlags,
        stop: &AtomicBool,
    ) -> Result<Option<FileEntry>, FileError> {
        match self.stat(path, flags)? {
            None => Ok(None),
            Some(stat) => self.entry_of(path, &stat, None, stop).map(Some),
        }
    }

    fn stat(&self, path: &Path, flags: AtFlags) -> Result<Option<Stat>, FileError> {
        match rustix::fs::statat(&self.root, path, flags) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(FileError::at("read the metadata of", path)(error)),
        }
    }

    /// The entry that `stat` describes; `content` is the digest of its content, if that is recorded.
    fn entry_of(
        &self,
        path: &Path,
        stat: &Stat,
        content: Option<Digest>,
        stop: &AtomicBool,
    ) -> Result<FileEntry, FileError> {
        let file_type = FileType::from_raw_mode(stat.st_mode);
        // A folder inherits the set-group-ID bit from its parent: that bit depends on where the build root is, not on
        // what is built.
        let kept = if file_type == FileType::Directory { 0o777 } else { 0o7777 };
        let mode = u16::try_from(stat.st_mode & kept).unwrap_or(0);
        let (kind, digest) = match file_type {
            FileType::RegularFile => {
                let read = || self.content(path, FileIdentity::of(stat), stop);
                (FileEntryKind::File, content.map_or_else(read, Ok)?)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.root, path, Vec::new())
                    .map_err(FileError::at("read the link", path))?;
                (FileEntryKind::Link, Digest::of(target.as_bytes()))
            }
            FileType::Directory => (FileEntryKind::Folder, Digest::from_bytes([0; 32])),
            _ => {
                return Err(FileError::NotAFile { path: path.to_owned(), found: "a device, pipe or socket" });
            }
        };
        // A link has no permissions of its own, and file systems report different ones.
        Ok(FileEntry { kind, mode: if kind == FileEntryKind::Link { 0o777 } else { mode }, digest })
    }

    /// The SHA-256 of the regular file at `path`, links followed.
    pub(crate) fn digest(&self, path: &Path) -> Result<Digest, FileError> {
        self.content(path, self.identity(path)?, &NEVER)
    }

    /// How many bytes of files were read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The identity of the regular file at `path`, links followed.
    pub(crate) fn identity(&self, path: &Path) -> Result<FileIdentity, FileError> {
        let stat = rustix::fs::statat(&self.root, path, AtFlags::empty())
            .map_err(FileError::at("read the metadata of", path))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(FileIdentity::of(&stat)),
            FileType::Directory => Err(FileError::NotAFile { path: path.to_owned(), found: "a folder" }),
            _ => Err(FileError::NotAFile { path: path.to_owned(), found: "a device, pipe or socket" }),
        }
    }

    /// Records `digest` for the file at `path`, as the action that wrote the file has computed it.
    pub(crate) fn record(&self, path: &Path, digest: Digest) -> Result<(), FileError> {
        self.record_or_defer(path, FileDigest { identity: self.identity(path)?, digest });
        Ok(())
    }

    fn record_or_defer(&self, path: &Path, found: FileDigest) {
        if !self.keep(found, self.now()) {
            lock(&self.deferred).push((path.to_owned(), found));
        }
    }

    /// As [`KnownFiles::record`], for a file that was just read and that nobody writes to any more. If the file has changed
    /// since it was read, nothing is recorded.
    pub(crate) fn trust(&self, path: &Path, digest: Digest) -> Result<(), FileError> {
        let identity = self.identity(path)?;
        if find_in(&self.racy, &identity) == Some(digest) {
            self.record_or_defer(path, FileDigest { identity, digest });
        }
        Ok(())
    }

    /// The identity of the file at `path`, whose content must have `digest`.
    pub(crate) fn unchanged(&self, path: &Path, digest: Digest) -> Result<FileIdentity, FileError> {
        let identity = self.identity(path)?;
        if self.content(path, identity, &NEVER)? == digest {
            Ok(identity)
        } else {
            Err(FileError::Changed { path: path.to_owned() })
        }
    }

    /// As [`KnownFiles::record`], for a file that may have been linked or renamed since it had the identity `was`, and must not
    /// have been written to.
    pub(crate) fn record_renamed(
        &self,
        path: &Path,
        was: &FileIdentity,
        digest: Digest,
    ) -> Result<(), FileError> {
        let identity = self.identity(path)?;
        if (FileIdentity { changed: was.changed, ..identity }) != *was {
            return Err(FileError::Changed { path: path.to_owned() });
        }
        self.record_or_defer(path, FileDigest { identity, digest });
        Ok(())
    }

    /// Records the digests of files whose timestamps were too recent, once they no longer are. Only the tasks that
    /// produced these files write to them, and they have ended: so a file with the same identity is unchanged.
    pub(crate) fn persist(&self) {
        let deferred = std::mem::take(&mut *lock(&self.deferred));
        let Some(latest) = deferred.iter().map(|(_, found)| found.identity.last_change()).max() else {
            return;
        };
        let now = self.now_after(latest);
        for (path, found) in deferred {
            if self.identity(&path).is_ok_and(|identity| identity == found.identity) {
                self.keep(found, now);
            }
        }
    }

    /// A time of the file system's clock that files get which change from now on, and that none has that changed before, if
    /// its steps are short. Waits for the next step. `None` if the clock cannot be read.
    pub(crate) fn tick(&self) -> Option<i64> {
        let now = self.clock.as_ref().map(|_| self.now()).filter(|now| *now > 0)?;
        Some(self.now_after(now))
    }

    /// The time of the file system's clock, after a moment of waiting if that is needed for it to be later than `moment`.
    fn now_after(&self, moment: i64) -> i64 {
        let mut now = self.now();
        for _ in 0..if self.clock.is_some() { 20 } else { 0 } {
            if now > moment {
                break;
            }
            thread::sleep(Duration::from_millis(1));
            now = self.now();
        }
        now
    }

    /// Whether the file at `path`, links followed, is missing or has changed since the [`tick`](Self::tick) `moment`.
    pub(crate) fn changed_since(&self, path: &Path, moment: i64) -> Result<bool, FileError> {
        let found = self.stat(path, AtFlags::empty())?;
        Ok(found.is_none_or(|stat| FileIdentity::of(&stat).last_change() >= moment))
    }

    /// Creates the hard link `to` to the file `from`, and records for it the digest that is recorded for `from`. `to` must
    /// not exist.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        let recorded = self.recorded(&self.identity(from)?);
        rustix::fs::linkat(&self.root, from, &self.root, to, AtFlags::SYMLINK_FOLLOW)
            .map_err(FileError::at("create the link", to))?;
        recorded.map_or(Ok(()), |digest| self.record(to, digest))
    }

    /// The recorded digest of the file with this identity.
    fn recorded(&self, identity: &FileIdentity) -> Option<Digest> {
        find(&self.earlier, identity)
            .or_else(|| find_in(&self.recorded, identity))
            .or_else(|| find_in(&self.racy, identity))
    }

    /// Keeps a digest: for good if the file is older than `now`, else for this run. Whether it is for good.
    fn keep(&self, found: FileDigest, now: i64) -> bool {
        let FileIdentity { dev, ino, modified, changed, .. } = found.identity;
        // Times without a fraction come from a file system that counts in steps of one or two seconds.
        let step =
            if modified % 1_000_000_000 == 0 && changed % 1_000_000_000 == 0 { 2_000_000_000 } else { 0 };
        let is_racy = found.identity.last_change().saturating_add(step) >= now;
        let map = if is_racy { &self.racy } else { &self.recorded };
        map.write().unwrap_or_else(PoisonError::into_inner).insert((dev, ino), found);
        if !is_racy {
            lock(&self.unsaved).push(found);
        }
        !is_racy
    }

    /// All digests recorded by this run and earlier ones.
    pub(crate) fn into_recorded(self) -> HashMap<Inode, FileDigest> {
        let mut all = self.earlier;
        all.extend(self.recorded.into_inner().unwrap_or_else(PoisonError::into_inner));
        all
    }

    /// The digests recorded since the last call.
    pub(crate) fn take_unsaved(&self) -> Vec<FileDigest> {
        std::mem::take(&mut lock(&self.unsaved))
    }

    /// The time of the file system's clock. 0 if it cannot be read: then every file is racy.
    fn now(&self) -> i64 {
        let Some(clock) = &self.clock else { return 0 };
        let touch = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = Timestamps { last_access: touch, last_modification: touch };
        rustix::fs::futimens(clock, &times)
            .and_then(|()| rustix::fs::fstat(clock))
            .map_or(0, |stat| nanoseconds(stat.st_mtime, stat.st_mtime_nsec))
    }

    fn content(&self, path: &Path, identity: FileIdentity, stop: &AtomicBool) -> Result<Digest, FileError> {
        if let Some(digest) = self.recorded(&identity) {
            return Ok(digest);
        }
        let inode = (identity.dev, identity.ino);
        let mut reading = lock(&self.reading);
        while !reading.insert(inode) {
            reading = self.read.wait(reading).unwrap_or_else(PoisonError::into_inner);
        }
        drop(reading);
        // Another thread may have read it meanwhile.
        let digest = match self.recorded(&identity) {
            Some(digest) => Ok(digest),
            None => self.read_content(path, &identity, stop),
        };
        lock(&self.reading).remove(&inode);
        self.read.notify_all();
        digest
    }

    fn read_content(
        &self,
        path: &Path,
        identity: &FileIdentity,
        stop: &AtomicBool,
    ) -> Result<Digest, FileError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = rustix::fs::openat(&self.root, path, flags, Mode::empty())
            .map_err(FileError::at("read", path))?;
        let file = File::from(opened);
        let mut buffer = vec![0; BUFFER.min(usize::try_from(identity.size).unwrap_or(BUFFER).max(4096))];
        let is_stopped = || stop.load(Ordering::Relaxed);
        let hashed = content::hash_reader_with(&mut buffer, &file, |chunk| {
            self.bytes_read.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if is_stopped() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
        });
        let (digest, _) = hashed.map_err(|error| {
            if is_stopped() {
                FileError::Stopped { path: path.to_owned() }
            } else {
                FileError::at("read", path)(error)
            }
        })?;
        let after = rustix::fs::fstat(&file).map_err(FileError::at("read the metadata of", path))?;
        let after = FileIdentity::of(&after);
        if after == *identity {
            self.keep(FileDigest { identity: after, digest }, now);
        }
        Ok(digest)
    }

    /// The entries at many paths, in their order; files that must be read are read by several threads. Fails once `stop` is
    /// true.
    pub(crate) fn entries(
        &self,
        paths: &[&Path],
        follow: bool,
        stop: &AtomicBool,
    ) -> Vec<Result<Option<FileEntry>, FileError>> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let stats = in_parallel(paths, self.threads, |path| {
            let stat = self.stat(path, flags)?;
            Ok(stat.map(|stat| {
                let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                let content = if is_file { self.recorded(&FileIdentity::of(&stat)) } else { None };
                Found { unread: is_file && content.is_none(), stat, content }
            }))
        });
        let unread =
            stats.iter().filter_map(|found| found.as_ref().ok()?.as_ref()).filter(|found| found.unread);
        // Opening a file costs about as much as reading a page.
        let bytes: u64 = unread.map(|found| FileIdentity::of(&found.stat).size.max(4096)).sum();
        if bytes >= WORTH_THREADS && self.threads > 1 && paths.len() > 1 {
            self.read_ahead(paths, &stats, stop);
        }
        let finish = |(path, found): (&&Path, Result<Option<Found>, FileError>)| match found? {
            None => Ok(None),
            Some(found) => self.entry_of(path, &found.stat, found.content, stop).map(Some),
        };
        paths.iter().zip(stats).map(finish).collect()
    }

    /// Reads all regular files without a recorded digest, the largest first, with all threads. Errors are ignored: whoever
    /// needs the file gets them again.
    fn read_ahead(&self, paths: &[&Path], stats: &[Result<Option<Found>, FileError>], stop: &AtomicBool) {
        let mut work: Vec<(&Path, FileIdentity)> = paths
            .iter()
            .zip(stats)
            .filter_map(|(path, found)| match found {
                Ok(Some(found)) if found.unread => Some((*path, FileIdentity::of(&found.stat))),
                _ => None,
            })
            .collect();
        work.sort_by_key(|(_, identity)| std::cmp::Reverse(identity.size));
        content::parallel::map(self.threads, &work, |(path, identity)| {
            drop(self.content(path, *identity, stop));
        });
    }
}

/// The metadata at a path.
struct Found {
    stat: Stat,
    /// The recorded digest of its content.
    content: Option<Digest>,
    /// Whether it is a file without a recorded digest.
    unread: bool,
}

fn find(map: &HashMap<Inode, FileDigest>, identity: &FileIdentity) -> Option<Digest> {
    map.get(&(identity.dev, identity.ino))
        .filter(|found| found.identity == *identity)
        .map(|found| found.digest)
}

fn find_in(map: &RwLock<HashMap<Inode, FileDigest>>, identity: &FileIdentity) -> Option<Digest> {
    find(&map.read().unwrap_or_else(PoisonError::into_inner), identity)
}

#[cfg(test)]
mod tests;
