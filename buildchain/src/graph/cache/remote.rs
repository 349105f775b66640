//! A cache elsewhere: what is not here is asked for there, what was made here is sent there.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Cache, parse};
use crate::graph::digest::Digest;
use crate::graph::files::{Files, Kind};
use crate::graph::parts::{Part, parts};

/// Results of tasks on another machine.
///
/// What it gives is held against its digests. That a result is the one its key stands for is the word of
/// whoever may write there.
pub trait Remote: Send + Sync {
    /// The record of the result kept under `key`; `None` if none is.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or what it answers is no record.
    fn record(&self, key: Digest) -> Result<Option<Vec<u8>>, RemoteError>;

    /// Writes the contents `wanted` of the result kept under `key` into `folder`, each into a file named by its
    /// digest.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or has not all of them.
    fn contents(&self, key: Digest, wanted: &[Digest], folder: &Path) -> Result<(), RemoteError>;

    /// Keeps a result under `key`: its record, and the files with the contents that it names.
    ///
    /// # Errors
    ///
    /// It cannot be reached, or refuses.
    fn keep(&self, key: Digest, record: &[u8], contents: &[(Digest, PathBuf)]) -> Result<(), RemoteError>;
}

/// Why a remote cache is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be reached or does not let us in. The run does not ask it again.
    #[error("the remote cache is out of reach, the run goes on without it")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it has under this key is not whole, or not what its digests say. Nothing of it is taken.
    #[error("what the remote cache has of it is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RemoteError {
    fn damaged(message: String) -> Self {
        Self::Damaged(message.into())
    }
}

/// The line to a remote cache: once it is broken nobody waits for it again.
#[derive(Clone)]
pub(super) struct Line {
    remote: Arc<dyn Remote>,
    writes: bool,
    broken: Arc<AtomicBool>,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("writes", &self.writes)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl Line {
    pub(super) fn new(remote: Arc<dyn Remote>, writes: bool) -> Self {
        Self { remote, writes, broken: Arc::default() }
    }

    /// Asks, unless the line is broken; the default then, and if it breaks an error once.
    fn ask<T: Default>(&self, ask: impl FnOnce(&dyn Remote) -> Result<T, RemoteError>) -> io::Result<T> {
        if self.broken.load(Ordering::Relaxed) {
            return Ok(T::default());
        }
        match ask(self.remote.as_ref()) {
            Err(error @ RemoteError::Away(_)) => {
                if self.broken.swap(true, Ordering::Relaxed) {
                    Ok(T::default())
                } else {
                    Err(io::Error::other(error))
                }
            }
            answer => answer.map_err(io::Error::other),
        }
    }
}

impl Cache {
    /// Brings the result kept under `key` from the remote cache, if there is one and it has it. Whether it is
    /// here now.
    pub(super) fn fetch(&self, key: Digest, files: &Files) -> io::Result<bool> {
        let Some(line) = &self.remote else { return Ok(false) };
        let Some(record) = line.ask(|remote| remote.record(key))? else { return Ok(false) };
        let damaged = |message| io::Error::other(RemoteError::damaged(message));
        let Some((outputs, listings)) = parse(&record, key) else {
            return Err(damaged(format!("its record for the key {key} cannot be read")));
        };
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        let Some(parts) = parts(&outputs, &find) else {
            return Err(damaged(format!("its record for the key {key} names paths that cannot be")));
        };
        let _using = self.using()?;
        let mut missing: Vec<&Part> = parts
            .iter()
            .filter(|part| part.seen.kind != Kind::Folder && !self.blob(&part.seen).exists())
            .collect();
        missing.sort_by_key(|part| part.seen.digest);
        let mut wanted: Vec<Digest> = missing.iter().map(|part| part.seen.digest).collect();
        wanted.dedup();
        let room = self.room()?;
        if !wanted.is_empty()
            && line.ask(|remote| remote.contents(key, &wanted, room.path()).map(Some))?.is_none()
        {
            return Ok(false);
        }
        let mut taken: HashMap<Digest, PathBuf> = HashMap::new();
        for part in missing {
            let (blob, come) = (self.blob(&part.seen), room.path().join(part.seen.digest.to_string()));
            match taken.get(&part.seen.digest) {
                // The same content once more, with another mode.
                Some(twin) => drop(fs::copy(twin, &come)?),
                None => {
                    let found = files.digest(&come).map_err(io::Error::other)?;
                    if found != part.seen.digest {
                        return Err(damaged(format!(
                            "it gave content with the SHA-256 {found} as {}",
                            part.seen.digest
                        )));
                    }
                }
            }
            if part.seen.kind == Kind::File {
                fs::set_permissions(&come, fs::Permissions::from_mode(part.seen.mode.into()))?;
            }
            self.admit(&come, &blob)?;
            files.teach(&blob, part.seen.digest).map_err(io::Error::other)?;
            taken.insert(part.seen.digest, blob);
        }
        self.put_record(key, &record)?;
        Ok(true)
    }

    /// Sends a result that was just stored to the remote cache, if there is one that takes it.
    pub(super) fn send(&self, key: Digest, record: &[u8], parts: &[Part]) -> io::Result<()> {
        let Some(line) = self.remote.as_ref().filter(|line| line.writes) else { return Ok(()) };
        let mut contents: Vec<(Digest, PathBuf)> = parts
            .iter()
            .filter(|part| part.seen.kind != Kind::Folder)
            .map(|part| (part.seen.digest, self.blob(&part.seen)))
            .collect();
        contents.sort();
        contents.dedup_by_key(|(digest, _)| *digest);
        line.ask(|remote| remote.keep(key, record, &contents))
    }
}
