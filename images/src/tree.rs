//! What the writers of trees share: hard links that fall back to copies, and folders replaced whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use content::LinkPolicy;

use crate::error::{Error, Result, io};

/// Makes `to` the same file as `from`, or a copy where the file system cannot link (another device, too many links).
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            Err(io("link", to)(error))
        }
        Err(_) => copy_file(from, to).map(drop),
    }
}

/// Copies a regular file, or what a link leads to, to a new one; what it had beside its content.
pub(crate) fn copy_file(from: &Path, to: &Path) -> Result<fs::Metadata> {
    let source = content::open(from, LinkPolicy::Follow)?;
    let found = source.metadata().map_err(io("stat", from))?;
    let target = File::create_new(to).map_err(io("create", to))?;
    content::copy(&source, from, &target, to)?;
    target.set_permissions(found.permissions()).map_err(io("change the mode of", to))?;
    Ok(found)
}

/// Waits until nobody else changes what is in the folder above `target`, and keeps others from it until the result is dropped.
/// `None` where the file system has no locks.
///
/// # Errors
///
/// The folder cannot be created or opened.
pub(crate) fn lock_beside(target: &Path) -> Result<Option<File>> {
    use rustix::fs::{FlockOperation, flock};
    let parent = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    content::create_folder(parent)?;
    let folder = content::open_folder(parent)?;
    loop {
        match flock(&folder, FlockOperation::LockExclusive) {
            Ok(()) => return Ok(Some(folder)),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Ok(None),
        }
    }
}

/// A folder that is built beside its place and renamed into it; dropped unfinished, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    staging: PathBuf,
    target: PathBuf,
}

impl Staged {
    /// Starts the folder that will become `target`. The remains of a killed attempt beside it are removed: the caller holds
    /// the lock of [`lock_beside`].
    pub(crate) fn new(target: &Path) -> Result<Self> {
        let bad = || Error::Layout { path: target.to_owned(), reason: "not the path of a folder".into() };
        let name = target.file_name().and_then(|name| name.to_str()).ok_or_else(bad)?;
        let parent = target.parent().ok_or_else(bad)?;
        content::create_folder(parent)?;
        let staged = Self { staging: parent.join(format!(".{name}.new")), target: target.to_owned() };
        crate::store::remove(&staged.staging)?;
        fs::create_dir(&staged.staging).map_err(io("create", &staged.staging))?;
        Ok(staged)
    }

    /// Where to build.
    pub(crate) fn path(&self) -> &Path {
        &self.staging
    }

    /// Puts the folder into its place. A folder that was there is exchanged for it in one step, then removed.
    pub(crate) fn finish(self) -> Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        let rename = io("rename into place", &self.target);
        match fs::symlink_metadata(&self.target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(&self.staging, &self.target).map_err(rename)
            }
            Err(error) => Err(rename(error)),
            // Dropping `self` removes what the exchange leaves under the staging name.
            Ok(_) => renameat_with(CWD, &self.staging, CWD, &self.target, RenameFlags::EXCHANGE)
                .map_err(|error| rename(error.into())),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // The next attempt removes what cannot be removed now.
        let _ = crate::store::remove(&self.staging);
    }
}

/// Writes a small file of a staged tree. The whole tree gets its name at once.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create_new(path).map_err(io("create", path))?;
    file.write_all(bytes).map_err(io("write", path))
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use content::Digest;

    use super::*;
    use crate::registry::index;
    use crate::{MediaKind, Store, dir_layout};

    /// An image with a layer of its own.
    fn image(store: &Store, layer: &[u8]) -> Digest {
        let blob = |bytes: &[u8]| serde_json::json!({ "mediaType": "x", "digest": store.put(bytes).unwrap(), "size": bytes.len() });
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MediaKind::OciManifest.media_type(), "config": blob(b"{}"),
            "layers": [blob(layer)],
        });
        store.put(manifest.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn several_writers_of_one_folder_wait_for_each_other() {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("store")).unwrap();
        let images = [image(&store, b"one"), image(&store, b"two")];
        let (folder, registry) = (scratch.path().join("images/a/1"), scratch.path().join("registry"));
        let all = Barrier::new(4);
        let write = |writer: usize| -> Result<()> {
            all.wait();
            for round in 0..40 {
                dir_layout::write(&store, &images[(writer + round) % 2], &[], &folder)?;
            }
            Ok(())
        };
        let index = |_| index(&scratch.path().join("images"), &registry).map(drop);
        let four = |work: &(dyn Fn(usize) -> Result<()> + Sync)| -> Vec<String> {
            let done = content::parallel::map(4_usize, &[0, 1, 2, 3], |writer| work(*writer));
            done.into_iter().filter_map(|done| Some(done.err()?.to_string())).collect()
        };
        assert_eq!(four(&write), [""; 0]);
        for _ in 0..10 {
            assert_eq!(four(&index), [""; 0]);
            fs::remove_dir_all(&registry).unwrap();
        }
        let found = dir_layout::read(&folder).unwrap().digest;
        assert!(images.contains(&found));
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 4);
        assert_eq!(fs::read_dir(folder.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn the_lock_is_for_all_in_a_folder() {
        use rustix::fs::{FlockOperation, flock};
        let scratch = tempfile::tempdir().unwrap();
        let parent = scratch.path().join("new");
        let lock = lock_beside(&parent.join("a")).unwrap();
        let other = content::open_folder(&parent).unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err());
        drop(lock);
        flock(&other, FlockOperation::NonBlockingLockExclusive).unwrap();
    }
}
