//! Content leaves the store only under its digest: it is hashed once, and again after any change to the file.
//!
//! A file is identified by device, inode, size, mtime and ctime. `verified/sha256/<hex>` holds the identity that the
//! content had when it was hashed, so an unchanged file costs two looks and no read. Like git's index, a record counts
//! only if it is newer than the file: a change within the same tick of the file system's clock would not show.
//!
//! Records and files are trusted only where no other user can have written them. Content of another user is hashed each
//! time and copied, never linked: its owner could change it later.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use content::{Digest, LinkPolicy, hash_reader};

use super::{Store, remove};
use crate::error::{Error, Result, io as failed};

/// What changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileIdentity {
    fn of(found: &fs::Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.len(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        }
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The same, but for the time that a new name of the file changes.
    fn is_renamed(&self, later: &Self) -> bool {
        Self { changed: later.changed, ..*self } == *later
    }

    /// The text of a record.
    fn record(&self, digest: &Digest) -> String {
        let Self { device, inode, size, modified, changed } = self;
        format!(
            "{digest} {device} {inode} {size} {}.{:09} {}.{:09}\n",
            modified.0, modified.1, changed.0, changed.1
        )
    }
}

/// What the store has under a digest.
#[derive(Debug)]
pub(super) enum BlobState {
    Absent,
    /// The bytes have the digest.
    Intact(FileIdentity, FileOwner),
    /// They have another, or this is not a file.
    Damaged(Option<Digest>),
}

/// A file outside the store that is a hard link of its content.
#[derive(Debug)]
pub(crate) struct Linked {
    digest: Digest,
    identity: FileIdentity,
    known: bool,
}

impl Linked {
    /// Whether it is unchanged since its digest was computed.
    pub(crate) fn is_known(&self) -> bool {
        self.known
    }
}

/// Who can change a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileOwner {
    /// This user, or root.
    Ours,
    Others,
}

impl FileOwner {
    pub(super) fn of(found: &fs::Metadata) -> Self {
        let user = rustix::process::geteuid().as_raw();
        if (found.uid() == user || found.uid() == 0) && found.mode() & 0o022 == 0 {
            Self::Ours
        } else {
            Self::Others
        }
    }
}

/// How often in a row a file may be replaced while it is linked.
const REPLACED: usize = 100;

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

impl Store {
    fn record_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("verified/sha256").join(digest.hex())
    }

    /// Checks content by its record or, without a valid one, by reading it.
    pub(super) fn state(&self, digest: &Digest) -> Result<BlobState> {
        let path = self.blob_path(digest);
        let found = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BlobState::Absent),
            other => other.map_err(failed("stat", &path))?,
        };
        if !found.is_file() {
            return Ok(BlobState::Damaged(None));
        }
        let (owner, identity) = (FileOwner::of(&found), FileIdentity::of(&found));
        if owner == FileOwner::Ours && self.is_recorded(digest, &identity) {
            return Ok(BlobState::Intact(identity, owner));
        }
        self.read_state(digest)
    }

    /// Checks content by reading it.
    pub(super) fn read_state(&self, digest: &Digest) -> Result<BlobState> {
        let path = self.blob_path(digest);
        let file = match content::open(&path, LinkPolicy::Refuse) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BlobState::Absent),
            // Another user does not let us read it, or it is not a regular file.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied || !is_file(&path) => {
                return Ok(BlobState::Damaged(None));
            }
            Err(error) => return Err(error.into()),
        };
        let stat = |file: &File| file.metadata().map_err(failed("stat", &path));
        let before = stat(&file)?;
        let (found, _) = hash_reader(&file, |_| Ok(())).map_err(failed("read", &path))?;
        if found != *digest {
            return Ok(BlobState::Damaged(Some(found)));
        }
        let (owner, identity) = (FileOwner::of(&before), FileIdentity::of(&before));
        if owner == FileOwner::Ours && FileIdentity::of(&stat(&file)?) == identity {
            self.record(digest, &identity);
        }
        Ok(BlobState::Intact(identity, owner))
    }

    fn is_recorded(&self, digest: &Digest, identity: &FileIdentity) -> bool {
        let Ok(mut file) = content::open(&self.record_path(digest), LinkPolicy::Refuse) else { return false };
        let Ok(record) = file.metadata() else { return false };
        let newer = (record.mtime(), record.mtime_nsec()) > identity.modified;
        let expected = identity.record(digest);
        let mut text = Vec::with_capacity(expected.len() + 1);
        newer
            && FileOwner::of(&record) == FileOwner::Ours
            && Read::by_ref(&mut file).take(expected.len() as u64 + 1).read_to_end(&mut text).is_ok()
            && text == expected.as_bytes()
    }

    /// Notes that the file of this identity has the digest. Without the note it is read again, so a failure costs time only.
    fn record(&self, digest: &Digest, identity: &FileIdentity) {
        let path = self.record_path(digest);
        // A record that another user left may not be written to.
        let _ = remove(&path);
        let written = File::create_new(&path);
        let _ = written.and_then(|mut file| file.write_all(identity.record(digest).as_bytes()));
    }

    /// Notes that a file which was just published, and hashed on its way, has the digest.
    pub(super) fn record_published(&self, digest: &Digest, file: &File) {
        if let Ok(found) = file.metadata() {
            self.record(digest, &FileIdentity::of(&found));
        }
    }

    /// What is known of the file at `path`; `None` where it is not the file that the store has under the digest.
    pub(crate) fn linked(&self, digest: &Digest, path: &Path) -> Option<Linked> {
        let identity = |path: &Path| {
            let found = fs::symlink_metadata(path).ok()?;
            (found.is_file() && FileOwner::of(&found) == FileOwner::Ours).then(|| FileIdentity::of(&found))
        };
        let found = identity(path)?;
        let same = identity(&self.blob_path(digest)) == Some(found);
        let known = same && self.is_recorded(digest, &found);
        same.then_some(Linked { digest: *digest, identity: found, known })
    }

    /// Notes that a file with the right content, which [`Store::linked`] found, has got another name.
    pub(crate) fn relinked(&self, linked: &Linked, path: &Path) {
        if let Ok(found) = fs::symlink_metadata(path) {
            let now = FileIdentity::of(&found);
            if linked.identity.is_renamed(&now) {
                self.record(&linked.digest, &now);
            }
        }
    }

    /// Removes content and its record.
    pub(super) fn discard(&self, digest: &Digest) -> Result<()> {
        remove(&self.record_path(digest))?;
        remove(&self.blob_path(digest))
    }

    /// Makes `to` the content with this digest, intact: a read-only hard link or, where the file system cannot link or the
    /// content belongs to another user, a copy. Damaged content is removed from the store, so that it is fetched again.
    ///
    /// # Errors
    ///
    /// [`Error::NotInStore`], [`Error::DigestMismatch`], [`Error::Io`].
    pub fn give(&self, digest: &Digest, to: &Path) -> Result<()> {
        let path = self.blob_path(digest);
        let identity = match self.state(digest)? {
            BlobState::Absent => {
                return Err(Error::NotInStore { digest: *digest, store: self.root.clone() });
            }
            BlobState::Damaged(found) => {
                self.discard(digest)?;
                return Err(self.damaged(digest, found));
            }
            BlobState::Intact(_, FileOwner::Others) => return self.copy(digest, to),
            BlobState::Intact(identity, FileOwner::Ours) => identity,
        };
        let mut linked = fs::hard_link(&path, to);
        // A file that is replaced by one with the same content has no name while it is linked, and link(2) fails.
        for _ in 0..REPLACED {
            match &linked {
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_file(&path) => {
                    linked = fs::hard_link(&path, to);
                }
                _ => break,
            }
        }
        match linked {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
                return Err(failed("link", to)(error));
            }
            // Another file system, or too many links.
            Err(_) => return self.copy(digest, to),
        }
        let linked = FileIdentity::of(&fs::symlink_metadata(to).map_err(failed("stat", to))?);
        if identity.is_renamed(&linked) {
            self.record(digest, &linked);
            return Ok(());
        }
        // Changed or replaced since it was judged.
        remove(to)?;
        self.copy(digest, to)
    }

    /// Copies content and hashes it on its way.
    fn copy(&self, digest: &Digest, to: &Path) -> Result<()> {
        let path = self.blob_path(digest);
        let from = content::open(&path, LinkPolicy::Refuse)?;
        let mut file = File::create_new(to).map_err(failed("create", to))?;
        file.set_permissions(fs::Permissions::from_mode(0o444)).map_err(failed("change the mode of", to))?;
        let mut written = Ok(());
        let copied = hash_reader(from, |bytes| {
            written = file.write_all(bytes).map_err(failed("write", to));
            if written.is_ok() { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
        });
        written?;
        let (found, _) = copied.map_err(failed("read", &path))?;
        if found == *digest {
            return Ok(());
        }
        remove(to)?;
        self.discard(digest)?;
        Err(self.damaged(digest, Some(found)))
    }

    /// The error for content that is not what its name says.
    fn damaged(&self, digest: &Digest, found: Option<Digest>) -> Error {
        let path = self.blob_path(digest);
        match found {
            Some(found) => Error::DigestMismatch { path, expected: *digest, found },
            None => Error::Layout { path, reason: "not a regular file".into() },
        }
    }
}
