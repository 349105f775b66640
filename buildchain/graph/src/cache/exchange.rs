//! Fetching results from the remote cache, and sending them there.

use std::fs::Permissions;
use std::io::{self, Seek as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use content::{Digest, IoError, LinkPolicy, Root};

use crate::cache::local::{RECORD_MAX, ResultCache, checked_parts, parse};
use crate::cache::remote::corrupt;
use crate::model::task::TaskOutput;
use crate::record::entry::FileEntryKind;
use crate::record::files::KnownFiles;
use crate::record::parts::OutputPart;

impl ResultCache {
    /// Fetches the result stored under `key` from the remote cache, if there is one and it has the result. Whether the
    /// result is in the local cache now.
    pub(super) fn fetch(&self, key: Digest, declared: &[TaskOutput], files: &KnownFiles) -> io::Result<bool> {
        let Some(connection) = &self.remote else { return Ok(false) };
        let Some(record) = connection.call(|remote| remote.record(key))? else { return Ok(false) };
        let parsed = if record.len() as u64 > RECORD_MAX { None } else { parse(&record, key) };
        let Some((outputs, listings)) = parsed else {
            return Err(corrupt(format!("the record for the key {} is malformed", key.hex())));
        };
        let parts = checked_parts(&outputs, &listings, declared)
            .map_err(|error| corrupt(format!("the record for the key {} is invalid: {error}", key.hex())))?;
        let _lock = self.lock_shared()?;
        let is_missing = |part: &&OutputPart| {
            part.entry.kind != FileEntryKind::Folder && self.blob(&part.entry).symlink_metadata().is_err()
        };
        let mut missing: Vec<&OutputPart> = parts.iter().filter(is_missing).collect();
        missing.sort_by_key(|part| part.entry.digest);
        let mut wanted: Vec<Digest> = missing.iter().map(|part| part.entry.digest).collect();
        wanted.dedup();
        let fetched = self.temporary()?;
        if !wanted.is_empty()
            && connection.call(|remote| remote.contents(key, &wanted, fetched.path()).map(Some))?.is_none()
        {
            return Ok(false);
        }
        let temporary = self.temporary()?;
        let mut last: Option<(Digest, PathBuf)> = None;
        for part in missing {
            let blob = self.blob(&part.entry);
            if blob.symlink_metadata().is_ok() {
                // Another part has the same content and mode.
                continue;
            }
            // The same content with another mode is copied from the cache.
            let twin = last.filter(|(digest, _)| *digest == part.entry.digest).map(|(_, blob)| blob);
            let file = fetched.path().join(part.entry.digest.hex());
            let new = accept(twin.as_deref().unwrap_or(&file), twin.is_none(), temporary.path(), part)?;
            self.add(&new, &blob)?;
            files.record(&blob, part.entry.digest).map_err(io::Error::other)?;
            last = Some((part.entry.digest, blob));
        }
        self.add_record(key, &record)?;
        Ok(true)
    }

    /// Sends a result that was just stored to the remote cache, if there is one that is written to.
    pub(super) fn send(&self, key: Digest, record: &[u8], parts: &[OutputPart]) -> io::Result<()> {
        let Some(connection) = self.remote.as_ref().filter(|connection| connection.writes) else {
            return Ok(());
        };
        let mut contents: Vec<(Digest, PathBuf)> = parts
            .iter()
            .filter(|part| part.entry.kind != FileEntryKind::Folder)
            .map(|part| (part.entry.digest, self.blob(&part.entry)))
            .collect();
        contents.sort();
        contents.dedup_by_key(|(digest, _)| *digest);
        connection.call(|remote| remote.store(key, record, &contents))
    }
}

/// Brings the content of a part, which is in the file at `from`, into `folder` and checks it. Returns the path of the new
/// file. The file is moved only if `may_move` and it has no other name, else copied: what a remote cache wrote may be a link
/// to somebody's file.
fn accept(from: &Path, may_move: bool, folder: &Path, part: &OutputPart) -> io::Result<PathBuf> {
    let source = content::open(from, LinkPolicy::Refuse).map_err(|error| corrupt(error.to_string()))?;
    let name = Path::new("blob");
    let (root, to) = (Root::open(folder)?, folder.join(name));
    let mode = if part.entry.kind == FileEntryKind::Link { 0o644 } else { part.entry.mode.into() };
    let mut file = if may_move && source.metadata()?.nlink() == 1 {
        std::fs::rename(from, &to)?;
        source.set_permissions(Permissions::from_mode(mode))?;
        source
    } else {
        let target = root.create_file(name, mode)?;
        content::copy(&source, from, &target, &to)?;
        target
    };
    let hashed = file.rewind().and_then(|()| content::hash_reader(&file, |_| Ok(())));
    let (found, _) = hashed.map_err(IoError::at("read", &to))?;
    if found != part.entry.digest {
        return Err(corrupt(format!("content with the digest {found} was sent as {}", part.entry.digest)));
    }
    Ok(to)
}
