//! What a source of a definition stands for: a file, a folder or a pattern.

use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

use crate::definition::PackageFile;
use crate::error::{Error, Result};

/// What makes a text a pattern, unless a backslash stands before it.
const SPECIAL: [char; 6] = ['*', '?', '[', ']', '{', '}'];

/// What [`PackageFile::from`] stands for. Paths are relative to the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackageSource {
    /// A file.
    File(PathBuf),
    /// All below a folder: `conf/`.
    Folder(PathBuf),
    /// The files below a folder that match a pattern: `conf/*.yaml`.
    Pattern {
        /// The folder: what stands before the first part of the path that is a pattern.
        folder: PathBuf,
        /// The pattern, relative to the folder.
        pattern: String,
    },
}

impl PackageSource {
    /// Reads a value of `from`.
    #[must_use]
    pub fn read(from: &str) -> Self {
        let parts: Vec<&str> = from.split('/').collect();
        let fixed: Vec<String> = parts.iter().map_while(|part| literal(part)).collect();
        // A path with `/` at its start has an empty first part.
        let folder = |parts: &[String]| {
            let root = if from.starts_with('/') { "/" } else { "" };
            Path::new(root).join(parts.join("/").trim_matches('/'))
        };
        if fixed.len() < parts.len() {
            let pattern = parts.get(fixed.len()..).unwrap_or_default().join("/");
            return Self::Pattern { folder: folder(&fixed), pattern };
        }
        if from.ends_with('/') { Self::Folder(folder(&fixed)) } else { Self::File(folder(&fixed)) }
    }

    /// The file, or the folder that is looked into.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Folder(path) | Self::Pattern { folder: path, .. } => path,
        }
    }

    /// Whether it is one file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// The value of `from` for the same with another path.
    #[must_use]
    pub fn at(&self, path: &str) -> String {
        let path = escape(path);
        match self {
            Self::File(_) => path,
            Self::Folder(_) => format!("{path}/"),
            Self::Pattern { pattern, .. } if path.is_empty() => pattern.clone(),
            Self::Pattern { pattern, .. } => format!("{path}/{pattern}"),
        }
    }
}

/// The name that a part of a path stands for, unless it is a pattern.
fn literal(part: &str) -> Option<String> {
    let mut name = String::new();
    let mut characters = part.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.push(characters.next().unwrap_or('\\')),
            special if SPECIAL.contains(&special) => return None,
            other => name.push(other),
        }
    }
    Some(name)
}

pub(crate) fn escape(path: &str) -> String {
    let mut escaped = String::with_capacity(path.len());
    for character in path.chars() {
        if character == '\\' || SPECIAL.contains(&character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// A pattern of paths: `*` and `?` match anything but `/`, and `**` any number of folders.
pub(crate) fn glob(pattern: &str) -> Result<GlobMatcher> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build();
    let wrong = |error: globset::Error| Error::Pattern {
        pattern: pattern.to_owned(),
        reason: error.kind().to_string(),
    };
    Ok(glob.map_err(wrong)?.compile_matcher())
}

impl PackageFile {
    /// Whether this entry takes the file at `path`, which is relative to its folder.
    ///
    /// # Errors
    ///
    /// [`Error::Pattern`] for an invalid pattern.
    pub fn takes(&self, path: &str) -> Result<bool> {
        let is_taken = match self.source() {
            PackageSource::Pattern { pattern, .. } => glob(&pattern)?.is_match(path),
            PackageSource::Folder(_) => true,
            PackageSource::File(_) => false,
        };
        Ok(is_taken && !Exclude::new(&self.exclude)?.takes_out(path))
    }
}

/// What is left out of a folder, and which of the patterns matched.
pub(crate) struct Exclude<'a>(Vec<(&'a str, GlobMatcher, bool)>);

impl<'a> Exclude<'a> {
    pub(crate) fn new(patterns: &'a [String]) -> Result<Self> {
        let read = |pattern: &'a String| Ok((pattern.as_str(), glob(pattern.trim_end_matches('/'))?, false));
        Ok(Self(patterns.iter().map(read).collect::<Result<_>>()?))
    }

    /// A pattern with `/` stands for paths in the folder, another one for names anywhere in it.
    pub(crate) fn matches(&mut self, name: &str, path: &str) -> bool {
        let mut any = name == ".git";
        for (pattern, glob, used) in &mut self.0 {
            let is_path = pattern.trim_end_matches('/').contains('/');
            if glob.is_match(if is_path { path } else { name }) {
                (*used, any) = (true, true);
            }
        }
        any
    }

    /// Whether the file at `path`, or a folder that it is in, is left out.
    fn takes_out(&mut self, path: &str) -> bool {
        let mut above = Path::new(path)
            .ancestors()
            .filter_map(|path| Some((path.file_name()?.to_str()?, path.to_str()?)));
        above.any(|(name, path)| self.matches(name, path))
    }

    pub(crate) fn unused(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(|(_, _, used)| !used).map(|(pattern, ..)| *pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RpmDefinition;

    #[test]
    fn a_source_is_a_file_a_folder_or_a_pattern() {
        let pattern = |folder: &str, pattern: &str| PackageSource::Pattern {
            folder: folder.into(),
            pattern: pattern.to_owned(),
        };
        for (from, source) in [
            ("a/b", PackageSource::File("a/b".into())),
            ("a/b/", PackageSource::Folder("a/b".into())),
            ("./", PackageSource::Folder(".".into())),
            ("/a/b", PackageSource::File("/a/b".into())),
            ("a/*.yaml", pattern("a", "*.yaml")),
            ("*.yaml", pattern("", "*.yaml")),
            ("/a/**/b{1,2}/c", pattern("/a", "**/b{1,2}/c")),
            (r"a/x\[1\].txt", PackageSource::File("a/x[1].txt".into())),
            (r"a\*/[b]", pattern("a*", "[b]")),
        ] {
            assert_eq!(PackageSource::read(from), source, "{from}");
            assert_eq!(PackageSource::read(&source.at(source.path().to_str().unwrap())), source, "{from}");
        }
    }

    #[test]
    fn an_entry_knows_what_it_takes() {
        let more = "files: [{from: conf/, to: /x, exclude: ['*.tmp', a/b]}, {from: 'conf/**/*.yaml', to: /x}, {from: x, to: /y}]";
        let minimal = "name: a\nversion: '1'\nrelease: '1'\narch: noarch\nsummary: A\nlicense: MIT\n";
        let definition: RpmDefinition = serde_saphyr::from_str(&format!("{minimal}{more}\n")).unwrap();
        for (path, takes) in [
            ("c.yaml", [true, true, false]),
            ("d/c.tmp", [false, false, false]),
            ("a/b/c.yaml", [false, true, false]),
            (".git/a.yaml", [false, false, false]),
            ("a/c", [true, false, false]),
        ] {
            let found: Vec<bool> = definition.files.iter().map(|file| file.takes(path).unwrap()).collect();
            assert_eq!(found, takes, "{path}");
        }
    }
}
