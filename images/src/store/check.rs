//! Reading a whole store: damaged content is named and removed, so that the next pull or build fetches it again.

use std::fs;
use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use content::{Digest, parallel};

use super::Store;
use super::trust::BlobState;
use crate::error::{Result, io as failed};

/// What a check of a store found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StoreCheck {
    /// Files that were read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What was damaged and is removed, sorted by path.
    pub damaged: Vec<DamagedBlob>,
}

/// Content that did not have its digest.
#[derive(Debug, PartialEq, Eq)]
pub struct DamagedBlob {
    /// Where it was.
    pub path: PathBuf,
    /// The digest of its bytes; `None` where it was no regular file, or its name no digest.
    pub found: Option<Digest>,
    /// How many folders hold the same file, with the same damage.
    pub linked: u64,
}

impl Store {
    /// Reads all content on `threads` threads, whatever was recorded of it before, and removes what is damaged.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`].
    pub fn check(&self, threads: NonZero<usize>) -> Result<StoreCheck> {
        let folder = self.root.join("blobs/sha256");
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(failed("read", &folder))? {
            paths.push(entry.map_err(failed("read", &folder))?.path());
        }
        paths.sort();
        let found = parallel::try_map(threads, &paths, |path| -> Result<_> {
            let metadata = fs::symlink_metadata(path).map_err(failed("stat", path))?;
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let found = match Digest::from_hex(name) {
                Ok(digest) => match self.read_state(&digest)? {
                    BlobState::Damaged(found) => {
                        self.discard(&digest)?;
                        found
                    }
                    BlobState::Absent | BlobState::Intact(..) => return Ok((metadata.len(), None)),
                },
                Err(_) => {
                    super::remove(path)?;
                    None
                }
            };
            let linked = metadata.nlink().saturating_sub(1);
            Ok((metadata.len(), Some(DamagedBlob { path: path.clone(), found, linked })))
        })?;
        let mut checked = StoreCheck { files: found.len(), ..StoreCheck::default() };
        for (bytes, damaged) in found {
            checked.bytes += bytes;
            checked.damaged.extend(damaged);
        }
        Ok(checked)
    }
}
