//! The files that an input names.

use std::path::{Path, PathBuf};

use crate::model::error::FileError;
use crate::model::paths;
use crate::model::task::TaskInput;
use crate::model::tree::InputTree;
use crate::record::walk::walk;

impl TaskInput {
    /// The files and links that it names now, relative to `root` if they are below it, without those below `build_root`. An
    /// invalid pattern names none: [`Graph::new`](crate::Graph::new) refuses it.
    ///
    /// # Errors
    ///
    /// A folder cannot be listed.
    pub fn files(&self, root: &Path, build_root: &Path) -> Result<Vec<PathBuf>, FileError> {
        if let Self::File(path) | Self::Named { path, .. } = self {
            return Ok(vec![paths::normal(root, path)]);
        }
        let Some(tree) = self.tree(root) else { return Ok(Vec::new()) };
        let found = walk(root, &paths::normal(root, build_root), &tree)?.unwrap_or_default();
        let whole = found.into_iter().map(|path| tree.root.join(path));
        Ok(whole
            .filter(|path| !root.join(path).symlink_metadata().is_ok_and(|found| found.is_dir()))
            .collect())
    }

    /// Whether a file at `path`, relative to `root`, would be among its [`files`](Self::files).
    #[must_use]
    pub fn covers(&self, root: &Path, path: &Path) -> bool {
        match self {
            Self::File(file) | Self::Named { path: file, .. } => paths::normal(root, file) == path,
            _ => self.tree(root).is_some_and(|tree| {
                paths::relative_to(path, &tree.root).is_some() && tree.may_hold(path, false)
            }),
        }
    }

    fn tree(&self, root: &Path) -> Option<InputTree> {
        let mut input = self.clone();
        input.normalize(root);
        InputTree::of(&input)?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_names_its_files_and_covers_future_ones() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in ["a/x.rs", "a/b/y.rs", "a/b/z.txt", "c"] {
            std::fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            std::fs::write(root.join(file), "").unwrap();
        }
        let without = TaskInput::Folder { path: root.join("a"), exclude: vec!["b".into()] };
        for (input, files, gone, other) in [
            (TaskInput::file(root.join("c")), &["c"][..], "c", "d"),
            (TaskInput::folder("a"), &["a/b/y.rs", "a/b/z.txt", "a/x.rs"], "a/b/gone", "b/gone"),
            (without, &["a/x.rs"], "a/gone", "a/b/gone"),
            (TaskInput::glob("a", "**/*.rs"), &["a/b/y.rs", "a/x.rs"], "a/d/gone.rs", "a/gone.txt"),
            (TaskInput::value("v", "1"), &[], "", "c"),
        ] {
            let mut found = input.files(root, Path::new("_build")).unwrap();
            found.sort();
            assert_eq!(found, files.iter().map(PathBuf::from).collect::<Vec<_>>(), "{input:?}");
            assert_eq!(input.covers(root, Path::new(gone)), !files.is_empty(), "{input:?}");
            assert!(!input.covers(root, Path::new(other)), "{input:?}");
        }
    }
}
