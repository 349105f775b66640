//! What the `.gitignore` files of a folder, and of the folders above it in its repository, ignore.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use content::LinkPolicy;
use iso::IgnoreRules;

use crate::project::git;

/// The name of the files with the rules.
pub(super) const FILE_NAME: &str = ".gitignore";
/// The largest file with rules that is read, in bytes.
pub(super) const FILE_MAX: u64 = 1 << 20;

/// The rules that have been read.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    /// By the folder of the file.
    rules: BTreeMap<PathBuf, IgnoreRules>,
    /// The rules of the repository, which count last, and its folder.
    last: Option<(PathBuf, IgnoreRules)>,
}

impl Ignored {
    /// The rules of the folders above `root`, up to its repository.
    pub(super) fn above(root: &Path) -> Self {
        let mut ignored = Self::default();
        let Some(repository) = git::find(root) else { return ignored };
        for folder in root.ancestors().skip(1).take_while(|folder| folder.starts_with(&repository)) {
            ignored.enter(folder);
        }
        ignored.last = rules(&repository.join(".git/info/exclude")).map(|rules| (repository, rules));
        ignored
    }

    /// Reads the rules of `folder`.
    pub(super) fn enter(&mut self, folder: &Path) {
        if let Some(rules) = rules(&folder.join(FILE_NAME)) {
            self.rules.insert(folder.to_owned(), rules);
        }
    }

    /// Whether `path` is ignored. The folders above it must not be.
    pub(super) fn has(&self, path: &Path, is_folder: bool) -> bool {
        let above = path.ancestors().skip(1);
        let own = above.filter_map(|folder| Some((folder, self.rules.get(folder)?)));
        let last = self.last.iter().map(|(folder, rules)| (folder.as_path(), rules));
        own.chain(last)
            .find_map(|(folder, rules)| rules.decide(path.strip_prefix(folder).ok()?, is_folder))
            .unwrap_or(false)
    }
}

/// The rules of a file; none if it cannot be read.
fn rules(path: &Path) -> Option<IgnoreRules> {
    Some(IgnoreRules::new(&content::open_text(path, LinkPolicy::Refuse, FILE_MAX).ok()?))
}
