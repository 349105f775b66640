//! Why an archive cannot be published or fetched.

use std::path::PathBuf;

use content::{Digest, IoError, printable, printable_path};
use images::{Reference, pull, push, reference};
use trust::Fault;

use super::ARCHIVE_TYPE;

/// An archive cannot be published or fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// A file cannot be read or written.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The archive is a folder, or on a device.
    #[error("{} is not an ISO file", printable_path(.0))]
    NotAFile(PathBuf),
    /// The archive has neither `product.txt` nor `manifest.yaml`.
    #[error("{} has no name: it contains neither product.txt nor manifest.yaml", printable_path(.0))]
    Nameless(PathBuf),
    /// The bundle is not one of this archive.
    #[error("{}: {fault}", printable_path(bundle))]
    Bundle {
        /// The bundle.
        bundle: PathBuf,
        /// Why it is not.
        fault: Fault,
    },
    /// The tag names something else.
    #[error("{reference} already exists: expected {expected}, found {found}")]
    Tagged {
        /// The reference.
        reference: String,
        /// The digest of this archive's manifest.
        expected: Digest,
        /// The digest that the tag names.
        found: Digest,
    },
    /// A file has a name that no artifact can have.
    #[error("{}: the file name {problem}", printable(name))]
    FileName {
        /// The name.
        name: String,
        /// Why.
        problem: &'static str,
    },
    /// The registry does not have the reference.
    #[error("the registry does not have {0}")]
    Missing(Box<Reference>),
    /// The reference names something else.
    #[error(
        "{reference} is not an archive: expected an artifact of type {ARCHIVE_TYPE}, found {}",
        printable(found)
    )]
    OtherType {
        /// The reference.
        reference: String,
        /// What it names.
        found: String,
    },
    /// The manifest is not that of an archive, though it has its type.
    #[error("{reference} is not a valid archive: {problem}")]
    Invalid {
        /// The reference.
        reference: String,
        /// What is wrong.
        problem: String,
    },
    /// Something else has the name of a file that is to be fetched.
    #[error("{} exists and is not the published file", printable_path(.0))]
    Occupied(PathBuf),
    /// Another process fetches the same archive into the same folder.
    #[error("another process is fetching this archive: {} is locked", printable_path(.0))]
    Busy(PathBuf),
    /// What has the name of the folder for unfinished files may be changed by another user.
    #[error("cannot keep unfinished files in {}: {problem}", printable_path(path))]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The files that are being fetched cannot be stored.
    #[error(transparent)]
    Store(#[from] images::Error),
    /// A reference is invalid.
    #[error(transparent)]
    Reference(#[from] reference::ReferenceError),
    /// The registry does not take the archive.
    #[error(transparent)]
    Push(#[from] push::Error),
    /// The registry does not give the archive.
    #[error(transparent)]
    Pull(#[from] pull::Error),
}
