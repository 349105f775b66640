//! Keeping the cache below its limit.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use content::{AtomicFile, Durability, IoError, LinkPolicy};

use crate::cache::local::{ResultCache, UNFINISHED};

/// The most bytes of the file with the size.
const SIZE_MAX: u64 = 64;

/// What a cache has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Results of tasks.
    pub results: usize,
    /// Files of these results, each counted once.
    pub files: usize,
    /// The sum of all sizes, in bytes.
    pub bytes: u64,
}

/// What [`ResultCache::evict`] removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    /// Results.
    pub results: usize,
    /// Files.
    pub files: usize,
    /// The sum of the sizes of both, in bytes.
    pub bytes: u64,
}

/// All files of a cache, with their sizes.
#[derive(Default)]
struct CacheInventory {
    blobs: HashMap<PathBuf, u64>,
    /// With the time of their last use.
    results: Vec<((i64, i64), PathBuf, u64)>,
}

impl CacheInventory {
    fn bytes(&self) -> u64 {
        self.blobs.values().sum::<u64>() + self.results.iter().map(|(.., size)| size).sum::<u64>()
    }
}

impl ResultCache {
    /// What the cache has.
    ///
    /// # Errors
    ///
    /// The folder cannot be listed.
    pub fn usage(&self) -> Result<Usage, IoError> {
        let inventory = self.inventory().map_err(IoError::at("list the cache", &self.folder))?;
        let (results, files) = (inventory.results.len(), inventory.blobs.len());
        Ok(Usage { results, files, bytes: inventory.bytes() })
    }

    /// Evicts the least recently used results until the cache has at most `limit` bytes, and all files that no result needs.
    ///
    /// # Errors
    ///
    /// The folder cannot be listed, or a file cannot be removed.
    pub fn evict(&self, limit: u64) -> Result<Evicted, IoError> {
        self.try_evict(limit).map_err(IoError::at("evict files from the cache", &self.folder))
    }

    /// Evicts results if files that were added make the cache larger than its limit: down to four fifths of the limit, so that
    /// not every run has to list the whole cache.
    pub(crate) fn keep_to_limit(&self) -> Result<(), IoError> {
        let added = self.added.swap(0, Ordering::Relaxed);
        let Some(limit) = self.limit.filter(|_| added > 0) else { return Ok(()) };
        let written = content::open_text(&self.size_file(), LinkPolicy::Refuse, SIZE_MAX)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        match written.and_then(|size| size.checked_add(added)) {
            Some(size) if size <= limit => self.write_size(size),
            _ => {
                let usage = self.usage()?;
                let target = if usage.bytes > limit { limit / 5 * 4 } else { limit };
                self.evict(target).map(drop)
            }
        }
    }

    fn size_file(&self) -> PathBuf {
        self.folder.join("size")
    }

    fn write_size(&self, size: u64) -> Result<(), IoError> {
        AtomicFile::write(&self.size_file(), size.to_string().as_bytes(), 0o644, Durability::Cache)
    }

    fn inventory(&self) -> io::Result<CacheInventory> {
        let mut inventory = CacheInventory::default();
        for folder in list(&self.folder.join("blobs"))? {
            for blob in list(&folder)? {
                if let Some(metadata) = metadata_of(&blob)? {
                    inventory.blobs.insert(blob, metadata.len());
                }
            }
        }
        for path in list(&self.folder.join("tasks"))? {
            if let Some(metadata) = metadata_of(&path)? {
                inventory.results.push(((metadata.mtime(), metadata.mtime_nsec()), path, metadata.len()));
            }
        }
        inventory.results.sort();
        Ok(inventory)
    }

    fn try_evict(&self, limit: u64) -> io::Result<Evicted> {
        if !self.folder.exists() {
            return Ok(Evicted::default());
        }
        self.remove_unfinished()?;
        let inventory = self.inventory()?;
        let (mut evicted, mut kept, mut needed) = (Evicted::default(), 0, HashSet::new());
        for (_, path, size) in inventory.results.into_iter().rev() {
            let blobs = self.blobs_of(&path);
            let new = blobs.iter().filter(|blob| !needed.contains(*blob));
            let more: u64 =
                size + new.map(|blob| inventory.blobs.get(blob).copied().unwrap_or(0)).sum::<u64>();
            if kept + more <= limit && !blobs.iter().any(|blob| !inventory.blobs.contains_key(blob)) {
                kept += more;
                needed.extend(blobs);
            } else {
                remove(&path)?;
                evicted.results += 1;
                evicted.bytes += size;
            }
        }
        for (blob, size) in inventory.blobs.into_iter().filter(|(blob, _)| !needed.contains(blob)) {
            remove(&blob)?;
            evicted.files += 1;
            evicted.bytes += size;
        }
        self.write_size(kept)?;
        Ok(evicted)
    }

    /// Removes unfinished files of killed runs, unless another process is adding files now.
    fn remove_unfinished(&self) -> io::Result<()> {
        let lock = content::open_or_create(&self.folder.join("lock"), 0o644)?;
        if lock.try_lock().is_err() {
            return Ok(());
        }
        for path in list(&self.folder)? {
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            if name.starts_with(UNFINISHED.as_bytes()) {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }
}

/// The metadata of a file; `None` if it is not a file, or another process has just removed it.
fn metadata_of(path: &Path) -> io::Result<Option<fs::Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
