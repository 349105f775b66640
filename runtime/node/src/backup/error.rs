//! Errors of backups and restorations.

use std::path::PathBuf;

use archive::unpack::UnpackError;
use content::IoError;

use super::archive_digest::ArchiveProblem;
use crate::care::Interrupted;
use crate::{archives, hooks, site_config, transaction};

/// A backup cannot be made or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The record of the versions of the node cannot be used.
    #[error(transparent)]
    Record(#[from] crate::change_version::RecordError),
    /// The archives of the node cannot be read, mounted or locked.
    #[error(transparent)]
    Archives(#[from] archives::Error),
    /// A configuration in the backup is invalid.
    #[error(transparent)]
    Configuration(#[from] site_config::Error),
    /// A hook failed.
    #[error(transparent)]
    Hooks(#[from] hooks::Error),
    /// Files cannot be changed together.
    #[error(transparent)]
    Transaction(#[from] transaction::Error),
    /// The backup cannot be unpacked.
    #[error("{} is not a backup of a node: {source}", content::printable_path(path))]
    Unpack {
        /// The backup.
        path: PathBuf,
        /// Why not.
        source: UnpackError,
    },
    /// The manifest is invalid.
    #[error("the manifest of the backup is invalid: {}", content::printable(.0))]
    Manifest(String),
    /// A file of the backup does not match the manifest.
    #[error("the backup is damaged: {}: {problem}", content::printable(file))]
    Damaged {
        /// The file in the backup.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// There are more or larger files than a backup takes.
    #[error("{}: {problem}", content::printable_path(path))]
    Unsuitable {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Archives are missing or other ones than the backup lists; at least one.
    #[error("archives of the backup are missing here:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Missing(Vec<ArchiveProblem>),
    /// Another change of the node was interrupted.
    #[error("{0} was interrupted")]
    Interrupted(Interrupted),
    /// A restoration failed; the former state is restored.
    #[error("the restoration failed, and the former files are back: {0}")]
    RolledBack(Box<Error>),
    /// There is no interrupted restoration.
    #[error("no restoration was interrupted")]
    NotInterrupted,
}
