//! The refusal of an operation by the operating system.

use std::io;
use std::path::{Path, PathBuf};

use crate::printable_path;

/// A failed operation on a path: "cannot open /etc/x: Permission denied".
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {}: {source}", printable_path(path))]
pub struct IoError {
    /// What was tried, as an infinitive ("open", "read").
    pub operation: &'static str,
    /// The file or folder it was tried on.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl IoError {
    /// A function that turns an [`io::Error`] into an error that names `operation` and `path`, for `map_err`.
    pub fn at(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { operation, path: path.to_owned(), source }
    }

    /// The kind of the reason.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl From<IoError> for io::Error {
    /// Keeps the kind, and the whole text as the message.
    fn from(error: IoError) -> Self {
        Self::new(error.kind(), error)
    }
}
