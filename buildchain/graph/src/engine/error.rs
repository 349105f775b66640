//! Why a run as a whole ends early.

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
    /// Stale outputs, or outputs that a killed run moved aside, cannot be removed.
    #[error(transparent)]
    Io(#[from] IoError),
}
