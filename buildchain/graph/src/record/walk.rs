//! Listing the folder of an input.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::error::FileError;
use crate::model::paths;
use crate::model::tree::InputTree;

/// The paths of a tree that are part of the input, relative to its folder, in the order of [`paths::order`]. A build root
/// below the folder is left out. `None` if the folder does not exist; then a glob matches nothing.
pub(crate) fn walk(
    root: &Path,
    build_root: &Path,
    tree: &InputTree,
) -> Result<Option<Vec<PathBuf>>, FileError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let path = tree.root.join(&folder);
        let failed = |error: io::Error| FileError::at("list", &path)(error);
        let entries = match fs::read_dir(root.join(&path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if !folder.as_os_str().is_empty() || tree.only.is_some() {
                    continue;
                }
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let child = folder.join(entry.file_name());
            if tree.exclude.is_match(&child) || tree.root.join(&child) == build_root {
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
    Ok(Some(found))
}
