//! Fetching an archive.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use content::{Digest, IoError, LinkPolicy, Root};
use images::pull::{self, TransferProgress};
use images::{Reference, RegistrySession, Store};
use iso::ByteProgress;

use super::{Error, PublishedArchive, PublishedFile};

/// What a fetch would do, or did: the files of an archive in a folder.
#[derive(Debug)]
pub struct FetchPlan<'a> {
    reference: &'a Reference,
    folder: &'a Path,
    replace: bool,
    digest: Digest,
    /// The bundles, and the ISO last.
    pub files: Vec<FetchedFile<'a>>,
}

/// A file of an archive in a folder.
#[derive(Debug, Clone)]
pub struct FetchedFile<'a> {
    /// What the registry has.
    pub published: &'a PublishedFile,
    /// Its path in the folder.
    pub path: PathBuf,
    /// Whether the folder lacks it.
    pub is_missing: bool,
}

impl PublishedArchive {
    /// Compares a folder with the archive; files of the right size are read. `replace` allows to replace other files.
    ///
    /// # Errors
    ///
    /// [`Error::Occupied`], [`Error::Io`].
    pub fn compare<'a>(
        &'a self,
        folder: &'a Path,
        replace: bool,
        progress: &dyn ByteProgress,
    ) -> Result<FetchPlan<'a>, Error> {
        content::check_folder(folder)?;
        let file = |published: &'a PublishedFile| {
            let path = folder.join(published.name.as_str());
            let state = look(&path, published, progress)?;
            if state == State::Other && !replace {
                return Err(Error::Occupied(path));
            }
            Ok(FetchedFile { published, path, is_missing: state != State::Equal })
        };
        // The ISO last: with it comes its signature.
        let files = self.bundles.iter().chain([&self.iso]).map(file).collect::<Result<_, _>>()?;
        Ok(FetchPlan { reference: &self.reference, folder, replace, digest: self.digest, files })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Missing,
    Equal,
    Other,
}

/// Whether the published file is at `path`.
fn look(path: &Path, published: &PublishedFile, progress: &dyn ByteProgress) -> Result<State, IoError> {
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(State::Missing),
        found => found.map_err(IoError::at("open", path))?,
    };
    if !found.is_file() || found.len() != published.blob.size {
        return Ok(State::Other);
    }
    let file = content::open(path, LinkPolicy::Refuse)?;
    let (digest, _) = content::hash_reader(file, |chunk| {
        progress.advance(chunk.len() as u64);
        Ok(())
    })
    .map_err(IoError::at("read", path))?;
    Ok(if digest == published.blob.digest { State::Equal } else { State::Other })
}

impl FetchPlan<'_> {
    /// Downloads what the folder lacks, which is created. Until all of it is complete and has its digest, it is in a hidden
    /// folder in there, from which the next call resumes; then each file gets its name in one step.
    ///
    /// # Errors
    ///
    /// [`Error::Pull`], [`Error::Busy`], [`Error::Io`].
    pub fn fetch(&self, session: &RegistrySession, progress: &dyn TransferProgress) -> Result<(), Error> {
        let hidden = format!(".sealift-fetch-{}", self.digest.short());
        let partial = self.folder.join(&hidden);
        let missing: Vec<_> = self.files.iter().filter(|file| file.is_missing).collect();
        if missing.is_empty() && !partial.exists() {
            return Ok(());
        }
        let _lock = lock(&partial)?;
        let store = Store::open(&partial)?;
        let blobs: Vec<_> = missing.iter().map(|file| file.published.blob.clone()).collect();
        if let Err(error) = pull::blobs(self.reference, &blobs, &store, session, progress) {
            drop(store);
            remove_if_useless(&partial);
            return Err(error.into());
        }
        let root = Root::open(self.folder)?;
        for file in missing {
            let PublishedFile { name, blob } = file.published;
            let from = Path::new(&hidden).join("blobs/sha256").join(blob.digest.hex());
            root.set_mode(&from, 0o644)?;
            let to = Path::new(name.as_str());
            if self.replace { root.rename(&from, to)? } else { root.rename_new(&from, to)? }
        }
        root.sync()?;
        drop(store);
        Ok(content::remove(&partial)?)
    }
}

/// Removes the folder of a fetch that has nothing to resume from.
fn remove_if_useless(partial: &Path) {
    let is_empty = |folder: &str| {
        std::fs::read_dir(partial.join(folder)).is_ok_and(|mut entries| entries.next().is_none())
    };
    if is_empty("partial/sha256") && is_empty("blobs/sha256") {
        // The failure of the fetch is what counts.
        let _ = content::remove(partial);
    }
}

/// Locks the folder of a fetch, which is created.
fn lock(path: &Path) -> Result<File, Error> {
    loop {
        content::create_folder(path)?;
        let folder = content::open_folder(path)?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(IoError::at("lock", path)(error).into()),
        }
        // Another process may have finished, and removed the folder, before the lock.
        let ours = folder.metadata().map_err(IoError::at("lock", path))?.ino();
        match std::fs::symlink_metadata(path) {
            Ok(found) if found.ino() == ours => return Ok(folder),
            Ok(found) if found.is_symlink() => {
                return Err(IoError::at("open", path)(io::ErrorKind::NotADirectory.into()).into());
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_in_the_place_of_the_folder_of_a_fetch_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let (elsewhere, link) = (folder.path().join("elsewhere"), folder.path().join(".sealift-fetch-0"));
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &link).unwrap();
        let error = lock(&link).unwrap_err().to_string();
        assert!(error.contains(".sealift-fetch-0: not a directory"), "{error}");
        let held = lock(&elsewhere).unwrap();
        assert!(matches!(lock(&elsewhere), Err(Error::Busy(_))));
        drop(held);
        lock(&elsewhere).unwrap();
    }
}
