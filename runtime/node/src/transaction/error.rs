//! Errors of transactions.

use std::path::PathBuf;

use content::IoError;

/// Files cannot be changed together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The journal of an interrupted change cannot be read.
    #[error("the journal {} cannot be read: {}", content::printable_path(path), content::printable(problem))]
    Journal {
        /// The journal.
        path: PathBuf,
        /// Why not.
        problem: String,
    },
    /// A path has something else than a file, a link or a folder.
    #[error("{} is {found}, and is not replaced", content::printable_path(path))]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The former state of files could not be restored; at least one.
    #[error("the former state cannot be restored: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotUndone(Vec<Error>),
}
