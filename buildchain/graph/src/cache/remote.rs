//! A cache elsewhere: what is not here is asked for there, what was made here is sent there.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use content::{IoError, Links, Root};

use super::{Cache, RECORD_MAX, checked_parts, parse};
use crate::model::task::Output;
use crate::record::digest::Digest;
use crate::record::files::{Files, Kind};
use crate::record::parts::Part;

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

    /// Writes the contents `wanted` of the result kept under `key` into `folder`, each into a regular file named by
    /// its digest. What else lies there is not looked at.
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
    #[error("cannot use the remote cache; the run continues without it")]
    Away(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What it has under this key is not whole, or not what its digests say. Nothing of it is taken.
    #[error("what the remote cache has of it is damaged")]
    Damaged(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn damaged(message: String) -> io::Error {
    io::Error::other(RemoteError::Damaged(message.into()))
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
    pub(super) fn fetch(&self, key: Digest, declared: &[Output], files: &Files) -> io::Result<bool> {
        let Some(line) = &self.remote else { return Ok(false) };
        let Some(record) = line.ask(|remote| remote.record(key))? else { return Ok(false) };
        let parsed = if record.len() as u64 > RECORD_MAX { None } else { parse(&record, key) };
        let Some((outputs, listings)) = parsed else {
            return Err(damaged(format!("its record for the key {key} cannot be read")));
        };
        let parts = checked_parts(&outputs, &listings, declared)
            .map_err(|error| damaged(format!("its record for the key {key} cannot be used: {error}")))?;
        let _using = self.using()?;
        let is_missing = |part: &&Part| {
            part.seen.kind != Kind::Folder && self.blob(&part.seen).symlink_metadata().is_err()
        };
        let mut missing: Vec<&Part> = parts.iter().filter(is_missing).collect();
        missing.sort_by_key(|part| part.seen.digest);
        let mut wanted: Vec<Digest> = missing.iter().map(|part| part.seen.digest).collect();
        wanted.dedup();
        let room = self.room()?;
        if !wanted.is_empty()
            && line.ask(|remote| remote.contents(key, &wanted, room.path()).map(Some))?.is_none()
        {
            return Ok(false);
        }
        let own = self.room()?;
        let mut last: Option<(Digest, PathBuf)> = None;
        for part in missing {
            let blob = self.blob(&part.seen);
            if blob.symlink_metadata().is_ok() {
                // The same file once more.
                continue;
            }
            // The same content with another mode is copied from the cache.
            let twin = last.filter(|(digest, _)| *digest == part.seen.digest).map(|(_, blob)| blob);
            let come = room.path().join(part.seen.digest.to_string());
            let new = take(twin.as_deref().unwrap_or(&come), twin.is_none(), own.path(), part)?;
            self.admit(&new, &blob)?;
            files.teach(&blob, part.seen.digest).map_err(io::Error::other)?;
            last = Some((part.seen.digest, blob));
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

/// Brings the content of a part, which is in the file at `from`, into `folder` and checks it. It is moved if it may be and
/// no other name leads to it, else copied: what a remote cache wrote may be a link, or another name of somebody's file.
/// The path of the new file.
fn take(from: &Path, may_move: bool, folder: &Path, part: &Part) -> io::Result<PathBuf> {
    let source = content::open(from, Links::Refuse).map_err(|error| damaged(error.to_string()))?;
    let name = Path::new("blob");
    let (root, to) = (Root::open(folder)?, folder.join(name));
    let mode = if part.seen.kind == Kind::Link { 0o644 } else { part.seen.mode.into() };
    let file = if may_move && source.metadata()?.nlink() == 1 {
        std::fs::rename(from, &to)?;
        source.set_permissions(Permissions::from_mode(mode))?;
        source
    } else {
        let target = root.create_file(name, mode)?;
        content::copy(&source, from, &target, &to)?;
        target
    };
    let found = Digest::of_file(&file).map_err(IoError::at("read", &to))?;
    if found != part.seen.digest {
        return Err(damaged(format!("it gave content with the SHA-256 {found} as {}", part.seen.digest)));
    }
    Ok(to)
}
