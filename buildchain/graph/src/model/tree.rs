//! Folder and glob inputs: which paths below a folder count.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::model::paths;
use crate::model::task::Input;

/// A folder or glob input, ready to be matched.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The folder, normal.
    pub(crate) root: PathBuf,
    /// Only the files that match; `None` for all of everything.
    pub(crate) only: Option<GlobSet>,
    /// Left out, with all below.
    pub(crate) exclude: GlobSet,
}

impl Tree {
    /// The tree of `input`, whose paths are normal; `None` if it is neither a folder nor a glob.
    pub(crate) fn of(input: &Input) -> Option<Result<Self, globset::Error>> {
        match input {
            Input::Folder { path, exclude } => {
                Some(set(exclude).map(|exclude| Self { root: path.clone(), only: None, exclude }))
            }
            Input::Glob { root, pattern } => Some(set(std::slice::from_ref(pattern)).map(|only| Self {
                root: root.clone(),
                only: Some(only),
                exclude: GlobSet::empty(),
            })),
            Input::File(_) | Input::Named { .. } | Input::Value { .. } => None,
        }
    }

    /// `path`, relative to the folder, or a folder it lies in, is left out.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        !self.exclude.is_empty() && paths::upwards(path).any(|path| self.exclude.is_match(path))
    }

    /// The output `path` of another task may be part of this input.
    pub(crate) fn may_hold(&self, path: &Path, is_folder: bool) -> bool {
        match paths::relative_to(path, &self.root) {
            // The tree lies within the output, if at all.
            None => is_folder && paths::is_within(&self.root, path),
            Some(rest) if self.excludes(rest) => false,
            // A glob cannot be matched against what a folder will hold.
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
