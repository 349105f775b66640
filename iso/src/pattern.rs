//! Patterns over paths: what to leave out, what to put first.

use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::{Error, Result};

/// What to leave out of a tree: patterns with the meaning that the lines of a `.gitignore` in its root would have.
///
/// ```
/// let mut exclude = iso::Exclude::new(&["*.tmp", "/cache/", "!keep.tmp", "missing"])?;
/// assert!(exclude.excludes("a/b.tmp".as_ref(), false));
/// assert!(exclude.excludes("cache".as_ref(), true));
/// assert!(!exclude.excludes("a/keep.tmp".as_ref(), false));
/// assert_eq!(exclude.unused().collect::<Vec<_>>(), ["missing"]);
/// # Ok::<(), iso::Error>(())
/// ```
#[derive(Debug)]
pub struct Exclude {
    all: Gitignore,
    /// The patterns that have not matched anything yet, each alone.
    unused: Vec<(String, Gitignore)>,
}

impl Exclude {
    /// Reads `patterns`; the last one that matches a path decides.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`] for a pattern that is malformed.
    pub fn new<S: AsRef<str>>(patterns: &[S]) -> Result<Self> {
        let mut all = GitignoreBuilder::new("");
        let mut unused = Vec::with_capacity(patterns.len());
        for pattern in patterns.iter().map(AsRef::as_ref) {
            let wrong = |error: ignore::Error| Error::Pattern {
                pattern: pattern.to_owned(),
                problem: match error {
                    ignore::Error::Glob { err, .. } => err,
                    error => error.to_string(),
                },
            };
            let line = without_braces(pattern);
            let mut alone = GitignoreBuilder::new("");
            alone.add_line(None, &line).map_err(wrong)?;
            unused.push((pattern.to_owned(), alone.build().map_err(wrong)?));
            all.add_line(None, &line).map_err(wrong)?;
        }
        let all = all
            .build()
            .map_err(|error| Error::Pattern { pattern: String::new(), problem: error.to_string() })?;
        Ok(Self { all, unused })
    }

    /// Whether what lies at `path`, relative to the root of the tree, is left out. Nothing below a folder that is left
    /// out counts: do not ask for it.
    pub fn excludes(&mut self, path: &Path, is_folder: bool) -> bool {
        self.unused.retain(|(_, pattern)| pattern.matched(path, is_folder).is_none());
        self.all.matched(path, is_folder).is_ignore()
    }

    /// The patterns that have matched nothing so far.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        self.unused.iter().map(|(pattern, _)| pattern.as_str())
    }
}

/// The rules of one `.gitignore`.
///
/// ```
/// let rules = iso::IgnoreRules::new("*.tmp\n!keep.tmp\n");
/// assert_eq!(rules.decide("a/b.tmp".as_ref(), false), Some(true));
/// assert_eq!(rules.decide("a/keep.tmp".as_ref(), false), Some(false));
/// assert_eq!(rules.decide("a/b".as_ref(), false), None);
/// ```
#[derive(Debug)]
pub struct IgnoreRules(Gitignore);

impl IgnoreRules {
    /// Reads the text of a `.gitignore`. Malformed lines count for nothing, as for git.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut rules = GitignoreBuilder::new("");
        for line in text.lines() {
            // A malformed line is not added.
            let _ = rules.add_line(None, &without_braces(line));
        }
        Self(rules.build().unwrap_or_else(|_| Gitignore::empty()))
    }

    /// Whether what lies at `path`, relative to the folder of the file, is ignored; `None` if no line says anything about it.
    /// Nothing below a folder that is ignored counts: do not ask for it.
    #[must_use]
    pub fn decide(&self, path: &Path, is_folder: bool) -> Option<bool> {
        match self.0.matched(path, is_folder) {
            ignore::Match::None => None,
            ignore::Match::Ignore(_) => Some(true),
            ignore::Match::Whitelist(_) => Some(false),
        }
    }
}

/// `pattern` with its braces escaped: they mean nothing in a `.gitignore`.
fn without_braces(pattern: &str) -> String {
    let mut line = String::with_capacity(pattern.len());
    let (mut escaped, mut in_class) = (false, false);
    for letter in pattern.chars() {
        match letter {
            '{' | '}' if !escaped && !in_class => line.push('\\'),
            '[' if !escaped => in_class = true,
            ']' if !escaped => in_class = false,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        line.push(letter);
    }
    line
}

/// Patterns with weights; the first that matches decides.
pub(crate) struct Weights(Vec<(GlobMatcher, i32)>);

impl Weights {
    pub(crate) fn new(patterns: &[(String, i32)]) -> Result<Self> {
        let weight = |(pattern, weight): &(String, i32)| Ok((glob(pattern)?, *weight));
        Ok(Self(patterns.iter().map(weight).collect::<Result<_>>()?))
    }

    /// The weight of the file at this path, 0 unless a pattern says otherwise.
    pub(crate) fn of(&self, path: &Path) -> i32 {
        self.0.iter().find(|(pattern, _)| pattern.is_match(path)).map_or(0, |(_, weight)| *weight)
    }
}

fn glob(pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let problem = |error: globset::Error| Error::Pattern {
        pattern: pattern.to_owned(),
        problem: error.kind().to_string(),
    };
    Ok(glob.map_err(problem)?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    const FILES: [&str; 13] = [
        "a.txt",
        "b/key",
        "b/deep/key",
        "d/b/key",
        "d/__pycache__/x.pyc",
        "d/e.tmp",
        "e.tmp",
        "keep.tmp",
        "#hash",
        "!bang",
        "sp ace ",
        "d/[x]",
        "{a,b}",
    ];

    /// The files that git does not ignore; `None` where there is no git.
    fn kept_by_git(root: &Path, patterns: &[&str]) -> Option<Vec<String>> {
        let list = root.parent()?.join("patterns");
        std::fs::write(&list, patterns.join("\n") + "\n").ok()?;
        let git = |arguments: &[&str]| {
            Command::new("git")
                .args(arguments)
                .current_dir(root)
                .env("GIT_CONFIG_GLOBAL", "/dev/null")
                .env("GIT_CONFIG_SYSTEM", "/dev/null")
                .output()
                .ok()
        };
        git(&["init", "-q"])?;
        let listed = git(&["ls-files", "-z", "--others", "--exclude-from", list.to_str()?])?;
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let text = String::from_utf8(listed.stdout).ok()?;
        Some(text.split_terminator('\0').map(ToOwned::to_owned).collect())
    }

    /// The files below `root` that `exclude` leaves.
    fn kept(root: &Path, exclude: &mut Exclude) -> Vec<String> {
        let mut kept = Vec::new();
        let mut waiting = vec![PathBuf::new()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
                let entry = entry.unwrap();
                let (path, is_folder) = (folder.join(entry.file_name()), entry.file_type().unwrap().is_dir());
                if entry.file_name() == ".git" || exclude.excludes(&path, is_folder) {
                    continue;
                }
                if is_folder {
                    waiting.push(path);
                } else {
                    kept.push(path.to_str().unwrap().to_owned());
                }
            }
        }
        kept.sort();
        kept
    }

    #[test]
    fn patterns_leave_out_what_git_ignores() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("tree");
        for file in FILES {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        // Each with what it leaves out, and the patterns that match nothing.
        let cases: &[(&[&str], &[&str], &[&str])] = &[
            (&[], &[], &[]),
            (&["__pycache__"], &["d/__pycache__/x.pyc"], &[]),
            (&["b"], &["b/key", "b/deep/key", "d/b/key"], &[]),
            (&["b/"], &["b/key", "b/deep/key", "d/b/key"], &[]),
            (&["/b"], &["b/key", "b/deep/key"], &[]),
            (&["/b/"], &["b/key", "b/deep/key"], &[]),
            (&["b/key"], &["b/key"], &[]),
            (&["**/b/key"], &["b/key", "d/b/key"], &[]),
            (&["b/**"], &["b/key", "b/deep/key"], &[]),
            (&["./b"], &[], &["./b"]),
            (&["key/"], &[], &["key/"]),
            (&["*.tmp"], &["d/e.tmp", "e.tmp", "keep.tmp"], &[]),
            (&["/*.tmp"], &["e.tmp", "keep.tmp"], &[]),
            (&["*.tmp", "!keep.tmp"], &["d/e.tmp", "e.tmp"], &[]),
            (&["b", "!b/key"], &["b/key", "b/deep/key", "d/b/key"], &["!b/key"]),
            (&["/b/*", "!/b/key"], &["b/deep/key"], &[]),
            (&["d/*", "nothing"], &["d/b/key", "d/__pycache__/x.pyc", "d/e.tmp", "d/[x]"], &["nothing"]),
            (&["#hash"], &[], &["#hash"]),
            (&["\\#hash", "\\!bang"], &["#hash", "!bang"], &[]),
            (&["a.txt   "], &["a.txt"], &[]),
            (&["sp ace\\ "], &["sp ace "], &[]),
            (&["\\[x\\]"], &["d/[x]"], &[]),
            (&["a.tx?", "[ef].tmp"], &["a.txt", "d/e.tmp", "e.tmp"], &[]),
            (&["{a,b}"], &["{a,b}"], &[]),
            (&["{a.txt,e.tmp}"], &[], &["{a.txt,e.tmp}"]),
            (&["a[", "[{]a,b?"], &["{a,b}"], &["a["]),
            (&["*"], &FILES, &[]),
            (&[""], &[], &[""]),
        ];
        for (patterns, out, unused) in cases {
            let mut exclude = Exclude::new(patterns).unwrap();
            let found = kept(&root, &mut exclude);
            let mut expected: Vec<_> = FILES.iter().filter(|file| !out.contains(file)).collect();
            expected.sort();
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{patterns:?}");
            assert_eq!(exclude.unused().collect::<Vec<_>>(), *unused, "{patterns:?}");
            if let Some(mut by_git) = kept_by_git(&root, patterns) {
                by_git.sort();
                assert_eq!(found, by_git, "{patterns:?}");
            }
        }
    }

    #[test]
    fn the_first_pattern_decides() {
        let weights = Weights::new(&[("boot/*".to_owned(), 9), ("**".to_owned(), -1)]).unwrap();
        assert_eq!(["boot/kernel", "boot/a/b"].map(|path| weights.of(Path::new(path))), [9, -1]);
        assert_eq!(Weights::new(&[]).unwrap().of(Path::new("x")), 0);
    }

    #[test]
    fn a_malformed_pattern_is_named() {
        for error in [Exclude::new(&["a[z-a]"]).err(), Weights::new(&[("a[z-a]".to_owned(), 1)]).err()] {
            let error = error.unwrap().to_string();
            assert!(error.starts_with("pattern `a[z-a]`: "), "{error}");
        }
    }
}
