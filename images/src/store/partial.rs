//! A download into the store: hashed while it is written, and published only if its length and digest are right.

use std::fs::{self, File, TryLockError};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use content::{Digest, Hasher};

use super::trust::FileOwner;
use super::{Store, remove};
use crate::error::{Error, Result, io};

/// Bytes of a partial download that are read at a time.
const BUFFER: usize = 128 << 10;

/// The result of [`Store::slot`].
#[derive(Debug)]
pub enum BlobSlot {
    /// The store has the content.
    Present,
    /// Another process is fetching it.
    Busy,
    /// Locked for us to fill.
    Partial(Box<PartialBlob>),
}

/// A download into the store. If it is dropped unfinished, its bytes stay for the next attempt.
#[derive(Debug)]
pub struct PartialBlob {
    store: Store,
    path: PathBuf,
    file: File,
    hasher: Hasher,
    written: u64,
    digest: Digest,
    /// The most bytes.
    size: u64,
    /// Whether it has exactly so many.
    is_exact: bool,
}

impl PartialBlob {
    /// The number of bytes so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The digest that it is to have.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Discards all bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn restart(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(io("truncate", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(io("seek", &self.path))?;
        self.hasher = Hasher::new();
        self.written = 0;
        Ok(())
    }

    /// Appends bytes.
    ///
    /// # Errors
    ///
    /// [`Error::SizeMismatch`] past the end, [`Error::Io`].
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let after = self.written.saturating_add(bytes.len() as u64);
        if after > self.size {
            return Err(Error::SizeMismatch { path: self.path.clone(), expected: self.size, found: after });
        }
        self.file.write_all(bytes).map_err(io("write", &self.path))?;
        self.hasher.update(bytes);
        self.written = after;
        Ok(())
    }

    /// Ends the attempt. The bytes stay for the next one; an empty file is removed.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn abandon(self) -> Result<()> {
        if self.written == 0 { remove(&self.path) } else { Ok(()) }
    }

    /// Checks length and digest and publishes the content. Content with another digest is removed.
    ///
    /// # Errors
    ///
    /// [`Error::SizeMismatch`], [`Error::DigestMismatch`], [`Error::Io`].
    pub fn finish(self) -> Result<()> {
        if self.is_exact && self.written != self.size {
            return Err(Error::SizeMismatch { path: self.path, expected: self.size, found: self.written });
        }
        let found = self.hasher.finish();
        if found != self.digest {
            remove(&self.path)?;
            return Err(Error::DigestMismatch { path: self.path, expected: self.digest, found });
        }
        self.store.publish(&self.path, &self.file, &self.digest)
    }
}

impl Store {
    /// Takes the slot for content of a known digest and size: the store has it, another process is fetching it, or this
    /// process is to fetch it, from where the last attempt stopped.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn slot(&self, digest: &Digest, size: u64) -> Result<BlobSlot> {
        self.slot_of(digest, size, true)
    }

    /// As [`Store::slot`], for content of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn slot_within(&self, digest: &Digest, limit: u64) -> Result<BlobSlot> {
        self.slot_of(digest, limit, false)
    }

    fn slot_of(&self, digest: &Digest, size: u64, is_exact: bool) -> Result<BlobSlot> {
        if self.is_there(digest, size, is_exact)? {
            return Ok(BlobSlot::Present);
        }
        self.take(digest, size, is_exact)
    }

    fn is_there(&self, digest: &Digest, size: u64, is_exact: bool) -> Result<bool> {
        if is_exact { self.has(digest, size) } else { self.is_intact(digest) }
    }

    /// Takes the slot for content that was missing a moment ago.
    pub(super) fn take(&self, digest: &Digest, size: u64, is_exact: bool) -> Result<BlobSlot> {
        let is_present = || self.is_there(digest, size, is_exact);
        let path = self.root.join("partial/sha256").join(digest.hex());
        let mut file = self.open_partial(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(BlobSlot::Busy),
            Err(TryLockError::Error(error)) => return Err(io("lock", &path)(error)),
        }
        // Between open and lock another process may have finished and renamed this very file.
        let ours = file.metadata().map_err(io("stat", &path))?.ino();
        if fs::symlink_metadata(&path).map_or(true, |found| found.ino() != ours) {
            return Ok(if is_present()? { BlobSlot::Present } else { BlobSlot::Busy });
        }
        let mut hasher = Hasher::new();
        let mut written =
            hasher.update_from(&mut file, &mut vec![0; BUFFER], |_| Ok(())).map_err(io("read", &path))?;
        // Another process finished before the open, which then began a new file.
        if written == 0 && is_present()? {
            remove(&path)?;
            return Ok(BlobSlot::Present);
        }
        if written > size {
            file.set_len(0).map_err(io("truncate", &path))?;
            (hasher, written) = (Hasher::new(), 0);
        }
        file.seek(SeekFrom::Start(written)).map_err(io("seek", &path))?;
        Ok(BlobSlot::Partial(Box::new(PartialBlob {
            store: self.clone(),
            path,
            file,
            hasher,
            written,
            digest: *digest,
            size,
            is_exact,
        })))
    }

    /// Opens a partial download, or begins one. A file that another user may have put there is removed.
    fn open_partial(&self, path: &Path) -> Result<File> {
        let ours = |file: &File| {
            file.metadata().is_ok_and(|found| {
                found.is_file() && found.nlink() <= 1 && FileOwner::of(&found) == FileOwner::Ours
            })
        };
        match content::open_or_create(path, 0o644) {
            Ok(file) if ours(&file) => Ok(file),
            // Links, FIFOs and files of others.
            _ => {
                remove(path)?;
                File::create_new(path).map_err(io("create", path))
            }
        }
    }
}
