//! Patterns over paths: what to leave out, what to put first.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::{Error, Result};

/// All patterns of what to leave out, as one matcher.
pub(crate) fn excluded(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(glob(pattern)?);
    }
    set.build().map_err(|error| problem(&patterns.join(" "), &error))
}

/// Patterns with weights; the first that matches decides.
pub(crate) struct Weights(Vec<(GlobMatcher, i32)>);

impl Weights {
    pub(crate) fn new(patterns: &[(String, i32)]) -> Result<Self> {
        let weight = |(pattern, weight): &(String, i32)| Ok((glob(pattern)?.compile_matcher(), *weight));
        Ok(Self(patterns.iter().map(weight).collect::<Result<_>>()?))
    }

    /// The weight of the file at this path, 0 unless a pattern says otherwise.
    pub(crate) fn of(&self, path: &Path) -> i32 {
        self.0.iter().find(|(pattern, _)| pattern.is_match(path)).map_or(0, |(_, weight)| *weight)
    }
}

fn glob(pattern: &str) -> Result<Glob> {
    GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| problem(pattern, &error))
}

fn problem(pattern: &str, error: &globset::Error) -> Error {
    Error::Pattern { pattern: pattern.to_owned(), problem: error.kind().to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stop_at_slashes() {
        let set = excluded(&["*.tmp".to_owned(), "**/.git".to_owned(), "a/b".to_owned()]).unwrap();
        for (path, expected) in [
            ("x.tmp", true),
            ("d/x.tmp", false),
            (".git", true),
            ("d/e/.git", true),
            ("a/b", true),
            ("a/bc", false),
        ] {
            assert_eq!(set.is_match(path), expected, "{path}");
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
        let error = excluded(&["a[".to_owned()]).unwrap_err().to_string();
        assert!(error.starts_with("pattern `a[`: "), "{error}");
    }
}
