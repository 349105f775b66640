//! The cache: outputs of earlier runs, by the key they were made under.
//!
//! ```text
//! blobs/<2 digits>/<sha256>-<mode>     the content of a file
//! blobs/<2 digits>/<sha256>-link       the target of a symbolic link
//! tasks/<key>                          what the outputs were, in the journal's frames
//! ```
//!
//! Content is shared with the build by reflink where the file system can, else by hard link, else copied. A
//! hard link can be written through: so nothing is taken out of the cache before its digest is known to be
//! right, and what is not is thrown away.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::digest::Digest;
use super::files::{Files, Kind, Seen};
use super::journal::{self, Entry};
use super::manifest::{Value, items};
use super::parts::{Part, parts};
use super::survey::Listing;
use super::task::Output;

/// A folder of outputs, shared by any number of projects and runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
    /// The most bytes it may hold after a run that added something; `None` for no bound.
    limit: Option<u64>,
}

/// What [`Cache::sweep`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Results that can no longer be restored.
    pub results: usize,
    /// Files that were removed.
    pub files: usize,
    /// Their sizes.
    pub bytes: u64,
}

/// The cache cannot be swept.
#[derive(Debug, thiserror::Error)]
#[error("cannot sweep the cache {}", folder.display())]
pub struct CacheError {
    folder: PathBuf,
    source: io::Error,
}

impl Cache {
    /// The cache in `folder`, which need not be there yet.
    #[must_use]
    pub fn new(folder: PathBuf, limit: Option<u64>) -> Self {
        Self { folder, limit }
    }

    fn blob(&self, seen: &Seen) -> PathBuf {
        let digest = seen.digest.to_string();
        let kind = if seen.kind == Kind::Link { "link".to_owned() } else { format!("{:o}", seen.mode) };
        let shelf = digest.get(..2).unwrap_or_default();
        self.folder.join("blobs").join(shelf).join(format!("{digest}-{kind}"))
    }

    fn result(&self, key: Digest) -> PathBuf {
        self.folder.join("tasks").join(key.to_string())
    }

    /// Keeps the outputs of a task, which are as the items of `outputs` say.
    pub(super) fn store(
        &self,
        root: &Path,
        key: Digest,
        outputs: &[u8],
        listings: &[Listing],
        files: &Files,
    ) -> io::Result<()> {
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        let mut frames = Vec::new();
        for part in parts(outputs, &find).unwrap_or_default() {
            let (from, blob) = (root.join(&part.path), self.blob(&part.seen));
            if part.seen.kind == Kind::Folder || blob.exists() {
                continue;
            }
            let shelf = blob.parent().unwrap_or(&self.folder);
            fs::create_dir_all(shelf)?;
            let temporary = tempfile::Builder::new().prefix(".new-").tempdir_in(shelf)?;
            let new = temporary.path().join("blob");
            match part.seen.kind {
                Kind::Link => fs::write(&new, fs::read_link(&from)?.as_os_str().as_bytes())?,
                _ => place(&from, &new)?,
            }
            fs::rename(&new, &blob)?;
            teach(files, &from, &part.seen)?;
            teach(files, &blob, &part.seen)?;
        }
        for item in items(outputs) {
            if let Value::Listing(digest) = item.value
                && let Some(bytes) = find(digest)
            {
                journal::put(&mut frames, &Entry::Listing { digest, bytes });
            }
        }
        journal::put(&mut frames, &Entry::Task { name: "", key, manifest: b"", outputs, millis: 0 });
        let result = self.result(key);
        let folder = result.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        journal::replace(&result, &frames).map(drop)
    }

    /// Puts the outputs made under `key` back into place, which has been prepared, if all of them are here
    /// and right. Says what they are.
    pub(super) fn restore(
        &self,
        root: &Path,
        key: Digest,
        declared: &[Output],
        files: &Files,
    ) -> io::Result<Option<(Vec<u8>, Vec<Listing>)>> {
        let result = self.result(key);
        let bytes = match fs::read(&result) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let Some((outputs, listings)) = parse(&bytes, key) else { return Ok(None) };
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        let Some(parts) = parts(&outputs, &find) else { return Ok(None) };
        // What is in the cache says where it goes: nowhere but where the task would have put it.
        if !items(&outputs).map(|item| item.path()).eq(declared.iter().map(|output| output.path().as_path()))
        {
            return Ok(None);
        }
        if !self.all_right(&parts, files)? {
            return Ok(None);
        }
        for part in &parts {
            let path = root.join(&part.path);
            match part.seen.kind {
                Kind::Folder => fs::create_dir_all(&path)?,
                Kind::Link => {
                    let target = fs::read(self.blob(&part.seen))?;
                    symlink(std::ffi::OsStr::from_bytes(&target), &path)?;
                }
                Kind::File => {
                    place(&self.blob(&part.seen), &path)?;
                    teach(files, &path, &part.seen)?;
                }
            }
        }
        // A folder that may not be written to is closed only when it is full.
        for part in parts.iter().rev().filter(|part| part.seen.kind == Kind::Folder) {
            fs::set_permissions(root.join(&part.path), fs::Permissions::from_mode(part.seen.mode.into()))?;
        }
        // The oldest is what the next sweep removes.
        if let Ok(file) = File::open(&result) {
            let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
            let _ = rustix::fs::futimens(
                &file,
                &rustix::fs::Timestamps { last_access: now, last_modification: now },
            );
        }
        Ok(Some((outputs, listings)))
    }

    /// Every blob is there and has the content its name says. One that has not is removed.
    fn all_right(&self, parts: &[Part], files: &Files) -> io::Result<bool> {
        let wanted: Vec<(&Part, PathBuf)> = parts
            .iter()
            .filter(|part| part.seen.kind != Kind::Folder)
            .map(|part| (part, self.blob(&part.seen)))
            .collect();
        let paths: Vec<&Path> = wanted.iter().map(|(_, blob)| blob.as_path()).collect();
        let mut right = true;
        for ((part, blob), seen) in wanted.iter().zip(files.look_all(&paths, false)) {
            match seen {
                Ok(None) => right = false,
                Ok(Some(seen)) if seen.kind == Kind::File && seen.digest == part.seen.digest => {
                    // A mode of its own is part of the name of a file, and can be lost through a hard link.
                    right &= part.seen.kind == Kind::Link || seen.mode == part.seen.mode;
                }
                _ => {
                    fs::remove_file(blob)?;
                    right = false;
                }
            }
        }
        Ok(right)
    }

    /// Sweeps down to the limit, if there is one.
    pub(super) fn sweep_to_limit(&self) -> Result<(), CacheError> {
        self.limit.map_or(Ok(()), |limit| self.sweep(limit).map(drop))
    }

    /// Removes results, the longest unused first, until what is left takes no more than `limit` bytes; and
    /// all content no result needs.
    ///
    /// # Errors
    ///
    /// If the folder cannot be listed or something in it not removed.
    pub fn sweep(&self, limit: u64) -> Result<Swept, CacheError> {
        self.try_sweep(limit).map_err(|source| CacheError { folder: self.folder.clone(), source })
    }

    fn try_sweep(&self, limit: u64) -> io::Result<Swept> {
        let mut sizes: HashMap<PathBuf, u64> = HashMap::new();
        for shelf in list(&self.folder.join("blobs"))? {
            for blob in list(&shelf)? {
                let metadata = fs::symlink_metadata(&blob)?;
                // A folder is where another run is just making a blob.
                if metadata.is_file() {
                    sizes.insert(blob, metadata.len());
                }
            }
        }
        let mut results = Vec::new();
        for path in list(&self.folder.join("tasks"))? {
            let metadata = fs::symlink_metadata(&path)?;
            results.push(((metadata.mtime(), metadata.mtime_nsec()), path));
        }
        results.sort();
        let (mut swept, mut kept, mut needed) = (Swept::default(), 0, HashSet::new());
        for (_, path) in results.into_iter().rev() {
            let blobs = self.blobs_of(&path);
            let more: u64 = blobs
                .iter()
                .filter(|blob| !needed.contains(*blob))
                .map(|blob| sizes.get(blob).copied().unwrap_or(0))
                .sum();
            if kept + more <= limit && !blobs.iter().any(|blob| !sizes.contains_key(blob)) {
                kept += more;
                needed.extend(blobs);
            } else {
                fs::remove_file(&path)?;
                swept.results += 1;
            }
        }
        for (blob, size) in sizes.into_iter().filter(|(blob, _)| !needed.contains(blob)) {
            fs::remove_file(blob)?;
            swept.files += 1;
            swept.bytes += size;
        }
        Ok(swept)
    }

    fn blobs_of(&self, result: &Path) -> HashSet<PathBuf> {
        let key = result.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        let parsed = key.and_then(|key| parse(&fs::read(result).ok()?, key));
        let Some((outputs, listings)) = parsed else { return HashSet::new() };
        let find =
            |digest: Digest| listings.iter().find(|(d, _)| *d == digest).map(|(_, bytes)| bytes.as_slice());
        let parts = parts(&outputs, &find).unwrap_or_default();
        parts.iter().filter(|part| part.seen.kind != Kind::Folder).map(|part| self.blob(&part.seen)).collect()
    }
}

fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The outputs and listings of a result. `None` if it is damaged, or not that of `key`.
fn parse(bytes: &[u8], key: Digest) -> Option<(Vec<u8>, Vec<Listing>)> {
    let frames = bytes.strip_prefix(journal::MAGIC)?;
    let mut listings = Vec::new();
    let mut found = None;
    for entry in journal::entries(frames, &mut 0) {
        match entry {
            // A listing is named by its digest, so it can be checked.
            Entry::Listing { digest, bytes } if Digest::of(bytes) == digest => {
                listings.push((digest, bytes.to_vec()))
            }
            Entry::Task { key: made_under, outputs, .. } if made_under == key => {
                found = Some(outputs.to_vec())
            }
            _ => return None,
        }
    }
    found.map(|outputs| (outputs, listings))
}

/// A link changes the times of its file, not its content.
fn teach(files: &Files, path: &Path, seen: &Seen) -> io::Result<()> {
    if seen.kind == Kind::File { files.teach(path, seen.digest).map_err(io::Error::other) } else { Ok(()) }
}

/// Gives the content of `from` a second name, sharing what can be shared. Nothing may be at `to`.
fn place(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    let cloned = File::open(from).and_then(|source| {
        let target = File::options().write(true).create_new(true).open(to)?;
        rustix::fs::ioctl_ficlone(&target, &source)?;
        target.set_permissions(metadata.permissions())
    });
    if cloned.is_ok() {
        return Ok(());
    }
    match fs::remove_file(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Across file systems, and where a file has as many names as it may have, there is only copying.
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}
