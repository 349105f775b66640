//! The list of what a task itself created in output folders of the project, beside the files of the user.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::model::paths;
use crate::record::entry::{FileEntry, FileEntryKind};
use crate::record::files::{KnownFiles, NEVER};
use crate::record::key::{ItemTag, ItemValue, ManifestItem, items, put};

/// A file, link or folder that a task created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnFile {
    /// Relative to the root of the graph.
    pub(crate) path: PathBuf,
    pub(crate) entry: FileEntry,
}

/// What is at the path of an [`OwnFile`] now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnState {
    /// Nothing, or a folder of the user in place of the file, or the path leads through a symbolic link now.
    Gone,
    /// What the task created. The mode may differ.
    Same,
    /// The user edited it.
    Edited,
}

impl OwnFile {
    pub(crate) fn is_folder(&self) -> bool {
        self.entry.kind == FileEntryKind::Folder
    }

    /// Compares the record with what is there now. What cannot be read counts as edited: it is kept.
    pub(crate) fn state(&self, files: &KnownFiles) -> OwnState {
        let is_link = |path: &Path| matches!(files.link_entry(path, &NEVER), Ok(Some(entry)) if entry.kind == FileEntryKind::Link);
        match files.link_entry(&self.path, &NEVER) {
            Ok(_) if paths::upwards(&self.path).skip(1).any(is_link) => OwnState::Gone,
            Ok(None) => OwnState::Gone,
            Ok(Some(now)) if now.kind == self.entry.kind && now.digest == self.entry.digest => OwnState::Same,
            Ok(Some(now)) if now.kind == FileEntryKind::Folder => OwnState::Gone,
            Ok(Some(_)) | Err(_) => OwnState::Edited,
        }
    }
}

/// The files of a list, folders before their content.
pub(crate) fn parse(bytes: &[u8]) -> Vec<OwnFile> {
    let own = items(bytes).filter_map(|item| match item.value {
        ItemValue::Entry(entry) if paths::is_normal(item.path()) => {
            Some(OwnFile { path: item.path().to_owned(), entry })
        }
        _ => None,
    });
    own.collect()
}

/// The list of `own`, in the order of [`paths::order`].
pub(crate) fn list(mut own: Vec<OwnFile>) -> Vec<u8> {
    own.sort_by(|a, b| paths::order(&a.path, &b.path));
    let mut bytes = Vec::new();
    for OwnFile { path, entry } in &own {
        put_path(&mut bytes, ItemTag::File, path, ItemValue::Entry(*entry));
    }
    bytes
}

/// Appends an item whose name is a path.
pub(crate) fn put_path(bytes: &mut Vec<u8>, tag: ItemTag, path: &Path, value: ItemValue<'_>) {
    put(bytes, &ManifestItem { tag, name: path.as_os_str().as_bytes(), value });
}
