//! Storing the outputs of a task in the cache, and restoring them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use content::{Digest, LinkPolicy, Root};

use crate::cache::local::{RECORD_MAX, Restored, ResultCache, checked_parts, find, parse};
use crate::cache::restore::{RestoreTarget, place};
use crate::model::task::TaskOutput;
use crate::record::entry::{FileEntry, FileEntryKind};
use crate::record::files::KnownFiles;
use crate::record::journal::{self, JournalEntry};
use crate::record::key::{ItemValue, items};
use crate::record::parts::{BadRecord, parts};
use crate::record::survey::FolderListing;

impl ResultCache {
    /// Stores the outputs of a task. `outputs` lists them as items.
    pub(crate) fn store(
        &self,
        root: &Path,
        key: Digest,
        outputs: &[u8],
        listings: &[FolderListing],
        files: &KnownFiles,
    ) -> io::Result<()> {
        let _lock = self.lock_shared()?;
        let parts = parts(outputs, &|digest| find(listings, digest)).map_err(io::Error::other)?;
        let mut clones = true;
        for part in &parts {
            let (from, blob) = (root.join(&part.path), self.blob(&part.entry));
            let exists = blob.symlink_metadata().is_ok_and(|found| found.is_file());
            if part.entry.kind == FileEntryKind::Folder || exists {
                continue;
            }
            if part.entry.kind == FileEntryKind::Link {
                let temporary = self.temporary()?;
                let new = temporary.path().join("blob");
                File::create_new(&new)?.write_all(fs::read_link(&from)?.as_os_str().as_bytes())?;
                self.add(&new, &blob)?;
            } else {
                self.store_file(&from, &blob, &part.entry, &mut clones, files)?;
            }
        }
        let mut record = journal::MAGIC.to_vec();
        for item in items(outputs) {
            if let ItemValue::Listing(digest) = item.value
                && let Some(bytes) = find(listings, digest)
            {
                journal::put(&mut record, &JournalEntry::Listing { digest, bytes });
            }
        }
        journal::put(&mut record, &JournalEntry::Task { name: "", key, manifest: b"", outputs, millis: 0 });
        if record.len() as u64 > RECORD_MAX {
            return Err(io::Error::other(BadRecord::TooMany));
        }
        self.add_record(key, &record)?;
        self.send(key, &record, &parts)
    }

    /// Stores the file at `from` as `blob`. A file that is being written to does not have its digest, and is refused: a
    /// remote cache would pass it on.
    fn store_file(
        &self,
        from: &Path,
        blob: &Path,
        entry: &FileEntry,
        clones: &mut bool,
        files: &KnownFiles,
    ) -> io::Result<()> {
        let temporary = self.temporary()?;
        let new = temporary.path().join("blob");
        let was = files.unchanged(from, entry.digest).map_err(io::Error::other)?;
        place(from, &Root::open(temporary.path())?, Path::new("blob"), entry.mode.into(), clones)?;
        // A hard link to the same file, or a new file.
        let placed = files.identity(&new).map_err(io::Error::other)?;
        files.record_renamed(from, &was, entry.digest).map_err(io::Error::other)?;
        self.add(&new, blob)?;
        files.record_renamed(blob, &placed, entry.digest).map_err(io::Error::other)
    }

    /// Restores the outputs stored under `key`, from here or from the remote cache, if all of them are intact. The outputs
    /// must have been prepared. Returns what was restored. Fails once `stop` is true.
    pub(crate) fn restore(
        &self,
        root: &Path,
        build_root: &Path,
        key: Digest,
        declared: &[TaskOutput],
        files: &KnownFiles,
        stop: &AtomicBool,
    ) -> io::Result<Option<Restored>> {
        let target = RestoreTarget { root, build_root };
        let restored = self.restore_local(&target, key, declared, files, stop)?;
        if restored.is_none() && self.fetch(key, declared, files)? {
            return self.restore_local(&target, key, declared, files, stop);
        }
        Ok(restored)
    }

    fn restore_local(
        &self,
        target: &RestoreTarget<'_>,
        key: Digest,
        declared: &[TaskOutput],
        files: &KnownFiles,
        stop: &AtomicBool,
    ) -> io::Result<Option<Restored>> {
        let record = self.record(key);
        let bytes = match content::open_read(&record, LinkPolicy::Refuse, RECORD_MAX) {
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
        if !self.check_blobs(&parts, files, stop)? {
            return Ok(None);
        }
        self.restore_parts(target, &parts, files)?;
        self.touch(&record);
        Ok(Some((outputs, listings)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::record::key::{ItemTag, ManifestItem, put};

    #[test]
    fn a_file_that_changed_since_it_was_hashed_is_not_stored() {
        let (root, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let cache = ResultCache::new(kept.path().to_owned(), None);
        let files = KnownFiles::new(root.path(), None, HashMap::new(), 1).unwrap();
        let mut outputs = Vec::new();
        let path = root.path().join("a");
        fs::write(&path, "x").unwrap();
        let entry = files.entry(Path::new("a")).unwrap().unwrap();
        put(&mut outputs, &ManifestItem { tag: ItemTag::File, name: b"a", value: ItemValue::Entry(entry) });
        let store = || cache.store(root.path(), Digest::of(b"key"), &outputs, &[], &files);

        fs::write(&path, "edited").unwrap();
        let error = store().unwrap_err().to_string();
        assert!(error.ends_with("a was modified while it was in use"), "{error}");
        assert!(!cache.blob(&entry).exists() && !cache.record(Digest::of(b"key")).exists());

        fs::write(&path, "x").unwrap();
        store().unwrap();
        assert_eq!(fs::read(cache.blob(&entry)).unwrap(), b"x");
    }
}
