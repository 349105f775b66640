//! A folder, opened part by part so that no symbolic link is ever followed by the operating system.

use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{EntryKind, Location, LocationPiece, TreeEntry, join, wrong_kind};
use crate::{Error, Result};

/// A folder as a tree.
#[derive(Debug)]
pub struct FolderTree {
    path: PathBuf,
    root: OwnedFd,
}

/// Does not wait for the other end of a pipe, and makes no terminal the controlling one.
const FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

impl FolderTree {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| failed("open", path, errno))?;
        Ok(Self { path: path.to_path_buf(), root })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn entry(&self, path: &str) -> Result<Option<TreeEntry>> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let found = self.folder(parent).and_then(|folder| {
            if name.is_empty() {
                return Ok(entry(name, &rustix::fs::fstat(&folder)?, String::new()));
            }
            let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let target = target(&folder, OsStr::new(name), &stat)?;
            Ok(entry(name, &stat, target))
        });
        match found {
            Ok(entry) => Ok(Some(entry)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG) => Ok(None),
            Err(errno) => Err(failed("examine", &self.path.join(path), errno)),
        }
    }

    pub(super) fn read_dir(&self, path: &str) -> Result<Vec<TreeEntry>> {
        let refused = |errno| match errno {
            Errno::NOTDIR | Errno::LOOP => wrong_kind(&self.path, path, "a folder", &EntryKind::File),
            Errno::NOENT => Error::NotFound { archive: self.path.clone(), path: path.to_owned() },
            errno => failed("list", &self.path.join(path), errno),
        };
        let folder = self.folder(path).map_err(refused)?;
        let mut entries = Vec::new();
        for item in Dir::read_from(&folder).map_err(refused)? {
            let item = item.map_err(refused)?;
            let name = item.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let text = name.to_str().map_err(|_| Error::Path {
                path: join(path, &name.to_string_lossy()),
                problem: "its name is not UTF-8",
            })?;
            let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)?;
            let target = target(&folder, OsStr::from_bytes(name.to_bytes()), &stat).map_err(refused)?;
            entries.push(entry(text, &stat, target));
        }
        Ok(entries)
    }

    pub(super) fn locate(&self, path: &str) -> Result<Location> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let opened = self.folder(parent).and_then(|folder| {
            let file =
                rustix::fs::openat(&folder, if name.is_empty() { "." } else { name }, FILE, Mode::empty())?;
            let stat = rustix::fs::fstat(&file)?;
            Ok((file, stat))
        });
        let (file, stat) = opened.map_err(|errno| match errno {
            Errno::NOENT | Errno::NOTDIR => {
                Error::NotFound { archive: self.path.clone(), path: path.to_owned() }
            }
            errno => failed("open", &self.path.join(path), errno),
        })?;
        let entry = entry(name, &stat, String::new());
        if entry.kind != EntryKind::File {
            return Err(wrong_kind(&self.path, path, "a file", &entry.kind));
        }
        Ok(location(file, &entry))
    }

    /// Opens a file in one call, if the kernel can do so without leaving the folder (Linux 5.6) and no link is its last
    /// part; `None` for all else, which [`FolderTree::locate`] sorts out.
    pub(super) fn locate_at_once(&self, path: &str) -> Option<Location> {
        let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let file = rustix::fs::openat2(&self.root, path, FILE, Mode::empty(), inside).ok()?;
        let entry = entry("", &rustix::fs::fstat(&file).ok()?, String::new());
        (entry.kind == EntryKind::File).then(|| location(file, &entry))
    }

    /// Opens a folder of the tree, part by part.
    fn folder(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        let mut folder = rustix::fs::openat(&self.root, ".", FOLDER, Mode::empty())?;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") {
                return Err(Errno::NOENT);
            }
            folder = rustix::fs::openat(&folder, part, FOLDER, Mode::empty())?;
        }
        Ok(folder)
    }
}

fn location(file: OwnedFd, entry: &TreeEntry) -> Location {
    let pieces = Box::new([LocationPiece { offset: 0, len: entry.size }]);
    Location { file: Arc::new(File::from(file)), pieces, size: entry.size, mtime: entry.mtime }
}

fn target(folder: &OwnedFd, name: &OsStr, stat: &Stat) -> rustix::io::Result<String> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Ok(String::new());
    }
    let target = rustix::fs::readlinkat(folder, name, Vec::new())?;
    target.into_string().map_err(|_| Errno::ILSEQ)
}

fn entry(name: &str, stat: &Stat, target: String) -> TreeEntry {
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => EntryKind::Directory,
        FileType::RegularFile => EntryKind::File,
        FileType::Symlink => EntryKind::Symlink(target),
        _ => EntryKind::Other,
    };
    let size = if kind == EntryKind::File { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 };
    TreeEntry {
        name: name.to_owned(),
        kind,
        size,
        mode: stat.st_mode & 0o7777,
        mtime: stat.st_mtime,
        pieces: Box::default(),
    }
}

fn failed(operation: &'static str, path: &Path, errno: Errno) -> Error {
    Error::io(operation, path, errno.into())
}
