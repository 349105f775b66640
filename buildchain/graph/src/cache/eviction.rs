//! Keeping the cache within its bound.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use content::{AtomicFile, Durability, Links};

use super::Cache;

/// The most bytes of the file that notes the size.
const SIZE_MAX: u64 = 64;

/// What of the cache is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Results of tasks.
    pub results: usize,
    /// Files that results need, each counted once.
    pub files: usize,
    /// The sizes of all that.
    pub bytes: u64,
}

/// What [`Cache::sweep`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Results that can no longer be restored.
    pub results: usize,
    /// Files that were removed.
    pub files: usize,
    /// The sizes of both.
    pub bytes: u64,
}

/// The cache cannot be looked through or swept.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the cache {}", content::printable_path(folder))]
pub struct CacheError {
    operation: &'static str,
    folder: PathBuf,
    source: io::Error,
}

/// What begins the names of folders that hold what is not whole yet.
pub(super) const UNFINISHED: &str = ".new-";

/// All that is in a cache, with sizes.
#[derive(Default)]
struct Inventory {
    blobs: HashMap<PathBuf, u64>,
    /// With the time of the last use.
    results: Vec<((i64, i64), PathBuf, u64)>,
}

impl Inventory {
    fn bytes(&self) -> u64 {
        self.blobs.values().sum::<u64>() + self.results.iter().map(|(.., size)| size).sum::<u64>()
    }
}

impl Cache {
    /// Where it is.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What is in it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed.
    pub fn usage(&self) -> Result<Usage, CacheError> {
        let inventory = self.inventory().map_err(|source| self.error("look through", source))?;
        let (results, files) = (inventory.results.len(), inventory.blobs.len());
        Ok(Usage { results, files, bytes: inventory.bytes() })
    }

    /// Removes results, the longest unused first, until what is left takes no more than `limit` bytes; and
    /// all content no result needs.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed or something in it not removed.
    pub fn sweep(&self, limit: u64) -> Result<Swept, CacheError> {
        self.try_sweep(limit).map_err(|source| self.error("sweep", source))
    }

    /// Sweeps if what was added makes the cache larger than it may be; then a little further than it must,
    /// so that not every run has to look through all of it.
    pub(crate) fn keep_to_limit(&self) -> Result<(), CacheError> {
        let added = self.added.swap(0, Ordering::Relaxed);
        let Some(limit) = self.limit.filter(|_| added > 0) else { return Ok(()) };
        let noted = content::open_text(&self.size_file(), Links::Refuse, SIZE_MAX)
            .ok()
            .and_then(|text| text.trim().parse::<u64>().ok());
        match noted.and_then(|noted| noted.checked_add(added)) {
            Some(size) if size <= limit => {
                self.note_size(size).map_err(|source| self.error("note the size of", source))
            }
            _ => {
                let usage = self.usage()?;
                let most = if usage.bytes > limit { limit / 5 * 4 } else { limit };
                self.sweep(most).map(drop)
            }
        }
    }

    fn size_file(&self) -> PathBuf {
        self.folder.join("size")
    }

    fn note_size(&self, size: u64) -> io::Result<()> {
        let text = size.to_string();
        Ok(AtomicFile::write(&self.size_file(), text.as_bytes(), 0o644, Durability::Cache)?)
    }

    fn error(&self, operation: &'static str, source: io::Error) -> CacheError {
        CacheError { operation, folder: self.folder.clone(), source }
    }

    fn inventory(&self) -> io::Result<Inventory> {
        let mut inventory = Inventory::default();
        for shelf in list(&self.folder.join("blobs"))? {
            for blob in list(&shelf)? {
                if let Some(metadata) = look(&blob)? {
                    inventory.blobs.insert(blob, metadata.len());
                }
            }
        }
        for path in list(&self.folder.join("tasks"))? {
            if let Some(metadata) = look(&path)? {
                inventory.results.push(((metadata.mtime(), metadata.mtime_nsec()), path, metadata.len()));
            }
        }
        inventory.results.sort();
        Ok(inventory)
    }

    fn try_sweep(&self, limit: u64) -> io::Result<Swept> {
        if !self.folder.exists() {
            return Ok(Swept::default());
        }
        self.clear_unfinished()?;
        let inventory = self.inventory()?;
        let (mut swept, mut kept, mut needed) = (Swept::default(), 0, HashSet::new());
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
                swept.results += 1;
                swept.bytes += size;
            }
        }
        for (blob, size) in inventory.blobs.into_iter().filter(|(blob, _)| !needed.contains(blob)) {
            remove(&blob)?;
            swept.files += 1;
            swept.bytes += size;
        }
        self.note_size(kept)?;
        Ok(swept)
    }

    /// Removes what killed runs were putting in, unless somebody is putting something in now.
    fn clear_unfinished(&self) -> io::Result<()> {
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

/// `None` for what another sweep has just removed, and for what is no file.
fn look(path: &Path) -> io::Result<Option<fs::Metadata>> {
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
