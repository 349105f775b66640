//! Copying an image's tree into a folder.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};

use crate::image::{Entry, Image, Kind, ReadAt};
use crate::{Error, Progress, Result};

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 20;

impl<S: ReadAt> Image<S> {
    /// Copies the whole tree into the new folder `into`, which appears whole or not at all: contents, permissions,
    /// modification times, links and hard links. Owners stay those of the caller; set-user-id and the like are dropped.
    ///
    /// Nothing is written outside the folder and nothing through a link, whatever the image says. The bytes of files
    /// are told to `progress`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if `into` exists or cannot be written, [`Error::Kind`] if the image holds device nodes, besides the
    /// errors of [`Image::walk`] and [`Image::read_at`].
    pub fn extract(&self, into: &Path, progress: &dyn Progress) -> Result<()> {
        let mut entries: Vec<(PathBuf, Entry)> = Vec::new();
        for (parent, entry) in self.entries()? {
            let name = OsStr::from_bytes(entry.name_bytes());
            let path = parent
                .and_then(|parent| entries.get(parent))
                .map_or_else(PathBuf::new, |(path, _)| path.clone());
            entries.push((path.join(name), entry));
        }
        let name = into.file_name().filter(|_| fs::symlink_metadata(into).is_err());
        let name = name.ok_or_else(|| Error::io("create", into)(io::ErrorKind::AlreadyExists.into()))?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(".partial");
        let partial = into.with_file_name(hidden);
        remove(&partial).map_err(Error::io("remove", &partial))?;
        let done =
            Extraction::new(self, &partial, progress).and_then(|mut extraction| extraction.run(&entries));
        if done.is_err() {
            // The first error is the one to tell.
            let _ = remove(&partial);
        }
        done?;
        fs::rename(&partial, into).map_err(Error::io("create", into))
    }
}

struct Extraction<'a, S> {
    image: &'a Image<S>,
    progress: &'a dyn Progress,
    path: &'a Path,
    root: OwnedFd,
    /// The first name of each content that has several: its folder and its own name.
    linked: HashMap<u64, PathBuf>,
    buffer: Vec<u8>,
}

impl<'a, S: ReadAt> Extraction<'a, S> {
    fn new(image: &'a Image<S>, path: &'a Path, progress: &'a dyn Progress) -> Result<Self> {
        fs::create_dir(path).map_err(Error::io("create", path))?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Error::io("open", path)(error.into()))?;
        Ok(Self { image, progress, path, root, linked: HashMap::new(), buffer: vec![0; CHUNK] })
    }

    fn run(&mut self, entries: &[(PathBuf, Entry)]) -> Result<()> {
        // Entries of one folder come together, so its descriptor is opened once.
        let mut open: Option<(PathBuf, OwnedFd)> = None;
        for (path, entry) in entries {
            let parent = path.parent().unwrap_or(Path::new(""));
            if open.as_ref().is_none_or(|(path, _)| path != parent) {
                open = Some((parent.to_owned(), self.folder(parent)?));
            }
            if let Some((_, folder)) = &open {
                let folder = folder.try_clone().map_err(Error::io("open", path))?;
                self.entry(&folder, path, entry)?;
            }
        }
        // Folders last and innermost first: read-only ones take no entries, and entries change their times.
        for (path, entry) in entries.iter().rev().filter(|(_, entry)| entry.kind == Kind::Directory) {
            let folder = self.folder(path)?;
            set_attributes(&folder, entry).map_err(Error::io("create", &self.path.join(path)))?;
        }
        set_attributes(&self.root, &self.image.root()).map_err(Error::io("create", self.path))
    }

    /// Opens a folder inside the target, part by part, so that no link leads out.
    fn folder(&self, path: &Path) -> Result<OwnedFd> {
        let failed = |error: io::Error| Error::io("open", &self.path.join(path))(error);
        let mut folder = self.root.try_clone().map_err(failed)?;
        for part in path.components() {
            let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = rustix::fs::openat(&folder, part.as_os_str(), flags, Mode::empty())
                .map_err(|error| failed(error.into()))?;
        }
        Ok(folder)
    }

    fn entry(&mut self, folder: &OwnedFd, path: &Path, entry: &Entry) -> Result<()> {
        let target = self.path.join(path);
        let failed = |error: rustix::io::Errno| Error::io("create", &target)(error.into());
        let name = path.file_name().unwrap_or_default();
        match &entry.kind {
            Kind::Directory => rustix::fs::mkdirat(folder, name, Mode::RWXU).map_err(failed),
            Kind::Symlink(_) => {
                let link = entry.target_bytes().unwrap_or_default();
                rustix::fs::symlinkat(link, folder, name).map_err(failed)?;
                let times = times(entry);
                rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)
            }
            Kind::File => self.file(folder, path, entry),
            Kind::Other => {
                Err(Error::Kind { name: path.display().to_string(), expected: "file, folder or link" })
            }
        }
    }

    fn file(&mut self, folder: &OwnedFd, path: &Path, entry: &Entry) -> Result<()> {
        let target = self.path.join(path);
        let failed = |error: rustix::io::Errno| Error::io("create", &target)(error.into());
        let name = path.file_name().unwrap_or_default();
        if let Some(extent) = entry.extents.first().filter(|extent| entry.links > 1 && extent.len > 0) {
            if let Some(first) = self.linked.get(&extent.offset) {
                let from = self.folder(first.parent().unwrap_or(Path::new("")))?;
                let first = first.file_name().unwrap_or_default();
                rustix::fs::linkat(&from, first, folder, name, AtFlags::empty()).map_err(failed)?;
                self.progress.advance(entry.size);
                return Ok(());
            }
            self.linked.insert(extent.offset, path.to_owned());
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            File::from(rustix::fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR).map_err(failed)?);
        let mut position = 0;
        loop {
            let length = self.image.read_at(entry, position, &mut self.buffer)?;
            if length == 0 {
                break;
            }
            let bytes = self.buffer.get(..length).unwrap_or_default();
            // Zeros stay a hole.
            if bytes.iter().any(|byte| *byte != 0) {
                file.write_all_at(bytes, position).map_err(Error::io("write", &target))?;
            }
            position += length as u64;
            self.progress.advance(length as u64);
        }
        file.set_len(position).map_err(Error::io("write", &target))?;
        set_attributes(&OwnedFd::from(file), entry).map_err(Error::io("write", &target))
    }
}

fn set_attributes(file: &OwnedFd, entry: &Entry) -> io::Result<()> {
    rustix::fs::fchmod(file, Mode::from_raw_mode(entry.mode & 0o777))?;
    Ok(rustix::fs::futimens(file, &times(entry))?)
}

fn times(entry: &Entry) -> Timestamps {
    Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: entry.mtime, tv_nsec: 0 },
    }
}

/// Removes what a killed extraction left, read-only folders included.
fn remove(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        match fs::symlink_metadata(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => {
                if !metadata?.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
            }
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(path)
}
