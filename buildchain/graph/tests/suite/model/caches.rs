//! The caches of the model: none, one of this machine, or also one of another machine, which is a folder here.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use content::Digest;
use graph::{RemoteCache, RemoteError, ResultCache};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum CacheKind {
    Nothing,
    /// It evicts almost everything after each run.
    Small,
    Local,
    Remote,
}

/// The caches of a project.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Caches {
    pub(super) kind: CacheKind,
    folder: PathBuf,
}

pub(super) fn kinds() -> impl Strategy<Value = CacheKind> {
    prop_oneof![
        2 => Just(CacheKind::Nothing),
        1 => Just(CacheKind::Small),
        2 => Just(CacheKind::Local),
        2 => Just(CacheKind::Remote),
    ]
}

impl Caches {
    /// Caches in an empty folder.
    pub(super) fn new(kind: CacheKind, folder: &Path) -> Self {
        fs::create_dir(folder.join("remote")).unwrap();
        Self { kind, folder: folder.to_owned() }
    }

    pub(super) fn open(&self) -> Option<ResultCache> {
        let local = |limit| ResultCache::new(self.folder.join("local"), limit);
        match self.kind {
            CacheKind::Nothing => None,
            CacheKind::Small => Some(local(Some(60))),
            CacheKind::Local => Some(local(None)),
            CacheKind::Remote => {
                Some(local(None).with_remote(Arc::new(SharedFolder(self.folder.join("remote"))), true))
            }
        }
    }

    /// Removes the results on this machine.
    pub(super) fn empty(&self) {
        let _ = fs::remove_dir_all(self.folder.join("local"));
    }
}

/// A remote cache that survives kills: a folder for each result, renamed to its key once it is whole.
#[derive(Debug)]
struct SharedFolder(PathBuf);

fn unavailable(error: std::io::Error) -> RemoteError {
    RemoteError::Unavailable(error.into())
}

impl RemoteCache for SharedFolder {
    fn record(&self, key: Digest) -> Result<Option<Vec<u8>>, RemoteError> {
        match fs::read(self.0.join(key.hex()).join("record")) {
            Ok(record) => Ok(Some(record)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    fn contents(&self, key: Digest, wanted: &[Digest], folder: &Path) -> Result<(), RemoteError> {
        for digest in wanted.iter().map(Digest::hex) {
            fs::copy(self.0.join(key.hex()).join(&digest), folder.join(&digest)).map_err(unavailable)?;
        }
        Ok(())
    }

    fn store(&self, key: Digest, record: &[u8], contents: &[(Digest, PathBuf)]) -> Result<(), RemoteError> {
        let new = tempfile::tempdir_in(&self.0).map_err(unavailable)?;
        for (digest, path) in contents {
            fs::copy(path, new.path().join(digest.hex())).map_err(unavailable)?;
        }
        fs::write(new.path().join("record"), record).map_err(unavailable)?;
        let old = tempfile::tempdir_in(&self.0).map_err(unavailable)?;
        let place = self.0.join(key.hex());
        let _ = fs::rename(&place, old.path().join("result"));
        fs::rename(new.keep(), place).map_err(unavailable)
    }
}
