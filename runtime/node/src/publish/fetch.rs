//! Fetching an archive.

use std::fs::{DirBuilder, File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use content::{Digest, IoError, LinkPolicy, Root};
use images::pull::{self, TransferProgress};
use images::{Reference, RegistrySession, Store};
use iso::ByteProgress;

use super::{Error, PublishedArchive, PublishedFile};
use crate::file::not_own;

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
    /// folder in there, from which the next call resumes; then each file gets its name in one step. A hidden folder that another
    /// user made or can change is not used: this user's own has another name.
    ///
    /// # Errors
    ///
    /// [`Error::Pull`], [`Error::Busy`], [`Error::Foreign`], [`Error::Io`].
    pub fn fetch(&self, session: &RegistrySession, progress: &dyn TransferProgress) -> Result<(), Error> {
        let names = hidden_names(self.digest);
        let missing: Vec<_> = self.files.iter().filter(|file| file.is_missing).collect();
        let is_left = |name: &String| {
            std::fs::symlink_metadata(self.folder.join(name)).is_ok_and(|data| problem(&data).is_none())
        };
        if missing.is_empty() && !names.iter().any(is_left) {
            return Ok(());
        }
        content::create_folder(self.folder)?;
        let (hidden, _lock) = lock_one(self.folder, &names)?;
        let partial = self.folder.join(hidden);
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
            let from = Path::new(hidden).join("blobs/sha256").join(blob.digest.hex());
            root.set_mode(&from, 0o644)?;
            let to = Path::new(name.as_str());
            if self.replace { root.rename(&from, to)? } else { root.rename_new(&from, to)? }
        }
        root.sync()?;
        drop(store);
        Ok(content::remove(&partial)?)
    }
}

/// The names of the folder for unfinished files, in the order in which they are tried: another user may have taken the first.
fn hidden_names(digest: Digest) -> [String; 2] {
    let name = format!(".sealift-fetch-{}", digest.short());
    let own = format!("{name}-{}", rustix::process::geteuid().as_raw());
    [name, own]
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

/// Locks the first of these folders in `folder` that is this user's alone; creates it if it does not exist.
fn lock_one<'a>(folder: &Path, names: &'a [String]) -> Result<(&'a str, File), Error> {
    let mut refused = None;
    for name in names {
        match lock(&folder.join(name)) {
            Ok(locked) => return Ok((name, locked)),
            Err(error @ Error::Foreign { .. }) => refused = Some(error),
            Err(error) => return Err(error),
        }
    }
    Err(refused.unwrap_or_else(|| IoError::at("lock", folder)(io::ErrorKind::NotFound.into()).into()))
}

/// Why what has the name of a folder for unfinished files is not this user's alone; `None` if it is.
fn problem(data: &Metadata) -> Option<String> {
    if !data.is_dir() {
        return Some("it is not a folder".to_owned());
    }
    let is_open = || (data.mode() & 0o022 != 0).then(|| "other users can write to it".to_owned());
    not_own(data).or_else(is_open)
}

/// Locks the folder of a fetch, which is created.
fn lock(path: &Path) -> Result<File, Error> {
    let failed = |operation| IoError::at(operation, path);
    loop {
        let created = match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            created => created.map(|()| true).map_err(failed("create"))?,
        };
        let found = match std::fs::symlink_metadata(path) {
            // Another process of this user has finished, and removed it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            found => found.map_err(failed("open"))?,
        };
        // Some file systems give all that is created to one user.
        if let Some(problem) = problem(&found).filter(|_| !created) {
            return Err(Error::Foreign { path: path.to_owned(), problem });
        }
        let folder = match content::open_folder(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened?,
        };
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error).into()),
        }
        // Between the steps, it may have been removed, or replaced by another.
        let identity = |data: &Metadata| (data.dev(), data.ino());
        let locked = identity(&folder.metadata().map_err(failed("lock"))?);
        if locked == identity(&found)
            && std::fs::symlink_metadata(path).is_ok_and(|now| identity(&now) == locked)
        {
            return Ok(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_a_folder_that_is_this_users_alone_is_resumed() {
        let folder = tempfile::tempdir().unwrap();
        let names = hidden_names(Digest::of(b"x"));
        let [first, second] = names.each_ref().map(|name| folder.path().join(name));
        let locked = || lock_one(folder.path(), &names).map(|(name, _)| name.to_owned());
        let elsewhere = folder.path().join("elsewhere");
        std::fs::create_dir(&elsewhere).unwrap();
        // Nobody else can write to the folder that is created, whatever the umask allows.
        assert_eq!(locked().unwrap(), names[0]);
        assert_eq!(std::fs::metadata(&first).unwrap().mode() & 0o7777, 0o700);
        set_mode(&first, 0o755);
        assert_eq!(locked().unwrap(), names[0]);
        for mode in [0o770, 0o702, 0o1777] {
            set_mode(&first, mode);
            assert_eq!(locked().unwrap(), names[1], "{mode:o}");
        }
        std::fs::remove_dir(&first).unwrap();
        symlink(&elsewhere, &first).unwrap();
        assert_eq!(locked().unwrap(), names[1]);
        std::fs::remove_file(&first).unwrap();
        std::fs::write(&first, "").unwrap();
        assert_eq!(locked().unwrap(), names[1]);
        // Both names are taken.
        set_mode(&second, 0o777);
        let error = locked().unwrap_err().to_string();
        let path = second.display();
        assert_eq!(error, format!("cannot keep unfinished files in {path}: other users can write to it"));
        assert_eq!(std::fs::read_dir(&elsewhere).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_of_another_user_is_not_resumed() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: giving a folder to another user needs root");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        set_mode(folder.path(), 0o1777);
        let names = hidden_names(Digest::of(b"x"));
        let [first, second] = names.each_ref().map(|name| folder.path().join(name));
        std::fs::create_dir(&first).unwrap();
        chown(&first, Some(4242), None).unwrap();
        // That user is fetching the same archive.
        let held = content::open_folder(&first).unwrap();
        held.lock().unwrap();
        assert_eq!(lock_one(folder.path(), &names).unwrap().0, names[1]);
        chown(&second, Some(4242), None).unwrap();
        let error = lock_one(folder.path(), &names).unwrap_err().to_string();
        assert!(error.ends_with(": it belongs to another user, with the ID 4242"), "{error}");
    }

    #[test]
    fn a_folder_is_locked_by_one_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partial");
        let held = lock(&path).unwrap();
        assert!(matches!(lock(&path), Err(Error::Busy(_))));
        drop(held);
        lock(&path).unwrap();
    }
}
