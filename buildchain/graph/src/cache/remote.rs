//! The remote cache: results on another machine.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use content::Digest;

/// A store of results on another machine.
///
/// Contents that it returns are checked against their digests. That a result belongs to its key is trusted: whoever may
/// write to the store decides.
pub trait RemoteCache: Send + Sync {
    /// The record stored under `key`, or `None` if the store has no record for it.
    ///
    /// # Errors
    ///
    /// The store cannot be reached, or what it returns is not a record.
    fn record(&self, key: Digest) -> Result<Option<Vec<u8>>, RemoteError>;

    /// Writes the contents `wanted` of the result stored under `key` into `folder`, each into a regular file named by its
    /// digest in hexadecimal. Other files there are ignored.
    ///
    /// # Errors
    ///
    /// The store cannot be reached, or lacks one of them.
    fn contents(&self, key: Digest, wanted: &[Digest], folder: &Path) -> Result<(), RemoteError>;

    /// Stores a result under `key`: its record, and the files with the contents that the record names.
    ///
    /// # Errors
    ///
    /// The store cannot be reached, or refuses.
    fn store(&self, key: Digest, record: &[u8], contents: &[(Digest, PathBuf)]) -> Result<(), RemoteError>;
}

/// Why a remote cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be reached, or denies access. The run does not use it again.
    #[error("cannot use the remote cache; the run continues without it")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// An entry is incomplete, or does not have the digests that it states. None of it is used.
    #[error("the remote cache entry is corrupt")]
    Corrupt(#[source] Box<dyn std::error::Error + Send + Sync>),
}

pub(super) fn corrupt(message: String) -> io::Error {
    io::Error::other(RemoteError::Corrupt(message.into()))
}

/// The connection to a remote cache. Once a call finds it unavailable, no other call waits for it.
#[derive(Clone)]
pub(super) struct Connection {
    remote: Arc<dyn RemoteCache>,
    pub(super) writes: bool,
    unavailable: Arc<AtomicBool>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("writes", &self.writes)
            .field("unavailable", &self.unavailable)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(remote: Arc<dyn RemoteCache>, writes: bool) -> Self {
        Self { remote, writes, unavailable: Arc::default() }
    }

    /// Calls the remote cache. If it is unavailable, the first call returns the error, and all later ones the default.
    pub(super) fn call<T: Default>(
        &self,
        call: impl FnOnce(&dyn RemoteCache) -> Result<T, RemoteError>,
    ) -> io::Result<T> {
        if self.unavailable.load(Ordering::Relaxed) {
            return Ok(T::default());
        }
        match call(self.remote.as_ref()) {
            Err(error @ RemoteError::Unavailable(_)) => {
                if self.unavailable.swap(true, Ordering::Relaxed) {
                    Ok(T::default())
                } else {
                    Err(io::Error::other(error))
                }
            }
            result => result.map_err(io::Error::other),
        }
    }
}
