//! The cache: outputs of earlier runs, by the key they were made under.
//!
//! ```text
//! blobs/<2 digits>/<sha256>-<mode>     the content of a file
//! blobs/<2 digits>/<sha256>-link       the target of a symbolic link
//! tasks/<key>                          what the outputs were, in the journal's frames
//! size                                 how many bytes all that takes, at most
//! lock                                 shared by those who put something in, taken alone to clear up
//! ```
//!
//! Content is shared with the build by reflink where the file system can, else by hard link, else copied. A
//! hard link can be written through: so nothing is taken out of the cache before its digest is known to be
//! right, and what is not is thrown away. For the same reason nothing is flushed to the disk on purpose: what a
//! crash tore is not right either.
//!
//! A record says where files go, and may come from another machine. It is checked as a whole before anything is
//! created (`parts`), and what is created goes through one function (`restore`), below the build root and through no
//! link.

mod eviction;
mod remote;
mod restore;

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use content::{Links, Root};
use tempfile::TempDir;

use crate::model::task::Output;
use crate::record::digest::Digest;
use crate::record::files::{Files, Kind, LookError, Seen};
use crate::record::journal::{self, Entry};
use crate::record::manifest::{Value, items};
use crate::record::parts::{BadRecord, Part, check_declared, parts};
use crate::record::survey::Listing;
pub use eviction::{CacheError, Swept, Usage};
pub use remote::{Remote, RemoteError};
use restore::{Target, place};

/// A folder of outputs, shared by any number of projects and runs.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    /// The most bytes it may hold after a run that added something; `None` for no bound.
    limit: Option<u64>,
    remote: Option<remote::Line>,
    /// How many bytes were added and not yet counted.
    added: Arc<AtomicU64>,
}

/// The longest record of a result, in bytes: some hundred thousand files.
pub const RECORD_MAX: u64 = 64 << 20;

/// What a task made, from the cache: its outputs as items, and the listings they name.
pub(crate) type Restored = (Vec<u8>, Vec<Listing>);

impl Cache {
    /// The cache in `folder`, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf, limit: Option<u64>) -> Self {
        Self { folder, limit, remote: None, added: Arc::default() }
    }

    /// The same cache, which asks `remote` for what it has not; and with `writes` sends it what was made here.
    #[must_use]
    pub fn with_remote(self, remote: Arc<dyn Remote>, writes: bool) -> Self {
        Self { remote: Some(remote::Line::new(remote, writes)), ..self }
    }

    /// The same cache, for what no remote cache is asked for.
    pub(crate) fn without_remote(&self) -> Self {
        Self { remote: None, ..self.clone() }
    }

    fn blob(&self, seen: &Seen) -> PathBuf {
        let digest = seen.digest.to_string();
        let kind = if seen.kind == Kind::Link { "link".to_owned() } else { format!("{:o}", seen.mode) };
        let shelf = digest.get(..2).unwrap_or_default();
        self.folder.join("blobs").join(shelf).join(format!("{digest}-{kind}"))
    }

    fn result(&self, key: Digest) -> PathBuf {
        self.folder.join("tasks").join(key.to_string())
    }

    /// Keeps the outputs of a task, which are as the items of `outputs` say.
    pub(crate) fn store(
        &self,
        root: &Path,
        key: Digest,
        outputs: &[u8],
        listings: &[Listing],
        files: &Files,
    ) -> io::Result<()> {
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        let _using = self.using()?;
        let parts = parts(outputs, &find).map_err(io::Error::other)?;
        let mut clones = true;
        for part in &parts {
            let (from, blob) = (root.join(&part.path), self.blob(&part.seen));
            let there = blob.symlink_metadata().is_ok_and(|found| found.is_file());
            if part.seen.kind == Kind::Folder || there {
                continue;
            }
            if part.seen.kind == Kind::Link {
                let room = self.room()?;
                let new = room.path().join("blob");
                File::create_new(&new)?.write_all(fs::read_link(&from)?.as_os_str().as_bytes())?;
                self.admit(&new, &blob)?;
            } else {
                self.keep_file(&from, &blob, &part.seen, &mut clones, files)?;
            }
        }
        let mut record = journal::MAGIC.to_vec();
        for item in items(outputs) {
            if let Value::Listing(digest) = item.value
                && let Some(bytes) = find(digest)
            {
                journal::put(&mut record, &Entry::Listing { digest, bytes });
            }
        }
        journal::put(&mut record, &Entry::Task { name: "", key, manifest: b"", outputs, millis: 0 });
        if record.len() as u64 > RECORD_MAX {
            return Err(io::Error::other(BadRecord::TooMany));
        }
        self.put_record(key, &record)?;
        self.send(key, &record, &parts)
    }

    /// Takes the file at `from` in as `blob`. One that is being written to is not what its digest says, and is
    /// refused: a remote cache would hand it on.
    fn keep_file(
        &self,
        from: &Path,
        blob: &Path,
        seen: &Seen,
        clones: &mut bool,
        files: &Files,
    ) -> io::Result<()> {
        let room = self.room()?;
        let new = room.path().join("blob");
        let was = files.unchanged(from, seen.digest).map_err(io::Error::other)?;
        place(from, &Root::open(room.path())?, Path::new("blob"), seen.mode.into(), clones)?;
        // The same file by another name, or a file of its own.
        let placed = files.regular(&new).map_err(io::Error::other)?;
        files.teach_renamed(from, &was, seen.digest).map_err(io::Error::other)?;
        self.admit(&new, blob)?;
        files.teach_renamed(blob, &placed, seen.digest).map_err(io::Error::other)
    }

    /// Held while something is put in.
    fn using(&self) -> io::Result<File> {
        content::create_folder(&self.folder)?;
        let lock = content::open_or_create(&self.folder.join("lock"), 0o644)?;
        lock.lock_shared()?;
        Ok(lock)
    }

    /// A place for what is not whole yet.
    fn room(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(eviction::UNFINISHED).tempdir_in(&self.folder)
    }

    /// Takes the file at `new` in under its name.
    fn admit(&self, new: &Path, name: &Path) -> io::Result<()> {
        content::create_folder(name.parent().unwrap_or(&self.folder))?;
        self.added.fetch_add(fs::symlink_metadata(new)?.len(), Ordering::Relaxed);
        match fs::rename(new, name) {
            // A folder in its place; anything else is replaced.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                content::remove(name)?;
                fs::rename(new, name)
            }
            renamed => renamed,
        }
    }

    fn put_record(&self, key: Digest, record: &[u8]) -> io::Result<()> {
        let room = self.room()?;
        let new = room.path().join("record");
        File::create_new(&new)?.write_all(record)?;
        self.admit(&new, &self.result(key))
    }

    /// Puts the outputs made under `key` back into place, which has been prepared, if all of them are here, or
    /// come from the remote cache, and are right. Says what they are. Fails once `stop` turns true.
    pub(crate) fn restore(
        &self,
        root: &Path,
        build_root: &Path,
        key: Digest,
        declared: &[Output],
        files: &Files,
        stop: &AtomicBool,
    ) -> io::Result<Option<Restored>> {
        let target = Target { root, build_root };
        let here = self.restore_from_here(&target, key, declared, files, stop)?;
        if here.is_none() && self.fetch(key, declared, files)? {
            return self.restore_from_here(&target, key, declared, files, stop);
        }
        Ok(here)
    }

    fn restore_from_here(
        &self,
        target: &Target<'_>,
        key: Digest,
        declared: &[Output],
        files: &Files,
        stop: &AtomicBool,
    ) -> io::Result<Option<Restored>> {
        let record = self.result(key);
        let bytes = match content::open_read(&record, Links::Refuse, RECORD_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(_) if record.symlink_metadata().is_ok_and(|found| !found.is_file()) => {
                content::remove(&record)?;
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Some((outputs, listings)) = parse(&bytes, key) else { return Ok(None) };
        let parts = checked_parts(&outputs, &listings, declared).map_err(io::Error::other)?;
        if !self.all_right(&parts, files, stop)? {
            return Ok(None);
        }
        self.put_back(target, &parts, files)?;
        // The oldest is what the next sweep removes.
        if let Ok(file) = content::open(&self.result(key), Links::Refuse) {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let _ = rustix::fs::futimens(
                &file,
                &rustix::fs::Timestamps { last_access: now, last_modification: now },
            );
        }
        Ok(Some((outputs, listings)))
    }

    /// Every blob is there and has the content its name says. One that has not is removed.
    fn all_right(&self, parts: &[Part], files: &Files, stop: &AtomicBool) -> io::Result<bool> {
        let wanted: Vec<(&Part, PathBuf)> = parts
            .iter()
            .filter(|part| part.seen.kind != Kind::Folder)
            .map(|part| (part, self.blob(&part.seen)))
            .collect();
        let paths: Vec<&Path> = wanted.iter().map(|(_, blob)| blob.as_path()).collect();
        let mut right = true;
        for ((part, blob), seen) in wanted.iter().zip(files.look_all(&paths, false, stop)) {
            let is_right = |seen: &Seen| {
                // Its mode is part of the name of a file, and can be lost through a hard link.
                let mode = part.seen.kind == Kind::Link || seen.mode == part.seen.mode;
                seen.kind == Kind::File && seen.digest == part.seen.digest && mode
            };
            match seen {
                Ok(Some(seen)) if is_right(&seen) => continue,
                Ok(None) => {}
                Err(stopped @ LookError::Stopped { .. }) => return Err(io::Error::other(stopped)),
                _ => content::remove(blob)?,
            }
            right = false;
        }
        Ok(right)
    }

    fn blobs_of(&self, result: &Path) -> HashSet<PathBuf> {
        let key = result.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let read = || content::open_read(result, Links::Refuse, RECORD_MAX).ok();
        let parsed = key.and_then(|key| parse(&read()?, key));
        let Some((outputs, listings)) = parsed else { return HashSet::new() };
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        // A record that cannot be used needs nothing.
        let parts = parts(&outputs, &find).unwrap_or_default();
        parts.iter().filter(|part| part.seen.kind != Kind::Folder).map(|part| self.blob(&part.seen)).collect()
    }
}

/// The outputs and listings of a result. `None` if it is damaged, or not that of `key`.
fn parse(bytes: &[u8], key: Digest) -> Option<Restored> {
    let frames = bytes.strip_prefix(journal::MAGIC)?;
    let (mut listings, mut found, mut whole) = (Vec::new(), None, 0);
    for entry in journal::entries(frames, &mut whole) {
        match entry {
            // A listing is named by its digest, so it can be checked.
            Entry::Listing { digest, bytes } if found.is_none() && Digest::of(bytes) == digest => {
                listings.push((digest, bytes.to_vec()))
            }
            // The last entry, and the only one of its kind.
            Entry::Task { key: made_under, outputs, .. } if found.is_none() && made_under == key => {
                found = Some(outputs.to_vec())
            }
            _ => return None,
        }
    }
    found.filter(|_| whole == frames.len()).map(|outputs| (outputs, listings))
}

/// The parts of a result that a task with the outputs `declared` can have made. Records say where files go: nowhere but
/// where the task would have put them.
fn checked_parts(outputs: &[u8], listings: &[Listing], declared: &[Output]) -> Result<Vec<Part>, BadRecord> {
    check_declared(outputs, declared)?;
    parts(outputs, &|digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice()))
}

#[cfg(any(test, fuzzing))]
mod forged;
#[cfg(test)]
mod hostile;

/// What the fuzzer does with its input.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_records(input: &[u8]) {
    forged::restore_from_bytes(input);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::manifest::{Item, Tag, put};
    use std::collections::HashMap;

    #[test]
    fn what_was_written_to_since_it_was_looked_at_is_not_kept() {
        let (root, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = Cache::new(kept.path().to_owned(), None);
        let files = Files::new(root.path(), None, HashMap::new(), 1).unwrap();
        let mut outputs = Vec::new();
        let path = root.path().join("a");
        fs::write(&path, "x").unwrap();
        let seen = files.look(Path::new("a")).unwrap().unwrap();
        put(&mut outputs, &Item { tag: Tag::File, name: b"a", value: Value::Seen(seen) });
        let store = || cache.store(root.path(), Digest::of(b"key"), &outputs, &[], &files);

        fs::write(&path, "edited").unwrap();
        let error = store().unwrap_err().to_string();
        assert!(error.ends_with("a has been written to since it was looked at"), "{error}");
        assert!(!cache.blob(&seen).exists() && !cache.result(Digest::of(b"key")).exists());

        fs::write(&path, "x").unwrap();
        store().unwrap();
        assert_eq!(fs::read(cache.blob(&seen)).unwrap(), b"x");
    }
}
