//! Writing files whole or not at all.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use content::{AtomicFile, Durability, Links};
use rustix::io::Errno;

/// What the names of temporary files begin with.
const PREFIX: &str = ".sealift.";
/// The most bytes of an extended attribute, and of the list of their names: Linux's `XATTR_SIZE_MAX`, `XATTR_LIST_MAX`.
const ATTRIBUTES_MAX: usize = 64 * 1024;

/// Replaces the content of a file, or makes it, whole or not at all. Keeps
/// the owner, the permissions and the extended attributes of what was there; a new file is readable by all. A symbolic link
/// keeps leading to the file.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = AtomicFile::create(path, 0o644, Durability::Durable).map_err(|error| error.source)?;
    match content::open(new.target(), Links::Refuse) {
        Ok(former) => resemble(new.file(), &former)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.source),
    }
    new.file().write_all(content)?;
    new.commit().map_err(|error| error.source)
}

/// Gives a new file what the former one had beside its content: whoever could read that can read this.
fn resemble(new: &File, former: &File) -> io::Result<()> {
    let (data, now) = (former.metadata()?, new.metadata()?);
    // First: a change of owner takes permissions away.
    if (data.uid(), data.gid()) != (now.uid(), now.gid()) {
        fchown(new, Some(data.uid()), Some(data.gid()))?;
    }
    new.set_permissions(data.permissions())?;
    let mut names = vec![0; ATTRIBUTES_MAX];
    let Ok(length) = rustix::fs::flistxattr(former, names.as_mut_slice()) else { return Ok(()) };
    let names = names.get(..length).unwrap_or_default();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; ATTRIBUTES_MAX];
        let Ok(length) = rustix::fs::fgetxattr(former, name, value.as_mut_slice()) else { continue };
        let value = value.get(..length).unwrap_or_default();
        match rustix::fs::fsetxattr(new, name, value, rustix::fs::XattrFlags::empty()) {
            // Labels that only the system sets: it has set them on the new file, too.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) => {}
            done => done?,
        }
    }
    Ok(())
}

/// Removes from a folder what a [`replace`] that was killed has left there. For whoever knows that no other one runs.
pub(crate) fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            // Whoever cannot write there will be told by what comes next.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Makes a symbolic link, for good; one that is there is no error.
pub(crate) fn link(target: &Path, link: &Path) -> io::Result<()> {
    match std::os::unix::fs::symlink(target, link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => link.parent().map_or(Ok(()), sync_folder),
    }
}

/// Removes a file; one that is not there is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => path.parent().map_or(Ok(()), |folder| match sync_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }),
    }
}

/// Makes a change of the names in a folder last through a power cut.
fn sync_folder(folder: &Path) -> io::Result<()> {
    content::sync_folder(folder).map_err(|error| error.source)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn owner(path: &Path) -> (u32, u32, u32) {
        let data = std::fs::metadata(path).unwrap();
        (data.uid(), data.gid(), data.mode() & 0o7777)
    }

    #[test]
    fn a_replaced_file_stays_its_owners_and_its_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bootstrap.yaml");
        std::fs::write(&path, "old").unwrap();
        // As a service reads it that is in the group; only root can give files away.
        let is_root = rustix::process::geteuid().is_root();
        let foreign = is_root.then_some(4242);
        if !is_root {
            eprintln!("skipped: giving the file to another group needs root");
        }
        std::os::unix::fs::chown(&path, foreign, foreign).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let label = rustix::fs::setxattr(&path, "user.label", b"kept", rustix::fs::XattrFlags::empty());
        let before = owner(&path);
        replace(&path, b"new").unwrap();
        assert_eq!((owner(&path), std::fs::read(&path).unwrap()), (before, b"new".to_vec()));
        if label.is_ok() {
            let mut value = [0; 16];
            let length = rustix::fs::getxattr(&path, "user.label", value.as_mut_slice()).unwrap();
            assert_eq!(&value[..length], b"kept");
        }
        replace(&folder.path().join("new"), b"").unwrap();
        assert_eq!(owner(&folder.path().join("new")).2, 0o644);
    }
}
