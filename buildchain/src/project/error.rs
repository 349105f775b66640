//! What can be wrong with a project's files.

use std::path::{Path, PathBuf};

use serde_saphyr::Location;

use super::Outside;

/// How many mistakes, or files, are named; of the rest the number is.
pub const MISTAKES_SHOWN: usize = 20;

/// A project that cannot be built as it is written. Every variant names the file; [`Error::Invalid`] the place in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No project file in the folder or above it.
    #[error("no sealift.yaml in {} or a folder above it", .0.display())]
    NoProject(PathBuf),
    /// Something in a file is wrong: a key, a type, a name, a reference.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u64,
        /// Column, from 1.
        column: u64,
        /// What is wrong there.
        message: String,
        /// The lines around, with a mark under the place.
        snippet: Option<String>,
    },
    /// A path leads out of the project through a symbolic link.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// Something that cannot go into an archive.
    #[error("{}: neither a file, a folder nor a symbolic link", .0.display())]
    Special(PathBuf),
    /// A template cannot be rendered.
    #[error("{}: {message}", path.display())]
    Template {
        /// The template.
        path: PathBuf,
        /// What is wrong, with the line.
        message: String,
    },
    /// An image is named by tag alone and the lock file does not hold its digest.
    #[error("{image} is not locked: sealift.lock holds no digest for it")]
    NotLocked {
        /// The reference, with its tag.
        image: String,
    },
    /// The repository that holds the project cannot be read.
    #[error("git repository {}: {message}", path.display())]
    Repository {
        /// The folder of the repository.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// A profile that the project does not have.
    #[error("no profile `{name}`; the project has: {known}")]
    Profile {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A setting of the environment, of `.env` or of the command line that cannot be used.
    #[error("{name}: {message}")]
    Setting {
        /// The name of the setting.
        name: String,
        /// What is wrong with its value.
        message: String,
    },
}

impl Error {
    /// Where the project is wrong, for a caller that shows more than one line.
    #[must_use]
    pub fn snippet(&self) -> Option<&str> {
        match self {
            Self::Invalid { snippet, .. } => snippet.as_deref(),
            _ => None,
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File { action, path: path.into(), source }
    }

    /// `message` about the value at `location` of `path`.
    pub(crate) fn at(path: &Path, location: Location, message: impl Into<String>) -> Self {
        Self::Invalid {
            path: path.into(),
            line: location.line(),
            column: location.column(),
            message: message.into(),
            snippet: None,
        }
    }

    /// The parser's own complaint, with the nearest known key where one was misspelt.
    pub(crate) fn yaml(path: &Path, error: &serde_saphyr::Error) -> Self {
        let location = error.location();
        let place = location.map(|l| format!(" at line {}, column {}", l.line(), l.column()));
        let mut message = error.without_snippet().to_string();
        if let Some(short) = place.and_then(|place| message.strip_suffix(&place).map(str::to_owned)) {
            message = short;
        }
        if let Some(near) = nearest_key(&message) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        let rendered = error.to_string();
        Self::Invalid {
            path: path.into(),
            line: location.map_or(1, |l| l.line()),
            column: location.map_or(1, |l| l.column()),
            message,
            snippet: rendered
                .split_once("\n -->")
                .and_then(|(_, rest)| rest.split_once('\n'))
                .map(|(_, lines)| lines.to_owned()),
        }
    }
}

/// The key that was meant, if the message is about an unknown one.
fn nearest_key(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown field `")?;
    let (found, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected ")?;
    let known = known.trim_start_matches("one of ");
    known
        .split([',', ' '])
        .map(|word| word.trim_matches('`'))
        .filter(|word| !word.is_empty() && *word != "or")
        .map(|word| (strsim::damerau_levenshtein(found, word), word))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, word)| word.to_owned())
}
