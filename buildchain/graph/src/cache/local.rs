//! The folder of a result cache: where blobs and records are, and how they are added.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use content::{Digest, LinkPolicy};
use tempfile::TempDir;

use crate::cache::remote::{Connection, RemoteCache};
use crate::model::error::FileError;
use crate::model::task::TaskOutput;
use crate::record::entry::{FileEntry, FileEntryKind};
use crate::record::files::KnownFiles;
use crate::record::journal::{self, JournalEntry};
use crate::record::parts::{BadRecord, OutputPart, check_declared, parts};
use crate::record::survey::FolderListing;

/// A result cache, shared by any number of projects and runs.
#[derive(Clone, Debug)]
pub struct ResultCache {
    pub(super) folder: PathBuf,
    /// The most bytes it may have after a run that added something; `None` for no bound.
    pub(super) limit: Option<u64>,
    pub(super) remote: Option<Connection>,
    /// How many bytes were added since the size was last written.
    pub(super) added: Arc<AtomicU64>,
}

/// The longest record of a result, in bytes: some hundred thousand files.
pub const RECORD_MAX: u64 = 64 << 20;

/// The prefix of folders for files that are not complete yet.
pub(super) const UNFINISHED: &str = ".new-";

/// The outputs of a task from the cache, as items, and the listings that they name.
pub(crate) type Restored = (Vec<u8>, Vec<FolderListing>);

impl ResultCache {
    /// The cache in `folder`, which need not exist yet. `limit` is the most bytes that it may have after a run.
    #[must_use]
    pub fn new(folder: PathBuf, limit: Option<u64>) -> Self {
        Self { folder, limit, remote: None, added: Arc::default() }
    }

    /// The same cache, which fetches what it lacks from `remote`, and with `writes` also sends new results there.
    #[must_use]
    pub fn with_remote(self, remote: Arc<dyn RemoteCache>, writes: bool) -> Self {
        Self { remote: Some(Connection::new(remote, writes)), ..self }
    }

    /// The same cache without the remote one.
    pub(crate) fn without_remote(&self) -> Self {
        Self { remote: None, ..self.clone() }
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the blob of a file or link.
    pub(super) fn blob(&self, entry: &FileEntry) -> PathBuf {
        let digest = entry.digest.hex();
        let kind =
            if entry.kind == FileEntryKind::Link { "link".to_owned() } else { format!("{:o}", entry.mode) };
        let folder = digest.get(..2).unwrap_or_default();
        self.folder.join("blobs").join(folder).join(format!("{digest}-{kind}"))
    }

    /// The path of the record for a key.
    pub(super) fn record(&self, key: Digest) -> PathBuf {
        self.folder.join("tasks").join(key.hex())
    }

    /// Held while files are added.
    pub(super) fn lock_shared(&self) -> io::Result<File> {
        content::create_folder(&self.folder)?;
        let lock = content::open_or_create(&self.folder.join("lock"), 0o644)?;
        lock.lock_shared()?;
        Ok(lock)
    }

    /// A temporary folder for files that are not complete yet.
    pub(super) fn temporary(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(&self.folder)
    }

    /// Moves the complete file at `new` to its final path.
    pub(super) fn add(&self, new: &Path, path: &Path) -> io::Result<()> {
        content::create_folder(path.parent().unwrap_or(&self.folder))?;
        self.added.fetch_add(fs::symlink_metadata(new)?.len(), Ordering::Relaxed);
        match fs::rename(new, path) {
            // A folder is in its place; anything else is replaced.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                content::remove(path)?;
                fs::rename(new, path)
            }
            renamed => renamed,
        }
    }

    /// Marks a record as used: the least recently used one is evicted first.
    pub(super) fn touch(&self, record: &Path) {
        if let Ok(file) = content::open(record, LinkPolicy::Refuse) {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let both = rustix::fs::Timestamps { last_access: now, last_modification: now };
            let _ = rustix::fs::futimens(&file, &both);
        }
    }

    /// Adds a record.
    pub(super) fn add_record(&self, key: Digest, record: &[u8]) -> io::Result<()> {
        let temporary = self.temporary()?;
        let new = temporary.path().join("record");
        File::create_new(&new)?.write_all(record)?;
        self.add(&new, &self.record(key))
    }

    /// Whether every blob exists and has the content that its name says. A damaged one is removed. Fails once `stop` is
    /// true.
    pub(super) fn check_blobs(
        &self,
        parts: &[OutputPart],
        files: &KnownFiles,
        stop: &AtomicBool,
    ) -> io::Result<bool> {
        let wanted: Vec<(&OutputPart, PathBuf)> = parts
            .iter()
            .filter(|part| part.entry.kind != FileEntryKind::Folder)
            .map(|part| (part, self.blob(&part.entry)))
            .collect();
        let paths: Vec<&Path> = wanted.iter().map(|(_, blob)| blob.as_path()).collect();
        let mut intact = true;
        for ((part, blob), found) in wanted.iter().zip(files.entries(&paths, false, stop)) {
            let is_intact = |found: &FileEntry| {
                // The mode is part of the name of a file, and can be changed through a hard link.
                let mode = part.entry.kind == FileEntryKind::Link || found.mode == part.entry.mode;
                found.kind == FileEntryKind::File && found.digest == part.entry.digest && mode
            };
            match found {
                Ok(Some(found)) if is_intact(&found) => continue,
                Ok(None) => {}
                Err(stopped @ FileError::Stopped { .. }) => return Err(io::Error::other(stopped)),
                _ => content::remove(blob)?,
            }
            intact = false;
        }
        Ok(intact)
    }

    /// The blobs that the record at `path` needs. An invalid record needs none.
    pub(super) fn blobs_of(&self, path: &Path) -> HashSet<PathBuf> {
        let key =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| Digest::from_hex(name).ok());
        let read = || content::open_read(path, LinkPolicy::Refuse, RECORD_MAX).ok();
        let parsed = key.and_then(|key| parse(&read()?, key));
        let Some((outputs, listings)) = parsed else { return HashSet::new() };
        let parts = parts(&outputs, &|digest| find(&listings, digest)).unwrap_or_default();
        parts
            .iter()
            .filter(|part| part.entry.kind != FileEntryKind::Folder)
            .map(|part| self.blob(&part.entry))
            .collect()
    }
}

/// The listing with this digest.
pub(super) fn find(listings: &[FolderListing], digest: Digest) -> Option<&[u8]> {
    listings.iter().find(|(listed, _)| *listed == digest).map(|(_, bytes)| bytes.as_slice())
}

/// The outputs and listings in a record. `None` if it is damaged, or has another key.
pub(super) fn parse(bytes: &[u8], key: Digest) -> Option<Restored> {
    let frames = bytes.strip_prefix(journal::MAGIC)?;
    let (mut listings, mut found, mut whole) = (Vec::new(), None, 0);
    for entry in journal::entries(frames, &mut whole) {
        match entry {
            // A listing is named by its digest, so it can be checked.
            JournalEntry::Listing { digest, bytes } if found.is_none() && Digest::of(bytes) == digest => {
                listings.push((digest, bytes.to_vec()))
            }
            // The last entry, and the only one of its kind.
            JournalEntry::Task { key: recorded, outputs, .. } if found.is_none() && recorded == key => {
                found = Some(outputs.to_vec())
            }
            _ => return None,
        }
    }
    found.filter(|_| whole == frames.len()).map(|outputs| (outputs, listings))
}

/// The parts of a result of a task that declares the outputs `declared`. A record can only name the paths that the task
/// itself would have produced.
pub(super) fn checked_parts(
    outputs: &[u8],
    listings: &[FolderListing],
    declared: &[TaskOutput],
) -> Result<Vec<OutputPart>, BadRecord> {
    check_declared(outputs, declared)?;
    parts(outputs, &|digest| find(listings, digest))
}
