//! What is wrong with tasks, with what the user asked for, with a file, or with the work of a task.

use std::fmt;
use std::path::{Path, PathBuf};

use content::IoError;

use crate::model::lookalike;

/// A mistake in the tasks of a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The root is not an absolute path, or it is inside of the build root.
    #[error(
        "the root {} must be absolute and outside of the build root {}",
        content::printable_path(root),
        content::printable_path(build_root)
    )]
    Roots {
        /// The root.
        root: PathBuf,
        /// The build root.
        build_root: PathBuf,
    },
    /// A name that cannot be typed: empty, or with a blank, a comma, an equals sign or a wildcard in it.
    #[error(
        "`{}` cannot be the name of a task: blanks and `=`, `,`, `*`, `?`, `[` are not allowed",
        content::printable(name)
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Two tasks have the same name.
    #[error("two tasks are named `{}`", content::printable(name))]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A task depends on one that does not exist.
    #[error("task `{task}` depends on the task `{name}`, which does not exist{}", lookalike::hint(meant))]
    UnknownTask {
        /// The dependent task.
        task: String,
        /// The name of the dependency.
        name: String,
        /// Tasks with a similar name.
        meant: Vec<String>,
    },
    /// A task names a pool that does not exist.
    #[error("task `{task}` runs in the pool `{pool}`, which does not exist{}", lookalike::hint(meant))]
    UnknownPool {
        /// The task.
        task: String,
        /// The name of the pool.
        pool: String,
        /// Pools with a similar name.
        meant: Vec<String>,
    },
    /// Two tasks produce one path, or one produces something below the folder of another, or a task declares an
    /// output twice.
    #[error(
        "`{first}` produces {} and `{second}` produces {}: a path may have one producer only",
        content::printable_path(first_path),
        content::printable_path(second_path)
    )]
    Overlap {
        /// The task that produces the outer path.
        first: String,
        /// The outer path.
        first_path: PathBuf,
        /// The task that produces the inner path.
        second: String,
        /// The inner path.
        second_path: PathBuf,
    },
    /// An output that is the root or above it, or a folder that holds the build root or is outside of both.
    #[error(
        "task `{task}` cannot produce {}: output folders must be below the project or the build root",
        content::printable_path(path)
    )]
    Forbidden {
        /// The task.
        task: String,
        /// The output.
        path: PathBuf,
    },
    /// A group that has outputs: without an action nothing produces them.
    #[error("task `{task}` has outputs but no action that produces them")]
    GroupWithOutputs {
        /// The task.
        task: String,
    },
    /// An input that does not exist and that no task produces.
    #[error(
        "task `{task}` needs {}, which does not exist and which no task produces{}",
        content::printable_path(path),
        lookalike::hint(meant)
    )]
    MissingInput {
        /// The task.
        task: String,
        /// The input.
        path: PathBuf,
        /// Outputs with a similar path.
        meant: Vec<String>,
    },
    /// An invalid glob.
    #[error("task `{task}` has an invalid glob")]
    Glob {
        /// The task.
        task: String,
        /// The reason.
        source: globset::Error,
    },
    /// Tasks that depend on each other.
    #[error("tasks depend on each other: {}", path.join(" -> "))]
    Cycle {
        /// The names along the cycle; the last is the first.
        path: Vec<String>,
    },
}

impl GraphError {
    /// The task that has the mistake, if a single one has it.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::Name { name } | Self::DuplicateName { name } => Some(name),
            Self::UnknownTask { task, .. }
            | Self::UnknownPool { task, .. }
            | Self::Forbidden { task, .. }
            | Self::GroupWithOutputs { task }
            | Self::MissingInput { task, .. }
            | Self::Glob { task, .. } => Some(task),
            Self::Overlap { second, .. } => Some(second),
            Self::Roots { .. } | Self::Cycle { .. } => None,
        }
    }
}

/// The user asked for a task or a file that does not exist: exit code 3.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError {
    /// Neither a task nor an output of one.
    #[error(
        "`{}` is neither a task nor a file that a task produces{}",
        content::printable(asked),
        lookalike::hint(meant)
    )]
    Unknown {
        /// What the user typed.
        asked: String,
        /// Tasks with a similar name.
        meant: Vec<String>,
    },
    /// A wildcard that no task matches.
    #[error("no task matches `{}`", content::printable(pattern))]
    NoMatch {
        /// What the user typed.
        pattern: String,
    },
    /// An invalid wildcard.
    #[error("`{}` is not a pattern: {}", content::printable(pattern), content::printable(reason))]
    Pattern {
        /// What the user typed.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Why the content of a file cannot be determined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refuses.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The path exists but is not a regular file.
    #[error("{} is {found}, not a file", content::printable_path(path))]
    NotAFile {
        /// The path, as it was given.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The run was stopped while the file was read.
    #[error("reading {} was cancelled", content::printable_path(path))]
    Stopped {
        /// The path, as it was given.
        path: PathBuf,
    },
    /// The file was written to after its digest was computed.
    #[error("{} was modified while it was in use", content::printable_path(path))]
    Changed {
        /// The path, as it was given.
        path: PathBuf,
    },
}

impl FileError {
    /// A function that turns an error of the operating system into one that names `operation` and `path`.
    pub(crate) fn at<E: Into<std::io::Error>>(
        operation: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| Self::Io(IoError::at(operation, path)(source.into()))
    }
}

/// Returns what a user can do about an error.
pub type Help = fn(&(dyn std::error::Error + 'static)) -> Option<String>;

/// A program that cannot be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run `{}`", content::printable(program))]
pub struct CannotRun {
    /// The program, as the action named it.
    pub program: String,
    /// Why.
    pub source: std::io::Error,
}

/// Why an action did not succeed.
///
/// Deliberately not a [`std::error::Error`]: so every error converts into [`ActionError::Broken`] with `?`.
#[derive(Debug)]
pub enum ActionError {
    /// The work was done and its result is negative (a digest that does not match, a test that fails): exit code 1.
    Failed(String),
    /// The work could not be done (a missing tool, a full disk, a dead connection): exit code 2.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The action saw [`TaskContext::cancelled`](crate::TaskContext::cancelled) and stopped.
    Cancelled,
}

impl ActionError {
    /// The result of the work is negative.
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// The work could not be done.
    #[must_use]
    pub fn broken(message: impl fmt::Display) -> Self {
        Self::Broken(message.to_string().into())
    }
}

/// The message and those of its sources, outermost first.
impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => f.write_str(message),
            Self::Broken(error) => f.write_str(&chain(error.as_ref())),
            Self::Cancelled => f.write_str("stopped"),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for ActionError {
    fn from(error: E) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// `error: its source: the source of that`. A source whose text the error already ends with is left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_shown_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot pull {image}")]
        struct Pull {
            image: &'static str,
            source: std::io::Error,
        }
        let pull = Pull { image: "nginx", source: std::io::Error::other("connection reset") };
        let error: ActionError = pull.into();
        assert!(matches!(error, ActionError::Broken(_)));
        assert_eq!(error.to_string(), "cannot pull nginx: connection reset");
    }
}
