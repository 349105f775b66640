//! Backups of a node, and restoring them.
//!
//! A backup is one tar.gz: the configuration with its certificates and keys, what hooks add, and a manifest with the mode, owner and
//! SHA-256 of each file and with a digest of each archive. Archives are not in it: whoever restores it provides their ISOs.

mod archive_digest;
mod create;
mod error;
mod keep;
mod manifest;
mod names;
mod place;
mod read;
mod restore;
#[cfg(test)]
pub(crate) mod tests;

pub use archive_digest::{ArchiveDigest, ArchiveProblem};
pub use create::{Backup, BackupOptions, BackupReason, create};
pub use error::Error;
pub use keep::exists;
pub use manifest::{Manifest, SavedArchive};
pub use restore::{Restoration, RestoreOptions, abort, restore};

/// Reads the text of a manifest, for fuzzing.
///
/// # Errors
///
/// [`Error::Manifest`].
pub fn parse_manifest(bytes: &[u8]) -> Result<Manifest, Error> {
    manifest::Manifest::parse(bytes)
}
