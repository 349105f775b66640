//! The lock that serializes imports and deletions.

use std::fs::{DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use content::{IoError, Root};

use super::error::Error;
use super::node_layout::NodeLayout;
use crate::file::{self, foreign};

/// How often the lock is tried, and the pause between two tries.
const TRIES: usize = 20;
const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// Takes the lock, which is held until the file is dropped, and removes temporary files of a killed import. An operation
/// that is `read_only` on the node, such as a dry run, needs no lock: then returns `None`.
pub(super) fn lock(paths: &NodeLayout, read_only: bool) -> Result<Option<File>, Error> {
    if read_only {
        return Ok(None);
    }
    let file = exclusive(&paths.lock)?;
    let files = [&paths.bootstrap, &paths.solutions, &paths.archives];
    let folders = files.into_iter().filter_map(|file| file.parent());
    folders.chain([&*paths.units]).for_each(file::remove_temporary);
    Ok(Some(file))
}

/// Takes the lock on the file at `path`, which is created with its folder, and is held until the file is dropped.
pub(crate) fn exclusive(path: &Path) -> Result<File, Error> {
    let file = open(path)?;
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Perhaps a child process that was starting when the lock was released: it has the file open for a moment.
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(std::fs::TryLockError::Error(error)) => {
                return Err(IoError::at("lock", path)(error).into());
            }
        }
    }
    Err(Error::Locked(path.to_path_buf()))
}

/// Opens the lock file, or creates it with its folder, so that no other user can open it: a user who can open the file can
/// hold its lock and block every import.
fn open(path: &Path) -> Result<File, Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            return Err(IoError::at("create", folder)(error).into());
        }
        _ => {}
    }
    // Both a link and the folder it leads to have an owner.
    let link = std::fs::symlink_metadata(folder).map_err(IoError::at("open", folder))?;
    let data = std::fs::metadata(folder).map_err(IoError::at("open", folder))?;
    let open_to_all = data.mode() & 0o1002 == 0o0002;
    let problem = if open_to_all { Some("every user can replace files in it".to_owned()) } else { None };
    if let Some(problem) = foreign(&link).or_else(|| foreign(&data)).or(problem) {
        return Err(Error::UnsafeLock { path: folder.to_path_buf(), problem });
    }
    let failed = |error: IoError| IoError::at("lock", path)(error.source);
    let root = Root::open(folder).map_err(failed)?;
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    let file = match root.create_file(&name, 0o600) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => root.open_file_to_write(&name),
        created => created,
    };
    let file = file.map_err(failed)?;
    let data = file.metadata().map_err(IoError::at("lock", path))?;
    if let Some(problem) = foreign(&data) {
        return Err(Error::UnsafeLock { path: path.to_path_buf(), problem });
    }
    if data.mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(0o600)).map_err(IoError::at("lock", path))?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    fn locked(path: &Path) -> Result<Option<File>, Error> {
        let folder = path.parent().unwrap();
        let paths = NodeLayout {
            lock: path.to_path_buf(),
            units: folder.join("units"),
            ..super::super::tests::paths(folder)
        };
        lock(&paths, false)
    }

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn nobody_else_can_open_the_lock_or_its_folder() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("sealift/archives.lock");
        drop(locked(&path).unwrap());
        assert_eq!((mode(path.parent().unwrap()), mode(&path)), (0o700, 0o600));
        // The mode that an earlier version used.
        std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let held = locked(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(matches!(locked(&path), Err(Error::Locked(_))));
        drop(held);
    }

    #[test]
    fn a_lock_that_another_user_has_placed_is_refused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: giving a file to another user needs root");
            return;
        }
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("folder");
        let path = folder.join("lock");
        let refused = |what: &str| {
            let refused = locked(&path);
            assert!(matches!(refused, Err(Error::UnsafeLock { .. })), "{what}: {refused:?}");
        };
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(&path, "").unwrap();
        chown(&path, Some(4242), None).unwrap();
        refused("the file");
        std::fs::remove_file(&path).unwrap();
        chown(&folder, Some(4242), None).unwrap();
        refused("the folder");
        chown(&folder, Some(0), None).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        refused("a folder that everybody may write to");
        std::fs::set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
        drop(locked(&path).unwrap());
        // A link to a file of root, and a pipe.
        std::fs::remove_file(&path).unwrap();
        symlink(scratch.path().join("victim"), &path).unwrap();
        assert!(matches!(locked(&path), Err(Error::Io(_))));
        assert!(!scratch.path().join("victim").exists());
        std::fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        assert!(matches!(locked(&path), Err(Error::Io(_))));
        // A folder that is a link owned by another user.
        std::fs::rename(&folder, scratch.path().join("real")).unwrap();
        symlink(scratch.path().join("real"), &folder).unwrap();
        std::os::unix::fs::lchown(&folder, Some(4242), None).unwrap();
        refused("a link to a folder");
    }
}
