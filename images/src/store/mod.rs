//! The content store: every manifest and blob once, under the digest of its bytes.
//!
//! ```text
//! blobs/sha256/<hex>      whole, read-only; hard-linked from the trees that use it
//! verified/sha256/<hex>   what the file was like when its bytes had the digest
//! partial/sha256/<hex>    an unfinished download; locked while a process writes it
//! new/                    content whose digest is not known yet
//! git/                    git repositories, one for each URL; whoever uses one has the store open
//! lock                    shared by all who have the store open, held alone by a [`prune()`]
//! ```
//!
//! Several processes may use one store. Nothing appears under `blobs` before its digest was checked and its bytes are on
//! disk. Trees share the files, so a file may change later: what leaves the store is hashed again unless it is recorded
//! as unchanged ([`Store::has`], [`Store::give`]), and damaged content is removed and fetched again. A process killed at
//! any moment leaves a partial download that the next one resumes.

mod check;
mod partial;
mod prune;
mod trust;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::{Digest, Hashed};

pub use self::check::{DamagedBlob, StoreCheck};
pub use self::partial::{BlobSlot, PartialBlob};
pub use self::prune::{FileTotals, KeepLimits, PrunedStore, prune};
use self::trust::BlobState;
pub(crate) use self::trust::Linked;
use crate::error::{Error, Result, io};

/// The folder of the store that has git repositories.
pub const REPOSITORIES: &str = "git";

/// A content store; cheap to clone. While it is open, nothing in it is removed.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    /// Keeps the lock.
    _open: Arc<File>,
}

impl Store {
    /// Opens the store in `root` and makes its folders; waits while it is pruned.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where a folder cannot be made.
    pub fn open(root: &Path) -> Result<Self> {
        for folder in ["blobs/sha256", "verified/sha256", "partial/sha256", "new"] {
            let folder = root.join(folder);
            content::create_folder(&folder)?;
        }
        let lock = Self::lock_file(root)?;
        lock.lock_shared().map_err(io("lock", root))?;
        Ok(Self { root: root.to_owned(), _open: Arc::new(lock) })
    }

    /// The folder given to [`Store::open`].
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where the content with this digest is or would be.
    #[must_use]
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    /// The size in bytes of the content, or `None` where the store does not have it, or something else that is not a file.
    /// Whether it is intact is not looked at: see [`Store::has`].
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.blob_path(digest);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Ok(Some(found.len())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io("stat", &path)(error)),
        }
    }

    /// Whether the store has the content with this digest and size, intact: hashed, or unchanged since it was. Damaged
    /// content is removed, so that it is fetched again.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn has(&self, digest: &Digest, size: u64) -> Result<bool> {
        match self.state(digest)? {
            // Of another size the content is right and the question wrong.
            BlobState::Intact(found, _) => Ok(found.size() == size),
            BlobState::Absent => Ok(false),
            BlobState::Damaged(_) => {
                self.discard(digest)?;
                Ok(false)
            }
        }
    }

    /// As [`Store::has`], of whatever size.
    pub(crate) fn is_intact(&self, digest: &Digest) -> Result<bool> {
        match self.state(digest)? {
            BlobState::Intact(..) => Ok(true),
            BlobState::Absent => Ok(false),
            BlobState::Damaged(_) => {
                self.discard(digest)?;
                Ok(false)
            }
        }
    }

    /// Reads content of at most `limit` bytes and checks its digest.
    ///
    /// # Errors
    ///
    /// [`Error::NotInStore`], [`Error::TooLarge`], [`Error::DigestMismatch`], [`Error::Io`].
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Vec<u8>> {
        let path = self.blob_path(digest);
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            self.discard(digest)?;
        }
        let bytes = match read_limited(&path, limit) {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NotInStore { digest: *digest, store: self.root.clone() });
            }
            other => other?,
        };
        let found = Digest::of(&bytes);
        if found == *digest {
            Ok(bytes)
        } else {
            Err(Error::DigestMismatch { path, expected: *digest, found })
        }
    }

    /// Stores `bytes` under their digest.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn put(&self, bytes: &[u8]) -> Result<Digest> {
        let digest = Digest::of(bytes);
        if self.has(&digest, bytes.len() as u64)? {
            return Ok(digest);
        }
        let mut new = self.create()?;
        new.write_all(bytes).map_err(io("write", &new.path.clone()))?;
        new.finish().map(|(digest, _)| digest)
    }

    /// Starts content whose digest is known only when it is written.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn create(&self) -> Result<NewBlob> {
        let folder = self.root.join("new");
        let file = tempfile::NamedTempFile::new_in(&folder).map_err(io("create a file in", &folder))?;
        Ok(NewBlob { store: self.clone(), path: file.path().to_owned(), file: Hashed::new(file) })
    }

    /// A folder on the store's file system for work that ends in the store; it is removed when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        let folder = self.root.join("new");
        tempfile::tempdir_in(&folder).map_err(io("create a folder in", &folder))
    }

    /// The bytes free for an unprivileged user on the store's file system.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn free_space(&self) -> Result<u64> {
        let found = rustix::fs::statvfs(&self.root)
            .map_err(|error| io("read the free space of", &self.root)(error.into()))?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Brings a finished file under its name. `from` is on disk and verified.
    fn publish(&self, from: &Path, file: &File, digest: &Digest) -> Result<()> {
        file.sync_all().map_err(io("flush", from))?;
        let path = self.blob_path(digest);
        match fs::rename(from, &path) {
            // A folder in its place; anything else is replaced.
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
                remove(&path)?;
                fs::rename(from, &path)
            }
            renamed => renamed,
        }
        .map_err(io("create", &path))?;
        // Under its old name it would be a partial download that may not be written to: another pull would take it for
        // somebody else's and remove it.
        file.set_permissions(fs::Permissions::from_mode(0o444)).map_err(io("change the mode of", &path))?;
        self.record_published(digest, file);
        Ok(())
    }
}

/// Content being written whose digest is not known yet; removed if it is dropped unfinished.
#[derive(Debug)]
pub struct NewBlob {
    store: Store,
    path: PathBuf,
    file: Hashed<tempfile::NamedTempFile>,
}

impl NewBlob {
    /// Where it is, for messages.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings the content under its name: its digest, and its size in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn finish(self) -> Result<(Digest, u64)> {
        let (file, digest, size) = self.file.finish();
        publish_new(&self.store, &self.path, file, &digest)?;
        Ok((digest, size))
    }

    /// Brings the content under its name if that is `expected`: its size in bytes.
    ///
    /// # Errors
    ///
    /// [`Error::DigestMismatch`], and then nothing is stored; [`Error::Io`].
    pub fn finish_as(self, expected: &Digest) -> Result<u64> {
        let (file, found, size) = self.file.finish();
        if found != *expected {
            return Err(Error::DigestMismatch { path: self.path, expected: *expected, found });
        }
        publish_new(&self.store, &self.path, file, &found)?;
        Ok(size)
    }
}

fn publish_new(store: &Store, path: &Path, file: tempfile::NamedTempFile, digest: &Digest) -> Result<()> {
    store.publish(path, file.as_file(), digest)?;
    // The name in `new` is gone; there is nothing left for the temporary file to remove.
    let (_, temporary) = file.into_parts();
    temporary.keep().map(drop).map_err(|error| io("keep", path)(error.error))
}

impl Write for NewBlob {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = content::open(path, content::LinkPolicy::Follow)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// As [`content::remove`].
pub(crate) fn remove(path: &Path) -> Result<()> {
    Ok(content::remove(path)?)
}

#[cfg(test)]
mod tests;
