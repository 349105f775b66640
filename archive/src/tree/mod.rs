//! A read-only view of an archive, whether it is an ISO file, a mounted ISO or a folder.
//!
//! Paths are relative to the root, their parts separated by `/`; the root is the empty path. No path, and no symbolic
//! link, leads out of the archive: links are followed inside the view, never by the operating system.

mod folder;
mod image_file;
mod location;

use std::fs::File;
use std::path::{Path, PathBuf};

use content::LinkPolicy;

pub use folder::FolderTree;
pub use image_file::IsoTree;
pub use location::{Location, LocationPiece};

use crate::{Error, Result};

/// The deepest folder that is read, as the number of parts of its path.
pub const DEPTH_MAX: usize = 64;
/// The most entries that a walk lists, and lines of a list of them.
pub(crate) const ENTRIES: usize = 500_000;
/// The most symbolic links on the way to one file, as the kernel has it (`MAXSYMLINKS`).
const LINKS: usize = 40;

/// A read-only view of an archive.
///
/// ```
/// let folder = tempfile::tempdir()?;
/// std::fs::write(folder.path().join("product.txt"), "NAME=Example\nVERSION=1.0\n")?;
///
/// let tree = archive::Tree::open(folder.path())?;
/// assert_eq!(tree.read("product.txt", 1024)?, b"NAME=Example\nVERSION=1.0\n");
/// assert!(tree.read("../secret", 1024).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub enum Tree {
    /// A folder, or a mounted ISO.
    Folder(FolderTree),
    /// An ISO file, read in place.
    Iso(Box<IsoTree>),
}

/// A file, folder or link of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// The last part of its path; empty for the root.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// Its size in bytes; 0 for all but files.
    pub size: u64,
    /// Its permission bits (`0o644`).
    pub mode: u32,
    /// When it was last changed, in Unix seconds.
    pub mtime: i64,
    /// Where the bytes of a file of an ISO are.
    pub(crate) pieces: Box<[LocationPiece]>,
}

/// The kind of a [`TreeEntry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link, with its target as it is written.
    Symlink(String),
    /// A device, socket or pipe. Archives have none; they are never opened.
    Other,
}

impl EntryKind {
    pub(crate) fn noun(&self) -> &'static str {
        match self {
            Self::Directory => "a folder",
            Self::File => "a file",
            Self::Symlink(_) => "a symbolic link",
            Self::Other => "a device, socket or pipe",
        }
    }
}

impl Tree {
    /// Opens an archive: a folder as it is, a file as an ISO image.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if there is nothing to open, or a pipe or socket; [`Error::Iso`] if the file is not an ISO image.
    pub fn open(path: &Path) -> Result<Self> {
        match content::open_device(path, LinkPolicy::Follow) {
            Ok(file) => Self::of_file(file, path),
            Err(error) if error.kind() == std::io::ErrorKind::IsADirectory => {
                Ok(Self::Folder(FolderTree::open(path)?))
            }
            Err(error) => Err(Error::io(error.operation, path, error.source)),
        }
    }

    /// The ISO image in a file that is open already. `path` names it in messages; nothing is opened by it.
    ///
    /// # Errors
    ///
    /// [`Error::Iso`] if the file is not an ISO image.
    pub fn of_file(file: File, path: &Path) -> Result<Self> {
        Ok(Self::Iso(Box::new(IsoTree::of(file, path)?)))
    }

    /// The path the archive was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder.path(),
            Self::Iso(image) => image.path(),
        }
    }

    /// What lies at `path`, or `None`. A symbolic link is itself; links on the way to it are followed.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] for an invalid path or a link that leads out; what reading folders gives.
    pub fn entry(&self, path: &str) -> Result<Option<TreeEntry>> {
        check_path(path)?;
        match path.rsplit_once('/') {
            None => self.raw_entry(path),
            Some((parent, name)) => match self.resolve(parent)? {
                Some(parent) => self.raw_entry(&join(&parent, name)),
                None => Ok(None),
            },
        }
    }

    /// The entries of a folder, sorted by name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Kind`], [`Error::Path`]; what reading folders gives.
    pub fn read_dir(&self, path: &str) -> Result<Vec<TreeEntry>> {
        let path = self.resolved(path)?;
        let mut entries = self.raw_read_dir(&path)?;
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    /// Everything below the root with its path, folders before what they hold, names in order. Links are not followed.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] for a tree no honest archive has; what reading folders gives.
    pub fn walk(&self) -> Result<Vec<(String, TreeEntry)>> {
        self.walk_below("")
    }

    /// As [`Tree::walk`], for what lies below one folder; paths stay relative to the root. Empty if there is no such folder.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::walk`].
    pub fn walk_below(&self, path: &str) -> Result<Vec<(String, TreeEntry)>> {
        let mut found = Vec::new();
        self.each_folder(path, &mut |folder, entries| {
            found.extend(entries.into_iter().map(|entry| (join(folder, &entry.name), entry)));
            Ok(())
        })?;
        // By the parts of the path: a folder before what is in it.
        found.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        Ok(found)
    }

    /// Calls `visit` with each folder from `path` on, its path and its entries, both in order of their names; a large tree
    /// is never in memory as a whole. Links are not followed.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::walk`] and of `visit`.
    pub fn each_folder(
        &self,
        path: &str,
        visit: &mut dyn FnMut(&str, Vec<TreeEntry>) -> Result<()>,
    ) -> Result<()> {
        self.each_folder_or(path, visit, &mut |_, error| Err(error))
    }

    /// As [`Tree::each_folder`]; `failed` is called with the path of each folder that cannot be read, and the walk continues if
    /// it returns `Ok`.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`] for a tree no honest archive has; those of `visit` and of `failed`.
    pub fn each_folder_or(
        &self,
        path: &str,
        visit: &mut dyn FnMut(&str, Vec<TreeEntry>) -> Result<()>,
        failed: &mut dyn FnMut(&str, Error) -> Result<()>,
    ) -> Result<()> {
        let Some(path) = self.resolve(path)? else { return Ok(()) };
        match self {
            Self::Folder(folder) => {
                let list = |path: &str, (): &()| {
                    Ok(folder.read_dir(path)?.into_iter().map(|entry| (entry, ())).collect())
                };
                walk(folder.path(), path, (), list, visit, failed)
            }
            Self::Iso(image) => {
                let mut seen = std::collections::HashSet::new();
                let Some(start) = image.find(&path)? else { return Ok(()) };
                let list = |path: &str, folder: &_| image.list(path, folder, &mut seen);
                walk(image.path(), path, start, list, visit, failed)
            }
        }
    }

    /// The content of a file of at most `limit` bytes. Links are followed inside the archive.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::locate`], and [`Error::Limit`] for a larger file.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>> {
        let location = self.locate(path)?;
        if location.size > limit {
            return Err(Error::Limit {
                what: format!("the size of {path:?} in {}", self.path().display()),
                limit,
                found: location.size,
            });
        }
        location.read_all().map_err(|source| Error::io("read", self.path().join(path), source))
    }

    /// Where the bytes of a file are, for reading them by position. Links are followed inside the archive.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Kind`], [`Error::Path`]; what reading folders gives.
    pub fn locate(&self, path: &str) -> Result<Location> {
        check_path(path)?;
        if let Self::Folder(folder) = self
            && let Some(location) = folder.locate_at_once(path)
        {
            return Ok(location);
        }
        let path = self.resolved(path)?;
        match self {
            Self::Folder(folder) => folder.locate(&path),
            Self::Iso(image) => image.locate(&path),
        }
    }

    /// As [`Tree::locate`] for a file that [`Tree::walk`] or [`Tree::read_dir`] has found at `path`: nothing is looked
    /// up again in an ISO.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::locate`].
    pub fn locate_entry(&self, path: &str, entry: &TreeEntry) -> Result<Location> {
        match self {
            Self::Iso(image) if entry.kind == EntryKind::File => Ok(image.location(entry)),
            _ => self.locate(path),
        }
    }

    /// Whether the bytes of a file of this tree exist: false for those that a truncated ISO has lost.
    #[must_use]
    pub fn holds(&self, entry: &TreeEntry) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Iso(image) => image.holds(entry),
        }
    }

    /// The path that `path` leads to once every symbolic link is followed, or `None` where it leads to nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Path`] for a link that leads out of the archive or round in circles; what reading folders gives.
    pub fn resolve(&self, path: &str) -> Result<Option<String>> {
        follow(path, &mut |path| Ok(self.raw_entry(path)?.map(|entry| entry.kind)))
    }

    /// Checks that every symbolic link of the tree stays inside; its target need not exist.
    ///
    /// # Errors
    ///
    /// Those of [`Tree::walk`] and [`Tree::resolve`].
    pub fn check_links(&self) -> Result<()> {
        self.each_folder("", &mut |folder, entries| {
            for entry in entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Symlink(_))) {
                self.resolve(&join(folder, &entry.name))?;
            }
            Ok(())
        })
    }

    /// [`Tree::resolve`], or the error that there is nothing.
    fn resolved(&self, path: &str) -> Result<String> {
        self.resolve(path)?
            .ok_or_else(|| Error::NotFound { archive: self.path().to_path_buf(), path: path.to_owned() })
    }

    /// The entry at a path without links on the way.
    fn raw_entry(&self, path: &str) -> Result<Option<TreeEntry>> {
        match self {
            Self::Folder(folder) => folder.entry(path),
            Self::Iso(image) => image.entry(path),
        }
    }

    /// The entries of a folder at a path without links on the way.
    fn raw_read_dir(&self, path: &str) -> Result<Vec<TreeEntry>> {
        match self {
            Self::Folder(folder) => folder.read_dir(path),
            Self::Iso(image) => image.read_dir(path),
        }
    }
}

/// The path that `path` leads to in a tree once every symbolic link is followed, or `None` where it leads to nothing.
/// `look` gives what lies at a path without links on the way. This is the rule for the links of an archive: a relative
/// target that stays inside, whether it exists or not.
///
/// # Errors
///
/// [`Error::Path`] for a link that is absolute, leads out of the tree or round in circles; those of `look`.
pub fn follow(path: &str, look: &mut dyn FnMut(&str) -> Result<Option<EntryKind>>) -> Result<Option<String>> {
    check_path(path)?;
    let refused = |problem| Error::Path { path: path.to_owned(), problem };
    let mut links = 0;
    let mut done = String::new();
    // The parts still to go, the next one last.
    let mut parts: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
    while let Some(part) = parts.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => match done.rfind('/') {
                Some(end) => done.truncate(end),
                None if done.is_empty() => {
                    return Err(refused("a symbolic link on it leads out of the archive"));
                }
                None => done.clear(),
            },
            name => {
                let next = join(&done, name);
                match look(&next)? {
                    None => return Ok(None),
                    Some(EntryKind::Symlink(target)) => {
                        links += 1;
                        if links > LINKS {
                            return Err(refused("too many symbolic links are on it"));
                        }
                        if target.starts_with('/') {
                            return Err(refused("a symbolic link on it leads out of the archive"));
                        }
                        parts.extend(target.rsplit('/').map(str::to_owned));
                    }
                    Some(kind) => {
                        let more = parts.iter().any(|part| !matches!(part.as_str(), "" | "."));
                        if kind != EntryKind::Directory && more {
                            return Ok(None);
                        }
                        done = next;
                    }
                }
            }
        }
    }
    Ok(Some(done))
}

/// Visits every folder from `start` at `path` on; `list` gives the entries of a folder and what lists them in turn, `failed`
/// decides about one that cannot be listed.
fn walk<N>(
    archive: &Path,
    path: String,
    start: N,
    mut list: impl FnMut(&str, &N) -> Result<Vec<(TreeEntry, N)>>,
    visit: &mut dyn FnMut(&str, Vec<TreeEntry>) -> Result<()>,
    failed: &mut dyn FnMut(&str, Error) -> Result<()>,
) -> Result<()> {
    let mut count = 0;
    let mut waiting = vec![(path, start)];
    while let Some((path, node)) = waiting.pop() {
        let depth = path.split('/').count();
        if depth > DEPTH_MAX {
            let what = format!("the depth of {path:?} in {}", archive.display());
            return Err(Error::Limit { what, limit: DEPTH_MAX as u64, found: depth as u64 });
        }
        let mut listed = match list(&path, &node) {
            Ok(listed) => listed,
            Err(error) => {
                failed(&path, error)?;
                continue;
            }
        };
        count += listed.len();
        if count > ENTRIES {
            let what = format!("the number of files in {}", archive.display());
            return Err(Error::Limit { what, limit: ENTRIES as u64, found: count as u64 });
        }
        listed.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        let mut entries = Vec::with_capacity(listed.len());
        let mut folders = Vec::new();
        for (entry, node) in listed {
            if entry.kind == EntryKind::Directory {
                folders.push((join(&path, &entry.name), node));
            }
            entries.push(entry);
        }
        waiting.extend(folders.into_iter().rev());
        visit(&path, entries)?;
    }
    Ok(())
}

/// Checks that a path is relative, has no empty part, no `.` and no `..`, and no NUL. The empty path is the root.
///
/// # Errors
///
/// [`Error::Path`] with the reason.
pub fn check_path(path: &str) -> Result<()> {
    let problem = if path.is_empty() {
        return Ok(());
    } else if path.starts_with('/') {
        "it is absolute"
    } else if path.len() > 4096 {
        "it has more than 4096 bytes"
    } else if path.contains('\0') {
        "it has a NUL"
    } else if path.split('/').any(str::is_empty) {
        "a part of it is empty"
    } else if path.split('/').any(|part| part == "." || part == "..") {
        "a part of it is `.` or `..`"
    } else {
        return Ok(());
    };
    Err(Error::Path { path: path.to_owned(), problem })
}

pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

fn wrong_kind(archive: &Path, path: &str, expected: &'static str, found: &EntryKind) -> Error {
    Error::Kind { archive: PathBuf::from(archive), path: path.to_owned(), expected, found: found.noun() }
}

#[cfg(test)]
mod tests;
