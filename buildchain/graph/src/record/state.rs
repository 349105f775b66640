//! What the build remembers from run to run, and the lock that keeps two runs apart.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use content::{IoError, Links};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::record::digest::Digest;
use crate::record::files::Known;
use crate::record::journal::{self, Entry, MAGIC, Record, Slice};
use crate::record::manifest::{Value, items};

/// The most bytes of a state: a hundred times those of our own project, of ten thousand tasks.
const JOURNAL_MAX: u64 = 1 << 30;
/// The most bytes of a host name, as far as it is shown.
const HOST_MAX: u64 = 1024;

/// The state cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The operating system refuses.
    #[error("cannot {operation} the build state {}", content::printable_path(path))]
    Io {
        /// What was tried: `open`, `read`, `write`, `lock`.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Its reason.
        source: io::Error,
    },
    /// Another run works with this state.
    #[error("the build state {} is in use by {holder}", content::printable_path(path))]
    Held {
        /// The file.
        path: PathBuf,
        /// Who holds it: process id, what it does, host.
        holder: String,
    },
}

/// The memory of a build: which task ran successfully under which key, what it left, and the digests of
/// files.
///
/// An append-only journal. [`State::open`] is for runs and holds a lock until it is dropped, or the process
/// is gone and all that its actions had started; [`State::read`] is for looking and never waits.
#[derive(Debug)]
pub struct State {
    pub(crate) path: PathBuf,
    pub(crate) tasks: HashMap<String, Record>,
    pub(crate) ignored: BTreeSet<String>,
    pub(crate) listings: HashMap<Digest, Slice>,
    pub(crate) known: HashMap<(u64, u64), Known>,
    pub(crate) journal: Option<Journal>,
    dropped: u64,
}

/// The open end of a journal, with the lock on it.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// Its size when it was opened.
    opened: u64,
    /// Also the file whose times tell the file system's clock.
    lock: File,
}

/// So many characters of what a run does are told to those who wait for it.
const LONGEST_USER: usize = 200;

/// A journal smaller than this is not worth rewriting.
const SMALL: u64 = 1 << 20;

impl State {
    /// Opens the state at `path` for a run, creating it and its folder where needed, and locks it. `user` says
    /// what for (`sealift run iso`): whoever finds it locked is told.
    ///
    /// # Errors
    ///
    /// [`StateError::Held`] if another run holds it; [`StateError::Io`] if it cannot be read or written.
    pub fn open(path: &Path, user: &str) -> Result<Self, StateError> {
        let failed = |operation, source| StateError::Io { operation, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            content::create_folder(folder).map_err(|error| failed("create the folder of", error.source))?;
        }
        let lock = take_lock(path, user)?;
        let mut file = content::open_or_create(path, 0o644).map_err(|error| failed("open", error.source))?;
        let bytes = content::read_bounded(&mut file, JOURNAL_MAX).map_err(|error| failed("read", error))?;
        let length = bytes.len() as u64;
        let mut state = Self::parse(path, bytes);
        let whole = length - state.dropped;
        if whole == 0 {
            file = journal::replace(path, &[]).map_err(|error| failed("create", error))?;
        } else if state.dropped > 0 {
            file.set_len(whole).map_err(|error| failed("write", error))?;
        }
        let size = file.seek(SeekFrom::End(0)).map_err(|error| failed("read", error))?;
        state.journal = Some(Journal { path: path.to_owned(), file, size, opened: size, lock });
        Ok(state)
    }

    /// As [`State::open`], but waits for another run to end, until `cancel` turns true; `tell` hears once who
    /// is waited for.
    ///
    /// # Errors
    ///
    /// As [`State::open`]; [`StateError::Held`] only if the wait was cancelled.
    pub fn open_waiting(
        path: &Path,
        user: &str,
        cancel: &AtomicBool,
        tell: &mut dyn FnMut(&str),
    ) -> Result<Self, StateError> {
        let mut told = false;
        loop {
            match Self::open(path, user) {
                Err(StateError::Held { holder, .. }) if !cancel.load(Ordering::Relaxed) => {
                    if !std::mem::replace(&mut told, true) {
                        tell(&holder);
                    }
                    thread::sleep(Duration::from_millis(50));
                }
                opened => return opened,
            }
        }
    }

    /// Reads the state at `path` as it is now, without a lock; empty if there is none.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if it is there and cannot be read.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        match content::open_read(path, Links::Refuse, JOURNAL_MAX) {
            Ok(bytes) => Ok(Self::parse(path, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::parse(path, Vec::new())),
            Err(IoError { source, .. }) => {
                Err(StateError::Io { operation: "read", path: path.to_owned(), source })
            }
        }
    }

    /// How many bytes at the end of the journal were not whole and have been dropped: what a killed run was
    /// writing.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// No task is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.ignored.is_empty()
    }

    /// Removes the state with its lock, and the folder they are in if nothing else is in it.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if it cannot be removed.
    pub fn erase(self) -> Result<(), StateError> {
        let failed = |source| StateError::Io { operation: "remove", path: self.path.clone(), source };
        for path in [&self.path, &lock_path(&self.path)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
                _ => {}
            }
        }
        // Not empty: something of value is in it.
        let _ = self.path.parent().map(fs::remove_dir);
        Ok(())
    }

    fn parse(path: &Path, bytes: Vec<u8>) -> Self {
        let mut state = Self {
            path: path.to_owned(),
            tasks: HashMap::new(),
            ignored: BTreeSet::new(),
            listings: HashMap::new(),
            known: HashMap::new(),
            journal: None,
            dropped: bytes.len() as u64,
        };
        let bytes = Arc::new(bytes);
        if let Some(frames) = bytes.strip_prefix(MAGIC) {
            state.dropped = (frames.len() - state.apply_all(&bytes, frames)) as u64;
        }
        state
    }

    /// Applies the entries of frames somebody has written.
    pub(crate) fn apply_frames(&mut self, frames: Vec<u8>) {
        let frames = Arc::new(frames);
        self.apply_all(&frames, &frames);
    }

    /// Applies the entries of `frames`, which is a part of `bytes`. How many bytes of it were whole.
    fn apply_all(&mut self, bytes: &Arc<Vec<u8>>, frames: &[u8]) -> usize {
        let mut whole = 0;
        for entry in journal::entries(frames, &mut whole) {
            self.apply(bytes, &entry);
        }
        whole
    }

    fn apply(&mut self, bytes: &Arc<Vec<u8>>, entry: &Entry<'_>) {
        match *entry {
            Entry::Task { name, key, manifest, outputs, millis } => {
                let (manifest, outputs) = (Slice::of(bytes, manifest), Slice::of(bytes, outputs));
                let record = Record { key, manifest, outputs, millis };
                match self.tasks.get_mut(name) {
                    Some(place) => *place = record,
                    None => drop(self.tasks.insert(name.to_owned(), record)),
                }
            }
            Entry::Forget { name } => {
                self.tasks.remove(name);
                self.ignored.remove(name);
            }
            Entry::Ignore { name } => drop(self.ignored.insert(name.to_owned())),
            Entry::Listing { digest, bytes: listing } => {
                self.listings.insert(digest, Slice::of(bytes, listing));
            }
            Entry::Known(packed) => {
                for known in journal::known(packed) {
                    self.known.insert((known.identity.dev, known.identity.ino), known);
                }
            }
        }
    }

    /// Writes entries and applies them.
    pub(crate) fn write(&mut self, entries: &[Entry<'_>]) -> Result<(), StateError> {
        let mut bytes = Vec::new();
        for entry in entries {
            journal::put(&mut bytes, entry);
        }
        if let Some(journal) = &mut self.journal {
            journal.append(&bytes)?;
        }
        self.apply_frames(bytes);
        Ok(())
    }

    /// Rewrites the journal if most of it is of no use any more.
    pub(crate) fn compact(&mut self) -> Result<(), StateError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if journal.size < SMALL || journal.size == journal.opened {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut used = BTreeSet::new();
        let mut count = 0;
        for (name, Record { key, manifest, outputs, millis }) in &self.tasks {
            for item in items(manifest).chain(items(outputs)) {
                count += 1;
                if let Value::Listing(digest) = item.value {
                    used.insert(digest);
                }
            }
            journal::put(&mut bytes, &Entry::Task { name, key: *key, manifest, outputs, millis: *millis });
        }
        self.listings.retain(|digest, _| used.contains(digest));
        // Digests of files that are long gone are not told from those that are only not read now, so all go
        // when there are far too many.
        let files: usize = used
            .iter()
            .filter_map(|digest| self.listings.get(digest))
            .map(|listing| items(listing).count())
            .sum();
        if self.known.len() > 4 * (files + count) + 10_000 {
            self.known.clear();
        }
        for (digest, listing) in &self.listings {
            journal::put(&mut bytes, &Entry::Listing { digest: *digest, bytes: listing });
        }
        for name in &self.ignored {
            journal::put(&mut bytes, &Entry::Ignore { name });
        }
        journal::put_known(&mut bytes, self.known.values());
        if (bytes.len() as u64) < journal.size / 2 {
            let failed = |source| StateError::Io { operation: "rewrite", path: self.path.clone(), source };
            journal.file = journal::replace(&self.path, &bytes).map_err(failed)?;
            journal.size = journal.file.seek(SeekFrom::End(0)).map_err(failed)?;
        }
        Ok(())
    }
}

/// What the fuzzer does with its input: takes it for a journal, and for all that one is made of.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_state(input: &[u8]) {
    let state = State::parse(Path::new("state"), [MAGIC, input].concat());
    for record in state.tasks.values() {
        let listing = |digest| state.listings.get(&digest).map(|bytes| std::borrow::Cow::Borrowed(&**bytes));
        let _ = crate::record::manifest::differences(&record.manifest, &record.outputs, &listing);
        let find = |digest| state.listings.get(&digest).map(|bytes| &**bytes);
        let _ = crate::record::parts::parts(&record.outputs, &find);
    }
    let all = crate::record::manifest::all_items(input);
    assert!(all.is_none_or(|all| all.len() == items(input).count()));
    let known: Vec<Known> = journal::known(input).collect();
    assert!(known.len() <= input.len());
}

/// Lets go of the lock, and not only of our hold on it: all children have a copy of that, and one that has left
/// its group lives on.
impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Journal {
    /// Appends frames; they are on disk when this returns.
    pub(crate) fn append(&mut self, frames: &[u8]) -> Result<(), StateError> {
        let failed = |source| StateError::Io { operation: "write", path: self.path.clone(), source };
        let written = self.file.write_all(frames).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.size += frames.len() as u64,
            Err(error) => {
                // Half a frame would hide all that comes after it.
                let _ = self.file.set_len(self.size).and_then(|()| self.file.seek(SeekFrom::End(0)));
                return Err(failed(error));
            }
        }
        Ok(())
    }

    /// The lock, which also is the file whose times tell the file system's clock.
    pub(crate) fn lock(&self) -> Option<File> {
        self.lock.try_clone().ok()
    }
}

/// Takes the lock beside the state and writes our name into it. The kernel lets go of it when we and our children
/// end, however we end.
fn take_lock(path: &Path, user: &str) -> Result<File, StateError> {
    let lock_path = lock_path(path);
    let failed = |source| StateError::Io { operation: "lock", path: lock_path.clone(), source };
    let mut lock = content::open_or_create(&lock_path, 0o644).map_err(|error| failed(error.source))?;
    match lock.try_lock() {
        // Whoever held it before has erased the state: this is not the lock any more that others will see.
        Ok(()) if !is_at(&lock, &lock_path) => take_lock(path, user),
        Ok(()) => {
            // One line, whatever the arguments hold.
            let user: String = user.chars().filter(|c| !c.is_control()).take(LONGEST_USER).collect();
            let holder = format!("process {} ({user}) on {}\n", std::process::id(), host());
            lock.set_len(0).and_then(|()| lock.write_all(holder.as_bytes())).map_err(failed)?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            Err(StateError::Held { path: path.to_owned(), holder: holder(&lock) })
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Who holds a lock: the run that wrote its name into it, or what that has started and left behind.
fn holder(lock: &File) -> String {
    let mut text = String::new();
    let _ = lock.take(4096).read_to_string(&mut text);
    let name = text.trim();
    let process = name.strip_prefix("process ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let is_gone = name.ends_with(&format!(" on {}", host()))
        && process.and_then(Pid::from_raw).is_some_and(|id| test_kill_process(id) == Err(Errno::SRCH));
    match name {
        "" => "another run".to_owned(),
        _ if is_gone => format!("what is left of {name}"),
        _ => name.to_owned(),
    }
}

fn host() -> String {
    let name = content::open_text(Path::new("/proc/sys/kernel/hostname"), Links::Follow, HOST_MAX);
    name.unwrap_or_default().trim().to_owned()
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// The open file is the one that stands at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(there)) => (open.dev(), open.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = State::open(&path, "test").unwrap();
        state.write(&[Entry::Ignore { name: "a" }]).unwrap();
        let whole = fs::read(&path).unwrap();
        if let Some(journal) = &mut state.journal {
            journal.file = File::open(&path).unwrap();
        }
        let error = state.write(&[Entry::Ignore { name: "b" }]).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write the build state {}", path.display()));
        assert_eq!(state.ignored, BTreeSet::from(["a".to_owned()]));
        drop(state);
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(State::read(&path).unwrap().ignored.len(), 1);
    }
}
