//! Looking at the inputs and outputs of a task: the traversal that makes its manifest.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use globset::GlobSet;

use super::digest::Digest;
use super::files::{Files, Kind, LookError, Seen};
use super::manifest::{Item, Tag, Value, put};
use super::model::Node;
use super::paths;
use super::task::{Input, Output};
use super::tree::Tree;

/// A listing, for the state to keep: its digest stands in the manifest.
pub(super) type Listing = (Digest, Vec<u8>);

/// The inputs of a task could not be looked at.
#[derive(Debug, thiserror::Error)]
pub(super) enum SurveyError {
    #[error("input {} is missing", .0.display())]
    Missing(PathBuf),
    #[error(transparent)]
    Look(#[from] LookError),
}

/// The layout of a manifest. Changing anything a key is made of changes this, and every task runs once more.
const VERSION: &[u8] = b"1";

/// Writes the manifest of a task into `bytes`.
pub(super) fn inputs(
    root: &Path,
    node: &Node,
    files: &Files,
    listings: &mut Vec<Listing>,
    bytes: &mut Vec<u8>,
) -> Result<(), SurveyError> {
    put(bytes, &Item { tag: Tag::Value, name: b"manifest", value: Value::Text(VERSION) });
    for output in &node.task.outputs {
        let tag = match output {
            Output::File(_) => Tag::MakesFile,
            Output::Folder(_) => Tag::MakesFolder,
        };
        put(bytes, &Item { tag, name: output.path().as_os_str().as_bytes(), value: Value::Nothing });
    }
    let mut trees = node.trees.iter();
    let mut paths: Vec<&Path> = Vec::new();
    for input in &node.task.inputs {
        match input {
            Input::File(path) => paths.push(path),
            Input::Value { name, value } => put(
                bytes,
                &Item { tag: Tag::Value, name: name.as_bytes(), value: Value::Text(value.as_bytes()) },
            ),
            Input::Folder { .. } | Input::Glob { .. } => {
                if let Some(tree) = trees.next() {
                    let value = Value::Listing(list(root, tree, files, listings)?);
                    let tag = if tree.only.is_some() { Tag::Glob } else { Tag::Folder };
                    put(bytes, &Item { tag, name: tree.root.as_os_str().as_bytes(), value });
                }
            }
        }
    }
    for (path, seen) in paths.iter().zip(files.look_all(&paths, true)) {
        let seen = seen?.ok_or_else(|| SurveyError::Missing((*path).to_owned()))?;
        if seen.kind == Kind::Folder {
            return Err(LookError::NotAFile { path: (*path).to_owned(), found: "a folder" }.into());
        }
        put(bytes, &Item { tag: Tag::File, name: path.as_os_str().as_bytes(), value: Value::Seen(seen) });
    }
    Ok(())
}

/// Writes what the outputs of a task are now into `bytes`; what is not there, as nothing.
pub(super) fn outputs(
    root: &Path,
    node: &Node,
    files: &Files,
    listings: &mut Vec<Listing>,
    bytes: &mut Vec<u8>,
) -> Result<(), LookError> {
    for output in &node.task.outputs {
        let path = output.path();
        let (tag, value) = match output {
            Output::File(_) => match files.look_at_link(path)? {
                // A folder stands in the place of the file: the file is not there.
                Some(seen) if seen.kind != Kind::Folder => (Tag::File, Value::Seen(seen)),
                _ => (Tag::File, Value::Nothing),
            },
            Output::Folder(_) => {
                let tree = Tree { root: path.clone(), only: None, exclude: GlobSet::empty() };
                let value = match list(root, &tree, files, listings) {
                    Ok(digest) => Value::Listing(digest),
                    Err(SurveyError::Missing(_)) => Value::Nothing,
                    Err(SurveyError::Look(error)) => return Err(error),
                };
                (Tag::Folder, value)
            }
        };
        put(bytes, &Item { tag, name: path.as_os_str().as_bytes(), value });
    }
    Ok(())
}

/// Lists a tree; the digest of the listing.
fn list(root: &Path, tree: &Tree, files: &Files, listings: &mut Vec<Listing>) -> Result<Digest, SurveyError> {
    let found = walk(root, tree)?;
    let mut bytes = Vec::with_capacity(found.len() * 64);
    if tree.only.is_none() {
        let seen = files.look(&tree.root)?.ok_or_else(|| SurveyError::Missing(tree.root.clone()))?;
        put_seen(&mut bytes, Path::new(""), seen);
    }
    let whole: Vec<PathBuf> = found.iter().map(|path| tree.root.join(path)).collect();
    let refs: Vec<&Path> = whole.iter().map(PathBuf::as_path).collect();
    for (path, seen) in found.iter().zip(files.look_all(&refs, false)) {
        // What vanished since it was listed is as if it had never been there.
        if let Some(seen) = seen? {
            put_seen(&mut bytes, path, seen);
        }
    }
    let digest = Digest::of(&bytes);
    listings.push((digest, bytes));
    Ok(digest)
}

fn put_seen(bytes: &mut Vec<u8>, path: &Path, seen: Seen) {
    put(bytes, &Item { tag: Tag::File, name: path.as_os_str().as_bytes(), value: Value::Seen(seen) });
}

/// The paths of a tree that count, relative to it, in the order of the graph.
fn walk(root: &Path, tree: &Tree) -> Result<Vec<PathBuf>, SurveyError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = tree.root.join(&folder);
        let failed = |error: io::Error| LookError::io("list", &path, error);
        let entries = match fs::read_dir(root.join(&path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !folder.as_os_str().is_empty() || tree.only.is_some() {
                    continue;
                }
                return Err(SurveyError::Missing(path));
            }
            Err(error) => return Err(failed(error).into()),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let child = folder.join(entry.file_name());
            if tree.exclude.is_match(&child) {
                continue;
            }
            let is_folder = entry.file_type().map_err(failed)?.is_dir();
            match &tree.only {
                None => found.push(child.clone()),
                Some(only) if !is_folder && only.is_match(&child) => found.push(child.clone()),
                Some(_) => {}
            }
            if is_folder {
                folders.push(child);
            }
        }
    }
    found.sort_by(|a, b| paths::order(a, b));
    Ok(found)
}
