//! The errors of this crate, with the file or the field, what was expected and what was found.

use std::io;
use std::path::{Path, PathBuf};

use content::{IoError, printable, printable_path};

use crate::openpgp::{SignatureFault, SigningFault};

/// An operation of this crate that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation on a file or folder.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A field of a package definition has a value that an RPM package cannot hold.
    #[error("package `{}`: {field}: expected {expected}, found {}", printable(package), quoted(found))]
    Definition {
        /// The package's name, if it is known.
        package: String,
        /// The field, as a path into the definition: `files[2].to`.
        field: String,
        /// What the field may hold.
        expected: &'static str,
        /// What it holds.
        found: String,
    },
    /// A text that should be a mode or the like is not one.
    #[error("expected {expected}, found {}", quoted(found))]
    Value {
        /// What the text should have been.
        expected: &'static str,
        /// What it is.
        found: String,
    },
    /// A text is not a list of dependencies that rpm can read.
    #[error("the dependency `{}` is invalid: {reason}", printable(text))]
    Dependency {
        /// The text.
        text: String,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },
    /// The dependencies of a file cannot be determined.
    #[error("{}: cannot find the dependencies of this file: {reason}", printable_path(path))]
    Automatic {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The package could not be assembled.
    #[error("package `{package}`: cannot build the RPM: {reason}")]
    Build {
        /// The package's name.
        package: String,
        /// The error of the crate `rpm`.
        reason: Box<rpm::Error>,
    },
    /// The source date is later than this machine's clock, so that RPM's build time would be the clock's.
    #[error(
        "package `{package}`: the source date {source_date} is later than this machine's clock; \
         set the clock or an earlier source date"
    )]
    FutureSourceDate {
        /// The package's name.
        package: String,
        /// The source date that was asked for, in Unix seconds.
        source_date: i64,
    },
    /// A file named `*.rpm` is not a package that can be indexed.
    #[error(
        "{}: not a usable RPM package: {}: expected {}, found {}",
        printable_path(path),
        printable(place),
        printable(expected),
        printable(found)
    )]
    Rpm {
        /// The file.
        path: PathBuf,
        /// Where in the file: `lead`, `signature header`, `header`, or a tag's name.
        place: String,
        /// What should be there.
        expected: String,
        /// What was found.
        found: String,
    },
    /// A file named `*.deb` is not a package that can be indexed.
    #[error(
        "{}: not a usable Debian package: {}: expected {}, found {}",
        printable_path(path),
        printable(place),
        printable(expected),
        printable(found)
    )]
    Deb {
        /// The file.
        path: PathBuf,
        /// Where in the file: `ar header`, `control.tar`, `control`, or a field.
        place: String,
        /// What should be there.
        expected: String,
        /// What was found.
        found: String,
    },
    /// The packages of a repository have too many files for the lists of contents.
    #[error("the paths of all files of the packages take more than {} MiB", max >> 20)]
    Contents {
        /// The most bytes.
        max: usize,
    },
    /// The signature of a package does not count.
    #[error("{}: {fault}", printable_path(path))]
    Signature {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: SignatureFault,
    },
    /// The key that signs cannot be used.
    #[error("{}: {fault}", printable_path(path))]
    Key {
        /// The file of the key, or the program that has it.
        path: PathBuf,
        /// Why not.
        fault: SigningFault,
    },
    /// A package or metadata cannot be signed.
    #[error("{}: cannot sign it: {fault}", printable_path(path))]
    Signing {
        /// The file.
        path: PathBuf,
        /// Why not.
        fault: SigningFault,
    },
    /// Two files are the same package by name, version, release and architecture, but have different content.
    #[error(
        "two packages {} with different content: {} and {}",
        printable(package),
        printable_path(first),
        printable_path(second)
    )]
    Ambiguous {
        /// The package, as `NAME-[EPOCH:]VERSION-RELEASE.ARCH` or `NAME_VERSION_ARCH`.
        package: String,
        /// The file that comes first.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// A file of groups, modules or updates, or the older metadata, cannot be used.
    #[error(
        "{}: not usable as metadata: {}: expected {}, found {}",
        printable_path(path),
        printable(place),
        printable(expected),
        printable(found)
    )]
    Metadata {
        /// The file.
        path: PathBuf,
        /// Where in the file.
        place: String,
        /// What should be there.
        expected: String,
        /// What was found.
        found: String,
    },
    /// An exclude pattern is invalid.
    #[error("the pattern `{}` is not valid: {}", printable(pattern), printable(reason))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why not.
        reason: String,
    },
    /// The name of a file cannot be written into repository metadata.
    #[error("{}: cannot be part of a package repository: {reason}", printable_path(path))]
    Unindexable {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        reason: &'static str,
    },
}

impl Error {
    /// For `map_err`: what was tried, and on which path.
    pub(crate) fn io(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| IoError { operation, path, source }.into()
    }
}

/// A value in quotes, or the word that says that there is no value.
pub(crate) fn quoted(text: &str) -> String {
    if text.is_empty() { "nothing".to_owned() } else { format!("`{}`", printable(text)) }
}

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;
