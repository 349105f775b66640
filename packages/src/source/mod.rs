//! Where package repositories are: `.repo` files, metalinks and lists of mirrors. Only their text is read here.

mod metalink;
mod repo_file;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::metalink::{ListedRepomd, Metalink};
pub use self::repo_file::{RepoFile, RepoSection};

/// Bytes of a `.repo` file, a metalink or a list of mirrors.
pub const SOURCE_MAX: u64 = 1 << 20;
/// URLs of one list.
const URLS_MAX: usize = 1000;

/// What is wrong with a file that says where a repository is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct SourceFault {
    /// The line, counted from 1; 0 if it is not known.
    pub line: usize,
    /// A sentence without an end.
    pub reason: String,
}

impl SourceFault {
    fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into() }
    }
}

/// The variables of dnf in URLs: `$releasever`, `$basearch`, `$arch` and others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The variables of a release (`8`) and an architecture (`x86_64`).
    #[must_use]
    pub fn new(release: &str, architecture: &str) -> Self {
        let base = match architecture {
            "i386" | "i486" | "i586" | "i686" | "athlon" | "geode" => "i386",
            "x86_64" | "amd64" | "ia32e" | "x86_64_v2" => "x86_64",
            "armv7hl" | "armv7hnl" | "armv8hl" => "armhfp",
            other => other,
        };
        let major = release.split('.').next().unwrap_or(release);
        let minor = release.split_once('.').map_or("", |(_, minor)| minor);
        let all = [
            ("releasever", release),
            ("releasever_major", major),
            ("releasever_minor", minor),
            ("basearch", base),
            ("arch", architecture),
        ];
        Self(all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// `text` with the variables replaced, written `$name` or `${name}`.
    ///
    /// # Errors
    ///
    /// The name of a variable that has no value.
    pub fn expand(&self, text: &str) -> Result<String, String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            expanded.push_str(before);
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            let (name, left) = braced.unwrap_or_else(|| {
                let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(after.len());
                after.split_at(end)
            });
            if name.is_empty() {
                expanded.push('$');
                rest = after;
                continue;
            }
            expanded.push_str(self.0.get(name).ok_or_else(|| name.to_owned())?);
            rest = left;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }
}

/// The base URLs in a list of mirrors: one in each line, with `#` before comments.
///
/// # Errors
///
/// A line that is not a URL, or a list without one.
pub fn mirrors(text: &str) -> Result<Vec<String>, SourceFault> {
    let mut urls = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if !is_url(line) {
            return Err(SourceFault::new(number + 1, "expected the URL of a mirror"));
        }
        if urls.len() == URLS_MAX {
            return Err(SourceFault::new(number + 1, format!("more than {URLS_MAX} mirrors")));
        }
        urls.push(line.to_owned());
    }
    if urls.is_empty() { Err(SourceFault::new(0, "the list has no mirror")) } else { Ok(urls) }
}

/// Whether a text is a URL of a kind that repositories have.
fn is_url(text: &str) -> bool {
    let kinds = ["http://", "https://", "file:///", "ftp://", "rsync://"];
    kinds.iter().any(|kind| text.starts_with(kind))
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}
