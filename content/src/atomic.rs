//! Files that appear under their name whole or not at all.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat};
use rustix::io::Errno;
use tempfile::NamedTempFile;

use crate::IoError;

/// The maximum size of an extended attribute, and of the list of their names: Linux's `XATTR_SIZE_MAX`, `XATTR_LIST_MAX`.
const ATTRIBUTES_MAX: usize = 64 * 1024;
/// The prefix of temporary files, where the file system cannot create files without a name.
const PREFIX: &str = ".sealift.";

/// Whether a file that was put in place survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The content, then the name, are written to the disk before [`AtomicFile::commit`] returns.
    Durable,
    /// Nothing is flushed: for content that is checked before use and can be made again.
    Cache,
}

/// A file on its way to its name.
///
/// Until [`commit`](Self::commit) it has no name at all where the file system can do that (`O_TMPFILE`), so that
/// `kill -9` leaves nothing behind; elsewhere it has a short random one, whatever the length of its final name.
/// If it is dropped before that, it is removed.
#[derive(Debug)]
pub struct AtomicFile {
    content: Content,
    target: PathBuf,
    durability: Durability,
}

#[derive(Debug)]
enum Content {
    Unnamed(File),
    Named(NamedTempFile),
}

impl AtomicFile {
    /// Opens an empty file that is to become `target`, with permissions `mode` whatever the umask.
    ///
    /// If `target` is a symbolic link, the file that it leads to is meant; the link stays.
    ///
    /// # Errors
    ///
    /// The folder of `target` does not exist or cannot be written to, or `target` is a folder, a device, a pipe or a socket.
    pub fn create(target: &Path, mode: u32, durability: Durability) -> Result<Self, IoError> {
        let refuse = |source| IoError::at("create", target)(source);
        let target = behind_links(target).map_err(refuse)?;
        match fs::metadata(&target) {
            Ok(found) if found.is_dir() => return Err(refuse(io::ErrorKind::IsADirectory.into())),
            // Nobody wants a device or a pipe to be replaced.
            Ok(found) if !found.is_file() => {
                return Err(refuse(io::Error::other("it is not a regular file")));
            }
            _ => {}
        }
        let content = unnamed(folder_of(&target)).map_err(refuse)?;
        content.file().set_permissions(fs::Permissions::from_mode(mode)).map_err(refuse)?;
        Ok(Self { content, target, durability })
    }

    /// The file, to be written to.
    #[must_use]
    pub fn file(&self) -> &File {
        self.content.file()
    }

    /// The path that the file will have.
    #[must_use]
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Gives the file the owner, the permissions and the extended attributes of `former`, so that the same users can read it.
    ///
    /// # Errors
    ///
    /// Those of the system: only root can give a file to another user.
    pub fn take_attributes(&self, former: &File) -> io::Result<()> {
        let new = self.file();
        let (data, now) = (former.metadata()?, new.metadata()?);
        // First: a change of owner clears permission bits.
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
                // Labels that only the system sets; it has labelled the new file, too.
                Err(Errno::PERM | Errno::OPNOTSUPP | Errno::ACCESS) => {}
                done => done?,
            }
        }
        Ok(())
    }

    /// Gives the file its name, replacing what has it.
    ///
    /// # Errors
    ///
    /// The disk or the folder refuses. What had the name still has it then.
    pub fn commit(self) -> Result<(), IoError> {
        self.name(true)
    }

    /// Gives the file its name, unless something has it.
    ///
    /// # Errors
    ///
    /// Something has the name ([`io::ErrorKind::AlreadyExists`]), or the disk or the folder refuses.
    pub fn commit_new(self) -> Result<(), IoError> {
        self.name(false)
    }

    fn name(self, replaces: bool) -> Result<(), IoError> {
        let refuse = |source| IoError::at("write", &self.target)(source);
        let folder = folder_of(&self.target);
        if self.durability == Durability::Durable {
            self.content.file().sync_all().map_err(refuse)?;
        }
        let named = match self.content {
            Content::Named(file) if replaces => {
                file.persist(&self.target).map(drop).map_err(|error| error.error)
            }
            Content::Named(file) => {
                file.persist_noclobber(&self.target).map(drop).map_err(|error| error.error)
            }
            Content::Unnamed(file) if replaces => give_name(&file, folder, &self.target),
            Content::Unnamed(file) => give_new_name(&file, &self.target).map_err(io::Error::from),
        };
        named.map_err(refuse)?;
        if self.durability == Durability::Durable {
            crate::sync_folder(folder)?;
        }
        Ok(())
    }

    /// Writes `content` to `target` whole: [`create`](Self::create), write, [`commit`](Self::commit).
    ///
    /// # Errors
    ///
    /// As theirs.
    pub fn write(target: &Path, content: &[u8], mode: u32, durability: Durability) -> Result<(), IoError> {
        let file = Self::create(target, mode, durability)?;
        io::Write::write_all(&mut file.file(), content).map_err(IoError::at("write", target))?;
        file.commit()
    }
}

impl Content {
    fn file(&self) -> &File {
        match self {
            Self::Unnamed(file) => file,
            Self::Named(file) => file.as_file(),
        }
    }
}

/// The path behind the symbolic links at the end of `path`, of which the last may lead to nothing yet.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    // As many as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(path);
            }
            Err(error) => return Err(error),
        }
    }
    Err(Errno::LOOP.into())
}

/// A file without a name, or with a temporary one where the file system requires one.
fn unnamed(folder: &Path) -> io::Result<Content> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    match rustix::fs::openat(CWD, folder, flags, Mode::from_raw_mode(0o600)) {
        Ok(file) if Path::new("/proc/self/fd").exists() => Ok(Content::Unnamed(File::from(file))),
        Ok(_) | Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
            Ok(Content::Named(tempfile::Builder::new().prefix(PREFIX).tempfile_in(folder)?))
        }
        Err(errno) => Err(errno.into()),
    }
}

/// Gives a file without a name one that nothing has.
fn give_new_name(file: &File, target: &Path) -> Result<(), Errno> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, open.as_str(), CWD, target, AtFlags::SYMLINK_FOLLOW)
}

/// Gives a file without a name one, replacing what has it.
fn give_name(file: &File, folder: &Path, target: &Path) -> io::Result<()> {
    match give_new_name(file, target) {
        // `linkat` replaces nothing: the file takes a temporary name, which can be renamed.
        Err(Errno::EXIST) => {
            let named = tempfile::Builder::new()
                .prefix(PREFIX)
                .make_in(folder, |name| Ok(give_new_name(file, name)?))?;
            named.persist(target).map(drop).map_err(|error| error.error)
        }
        done => Ok(done?),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        // Not in /dev: a failure would harm the machine.
        let error = AtomicFile::write(&socket, b"text", 0o644, Durability::Cache).unwrap_err().to_string();
        assert!(error.ends_with("it is not a regular file"), "{error}");
        assert!(!socket.metadata().unwrap().is_file());
    }
}
