//! Why a run as a whole ends early.

use std::path::PathBuf;

use content::IoError;

use crate::model::error::FileError;
use crate::record::state::StateError;

/// Why a run as a whole ended early: exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// The root cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Outputs that a killed run moved aside cannot be removed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A stale output cannot be removed.
    #[error("cannot remove {}, which no task produces", content::printable_path(path))]
    Prune {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}
