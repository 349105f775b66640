//! A folder below which names from outside become files.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RenameFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fchmod,
    futimens, linkat, mkdirat, mknodat, openat, readlinkat, renameat_with, statat, symlinkat, unlinkat,
    utimensat,
};
use rustix::io::Errno;

use crate::open::open_beneath;
use crate::{IoError, LinkPolicy};

/// The bits of a mode that files from outside may have: no setuid, setgid or sticky bit.
const PERMISSIONS: u32 = 0o777;
/// The bits of a mode that the file system keeps.
const ALL_MODES: u32 = 0o7777;

/// A folder, held open, and everything below it.
///
/// Every path given to its methods is relative, has no `..`, and is walked from the open folder one name at a time
/// without following a symbolic link: whatever lies there or is put there meanwhile, nothing outside of the folder
/// is created, changed or read. Nothing is replaced but by [`rename`](Self::rename).
#[derive(Debug)]
pub struct Root {
    folder: OwnedFd,
    path: PathBuf,
}

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, socket or device.
    Other,
}

/// What a file is, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileMetadata {
    /// Its kind.
    pub kind: FileKind,
    /// Permissions, setuid, setgid and sticky bit.
    pub mode: u32,
    /// Its length, in bytes.
    pub len: u64,
    /// Its device and inode: equal for two names of one file.
    pub identity: (u64, u64),
    /// Its owner.
    pub uid: u32,
}

impl Root {
    /// Opens an existing folder. `path` is the caller's own: links in it are followed.
    ///
    /// # Errors
    ///
    /// It does not exist, is not a folder or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, IoError> {
        let folder = open_folder(CWD, path, OFlags::empty());
        Ok(Self { folder: folder.map_err(IoError::at("open", path))?, path: path.to_owned() })
    }

    /// The path that the folder was opened by, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder below, as a root of its own.
    ///
    /// # Errors
    ///
    /// The path leaves the root, a part of it is not a folder (a link is not), or it cannot be opened.
    pub fn folder(&self, path: &Path) -> Result<Self, IoError> {
        let folder = self.walk(path).map_err(IoError::at("open", &self.path.join(path)))?;
        Ok(Self { folder, path: self.path.join(path) })
    }

    /// Creates a folder in an existing folder, with permissions `mode` (at most 0777).
    ///
    /// # Errors
    ///
    /// Something has that name, the path leaves the root, or the folder cannot be created.
    pub fn create_dir(&self, path: &Path, mode: u32) -> Result<(), IoError> {
        self.at("create", path, |parent, name| {
            mkdirat(parent, name, Mode::from_raw_mode(mode & PERMISSIONS))?;
            chmod(parent, name, mode & PERMISSIONS)
        })
    }

    /// Creates the folders of `path` that do not exist yet, with permissions 0755.
    ///
    /// # Errors
    ///
    /// A part of the path is not a folder, the path leaves the root, or a folder cannot be created.
    pub fn create_dir_all(&self, path: &Path) -> Result<(), IoError> {
        let mut folder = PathBuf::new();
        for name in names(path).map_err(IoError::at("create", &self.path.join(path)))? {
            folder.push(name);
            match self.create_dir(&folder, 0o755) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Whatever has the name must be a folder.
                    drop(self.folder(&folder)?);
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Creates a regular file with permissions `mode` (at most 0777), open for reading and writing.
    ///
    /// # Errors
    ///
    /// Something has that name, the path leaves the root, or the file cannot be created.
    pub fn create_file(&self, path: &Path, mode: u32) -> Result<File, IoError> {
        self.at("create", path, |parent, name| {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = File::from(openat(parent, name, flags, Mode::from_raw_mode(0o600))?);
            fchmod(&file, Mode::from_raw_mode(mode & PERMISSIONS))?;
            Ok(file)
        })
    }

    /// Creates a regular file with permissions `mode` (at most 0777) that `fill` has written: it has its name once it is
    /// whole. A process that is killed before leaves nothing where the file system has files without a name
    /// (`O_TMPFILE`); elsewhere it leaves a file whose name begins with `.sealift.`.
    ///
    /// # Errors
    ///
    /// As [`create_file`](Self::create_file), and what `fill` gives.
    pub fn create_whole(
        &self,
        path: &Path,
        mode: u32,
        fill: impl FnOnce(&File) -> io::Result<()>,
    ) -> Result<(), IoError> {
        self.at("create", path, |parent, name| {
            let mode = Mode::from_raw_mode(mode & PERMISSIONS);
            let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
            match openat(parent, ".", flags, Mode::from_raw_mode(0o600)) {
                Ok(file) => {
                    let file = File::from(file);
                    fill(&file)?;
                    fchmod(&file, mode)?;
                    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
                    Ok(linkat(CWD, open.as_str(), parent, name, AtFlags::SYMLINK_FOLLOW)?)
                }
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {
                    let temporary = format!(".sealift.{}", std::process::id());
                    let flags =
                        OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    let file = File::from(openat(parent, &temporary, flags, Mode::from_raw_mode(0o600))?);
                    let named = fill(&file).and_then(|()| {
                        fchmod(&file, mode)?;
                        Ok(renameat_with(parent, &temporary, parent, name, RenameFlags::NOREPLACE)?)
                    });
                    if named.is_err() {
                        // The error that is reported is the first one.
                        let _ = unlinkat(parent, &temporary, AtFlags::empty());
                    }
                    named
                }
                Err(errno) => Err(errno.into()),
            }
        })
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    ///
    /// It does not exist, is not a regular file (a link is not), or the path leaves the root.
    pub fn open_file(&self, path: &Path) -> Result<File, IoError> {
        self.at("open", path, |parent, name| {
            open_beneath(
                parent,
                Path::new(name),
                LinkPolicy::Refuse,
                &[FileType::RegularFile],
                OFlags::RDONLY,
            )
        })
    }

    /// Opens a regular file for reading and writing, as one that is to be continued.
    ///
    /// # Errors
    ///
    /// As [`open_file`](Self::open_file).
    pub fn open_file_to_write(&self, path: &Path) -> Result<File, IoError> {
        self.at("open", path, |parent, name| {
            open_beneath(parent, Path::new(name), LinkPolicy::Refuse, &[FileType::RegularFile], OFlags::RDWR)
        })
    }

    /// Creates a symbolic link to `target`, which is not looked at.
    ///
    /// # Errors
    ///
    /// Something has that name, the path leaves the root, or the link cannot be created.
    pub fn symlink(&self, target: &OsStr, path: &Path) -> Result<(), IoError> {
        self.at("create", path, |parent, name| Ok(symlinkat(target, parent, name)?))
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    ///
    /// It is not a symbolic link, does not exist, or the path leaves the root.
    pub fn read_link(&self, path: &Path) -> Result<OsString, IoError> {
        self.at("read", path, |parent, name| {
            let target = readlinkat(parent, name, Vec::new())?;
            Ok(std::os::unix::ffi::OsStringExt::from_vec(target.into_bytes()))
        })
    }

    /// Gives the file at `from`, a path of the caller's own that is not below the root, a second name.
    /// If `from` is a symbolic link the link itself is linked.
    ///
    /// # Errors
    ///
    /// Something has that name, the path leaves the root, or the file is on another file system.
    pub fn hard_link(&self, from: &Path, path: &Path) -> Result<(), IoError> {
        self.at("link", path, |parent, name| Ok(linkat(CWD, from, parent, name, AtFlags::empty())?))
    }

    /// Gives the file at `from` a second name. Both paths are below the root.
    ///
    /// # Errors
    ///
    /// There is nothing at `from`, something has the new name, or a path leaves the root.
    pub fn link(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.at("link", to, |target, new| {
            let (source, name) = self.parent(from)?;
            Ok(linkat(source, name, target, new, AtFlags::empty())?)
        })
    }

    /// Creates a named pipe with permissions `mode` (at most 0777).
    ///
    /// # Errors
    ///
    /// Something has that name, the path leaves the root, or the file system has no pipes.
    pub fn create_pipe(&self, path: &Path, mode: u32) -> Result<(), IoError> {
        self.at("create", path, |parent, name| {
            mknodat(parent, name, FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
            chmod(parent, name, mode & PERMISSIONS)
        })
    }

    /// Sets the modification time of a file, a folder or a symbolic link itself, in seconds since
    /// 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// It does not exist, belongs to somebody else, or the path leaves the root.
    pub fn set_modified(&self, path: &Path, seconds: i64) -> Result<(), IoError> {
        self.at("change", path, |parent, name| {
            Ok(utimensat(parent, name, &modified(seconds), AtFlags::SYMLINK_NOFOLLOW)?)
        })
    }

    /// Sets the permissions of the folder itself to `mode`, at most 0777, and its modification time to `seconds` since
    /// 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    ///
    /// It belongs to somebody else.
    pub fn set_attributes(&self, mode: u32, seconds: i64) -> Result<(), IoError> {
        let set = fchmod(&self.folder, Mode::from_raw_mode(mode & PERMISSIONS))
            .and_then(|()| futimens(&self.folder, &modified(seconds)));
        set.map_err(|errno| IoError::at("change", &self.path)(errno.into()))
    }

    /// Moves a file, replacing what has the new name.
    ///
    /// # Errors
    ///
    /// There is nothing to move, a path leaves the root, or the file system refuses.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.rename_with(from, to, RenameFlags::empty())
    }

    /// Moves a file to a name that nothing has.
    ///
    /// # Errors
    ///
    /// As [`rename`](Self::rename), and if something has that name.
    pub fn rename_new(&self, from: &Path, to: &Path) -> Result<(), IoError> {
        self.rename_with(from, to, RenameFlags::NOREPLACE)
    }

    fn rename_with(&self, from: &Path, to: &Path, flags: RenameFlags) -> Result<(), IoError> {
        self.at("rename", from, |source, name| {
            let (target, new) = self.parent(to)?;
            Ok(renameat_with(source, name, target, new, flags)?)
        })
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    ///
    /// It does not exist, is a folder, or the path leaves the root.
    pub fn remove_file(&self, path: &Path) -> Result<(), IoError> {
        self.at("remove", path, |parent, name| Ok(unlinkat(parent, name, AtFlags::empty())?))
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    ///
    /// It does not exist, is not a folder, is not empty, or the path leaves the root.
    pub fn remove_dir(&self, path: &Path) -> Result<(), IoError> {
        self.at("remove", path, |parent, name| Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?))
    }

    /// Sets the permissions of a file or folder to `mode`, at most 0777.
    ///
    /// # Errors
    ///
    /// It does not exist, is a symbolic link, belongs to somebody else, or the path leaves the root.
    pub fn set_mode(&self, path: &Path, mode: u32) -> Result<(), IoError> {
        self.at("change", path, |parent, name| chmod(parent, name, mode & PERMISSIONS))
    }

    /// As [`set_mode`](Self::set_mode), with setuid, setgid and sticky bit where the caller has decided to trust them.
    ///
    /// # Errors
    ///
    /// As [`set_mode`](Self::set_mode).
    pub fn set_special_mode(&self, path: &Path, mode: u32) -> Result<(), IoError> {
        self.at("change", path, |parent, name| chmod(parent, name, mode & ALL_MODES))
    }

    /// What lies at `path`; of a symbolic link, the link itself.
    ///
    /// # Errors
    ///
    /// Nothing lies there, or the path leaves the root.
    pub fn metadata(&self, path: &Path) -> Result<FileMetadata, IoError> {
        self.at("inspect", path, |parent, name| {
            let found = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let kind = match kind(&found) {
                FileType::RegularFile => FileKind::File,
                FileType::Directory => FileKind::Folder,
                FileType::Symlink => FileKind::Link,
                _ => FileKind::Other,
            };
            let len = u64::try_from(found.st_size).unwrap_or_default();
            let identity = (found.st_dev, found.st_ino);
            Ok(FileMetadata { kind, mode: found.st_mode & ALL_MODES, len, identity, uid: found.st_uid })
        })
    }

    /// Writes the names in the folder itself to the disk.
    ///
    /// # Errors
    ///
    /// The disk fails.
    pub fn sync(&self) -> Result<(), IoError> {
        rustix::fs::fsync(&self.folder).map_err(|errno| IoError::at("write", &self.path)(errno.into()))
    }

    /// Calls `act` with the open folder that holds `path`, and the last name.
    fn at<T>(
        &self,
        operation: &'static str,
        path: &Path,
        act: impl FnOnce(&OwnedFd, &OsStr) -> io::Result<T>,
    ) -> Result<T, IoError> {
        let acted = self.parent(path).and_then(|(parent, name)| act(&parent, name));
        acted.map_err(|source| IoError { operation, path: self.path.join(path), source })
    }

    /// The folder that holds `path`, and the last name.
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let names = names(path)?;
        let (last, folders) = names.split_last().ok_or_else(|| invalid("the path is empty"))?;
        Ok((self.descend(folders)?, last))
    }

    fn walk(&self, path: &Path) -> io::Result<OwnedFd> {
        self.descend(&names(path)?)
    }

    fn descend(&self, folders: &[&OsStr]) -> io::Result<OwnedFd> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.folder, 0)?;
        for name in folders {
            folder = open_folder(&folder, Path::new(name), OFlags::NOFOLLOW)?;
        }
        Ok(folder)
    }
}

/// The names of a path that stays below where it starts.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    path.components()
        .filter(|part| *part != Component::CurDir)
        .map(|part| match part {
            Component::Normal(name) => Ok(name),
            Component::ParentDir => Err(invalid("`..` would lead out of the folder")),
            _ => Err(invalid("an absolute path would lead out of the folder")),
        })
        .collect()
}

fn open_folder(parent: impl std::os::fd::AsFd, path: &Path, links: OFlags) -> io::Result<OwnedFd> {
    let flags = links | OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let parent = parent.as_fd();
    openat(parent, path, flags, Mode::empty()).map_err(|errno| {
        let is_link = || statat(parent, path, AtFlags::SYMLINK_NOFOLLOW).map(|found| kind(&found));
        match errno {
            // Linux says this of a link that is not followed.
            Errno::NOTDIR | Errno::LOOP if is_link() == Ok(FileType::Symlink) => {
                invalid("a symbolic link stands where a folder should")
            }
            errno => errno.into(),
        }
    })
}

/// Sets a mode through no symbolic link. The file need not be readable.
fn chmod(parent: &OwnedFd, name: &OsStr, mode: u32) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(parent, name, flags, Mode::empty())?;
    if kind(&rustix::fs::fstat(&file)?) == FileType::Symlink {
        return Err(invalid("a symbolic link has no permissions of its own"));
    }
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::chmodat(CWD, open.as_str(), Mode::from_raw_mode(mode), AtFlags::empty())?)
}

/// Times that leave the last access as it is.
fn modified(seconds: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: seconds, tv_nsec: 0 },
    }
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
