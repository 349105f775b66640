//! The files of the build: what they are and what is in them, each read once.
//!
//! A digest is remembered under the device and inode of its file, together with the size and both times it
//! had. While these are the same, so is the content, and the file is not read. Hard links share one memory.
//!
//! A file changed within the clock's granularity of our look keeps its times: what we saw of such a *racy*
//! file serves this run but is not remembered. The clock that counts is that of the file system, so it is
//! read from a file we touch beside the state.
//!
//! Making a hard link is a change of the file, too: its change-time moves on. Nothing else than a new look
//! can tell that from an edit, for builds set modification times as they like. So whoever links teaches
//! ([`Context::link`](crate::Context::link), [`Context::known`](crate::Context::known)), and nothing is read.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use crate::record::digest::Digest;
use crate::record::threads::{in_parallel, lock};

/// What the file system says of a file's content without reading it. Times are nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) dev: u64,
    pub(crate) ino: u64,
    pub(crate) size: u64,
    pub(crate) modified: i64,
    pub(crate) changed: i64,
}

impl Identity {
    fn of(stat: &Stat) -> Self {
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanoseconds(stat.st_mtime, stat.st_mtime_nsec),
            changed: nanoseconds(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// When anything of the file was changed last.
    fn last(&self) -> i64 {
        self.changed.max(self.modified)
    }
}

fn nanoseconds(seconds: i64, nanoseconds: impl TryInto<i64>) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds.try_into().unwrap_or(0))
}

/// What stands at a path, as far as a build can depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// The permission bits.
    pub(crate) mode: u16,
    /// Of a file its content, of a link its target, of a folder nothing.
    pub(crate) digest: Digest,
}

/// The kinds of files a build may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Link,
    Folder,
}

/// The content of a path could not be learnt.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LookError {
    /// The operating system refuses.
    #[error("cannot {operation} {}", content::printable_path(path))]
    Io {
        /// What was tried: `read`, `list`, `look at`.
        operation: &'static str,
        /// The path, as it was given.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// It is there, and is no regular file.
    #[error("{} is {found}, not a file", content::printable_path(path))]
    NotAFile {
        /// The path, as it was given.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// Nobody wants to know its content any more.
    #[error("the reading of {} was stopped", content::printable_path(path))]
    Stopped {
        /// The path, as it was given.
        path: PathBuf,
    },
    /// Its content was learnt, and is another now.
    #[error("{} has been written to since it was looked at", content::printable_path(path))]
    Changed {
        /// The path, as it was given.
        path: PathBuf,
    },
}

impl LookError {
    pub(crate) fn io(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { operation, path: path.to_owned(), source: source.into() }
    }

    fn changed(path: &Path) -> Self {
        Self::Changed { path: path.to_owned() }
    }
}

/// One digest learnt, for the state to remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    pub(crate) identity: Identity,
    pub(crate) digest: Digest,
}

type Inode = (u64, u64);

/// The files of one run.
pub(crate) struct Files {
    root: OwnedFd,
    /// Whose times are the clock of the file system; without it every file is racy.
    probe: Option<File>,
    /// What was remembered when the run began.
    before: HashMap<Inode, Known>,
    /// What is remembered for good since then.
    known: RwLock<HashMap<Inode, Known>>,
    /// What was seen of racy files: good for this run only.
    fresh: RwLock<HashMap<Inode, Known>>,
    /// Taught, and as young as the clock.
    young: Mutex<Vec<(PathBuf, Known)>>,
    /// Learnt since the state was last written.
    learnt: Mutex<Vec<Known>>,
    /// Being read now, so that a second reader waits for the first.
    reading: Mutex<HashSet<Inode>>,
    read: Condvar,
    threads: usize,
    /// How many files were read, for the tests.
    pub(crate) reads: AtomicUsize,
}

/// From this sum of sizes on several files are read by several threads.
const WORTH_THREADS: u64 = 1 << 20;

const BUFFER: usize = 256 << 10;

/// For looks that are not to be stopped.
pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

impl Files {
    pub(crate) fn new(
        root: &Path,
        probe: Option<File>,
        before: HashMap<Inode, Known>,
        threads: usize,
    ) -> Result<Self, LookError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(root, flags, Mode::empty())
            .map_err(|error| LookError::io("open", root, error))?;
        Ok(Self {
            root: opened,
            probe,
            before,
            known: RwLock::default(),
            fresh: RwLock::default(),
            young: Mutex::default(),
            learnt: Mutex::default(),
            reading: Mutex::default(),
            read: Condvar::new(),
            threads: threads.max(1),
            reads: AtomicUsize::new(0),
        })
    }

    /// What stands at `path`, links followed; `None` if nothing does.
    pub(crate) fn look(&self, path: &Path) -> Result<Option<Seen>, LookError> {
        self.look_with(path, AtFlags::empty(), &NEVER)
    }

    /// What stands at `path`, which may be a link itself; `None` if nothing does. Fails once `stop` turns true.
    pub(crate) fn look_at_link(&self, path: &Path, stop: &AtomicBool) -> Result<Option<Seen>, LookError> {
        self.look_with(path, AtFlags::SYMLINK_NOFOLLOW, stop)
    }

    fn look_with(&self, path: &Path, flags: AtFlags, stop: &AtomicBool) -> Result<Option<Seen>, LookError> {
        match self.stat(path, flags)? {
            None => Ok(None),
            Some(stat) => self.seen(path, &stat, None, stop).map(Some),
        }
    }

    fn stat(&self, path: &Path, flags: AtFlags) -> Result<Option<Stat>, LookError> {
        match rustix::fs::statat(&self.root, path, flags) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(error) => Err(LookError::io("look at", path, error)),
        }
    }

    /// What `stat` describes; `content` is its digest, if that is known already.
    fn seen(
        &self,
        path: &Path,
        stat: &Stat,
        content: Option<Digest>,
        stop: &AtomicBool,
    ) -> Result<Seen, LookError> {
        let file_type = FileType::from_raw_mode(stat.st_mode);
        // A folder inherits the set-group-ID bit from the one it is made in: that bit says where the build stands,
        // not what is built.
        let kept = if file_type == FileType::Directory { 0o777 } else { 0o7777 };
        let mode = u16::try_from(stat.st_mode & kept).unwrap_or(0);
        let (kind, digest) = match file_type {
            FileType::RegularFile => {
                let read = || self.content(path, Identity::of(stat), stop);
                (Kind::File, content.map_or_else(read, Ok)?)
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.root, path, Vec::new())
                    .map_err(|error| LookError::io("read the link", path, error))?;
                (Kind::Link, Digest::of(target.as_bytes()))
            }
            FileType::Directory => (Kind::Folder, Digest::from_bytes([0; 32])),
            _ => {
                return Err(LookError::NotAFile { path: path.to_owned(), found: "a device, pipe or socket" });
            }
        };
        // A link has no permissions of its own, and file systems differ in what they say of it.
        Ok(Seen { kind, mode: if kind == Kind::Link { 0o777 } else { mode }, digest })
    }

    /// The SHA-256 of the regular file at `path`, links followed.
    pub(crate) fn digest(&self, path: &Path) -> Result<Digest, LookError> {
        self.content(path, self.regular(path)?, &NEVER)
    }

    /// What the regular file at `path` is now, links followed.
    pub(crate) fn regular(&self, path: &Path) -> Result<Identity, LookError> {
        let stat = rustix::fs::statat(&self.root, path, AtFlags::empty())
            .map_err(|error| LookError::io("look at", path, error))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Identity::of(&stat)),
            FileType::Directory => Err(LookError::NotAFile { path: path.to_owned(), found: "a folder" }),
            _ => Err(LookError::NotAFile { path: path.to_owned(), found: "a device, pipe or socket" }),
        }
    }

    /// Takes `digest` for that of the file at `path`, on the word of the action that wrote it.
    pub(crate) fn teach(&self, path: &Path, digest: Digest) -> Result<(), LookError> {
        self.take(path, Known { identity: self.regular(path)?, digest });
        Ok(())
    }

    fn take(&self, path: &Path, known: Known) {
        if !self.remember(known, self.now()) {
            lock(&self.young).push((path.to_owned(), known));
        }
    }

    /// As [`Files::teach`], of a file whose content was just looked at and that nobody else has any business
    /// with. Of one that is not any more what was looked at, nothing is learnt.
    pub(crate) fn vouch(&self, path: &Path, digest: Digest) -> Result<(), LookError> {
        let identity = self.regular(path)?;
        if find_in(&self.fresh, &identity) == Some(digest) {
            self.take(path, Known { identity, digest });
        }
        Ok(())
    }

    /// What the file at `path` is now, whose content must be `digest`.
    pub(crate) fn unchanged(&self, path: &Path, digest: Digest) -> Result<Identity, LookError> {
        let identity = self.regular(path)?;
        if self.content(path, identity, &NEVER)? == digest {
            Ok(identity)
        } else {
            Err(LookError::changed(path))
        }
    }

    /// As [`Files::teach`], of a file that may have got another name since it was `was`, and must not have been
    /// written to.
    pub(crate) fn teach_renamed(&self, path: &Path, was: &Identity, digest: Digest) -> Result<(), LookError> {
        let identity = self.regular(path)?;
        if (Identity { changed: was.changed, ..identity }) != *was {
            return Err(LookError::changed(path));
        }
        self.take(path, Known { identity, digest });
        Ok(())
    }

    /// Remembers for good what was taught of files too young for that, once they are old enough. Nobody but
    /// their makers, who are done, has any business with them; so that they still look the same says that
    /// they are.
    pub(crate) fn settle(&self) {
        let young = std::mem::take(&mut *lock(&self.young));
        let Some(youngest) = young.iter().map(|(_, known)| known.identity.last()).max() else { return };
        let mut now = self.now();
        for _ in 0..if self.probe.is_some() { 20 } else { 0 } {
            if now > youngest {
                break;
            }
            thread::sleep(Duration::from_millis(1));
            now = self.now();
        }
        for (path, known) in young {
            if self.regular(&path).is_ok_and(|identity| identity == known.identity) {
                self.remember(known, now);
            }
        }
    }

    /// Makes `to` another name of the file at `from`, and remembers of it what was known before. Nothing may
    /// be at `to`.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<(), LookError> {
        let known = self.remembered(&self.regular(from)?);
        rustix::fs::linkat(&self.root, from, &self.root, to, AtFlags::SYMLINK_FOLLOW)
            .map_err(|error| LookError::io("link to", to, error))?;
        known.map_or(Ok(()), |digest| self.teach(to, digest))
    }

    /// The digest remembered for what `now` describes.
    fn remembered(&self, now: &Identity) -> Option<Digest> {
        find(&self.before, now).or_else(|| find_in(&self.known, now)).or_else(|| find_in(&self.fresh, now))
    }

    /// Remembers for good what is older than `now`, and for this run what is not. Says whether for good.
    fn remember(&self, known: Known, now: i64) -> bool {
        let Identity { dev, ino, modified, changed, .. } = known.identity;
        // Times without a fraction come from a file system that counts in seconds, or in twos.
        let tick =
            if modified % 1_000_000_000 == 0 && changed % 1_000_000_000 == 0 { 2_000_000_000 } else { 0 };
        let racy = known.identity.last().saturating_add(tick) >= now;
        let map = if racy { &self.fresh } else { &self.known };
        map.write().unwrap_or_else(PoisonError::into_inner).insert((dev, ino), known);
        if !racy {
            lock(&self.learnt).push(known);
        }
        !racy
    }

    /// All that is remembered for good.
    pub(crate) fn into_known(self) -> HashMap<Inode, Known> {
        let mut all = self.before;
        all.extend(self.known.into_inner().unwrap_or_else(PoisonError::into_inner));
        all
    }

    /// What was learnt since the last call.
    pub(crate) fn take_learnt(&self) -> Vec<Known> {
        std::mem::take(&mut lock(&self.learnt))
    }

    /// The file system's clock. 0, which makes everything racy, if it cannot be read.
    fn now(&self) -> i64 {
        let Some(probe) = &self.probe else { return 0 };
        let touch = Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
        let times = Timestamps { last_access: touch, last_modification: touch };
        rustix::fs::futimens(probe, &times)
            .and_then(|()| rustix::fs::fstat(probe))
            .map_or(0, |stat| nanoseconds(stat.st_mtime, stat.st_mtime_nsec))
    }

    fn content(&self, path: &Path, identity: Identity, stop: &AtomicBool) -> Result<Digest, LookError> {
        if let Some(digest) = self.remembered(&identity) {
            return Ok(digest);
        }
        let inode = (identity.dev, identity.ino);
        let mut reading = lock(&self.reading);
        while !reading.insert(inode) {
            reading = self.read.wait(reading).unwrap_or_else(PoisonError::into_inner);
        }
        drop(reading);
        // Whoever read it before us may have left what we want.
        let digest = match self.remembered(&identity) {
            Some(digest) => Ok(digest),
            None => self.read_content(path, &identity, stop),
        };
        lock(&self.reading).remove(&inode);
        self.read.notify_all();
        digest
    }

    fn read_content(&self, path: &Path, identity: &Identity, stop: &AtomicBool) -> Result<Digest, LookError> {
        let failed = |error: io::Error| LookError::io("read", path, error);
        self.reads.fetch_add(1, Ordering::Relaxed);
        let now = self.now();
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = rustix::fs::openat(&self.root, path, flags, Mode::empty())
            .map_err(|error| failed(error.into()))?;
        let mut file = File::from(opened);
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER.min(usize::try_from(identity.size).unwrap_or(BUFFER).max(4096))];
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(LookError::Stopped { path: path.to_owned() });
            }
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => hash.update(buffer.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        let digest = Digest::from_bytes(hash.finalize().into());
        let after = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
        let after = Identity::of(&after);
        if after == *identity {
            self.remember(Known { identity: after, digest }, now);
        }
        Ok(digest)
    }

    /// Looks at many paths, reading those that must be read with several threads, until `stop` turns true. Results
    /// in the order of the paths.
    pub(crate) fn look_all(
        &self,
        paths: &[&Path],
        follow: bool,
        stop: &AtomicBool,
    ) -> Vec<Result<Option<Seen>, LookError>> {
        let flags = if follow { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW };
        let stats = in_parallel(paths, self.threads, |path| {
            let stat = self.stat(path, flags)?;
            Ok(stat.map(|stat| {
                let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
                let content = if is_file { self.remembered(&Identity::of(&stat)) } else { None };
                Found { unread: is_file && content.is_none(), stat, content }
            }))
        });
        let unread =
            stats.iter().filter_map(|found| found.as_ref().ok()?.as_ref()).filter(|found| found.unread);
        // The opening of a file counts like a page.
        let bytes: u64 = unread.map(|found| Identity::of(&found.stat).size.max(4096)).sum();
        if bytes >= WORTH_THREADS && self.threads > 1 && paths.len() > 1 {
            self.warm(paths, &stats, stop);
        }
        let finish = |(path, found): (&&Path, Result<Option<Found>, LookError>)| match found? {
            None => Ok(None),
            Some(found) => self.seen(path, &found.stat, found.content, stop).map(Some),
        };
        paths.iter().zip(stats).map(finish).collect()
    }

    /// Reads all regular files nobody knows yet, largest first, with all threads. Errors are met again by who
    /// looks next.
    fn warm(&self, paths: &[&Path], stats: &[Result<Option<Found>, LookError>], stop: &AtomicBool) {
        let mut work: Vec<(&Path, Identity)> = paths
            .iter()
            .zip(stats)
            .filter_map(|(path, found)| match found {
                Ok(Some(found)) if found.unread => Some((*path, Identity::of(&found.stat))),
                _ => None,
            })
            .collect();
        work.sort_by_key(|(_, identity)| std::cmp::Reverse(identity.size));
        content::parallel::map(self.threads, &work, |(path, identity)| {
            drop(self.content(path, *identity, stop));
        });
    }
}

/// What was found at a path.
struct Found {
    stat: Stat,
    /// The digest of its content, if it is a file whose content is known.
    content: Option<Digest>,
    /// It is a file whose content is not known.
    unread: bool,
}

fn find(map: &HashMap<Inode, Known>, now: &Identity) -> Option<Digest> {
    map.get(&(now.dev, now.ino)).filter(|known| known.identity == *now).map(|known| known.digest)
}

fn find_in(map: &RwLock<HashMap<Inode, Known>>, now: &Identity) -> Option<Digest> {
    find(&map.read().unwrap_or_else(PoisonError::into_inner), now)
}

#[cfg(test)]
mod tests;
