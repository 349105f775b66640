//! Copying an image's tree into a folder.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use content::{IoError, Root};

use crate::image::{IsoEntry, IsoEntryKind, IsoImage, ReadAt};
use crate::tree::{TYPE, TYPE_PIPE};
use crate::{ByteProgress, Error, Result};

/// Bytes that are copied at a time.
const CHUNK: usize = 1 << 20;
/// Bytes of a target's name that its temporary folder has in its own.
const SHOWN: usize = 200;
/// Set-user-id, set-group-id and the sticky bit.
const SPECIAL: u32 = 0o7_000;

/// Which bits of the modes in an image the copies have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtractedModes {
    /// The permissions. Set-user-id, set-group-id and sticky bits are dropped.
    Permissions,
    /// All bits: a program that runs as its owner does so as the caller then.
    All,
}

/// What an extraction left out or changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extracted {
    /// The entries that are missing in the copy, with the reasons. What is in a missing folder is not listed.
    pub skipped: Vec<Skipped>,
    /// The paths whose set-user-id, set-group-id or sticky bits were dropped.
    pub without_special: Vec<String>,
}

/// An entry of an image that has no copy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// The path in the image.
    pub path: String,
    /// Why it was not copied.
    pub reason: String,
}

impl<S: ReadAt> IsoImage<S> {
    /// Copies the tree into the folder `into`: contents, permissions, modification times, links, hard links and named
    /// pipes. Owners stay those of the caller. A new folder appears whole or not at all; an empty one is filled, and emptied
    /// again if that fails.
    ///
    /// What cannot be copied is skipped: entries with a fault, devices and sockets, and of several entries of one name all
    /// but the first. Nothing is written outside the folder and nothing through a link, whatever the image says. The bytes of
    /// files are reported to `progress`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if `into` is a file or a folder that is not empty, or cannot be written, besides the errors of
    /// [`IsoImage::walk`] and [`IsoImage::read_at`].
    pub fn extract(
        &self,
        into: &Path,
        modes: ExtractedModes,
        progress: &dyn ByteProgress,
    ) -> Result<Extracted> {
        let mut entries: Vec<(PathBuf, Option<usize>, IsoEntry)> = Vec::new();
        for (parent, entry) in self.entries()? {
            let name = OsStr::from_bytes(entry.name_bytes());
            let path = parent
                .and_then(|parent| entries.get(parent))
                .map_or_else(PathBuf::new, |(path, ..)| path.clone());
            entries.push((path.join(name), parent, entry));
        }
        let fill = |path: &Path| -> Result<Extracted> {
            let root = Root::open(path)?;
            let buffer = vec![0; CHUNK];
            let linked = HashMap::new();
            let mut extraction =
                Extraction { image: self, progress, modes, root, linked, buffer, out: Extracted::default() };
            extraction.run(&entries)?;
            Ok(extraction.out)
        };
        content::check_folder(into)?;
        match is_empty_folder(into).map_err(Error::io("create", into))? {
            Some(true) => {
                let done = fill(into);
                if done.is_err() {
                    // The first error is the one to report.
                    let _ = empty(into);
                }
                return done;
            }
            Some(false) => {
                return Err(Error::io("extract into", into)(io::ErrorKind::DirectoryNotEmpty.into()));
            }
            None => {}
        }
        let partial = partial(into)?;
        remove(&partial).map_err(Error::io("remove", &partial))?;
        fs::create_dir(&partial).map_err(Error::io("create", into))?;
        let done = fill(&partial)
            .and_then(|done| fs::rename(&partial, into).map(|()| done).map_err(Error::io("create", into)));
        if done.is_err() {
            let _ = remove(&partial);
        }
        done
    }
}

/// Whether there is an empty folder; `None` if there is nothing.
fn is_empty_folder(path: &Path) -> io::Result<Option<bool>> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
        Ok(_) => Ok(Some(fs::read_dir(path)?.next().is_none())),
    }
}

/// The folder beside `into` that is renamed to it when it is whole. A later extraction takes over what a killed one left.
fn partial(into: &Path) -> Result<PathBuf> {
    let name = into.file_name();
    let name = name.ok_or_else(|| Error::io("create", into)(io::ErrorKind::InvalidInput.into()))?;
    let mut hidden = OsString::from(".");
    // A name may have 255 bytes.
    hidden.push(OsStr::from_bytes(name.as_bytes().get(..SHOWN).unwrap_or(name.as_bytes())));
    hidden.push(".partial");
    Ok(into.with_file_name(hidden))
}

struct Extraction<'a, S> {
    image: &'a IsoImage<S>,
    progress: &'a dyn ByteProgress,
    modes: ExtractedModes,
    root: Root,
    /// The first name of each content that has several.
    linked: HashMap<(u64, u64), PathBuf>,
    buffer: Vec<u8>,
    out: Extracted,
}

impl<S: ReadAt> Extraction<'_, S> {
    fn run(&mut self, entries: &[(PathBuf, Option<usize>, IsoEntry)]) -> Result<()> {
        // The entries that are not there, and so nothing that is in them.
        let mut missing: HashSet<usize> = HashSet::new();
        // Entries of one folder come together, so it is opened once.
        let mut open: Option<(PathBuf, Root)> = None;
        for (index, (path, parent, entry)) in entries.iter().enumerate() {
            if parent.is_some_and(|parent| missing.contains(&parent)) {
                missing.insert(index);
                continue;
            }
            let folder = path.parent().unwrap_or(Path::new(""));
            if open.as_ref().is_none_or(|(path, _)| path != folder) {
                open = Some((folder.to_owned(), self.root.folder(folder)?));
            }
            let Some((_, folder)) = &open else { continue };
            if let Some(reason) = self.entry(folder, path, entry)? {
                missing.insert(index);
                self.out.skipped.push(Skipped { path: path.display().to_string(), reason });
            }
        }
        // Folders last and innermost first: read-only ones take no entries, and entries change their times.
        for (index, (path, _, entry)) in entries.iter().enumerate().rev() {
            if entry.kind == IsoEntryKind::Directory && !missing.contains(&index) {
                let (parent, name) = split(path);
                self.attributes(&self.root.folder(parent)?, name, entry)?;
                self.dropped(path, entry);
            }
        }
        let root = self.image.root();
        self.root.set_attributes(root.mode, root.mtime)?;
        self.out.without_special.sort_unstable();
        Ok(())
    }

    /// Copies an entry; else why it cannot be copied.
    fn entry(&mut self, folder: &Root, path: &Path, entry: &IsoEntry) -> Result<Option<String>> {
        if let Some(fault) = &entry.fault {
            return Ok(Some(fault.to_string()));
        }
        let (_, name) = split(path);
        let created = match &entry.kind {
            IsoEntryKind::Directory => folder.create_dir(name, 0o700),
            IsoEntryKind::Symlink(_) => folder
                .symlink(OsStr::from_bytes(entry.target_bytes().unwrap_or_default()), name)
                .and_then(|()| folder.set_modified(name, entry.mtime)),
            IsoEntryKind::File => return self.file(folder, path, entry),
            IsoEntryKind::Other if entry.mode & TYPE == TYPE_PIPE => {
                folder.create_pipe(name, entry.mode).and_then(|()| folder.set_modified(name, entry.mtime))
            }
            IsoEntryKind::Other => {
                return Ok(Some("a device or a socket, which is not extracted".to_owned()));
            }
        };
        skippable(created)
    }

    fn file(&mut self, folder: &Root, path: &Path, entry: &IsoEntry) -> Result<Option<String>> {
        let (_, name) = split(path);
        let extent = entry.extents.first().filter(|extent| entry.links > 1 && extent.len > 0);
        let place = extent.map(|extent| (extent.offset, entry.size));
        if let Some(first) = place.and_then(|place| self.linked.get(&place)) {
            let linked = self.root.link(first, path);
            self.progress.advance(entry.size);
            return skippable(linked);
        }
        // It gets its permissions once it is written.
        let file = match folder.create_file(name, 0o600) {
            Ok(file) => file,
            Err(error) => return skippable(Err(error)),
        };
        let target = || folder.path().join(name);
        let mut position = 0;
        loop {
            let length = self.image.read_at(entry, position, &mut self.buffer)?;
            if length == 0 {
                break;
            }
            let bytes = self.buffer.get(..length).unwrap_or_default();
            // Zeros stay a hole.
            if bytes.iter().any(|byte| *byte != 0) {
                file.write_all_at(bytes, position).map_err(|error| Error::io("write", &target())(error))?;
            }
            position += length as u64;
            self.progress.advance(length as u64);
        }
        file.set_len(position).map_err(|error| Error::io("write", &target())(error))?;
        drop(file);
        self.attributes(folder, name, entry)?;
        self.dropped(path, entry);
        if let Some(place) = place {
            self.linked.insert(place, path.to_owned());
        }
        Ok(None)
    }

    fn attributes(&self, folder: &Root, name: &Path, entry: &IsoEntry) -> Result<()> {
        match self.modes {
            ExtractedModes::Permissions => folder.set_mode(name, entry.mode)?,
            ExtractedModes::All => folder.set_special_mode(name, entry.mode)?,
        }
        Ok(folder.set_modified(name, entry.mtime)?)
    }

    /// Notes an entry that has special bits which its copy has not.
    fn dropped(&mut self, path: &Path, entry: &IsoEntry) {
        if self.modes == ExtractedModes::Permissions && entry.mode & SPECIAL != 0 {
            self.out.without_special.push(path.display().to_string());
        }
    }
}

/// The folder and the last name of a path.
fn split(path: &Path) -> (&Path, &Path) {
    (path.parent().unwrap_or(Path::new("")), Path::new(path.file_name().unwrap_or_default()))
}

/// Tells a reason that concerns one entry from an error that ends the extraction.
fn skippable(done: Result<(), IoError>) -> Result<Option<String>> {
    use io::ErrorKind::{AlreadyExists, InvalidFilename, InvalidInput, Unsupported};
    match done {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == AlreadyExists => {
            Ok(Some("another entry has the same name, and comes first".to_owned()))
        }
        Err(error) if matches!(error.kind(), InvalidFilename | InvalidInput | Unsupported) => {
            Ok(Some(error.source.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes what a killed extraction left, read-only folders included.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => {
            if !metadata?.is_dir() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
        }
    }
    empty(path)?;
    fs::remove_dir(path)
}

/// Removes what is in a folder, read-only folders included.
fn empty(path: &Path) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
