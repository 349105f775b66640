//! Errors of upgrades and downgrades.

use content::IoError;

use super::rules::{Direction, Refusal};
use crate::care::Interrupted;
use crate::{archives, backup, hooks, transaction};

/// The version that a node runs cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The record of the versions of the node cannot be used.
    #[error(transparent)]
    Record(#[from] super::versions::RecordError),
    /// The archives of the node cannot be read, verified, mounted or locked.
    #[error(transparent)]
    Archives(#[from] archives::Error),
    /// An archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A hook failed before anything was changed.
    #[error(transparent)]
    Hooks(#[from] hooks::Error),
    /// The backup failed; nothing was changed.
    #[error("the backup before the change failed: {0}")]
    Backup(Box<backup::Error>),
    /// Files cannot be changed together.
    #[error(transparent)]
    Transaction(#[from] transaction::Error),
    /// The version may not follow.
    #[error(transparent)]
    Version(#[from] Refusal),
    /// No archive with the destination's version is imported.
    #[error("no archive of version {} is imported; imported versions: {}", content::printable(version), if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
    NoDestination {
        /// The version.
        version: String,
        /// The IDs of the imported platform archives.
        available: Vec<String>,
    },
    /// Archives of several names have the destination's version.
    #[error("several archives have the version {}: {}", content::printable(version), ids.join(", "))]
    Ambiguous {
        /// The version.
        version: String,
        /// Their IDs.
        ids: Vec<String>,
    },
    /// It is not known which version runs.
    #[error("it is not recorded which version of {name} this node runs; imported versions: {}", if available.is_empty() { "none".to_owned() } else { available.join(", ") })]
    UnknownCurrent {
        /// The name of the archives.
        name: String,
        /// The other imported versions.
        available: Vec<String>,
    },
    /// The archive of the version that runs is not imported.
    #[error("{id}, which this node runs, is not imported")]
    NoCurrent {
        /// The ID.
        id: String,
    },
    /// The check of the node found problems; at least one.
    #[error("the {direction} is not possible:\n{}", problems.join("\n"))]
    Problems {
        /// Which of the two.
        direction: Direction,
        /// All problems.
        problems: Vec<String>,
    },
    /// Another change of the node was interrupted.
    #[error("{0} was interrupted")]
    Interrupted(Interrupted),
    /// There is no interrupted change.
    #[error("no upgrade or downgrade was interrupted")]
    NotInterrupted,
    /// The change failed; the former state is restored.
    #[error("the {direction} failed, and the node runs {from} as before: {source}")]
    RolledBack {
        /// Which of the two.
        direction: Direction,
        /// The ID of the archive that the node runs.
        from: String,
        /// Why it failed.
        source: Box<Error>,
    },
}
