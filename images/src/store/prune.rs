//! Garbage collection: evicts content that no tree uses, least recently used first.
//!
//! A file that some tree links is left alone: to remove it here would free nothing. The others go by the time that the file
//! system notes when a file gets or loses a name: when it was fetched, taken into a tree, or when the last tree that had it went.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{REPOSITORIES, Store, remove};
use crate::error::{Error, Result, io as failed};

/// How much content may stay in a store, besides what trees use.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeepLimits {
    /// The most bytes.
    pub bytes: Option<u64>,
    /// Content that was used within this time.
    pub age: Option<Duration>,
}

/// What pruning removed from a store, and what it left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PrunedStore {
    /// What was removed because nothing used it.
    pub removed: FileTotals,
    /// What stays although no tree uses it.
    pub kept: FileTotals,
    /// What stays because trees use it.
    pub in_use: FileTotals,
}

/// A number of files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FileTotals {
    /// The number of files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl FileTotals {
    fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// Removes from the store in `root` what `keep` does not cover, the longest unused first. With `dry` nothing is removed.
/// No other process may have the store open, and none can open it meanwhile.
///
/// # Errors
///
/// [`Error::StoreInUse`], [`Error::Io`].
pub fn prune(root: &Path, keep: &KeepLimits, now: SystemTime, dry: bool) -> Result<PrunedStore> {
    let lock = Store::lock_file(root)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Error::StoreInUse { store: root.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(failed("lock", root)(error)),
    }
    let mut pruned = PrunedStore::default();
    // Nobody else has the store open, so unfinished content was interrupted: it can be resumed, and is not needed.
    let mut unused = files(&root.join("partial/sha256"), now)?;
    unused.extend(files(&root.join("new"), now)?);
    unused.extend(repositories(&root.join(REPOSITORIES), now)?);
    for blob in files(&root.join("blobs/sha256"), now)? {
        // A folder has links of its own, and is not a blob.
        if blob.links > 1 && !blob.folder {
            pruned.in_use.add(blob.bytes);
        } else {
            unused.push(blob);
        }
    }
    unused.sort_by_key(|found| std::cmp::Reverse(found.unused));
    let mut left: u64 = unused.iter().map(|found| found.bytes).sum();
    for found in &unused {
        let old = keep.age.is_some_and(|age| found.unused >= age);
        let large = keep.bytes.is_some_and(|bytes| left > bytes);
        if !old && !large {
            pruned.kept.add(found.bytes);
            continue;
        }
        left -= found.bytes;
        pruned.removed.add(found.bytes);
        if !dry {
            remove(&found.path)?;
        }
    }
    if !dry {
        remove_records(root)?;
    }
    Ok(pruned)
}

/// Removes what is recorded of content that is gone.
fn remove_records(root: &Path) -> Result<()> {
    let folder = root.join("verified/sha256");
    let entries = match fs::read_dir(&folder) {
        // A store of an earlier version.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed("read", &folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(failed("read", &folder))?;
        if fs::symlink_metadata(root.join("blobs/sha256").join(entry.file_name())).is_err() {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

impl Store {
    /// The lock file: shared by open stores, exclusive while it is pruned.
    pub(super) fn lock_file(root: &Path) -> Result<File> {
        let path = root.join("lock");
        Ok(content::open_or_create(&path, 0o644)?)
    }
}

/// A file of the store.
struct Found {
    path: PathBuf,
    folder: bool,
    bytes: u64,
    links: u64,
    /// How long it was not used.
    unused: Duration,
}

fn files(folder: &Path, now: SystemTime) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let entry = entry.map_err(failed("read", folder))?;
        let path = entry.path();
        let metadata = entry.metadata().map_err(failed("stat", &path))?;
        let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
        let nanoseconds = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
        let changed = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let unused = now.duration_since(changed).unwrap_or_default();
        let (folder, links) = (metadata.is_dir(), metadata.nlink());
        found.push(Found { path, folder, bytes: metadata.len(), links, unused });
    }
    Ok(found)
}

/// The git repositories, each with all of its bytes, and their lock files.
fn repositories(folder: &Path, now: SystemTime) -> Result<Vec<Found>> {
    if fs::symlink_metadata(folder).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(Vec::new());
    }
    let mut found = files(folder, now)?;
    for repository in found.iter_mut().filter(|found| found.folder) {
        repository.bytes = bytes_below(&repository.path)?;
    }
    Ok(found)
}

/// The bytes of all files below a folder.
fn bytes_below(folder: &Path) -> Result<u64> {
    let mut bytes: u64 = 0;
    for entry in fs::read_dir(folder).map_err(failed("read", folder))? {
        let entry = entry.map_err(failed("read", folder))?;
        let path = entry.path();
        let metadata = entry.metadata().map_err(failed("stat", &path))?;
        bytes = bytes.saturating_add(if metadata.is_dir() { bytes_below(&path)? } else { metadata.len() });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use content::Digest;

    use super::*;
    use crate::store::BlobSlot;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Stores `text` at a later instant, as the file system tells time, than whatever is at `after`.
    fn put_after(store: &Store, text: &str, after: Option<&Digest>) -> Digest {
        let changed = |digest: &Digest| {
            let found = fs::metadata(store.blob_path(digest)).unwrap();
            (found.ctime(), found.ctime_nsec())
        };
        loop {
            let digest = store.put(text.as_bytes()).unwrap();
            if after.is_none_or(|after| changed(after) < changed(&digest)) {
                return digest;
            }
            fs::remove_file(store.blob_path(&digest)).unwrap();
        }
    }

    #[test]
    fn the_longest_unused_goes_first_and_what_a_tree_uses_stays() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("store");
        let store = Store::open(&root).unwrap();
        let linked = put_after(&store, "linked", None);
        let first = put_after(&store, "first", Some(&linked));
        let second = put_after(&store, "second!", Some(&first));
        let third = put_after(&store, "third", Some(&second));
        fs::hard_link(store.blob_path(&linked), folder.path().join("tree")).unwrap();
        let there = || {
            [&linked, &first, &second, &third]
                .map(|digest| root.join("blobs/sha256").join(digest.hex()).exists())
        };
        let now = SystemTime::now();
        let bounded = |bytes| KeepLimits { bytes: Some(bytes), age: None };

        // Whoever has it open, reads or writes: nothing is taken away from under them.
        let error = prune(&root, &bounded(0), now, false).unwrap_err();
        assert!(matches!(error, Error::StoreInUse { .. }), "{error}");
        drop(store);

        let sum = |files, bytes| FileTotals { files, bytes };
        let dry = prune(&root, &bounded(12), now, true).unwrap();
        assert_eq!(dry, PrunedStore { removed: sum(1, 5), kept: sum(2, 12), in_use: sum(1, 6) });
        assert_eq!(there(), [true; 4]);
        assert_eq!(prune(&root, &bounded(12), now, false).unwrap(), dry);
        assert_eq!(there(), [true, false, true, true]);
        assert_eq!(prune(&root, &bounded(12), now, false).unwrap().removed, sum(0, 0));
        assert_eq!(prune(&root, &KeepLimits::default(), now, false).unwrap().removed, sum(0, 0));

        let monthly = KeepLimits { bytes: None, age: Some(DAY * 30) };
        assert_eq!(prune(&root, &monthly, now + DAY * 29, false).unwrap().removed, sum(0, 0));
        assert_eq!(prune(&root, &monthly, now + DAY * 31, false).unwrap().removed, sum(2, 12));
        assert_eq!(there(), [true, false, false, false]);
        let records: Vec<_> = fs::read_dir(root.join("verified/sha256")).unwrap().collect();
        assert_eq!(records.len(), 1, "only what stays is recorded: {records:?}");
    }

    #[test]
    fn a_folder_among_the_blobs_is_used_by_no_tree() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let place = store.blob_path(&Digest::of(b"x"));
        fs::create_dir_all(place.join("inner")).unwrap();
        drop(store);
        let all = KeepLimits { bytes: None, age: Some(Duration::ZERO) };
        assert_eq!(prune(folder.path(), &all, SystemTime::now(), false).unwrap().removed.files, 1);
        assert!(!place.exists());
    }

    #[test]
    fn git_repositories_go_with_all_of_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path()).unwrap());
        let repository = folder.path().join(REPOSITORIES).join("x");
        fs::create_dir_all(repository.join("objects/pack")).unwrap();
        fs::write(repository.join("objects/pack/p"), "12345").unwrap();
        fs::write(repository.join("HEAD"), "678").unwrap();
        let prune = |bytes| {
            prune(folder.path(), &KeepLimits { bytes: Some(bytes), age: None }, SystemTime::now(), false)
        };
        assert_eq!(prune(8).unwrap().kept, FileTotals { files: 1, bytes: 8 });
        assert_eq!(prune(7).unwrap().removed, FileTotals { files: 1, bytes: 8 });
        assert!(!repository.exists());
    }

    #[test]
    fn what_was_broken_off_goes_too_and_is_fetched_anew() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"all of it");
        let BlobSlot::Partial(mut partial) = store.slot(&digest, 9).unwrap() else { panic!() };
        partial.write(b"all").unwrap();
        drop(partial);
        let killed = store.scratch().unwrap().keep();
        fs::write(killed.join("layer"), "x").unwrap();
        drop(store);
        let all = KeepLimits { bytes: None, age: Some(Duration::ZERO) };
        assert_eq!(prune(folder.path(), &all, SystemTime::now(), false).unwrap().removed.files, 2);
        let store = Store::open(folder.path()).unwrap();
        let BlobSlot::Partial(partial) = store.slot(&digest, 9).unwrap() else { panic!() };
        assert_eq!((partial.written(), killed.exists()), (0, false));
    }
}
