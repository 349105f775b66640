//! An operation that the operating system refused.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::printable_path;

/// A failed operation on a path: "cannot open /etc/x: Permission denied".
///
/// The message has the reason, so [`Error::source`] is the cause of the reason, if any: printing the chain of causes
/// repeats nothing.
#[derive(Debug)]
pub struct IoError {
    /// What was tried, as an infinitive ("open", "read").
    pub operation: &'static str,
    /// The file or folder it was tried on.
    pub path: PathBuf,
    /// The reason.
    pub source: io::Error,
}

impl fmt::Display for IoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.operation, printable_path(&self.path), self.source)
    }
}

impl Error for IoError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_causes_repeats_nothing() {
        let refused = IoError::at("open", Path::new("x"))(io::ErrorKind::PermissionDenied.into());
        assert_eq!(refused.to_string(), "cannot open x: permission denied");
        assert!(refused.source().is_none());
    }
}
