//! The state: what a project remembers of past runs, and the lock that keeps two runs apart.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use content::{Digest, IoError, LinkPolicy};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::record::entry::FileDigest;
use crate::record::journal::{self, JournalEntry, MAGIC, Slice, TaskRecord};
use crate::record::key::{ItemValue, items};

/// The most bytes of a state: a hundred times that of a project with ten thousand tasks.
const JOURNAL_MAX: u64 = 1 << 30;
/// The most bytes of a host name.
const HOST_MAX: u64 = 1024;

/// Why the state cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// The operating system refuses.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Another run holds the lock of this state.
    #[error("the build state {} is in use by {holder}", content::printable_path(path))]
    Held {
        /// The file.
        path: PathBuf,
        /// The holder: process ID, command and host.
        holder: String,
    },
}

/// The state of a project: the key and the outputs of the last successful run of each task, and the digests of files.
///
/// It is an append-only journal. [`ProjectState::open`] is for runs: it holds a lock until the state is dropped, or until the process
/// and all child processes of its actions have ended. [`ProjectState::read`] is for queries and takes no lock.
#[derive(Debug)]
pub struct ProjectState {
    pub(crate) path: PathBuf,
    pub(crate) records: HashMap<String, TaskRecord>,
    /// What each task created in output folders of the project.
    pub(crate) own: HashMap<String, Slice>,
    pub(crate) ignored: BTreeSet<String>,
    pub(crate) listings: HashMap<Digest, Slice>,
    pub(crate) digests: HashMap<(u64, u64), FileDigest>,
    pub(crate) journal: Option<Journal>,
    dropped: u64,
}

/// A journal that is open for appending, with its lock.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    size: u64,
    /// The size when it was opened.
    opened: u64,
    /// Its times also are the clock of the file system.
    lock: File,
}

/// The most characters of a command that the lock file shows.
const LONGEST_USER: usize = 200;

/// What is done with the journal when it fails.
const READ: &str = "read the build state";
const WRITE: &str = "write the build state";

/// A journal that is smaller than this is not rewritten, in bytes.
const SMALL: u64 = 1 << 20;

impl ProjectState {
    /// Opens the state at `path` for a run, creates it and its folder if needed, and locks it. `user` is the command, such as
    /// `sealift run iso`: others that find the state locked show it.
    ///
    /// # Errors
    ///
    /// [`StateError::Held`] if another run holds it; [`StateError::Io`] if it cannot be read or written.
    pub fn open(path: &Path, user: &str) -> Result<Self, StateError> {
        if let Some(folder) = path.parent() {
            content::create_folder(folder)?;
        }
        let lock = take_lock(path, user)?;
        content::remove(&journal::successor(path))?;
        let mut file = content::open_or_create(path, 0o644)?;
        let bytes = content::read_bounded(&mut file, JOURNAL_MAX).map_err(IoError::at(READ, path))?;
        let length = bytes.len() as u64;
        let mut state = Self::parse(path, bytes);
        let whole = length - state.dropped;
        if whole == 0 {
            // Nothing in it counts, so it is begun in place: a kill leaves no temporary file.
            let begun = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(MAGIC));
            begun.map_err(IoError::at(WRITE, path))?;
        } else if state.dropped > 0 {
            file.set_len(whole).map_err(IoError::at(WRITE, path))?;
        }
        let size = file.seek(SeekFrom::End(0)).map_err(IoError::at(READ, path))?;
        state.journal = Some(Journal { path: path.to_owned(), file, size, opened: size, lock });
        Ok(state)
    }

    /// As [`ProjectState::open`], but waits for another run to end, until `cancel` is true. `notify` is called once, with the
    /// holder of the lock.
    ///
    /// # Errors
    ///
    /// As [`ProjectState::open`]; [`StateError::Held`] only if the wait was cancelled.
    pub fn open_waiting(
        path: &Path,
        user: &str,
        cancel: &AtomicBool,
        notify: &mut dyn FnMut(&str),
    ) -> Result<Self, StateError> {
        let mut notified = false;
        loop {
            match Self::open(path, user) {
                Err(StateError::Held { holder, .. }) if !cancel.load(Ordering::Relaxed) => {
                    if !std::mem::replace(&mut notified, true) {
                        notify(&holder);
                    }
                    thread::sleep(Duration::from_millis(50));
                }
                opened => return opened,
            }
        }
    }

    /// Reads the state at `path` without a lock. It is empty if the file does not exist.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if it exists and cannot be read.
    pub fn read(path: &Path) -> Result<Self, StateError> {
        match content::open_read(path, LinkPolicy::Refuse, JOURNAL_MAX) {
            Ok(bytes) => Ok(Self::parse(path, bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::parse(path, Vec::new())),
            Err(error) => Err(error.into()),
        }
    }

    /// How many bytes at the end of the journal were incomplete and have been dropped: a killed run was writing them.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether no task is recorded, and no file that one created in the project.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.ignored.is_empty() && self.own.is_empty()
    }

    /// Removes the state with its lock, and their folder if nothing else is in it.
    ///
    /// # Errors
    ///
    /// [`StateError::Io`] if it cannot be removed.
    pub fn erase(self) -> Result<(), StateError> {
        for path in [&self.path, &lock_path(&self.path)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(IoError::at("remove", path)(error).into());
                }
                _ => {}
            }
        }
        // Fails if other files are in it.
        let _ = self.path.parent().map(fs::remove_dir);
        Ok(())
    }

    fn parse(path: &Path, bytes: Vec<u8>) -> Self {
        let mut state = Self {
            path: path.to_owned(),
            records: HashMap::new(),
            own: HashMap::new(),
            ignored: BTreeSet::new(),
            listings: HashMap::new(),
            digests: HashMap::new(),
            journal: None,
            dropped: bytes.len() as u64,
        };
        let bytes = Arc::new(bytes);
        if let Some(frames) = bytes.strip_prefix(MAGIC) {
            state.dropped = (frames.len() - state.apply_all(&bytes, frames)) as u64;
        }
        state
    }

    /// Applies the entries of frames that have been written.
    pub(crate) fn apply_frames(&mut self, frames: Vec<u8>) {
        let frames = Arc::new(frames);
        self.apply_all(&frames, &frames);
    }

    /// Applies the entries of `frames`, which is a part of `bytes`. The number of bytes up to the last complete frame.
    fn apply_all(&mut self, bytes: &Arc<Vec<u8>>, frames: &[u8]) -> usize {
        let mut whole = 0;
        for entry in journal::entries(frames, &mut whole) {
            self.apply(bytes, &entry);
        }
        whole
    }

    fn apply(&mut self, bytes: &Arc<Vec<u8>>, entry: &JournalEntry<'_>) {
        match *entry {
            JournalEntry::Task { name, key, manifest, outputs, millis } => {
                let (manifest, outputs) = (Slice::of(bytes, manifest), Slice::of(bytes, outputs));
                let record = TaskRecord { key, manifest, outputs, millis };
                match self.records.get_mut(name) {
                    Some(old) => *old = record,
                    None => drop(self.records.insert(name.to_owned(), record)),
                }
            }
            JournalEntry::Forget { name } => {
                self.records.remove(name);
                self.ignored.remove(name);
            }
            JournalEntry::Ignore { name } => drop(self.ignored.insert(name.to_owned())),
            JournalEntry::Listing { digest, bytes: listing } => {
                self.listings.insert(digest, Slice::of(bytes, listing));
            }
            JournalEntry::Own { name, files: [] } => drop(self.own.remove(name)),
            JournalEntry::Own { name, files } => {
                self.own.insert(name.to_owned(), Slice::of(bytes, files));
            }
            JournalEntry::Digests(packed) => {
                for found in journal::digests(packed) {
                    self.digests.insert((found.identity.dev, found.identity.ino), found);
                }
            }
        }
    }

    /// Writes entries and applies them.
    pub(crate) fn write(&mut self, entries: &[JournalEntry<'_>]) -> Result<(), StateError> {
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

    /// Rewrites the journal if most of it is obsolete.
    pub(crate) fn compact(&mut self) -> Result<(), StateError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if journal.size < SMALL || journal.size == journal.opened {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let mut used = BTreeSet::new();
        let mut count = 0;
        for (name, TaskRecord { key, manifest, outputs, millis }) in &self.records {
            for item in items(manifest).chain(items(outputs)) {
                count += 1;
                if let ItemValue::Listing(digest) = item.value {
                    used.insert(digest);
                }
            }
            journal::put(
                &mut bytes,
                &JournalEntry::Task { name, key: *key, manifest, outputs, millis: *millis },
            );
        }
        self.listings.retain(|digest, _| used.contains(digest));
        // Digests of removed files cannot be distinguished from those that this run did not need, so all are dropped when
        // there are far too many.
        let files: usize = used
            .iter()
            .filter_map(|digest| self.listings.get(digest))
            .map(|listing| items(listing).count())
            .sum();
        if self.digests.len() > 4 * (files + count) + 10_000 {
            self.digests.clear();
        }
        for (digest, listing) in &self.listings {
            journal::put(&mut bytes, &JournalEntry::Listing { digest: *digest, bytes: listing });
        }
        for name in &self.ignored {
            journal::put(&mut bytes, &JournalEntry::Ignore { name });
        }
        for (name, files) in &self.own {
            journal::put(&mut bytes, &JournalEntry::Own { name, files });
        }
        journal::put_digests(&mut bytes, self.digests.values());
        if (bytes.len() as u64) < journal.size / 2 {
            journal.file = journal::replace(&self.path, &bytes)?;
            journal.size = journal.file.seek(SeekFrom::End(0)).map_err(IoError::at(READ, &self.path))?;
        }
        Ok(())
    }
}

/// The fuzzer parses its input as a journal, and as each part of one.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_state(input: &[u8]) {
    let state = ProjectState::parse(Path::new("state"), [MAGIC, input].concat());
    for record in state.records.values() {
        let listing = |digest| state.listings.get(&digest).map(|bytes| std::borrow::Cow::Borrowed(&**bytes));
        let _ = crate::record::key::differences(&record.manifest, &record.outputs, &listing);
        let find = |digest| state.listings.get(&digest).map(|bytes| &**bytes);
        let _ = crate::record::parts::parts(&record.outputs, &find);
    }
    for own in state.own.values() {
        let listed = crate::record::own::list(crate::record::own::parse(own));
        assert!(listed.len() <= own.len());
    }
    let all = crate::record::key::all_items(input);
    assert!(all.is_none_or(|all| all.len() == items(input).count()));
    let digests: Vec<FileDigest> = journal::digests(input).collect();
    assert!(digests.len() <= input.len());
}

/// Releases the lock itself, not only our file descriptor: all child processes have a copy, and one that has left its process
/// group may still run.
impl Drop for Journal {
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

impl Journal {
    /// Appends frames. They are on disk when this returns.
    pub(crate) fn append(&mut self, frames: &[u8]) -> Result<(), StateError> {
        let written = self.file.write_all(frames).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.size += frames.len() as u64,
            Err(error) => {
                // An incomplete frame would hide all that follows.
                let _ = self.file.set_len(self.size).and_then(|()| self.file.seek(SeekFrom::End(0)));
                return Err(IoError::at(WRITE, &self.path)(error).into());
            }
        }
        Ok(())
    }

    /// The file of the lock. Its times also are the clock of the file system.
    pub(crate) fn lock(&self) -> Option<File> {
        self.lock.try_clone().ok()
    }
}

/// Takes the lock beside the state and writes the holder into it. The kernel releases it when this process and its children
/// end, in whatever way.
fn take_lock(path: &Path, user: &str) -> Result<File, StateError> {
    let lock_path = lock_path(path);
    let mut lock = content::open_or_create(&lock_path, 0o644)?;
    match lock.try_lock() {
        // The last holder has removed the state: others will create another lock file.
        Ok(()) if !is_at(&lock, &lock_path) => take_lock(path, user),
        Ok(()) => {
            // Always one line.
            let user: String = user.chars().filter(|c| !c.is_control()).take(LONGEST_USER).collect();
            let holder = format!("process {} ({user}) on {}\n", std::process::id(), host());
            let written = lock.set_len(0).and_then(|()| lock.write_all(holder.as_bytes()));
            written.map_err(IoError::at(WRITE, &lock_path))?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            Err(StateError::Held { path: path.to_owned(), holder: holder(&lock) })
        }
        Err(TryLockError::Error(error)) => Err(IoError::at("lock", &lock_path)(error).into()),
    }
}

/// The holder of a lock: the run that wrote itself into the file, or child processes that it left behind.
fn holder(lock: &File) -> String {
    let mut text = String::new();
    let _ = lock.take(4096).read_to_string(&mut text);
    let name = text.trim();
    let process = name.strip_prefix("process ").and_then(|rest| rest.split(' ').next()?.parse().ok());
    let has_ended = name.ends_with(&format!(" on {}", host()))
        && process.and_then(Pid::from_raw).is_some_and(|id| test_kill_process(id) == Err(Errno::SRCH));
    match name {
        "" => "another run".to_owned(),
        _ if has_ended => format!("child processes of {name}"),
        _ => name.to_owned(),
    }
}

fn host() -> String {
    let name = content::open_text(Path::new("/proc/sys/kernel/hostname"), LinkPolicy::Follow, HOST_MAX);
    name.unwrap_or_default().trim().to_owned()
}

fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Whether the open file is the one at `path`.
fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(open), Ok(at_path)) => (open.dev(), open.ino()) == (at_path.dev(), at_path.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_cannot_be_written_is_not_applied() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = ProjectState::open(&path, "test").unwrap();
        state.write(&[JournalEntry::Ignore { name: "a" }]).unwrap();
        let whole = fs::read(&path).unwrap();
        if let Some(journal) = &mut state.journal {
            journal.file = File::open(&path).unwrap();
        }
        let error = state.write(&[JournalEntry::Ignore { name: "b" }]).unwrap_err();
        let expected = format!("cannot write the build state {}: ", path.display());
        assert!(error.to_string().starts_with(&expected), "{error}");
        assert_eq!(state.ignored, BTreeSet::from(["a".to_owned()]));
        drop(state);
        assert_eq!(fs::read(&path).unwrap(), whole);
        assert_eq!(ProjectState::read(&path).unwrap().ignored.len(), 1);
    }

    #[test]
    fn a_journal_that_was_being_rewritten_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        ProjectState::open(&path, "test").unwrap().write(&[JournalEntry::Ignore { name: "a" }]).unwrap();
        fs::write(journal::successor(&path), "torn").unwrap();
        assert_eq!(ProjectState::open(&path, "test").unwrap().ignored.len(), 1);
        assert!(!journal::successor(&path).exists());
    }

    #[test]
    fn a_state_that_was_not_begun_is_begun_in_place() {
        for torn in [&b""[..], b"sealift st", b"sealift state 1\nold"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("state");
            fs::write(&path, torn).unwrap();
            let before = fs::metadata(&path).unwrap().ino();
            let mut state = ProjectState::open(&path, "test").unwrap();
            state.write(&[JournalEntry::Ignore { name: "a" }]).unwrap();
            drop(state);
            // No file was renamed over it: between its two names, a kill would leave the temporary one.
            assert_eq!(fs::metadata(&path).unwrap().ino(), before);
            let read = ProjectState::read(&path).unwrap();
            assert_eq!((read.ignored.len(), read.dropped()), (1, 0));
        }
    }

    /// A list of own files must outlive all else in the journal: without it, these files would count as the user's.
    #[test]
    fn own_files_survive_forgetting_and_compaction() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let mut state = ProjectState::open(&path, "test").unwrap();
        assert!(state.is_empty());
        let (big, digest) = (vec![0; 2 << 20], Digest::of(b"big"));
        state.write(&[JournalEntry::Own { name: "a", files: b"files" }]).unwrap();
        state
            .write(&[JournalEntry::Own { name: "b", files: b"more" }, JournalEntry::Forget { name: "a" }])
            .unwrap();
        state.write(&[JournalEntry::Listing { digest, bytes: &big }]).unwrap();
        state.write(&[JournalEntry::Own { name: "b", files: b"" }]).unwrap();
        state.compact().unwrap();
        drop(state);
        assert!(fs::metadata(&path).unwrap().len() < 1000);
        let state = ProjectState::read(&path).unwrap();
        assert_eq!(
            (state.own.len(), state.own.get("a").map(|own| own.to_vec())),
            (1, Some(b"files".to_vec()))
        );
        assert!(!state.is_empty());
    }
}
