//! Folder and glob inputs: which paths below a folder they include.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::model::paths;
use crate::model::task::TaskInput;

/// A folder or glob input, with compiled patterns.
#[derive(Debug)]
pub(crate) struct InputTree {
    /// The folder, normalized.
    pub(crate) root: PathBuf,
    /// Includes only the files that match; `None` for all below the folder.
    pub(crate) only: Option<GlobSet>,
    /// Excluded, with all below.
    pub(crate) exclude: GlobSet,
}

impl InputTree {
    /// The tree of `input`, whose paths are normalized; `None` if it is neither a folder nor a glob.
    pub(crate) fn of(input: &TaskInput) -> Option<Result<Self, globset::Error>> {
        match input {
            TaskInput::Folder { path, exclude } => {
                Some(set(exclude).map(|exclude| Self { root: path.clone(), only: None, exclude }))
            }
            TaskInput::Glob { root, pattern } => Some(set(std::slice::from_ref(pattern)).map(|only| Self {
                root: root.clone(),
                only: Some(only),
                exclude: GlobSet::empty(),
            })),
            TaskInput::File(_) | TaskInput::Named { .. } | TaskInput::Value { .. } => None,
        }
    }

    /// Whether `path`, relative to the folder, or a folder above it is excluded.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        !self.exclude.is_empty() && paths::upwards(path).any(|path| self.exclude.is_match(path))
    }

    /// Whether the output `path` of another task may be part of this input.
    pub(crate) fn may_hold(&self, path: &Path, is_folder: bool) -> bool {
        match paths::relative_to(path, &self.root) {
            // Then the folder can only be inside of the output.
            None => is_folder && paths::is_within(&self.root, path),
            Some(rest) if self.excludes(rest) => false,
            // What an output folder will hold is not known: it may match.
            Some(rest) => is_folder || self.only.as_ref().is_none_or(|only| only.is_match(rest)),
        }
    }
}

fn set(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
    }
    set.build()
}
