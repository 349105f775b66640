//! Replacing configuration files, with their owner and attributes.

use std::fs::{Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use content::{AtomicFile, Durability, LinkPolicy};
use serde::{Deserialize, Serialize};

/// The prefix of temporary files.
const PREFIX: &str = ".sealift.";

/// The permissions and the owner of a file or folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attributes {
    /// The permission bits, at most 07777.
    pub(crate) mode: u32,
    /// The owner.
    pub(crate) uid: u32,
    /// The group.
    pub(crate) gid: u32,
}

impl Attributes {
    /// Those of an existing file.
    pub(crate) fn of(data: &Metadata) -> Self {
        Self { mode: data.mode() & 0o7777, uid: data.uid(), gid: data.gid() }
    }
}

/// Replaces the content of a file, or creates it, whole or not at all. Keeps the owner, the permissions and the extended
/// attributes of the existing file; a new file is readable by all. A symbolic link still leads to the file afterwards.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_as(path, content, None)
}

/// As [`replace`], but the file gets `attributes` if there are any.
pub(crate) fn replace_as(path: &Path, content: &[u8], attributes: Option<Attributes>) -> io::Result<()> {
    replace_or_create(path, content, 0o644, attributes)
}

/// As [`replace`], but a new file can also be executed by all.
pub(crate) fn replace_program(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_or_create(path, content, 0o755, None)
}

fn replace_or_create(
    path: &Path,
    content: &[u8],
    mode: u32,
    attributes: Option<Attributes>,
) -> io::Result<()> {
    let new = AtomicFile::create(path, mode, Durability::Durable).map_err(|error| error.source)?;
    match content::open(new.target(), LinkPolicy::Refuse) {
        Ok(former) => new.take_attributes(&former)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error.source),
    }
    if let Some(Attributes { mode, uid, gid }) = attributes {
        fchown(new.file(), Some(uid), Some(gid))?;
        new.file().set_permissions(Permissions::from_mode(mode))?;
    }
    new.file().write_all(content)?;
    new.commit().map_err(|error| error.source)
}

/// Removes the temporary files that a killed [`replace`] has left in a folder. The caller must know that no other one runs.
pub(crate) fn remove_temporary(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes()) {
            // A folder that is not writable is reported by the next write.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Creates a symbolic link, durably; an existing one is no error.
pub(crate) fn link(target: &Path, link: &Path) -> io::Result<()> {
    match std::os::unix::fs::symlink(target, link) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => link.parent().map_or(Ok(()), sync_folder),
    }
}

/// Removes a file, durably; a missing one is no error.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => path.parent().map_or(Ok(()), |folder| match sync_folder(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }),
    }
}

/// Whether a file belongs to this user.
pub(crate) fn is_own(data: &Metadata) -> bool {
    data.uid() == rustix::process::geteuid().as_raw()
}

/// The problem with a file that belongs neither to this user nor to root.
pub(crate) fn foreign(data: &Metadata) -> Option<String> {
    (data.uid() != 0).then(|| not_own(data)).flatten()
}

/// The problem with a file that belongs to another user than this one.
pub(crate) fn not_own(data: &Metadata) -> Option<String> {
    (!is_own(data)).then(|| format!("it belongs to another user, with the ID {}", data.uid()))
}

/// Makes a change of names in a folder durable.
fn sync_folder(folder: &Path) -> io::Result<()> {
    content::sync_folder(folder).map_err(|error| error.source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(path: &Path) -> (u32, u32, u32) {
        let data = std::fs::metadata(path).unwrap();
        (data.uid(), data.gid(), data.mode() & 0o7777)
    }

    #[test]
    fn a_replaced_file_keeps_its_owner_group_and_attributes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bootstrap.yaml");
        std::fs::write(&path, "old").unwrap();
        // As a service in the group reads it; only root can change the owner.
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
