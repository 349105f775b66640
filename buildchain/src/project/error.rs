//! What can be wrong with a project's files.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Location, MessageFormatter, UserMessageFormatter};

/// How many mistakes, or files, are named; of the rest the number is.
pub const MISTAKES_SHOWN: usize = 20;

/// The place in a file of the project that asks for something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: u64,
    /// Column, from 1.
    pub column: u64,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", content::printable_path(&self.path), self.line, self.column)
    }
}

impl Origin {
    pub(crate) fn new(path: &Path, location: Location) -> Self {
        Self { path: path.into(), line: location.line(), column: location.column() }
    }
}

/// A project that cannot be built as it is written. Every variant names the file; [`Error::Invalid`] the place in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read or written.
    #[error("cannot {action} {}: {source}", content::printable_path(path))]
    File {
        /// What was tried: `read`, `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// No project file in the folder or above it.
    #[error("no sealift.yaml in {} or a folder above it", content::printable_path(.0))]
    NoProject(PathBuf),
    /// The folder of a new project has a project file.
    #[error("{} exists", content::printable_path(.0))]
    Exists(PathBuf),
    /// Something in a file is wrong: a key, a type, a name, a reference.
    #[error("{}:{line}:{column}: {}", content::printable_path(path), content::printable(message))]
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
    /// Several mistakes.
    #[error("{}", bounded(.0))]
    Many(Vec<Error>),
    /// A path leads out of the project through a symbolic link.
    #[error(transparent)]
    Outside(#[from] Outside),
    /// Something that cannot go into an archive.
    #[error("{}: neither a file, a folder nor a symbolic link", content::printable_path(.0))]
    Special(PathBuf),
    /// An image is named by tag alone, or a source by URL, tag or branch alone, and the lock file does not have it.
    #[error("{origin}: {} is not locked: sealift.lock does not have it", content::printable(image))]
    NotLocked {
        /// The entry of the project that needs it.
        origin: Origin,
        /// The reference, with its tag, or the source; or what else the lock file has of it.
        image: String,
    },
    /// The repository that holds the project cannot be read.
    #[error("git repository {}: {message}", content::printable_path(path))]
    Repository {
        /// The folder of the repository.
        path: PathBuf,
        /// What is wrong.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// A profile that the project does not have.
    #[error("no profile `{}`: {}", content::printable(name), content::printable(known))]
    Profile {
        /// What was asked for.
        name: String,
        /// The profiles there are, as a clause.
        known: String,
    },
    /// A setting of the environment, of `.env` or of the command line that cannot be used.
    #[error("{}: {}", content::printable(name), content::printable(message))]
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

    /// The error without the lines of the file, which can have secrets.
    pub(crate) fn without_snippet(mut self) -> Self {
        if let Self::Invalid { snippet, .. } = &mut self {
            *snippet = None;
        }
        self
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

    /// `message` about what is `offset` bytes into `text`, the content of `path`.
    pub(crate) fn at_offset(path: &Path, text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        Self::Invalid {
            path: path.into(),
            line: before.matches('\n').count() as u64 + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() as u64 + 1,
            message: message.into(),
            snippet: None,
        }
    }

    /// `message` about what the project asks for at `origin`.
    pub(crate) fn of(origin: &Origin, message: impl Into<String>) -> Self {
        let Origin { path, line, column } = origin.clone();
        Self::Invalid { path, line, column, message: message.into(), snippet: None }
    }

    /// The mistakes of both.
    pub(crate) fn with(self, other: Self) -> Self {
        let mut mistakes = Mistakes::default();
        mistakes.note::<()>(Err(self));
        mistakes.note::<()>(Err(other));
        Self::many(mistakes.0)
    }

    /// Several mistakes, by file, line and column; those without a place come last.
    fn many(mut errors: Vec<Self>) -> Self {
        errors.sort_by(|one, other| {
            let (one, other) = (one.place(), other.place());
            (one.is_none(), one).cmp(&(other.is_none(), other))
        });
        Self::Many(errors)
    }

    /// The file that is wrong, with line and column if they are known.
    fn place(&self) -> Option<(&Path, u64, u64)> {
        match self {
            Self::Invalid { path, line, column, .. } => Some((path, *line, *column)),
            Self::NotLocked { origin, .. } => Some((&origin.path, origin.line, origin.column)),
            Self::File { path, .. } | Self::Special(path) | Self::NoProject(path) => Some((path, 0, 0)),
            _ => None,
        }
    }

    /// If it is about a file that cannot be read: that, with the place in `path` that names the file.
    pub(crate) fn unreadable_at(self, path: &Path, location: Location, root: &Path) -> Self {
        match self {
            Self::File { action, path: file, source } => {
                let shown = content::printable_path(file.strip_prefix(root).unwrap_or(&file));
                let message = match source.kind() {
                    std::io::ErrorKind::NotFound => format!("{shown} does not exist"),
                    _ => format!("cannot {action} {shown}: {source}"),
                };
                Self::at(path, location, message)
            }
            error => error,
        }
    }

    /// What the parser found wrong with the file at `path`, in plain words.
    pub(crate) fn yaml(path: &Path, error: &serde_saphyr::Error) -> Self {
        let location = error.location();
        let place = location.map(|l| format!(" at line {}, column {}", l.line(), l.column()));
        let mut message = error.without_snippet().render_with_formatter(&Plain);
        if let Some(short) = place.and_then(|place| message.strip_suffix(&place).map(str::to_owned)) {
            message = short;
        }
        let rendered = error.render_with_formatter(&Plain);
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

/// The parser's messages, in the words of people who write YAML.
struct Plain;

impl MessageFormatter for Plain {
    fn format_message<'a>(&self, error: &'a serde_saphyr::Error) -> Cow<'a, str> {
        if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
            return match key {
                Some(key) => format!("duplicate key `{key}`").into(),
                None => "duplicate key".into(),
            };
        }
        if let serde_saphyr::Error::Budget { breach, .. } = error {
            return match breach {
                BudgetBreach::Depth { depth } => format!("more than {} nested values", depth - 1).into(),
                BudgetBreach::Nodes { nodes } => format!(
                    "more than {} values: split the file, or use fewer anchors and aliases",
                    nodes - 1
                )
                .into(),
                _ => "the file is too large or too complex".into(),
            };
        }
        let message = UserMessageFormatter.format_message(error);
        if message.starts_with("only single YAML document") {
            "more than one document; write one".into()
        } else if message == "invalid u32" {
            format!("expected a whole number from 0 to {}", u32::MAX).into()
        } else if message.contains("tabs disallowed") {
            "a tab: YAML is indented with spaces".into()
        } else {
            message
        }
    }
}

/// A path that leads out of the project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` leads to {}, outside the project",
    content::printable_path(path),
    content::printable_path(target)
)]
pub struct Outside {
    /// The path, relative to the project.
    pub path: PathBuf,
    /// Where it leads.
    pub target: PathBuf,
}

/// The mistakes of a project, gathered so that all are reported.
#[derive(Debug, Default)]
pub(crate) struct Mistakes(Vec<Error>);

impl Mistakes {
    /// The value of `result`; its mistake is kept.
    pub(crate) fn note<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => return Some(value),
            Err(Error::Many(errors)) => self.0.extend(errors),
            Err(error) => self.0.push(error),
        }
        None
    }

    /// Whether there is no mistake so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value`, if there is no mistake.
    pub(crate) fn end<T>(mut self, value: T) -> Result<T, Error> {
        // Rounds of a loop have the same mistake at the same place.
        let mut seen = HashSet::new();
        self.0.retain(|error| seen.insert(error.to_string()));
        match self.0.len() {
            0 => Ok(value),
            1 => Err(self.0.remove(0)),
            _ => Err(Error::many(self.0)),
        }
    }
}

impl From<Vec<Error>> for Mistakes {
    fn from(errors: Vec<Error>) -> Self {
        Self(errors)
    }
}

/// A line for each of `faults`, up to a bound.
pub(crate) fn bounded(faults: &[impl ToString]) -> String {
    let mut lines: Vec<String> = faults.iter().take(MISTAKES_SHOWN).map(ToString::to_string).collect();
    if let Some(more) = faults.len().checked_sub(MISTAKES_SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_in_the_order_of_the_files() {
        let invalid = |path: &str, line, column| {
            Err(Error::of(&Origin { path: path.into(), line, column }, format!("{path} {line} {column}")))
        };
        let mut mistakes = Mistakes::default();
        mistakes.note::<()>(Err(Error::Setting { name: "X".into(), message: "wrong".into() }));
        mistakes.note::<()>(invalid("b.yaml", 2, 1));
        mistakes.note::<()>(invalid("a.yaml", 10, 3));
        mistakes.note::<()>(invalid("a.yaml", 9, 80));
        mistakes.note::<()>(Err(Error::many(vec![invalid("b.yaml", 1, 7).unwrap_err()])));
        mistakes.note::<()>(invalid("a.yaml", 10, 2));
        let text = mistakes.end(()).unwrap_err().to_string();
        let places: Vec<&str> = text.lines().map(|line| line.rsplit_once(": ").unwrap().1).collect();
        assert_eq!(
            places,
            ["a.yaml 9 80", "a.yaml 10 2", "a.yaml 10 3", "b.yaml 1 7", "b.yaml 2 1", "wrong"]
        );
    }
}
