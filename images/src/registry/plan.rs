//! What the tree is to hold, and the way there from nothing or from what it holds.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use content::{Digest, parallel};

use crate::dir_layout::digest_of;
use crate::error::{Error, Result, io};
use crate::store::{read_limited, remove};
use crate::tree::{self, Staged, link_or_copy};

/// The name of a file that is not whole yet. No part of an image's name begins with a dot.
const NEW: &str = ".new";
/// Lists are as long as what they list; one that is longer than this on disk is not ours.
const LIST_MAX: u64 = 64 << 20;

/// What every tree has, with or without images.
const FOLDERS: [&str; 3] = ["blobs", "blobs/sha256", "v2"];
/// How many entries a thread makes before it asks for more.
const PIECE: usize = 1024;

/// The order in which files appear; they are removed in the opposite order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Blobs,
    Manifests,
    Names,
}

/// A file of the tree that is also a file of an image.
#[derive(Debug, Clone, Copy)]
pub struct SharedFile<'a> {
    /// The file of the image.
    pub from: &'a Path,
    /// Its path in the tree.
    pub path: &'a str,
    /// The digest that its bytes should have.
    pub digest: &'a Digest,
}

/// What is at a path.
#[derive(Debug)]
pub(super) enum PlannedFile {
    /// The file at another path, whose bytes have this digest.
    Same(PathBuf, Digest),
    /// A symbolic link.
    Link(String),
    /// A file of these bytes.
    Bytes(Vec<u8>),
}

/// A path of the tree and its content.
#[derive(Debug)]
pub(super) struct PlannedEntry {
    stage: Stage,
    /// Below the root.
    path: String,
    item: PlannedFile,
}

impl PlannedEntry {
    pub(super) fn new(stage: Stage, path: String, item: PlannedFile) -> Self {
        Self { stage, path, item }
    }
}

/// Everything in the tree, sorted by path.
#[derive(Debug)]
pub(super) struct TreePlan {
    entries: Vec<PlannedEntry>,
}

impl TreePlan {
    pub(super) fn new(mut entries: Vec<PlannedEntry>) -> Self {
        entries.sort_unstable_by(|one, other| one.path.cmp(&other.path));
        Self { entries }
    }

    /// The files that lie elsewhere, too.
    pub(super) fn shared(&self) -> impl Iterator<Item = SharedFile<'_>> {
        self.entries.iter().filter_map(|entry| match &entry.item {
            PlannedFile::Same(from, digest) => Some(SharedFile { from, path: &entry.path, digest }),
            PlannedFile::Link(_) | PlannedFile::Bytes(_) => None,
        })
    }

    /// The blobs among them.
    pub(super) fn blobs(&self) -> impl Iterator<Item = SharedFile<'_>> {
        self.shared().filter(|shared| Stage::of(shared.path) == Stage::Blobs)
    }

    /// Brings the tree up to date.
    pub(super) fn apply(&self, root: &Path) -> Result<()> {
        content::check_folder(root)?;
        let _lock = tree::lock_beside(root)?;
        match fs::symlink_metadata(root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.make(root),
            Err(error) => Err(io("stat", root)(error)),
            Ok(_) => self.mend(root),
        }
    }

    /// Makes a new tree beside its place: nobody sees it before it is whole, so its files need no order and no temporary
    /// names.
    fn make(&self, root: &Path) -> Result<()> {
        let staged = Staged::new(root)?;
        for folder in FOLDERS {
            let path = staged.path().join(folder);
            content::create_folder(&path)?;
        }
        let pieces: Vec<&[PlannedEntry]> = self.entries.chunks(PIECE).collect();
        parallel::try_map(parallel::processors(), &pieces, |piece| -> Result<_> {
            let mut last = "";
            for PlannedEntry { path, item, .. } in *piece {
                let (folder, _) = path.rsplit_once('/').unwrap_or_default();
                for inner in folders_between(last, folder) {
                    let path = staged.path().join(inner);
                    match fs::create_dir(&path) {
                        // Another piece has files in it too.
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        made => made.map_err(io("create", &path))?,
                    }
                }
                last = folder;
                item.make(&staged.path().join(path))?;
            }
            Ok(())
        })?;
        staged.finish()
    }

    /// Brings a tree that others may be reading up to date.
    fn mend(&self, root: &Path) -> Result<()> {
        let (files, folders) = self.paths();
        let mut there = BTreeSet::new();
        let mut rest = Vec::new();
        walk(root, &mut |path, folder| {
            let (alike, other) = if folder { (&folders, &files) } else { (&files, &folders) };
            let known = alike.contains(path);
            if other.contains(path) {
                // A folder where a file is to be, or the other way round.
                remove(&root.join(path))?;
            } else if !known {
                rest.push((Stage::of(path), path.to_owned()));
            } else if folder {
                there.insert(path.to_owned());
            }
            Ok(known)
        })?;
        for folder in folders.iter().filter(|folder| !there.contains(**folder)) {
            let path = root.join(folder);
            fs::create_dir(&path).map_err(io("create", &path))?;
        }
        for stage in [Stage::Blobs, Stage::Manifests, Stage::Names] {
            for PlannedEntry { path, item, .. } in self.entries.iter().filter(|entry| entry.stage == stage) {
                item.put(&root.join(path))?;
            }
        }
        // What is in no plan: names go first, then manifests, then blobs.
        rest.sort_unstable();
        rest.iter().rev().try_for_each(|(_, path)| remove(&root.join(path)))
    }

    /// The paths of all files and links, and of all folders above them.
    fn paths(&self) -> (BTreeSet<&str>, BTreeSet<&str>) {
        let files = self.entries.iter().map(|entry| entry.path.as_str()).collect();
        let mut folders = BTreeSet::from(FOLDERS);
        let mut last = "";
        for PlannedEntry { path, .. } in &self.entries {
            let (folder, _) = path.rsplit_once('/').unwrap_or_default();
            folders.extend(folders_between(last, folder));
            last = folder;
        }
        (files, folders)
    }
}

/// The folders from the root down to `folder`, itself included, that are not on the way to `last`.
fn folders_between<'a>(last: &str, folder: &'a str) -> impl Iterator<Item = &'a str> {
    let ends = folder.match_indices('/').map(|(end, _)| end).chain([folder.len()]);
    let inner = ends.filter_map(|end| folder.get(..end)).filter(|inner| !inner.is_empty());
    inner.filter(move |inner| {
        !last.strip_prefix(inner).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

impl Stage {
    /// The stage of something that is in no plan.
    fn of(path: &str) -> Self {
        if path.starts_with("blobs") {
            Self::Blobs
        } else if path.contains("/manifests/sha256/") || path.contains("/_manifests/sha256/") {
            Self::Manifests
        } else {
            Self::Names
        }
    }
}

impl PlannedFile {
    /// Makes the item at `path`, where nothing is.
    fn make(&self, path: &Path) -> Result<()> {
        match self {
            Self::Same(from, _) => link_or_copy(from, path),
            Self::Link(target) => symlink(target, path).map_err(io("create", path)),
            Self::Bytes(bytes) => tree::write(path, bytes),
        }
    }

    /// Puts the item at `path`, unless it exists already.
    fn put(&self, path: &Path) -> Result<()> {
        // A link appears whole; only where it cannot be made is there something to look at.
        let made = match self {
            Self::Same(from, _) => fs::hard_link(from, path).is_ok(),
            Self::Link(target) => symlink(target, path).is_ok(),
            Self::Bytes(_) => false,
        };
        if made || self.is_at(path)? {
            return Ok(());
        }
        let new = path.with_file_name(NEW);
        remove(&new)?;
        self.make(&new)?;
        fs::rename(&new, path).map_err(io("create", path))
    }

    fn is_at(&self, path: &Path) -> Result<bool> {
        let there = match fs::symlink_metadata(path) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(io("stat", path)(error)),
        };
        Ok(match self {
            Self::Same(from, digest) => {
                let source = fs::symlink_metadata(from).map_err(io("stat", from))?;
                let linked = (there.dev(), there.ino()) == (source.dev(), source.ino());
                // A copy, where the file system could not link.
                let alike = there.is_file() && there.len() == source.len();
                linked || (alike && digest_of(path)? == *digest)
            }
            Self::Link(target) => {
                there.is_symlink() && fs::read_link(path).is_ok_and(|found| found == Path::new(target))
            }
            Self::Bytes(bytes) => {
                there.is_file() && read_limited(path, LIST_MAX).is_ok_and(|found| found == *bytes)
            }
        })
    }
}

/// Visits everything below `root`: the path and whether it is a folder; `visit` says whether to go on inside.
fn walk(root: &Path, visit: &mut dyn FnMut(&str, bool) -> Result<bool>) -> Result<()> {
    let mut waiting = vec![String::new()];
    while let Some(folder) = waiting.pop() {
        let here = root.join(&folder);
        for entry in fs::read_dir(&here).map_err(io("read", &here))? {
            let entry = entry.map_err(io("read", &here))?;
            let is_folder = entry.file_type().map_err(io("stat", &here))?.is_dir();
            let Some(name) = entry.file_name().to_str().map(ToOwned::to_owned) else {
                let reason = "a name that is not text is not of this tree; remove the tree".into();
                return Err(Error::Layout { path: entry.path(), reason });
            };
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if visit(&path, is_folder)? && is_folder {
                waiting.push(path);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folders_that_are_not_there_are_made() {
        for (last, folder, expected) in [
            ("", "", &[][..]),
            ("", "a/b", &["a", "a/b"]),
            ("a/b", "a/b/c", &["a/b/c"]),
            ("a/b/c", "a/b", &[]),
            ("a/b/c", "a/c", &["a/c"]),
            ("a-b/c", "a/c", &["a", "a/c"]),
        ] {
            let found: Vec<&str> = folders_between(last, folder).collect();
            assert_eq!(found, expected, "{last} -> {folder}");
        }
    }
}
