//! What can go wrong, each with the operation, the path, what was expected and what was found.

use std::io;
use std::path::{Path, PathBuf};

use content::IoError;

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An image could not be planned, written, read or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The volume ID does not fit its field.
    #[error("volume ID `{found}`: {problem}")]
    VolumeId {
        /// The identifier that was asked for.
        found: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A pattern of [`IsoOptions::exclude`](crate::IsoOptions::exclude) or [`IsoOptions::sort`](crate::IsoOptions::sort) is malformed.
    #[error("pattern `{pattern}`: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Something that ISO 9660, Rock Ridge or a reader of them cannot hold; refused before a byte is written.
    #[error("{}: {found} {limit}; the maximum is {most}", content::printable_path(path))]
    Limit {
        /// The file, link or folder that passes the limit.
        path: PathBuf,
        /// Which limit, with its unit.
        limit: &'static str,
        /// The largest value that works.
        most: u64,
        /// The value found.
        found: u64,
    },
    /// A device node, socket or named pipe, which a data archive has no use for.
    #[error(
        "{}: a {kind} cannot be archived, only files, folders and symbolic links",
        content::printable_path(path)
    )]
    SpecialFile {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// A source file is no longer what it was when the plan was made.
    #[error(
        "{} changed while the image was written: planned {planned} bytes, found {found}",
        content::printable_path(path)
    )]
    Changed {
        /// The source file.
        path: PathBuf,
        /// Its size in the plan, in bytes.
        planned: u64,
        /// What was found instead.
        found: String,
    },
    /// No primary volume descriptor in sector 16: this is not an ISO 9660 image.
    #[error(
        "{}: not an ISO 9660 image: expected a primary volume descriptor at byte 32768, found {found}",
        content::printable_path(path)
    )]
    NoVolume {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: &'static str,
    },
    /// A structure of the image contradicts the standard or the image's own size.
    #[error("{}: damaged at byte {offset}: {problem}", content::printable_path(path))]
    Damaged {
        /// The image.
        path: PathBuf,
        /// Where in the image the structure lies, in bytes.
        offset: u64,
        /// What was expected and what was found.
        problem: String,
    },
    /// The image is sound but uses something that this reader does not read.
    #[error("{}: {what} at byte {offset} is not supported", content::printable_path(path))]
    Unsupported {
        /// The image.
        path: PathBuf,
        /// Where in the image it stands, in bytes.
        offset: u64,
        /// What it is.
        what: String,
    },
    /// An entry is not of the kind the operation needs.
    #[error("{name}: not a {expected}")]
    Kind {
        /// The entry's name.
        name: String,
        /// What it should have been.
        expected: &'static str,
    },
    /// The image has no names of the kind that was asked for.
    #[error("{}: no {view} names in this image", content::printable_path(path))]
    NoView {
        /// The image.
        path: PathBuf,
        /// Which names were asked for.
        view: &'static str,
    },
    /// The progress said that the work is not wanted any more.
    #[error("cancelled")]
    Cancelled,
    /// The application-use field, where the sum would go, holds something else.
    #[error(
        "{}: the application-use field of the primary volume descriptor is not blank",
        content::printable_path(path)
    )]
    ApplicationUse {
        /// The image.
        path: PathBuf,
    },
}

impl Error {
    /// The file that the message names; `None` where it names none.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io(error) => Some(&error.path),
            Self::Limit { path, .. }
            | Self::SpecialFile { path, .. }
            | Self::Changed { path, .. }
            | Self::NoVolume { path, .. }
            | Self::Damaged { path, .. }
            | Self::Unsupported { path, .. }
            | Self::NoView { path, .. }
            | Self::ApplicationUse { path } => Some(path),
            Self::VolumeId { .. } | Self::Pattern { .. } | Self::Kind { .. } | Self::Cancelled => None,
        }
    }

    /// For `map_err`: adds the operation and the path to the reason.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| IoError { operation, path, source }.into()
    }
}
