//! Signed archives: what is signed about an archive, and whether an archive is the signed one.
//!
//! The statement lists the ISO, `SHA256SUMS`, the manifest of each image and the metadata of each package repository. It lies beside
//! the archive in a sigstore bundle ([`bundle_path`]), so signing changes no byte of the archive.
//!
//! The digest of the ISO proves each byte of it. That of `SHA256SUMS` proves each file of the archive, also in a folder or mounted,
//! and single files without the others ([`SignedStatement::verify_files`]).

mod check;
mod describe;
mod file;
mod provenance;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use content::{IoError, printable_path};

pub use check::{Proof, SignedStatement, accept};
pub use describe::{ArchiveDescription, describe, describe_built};
pub use provenance::{provenance, provenance_bundle_path};
use trust::Fault;

use crate::Error;

/// What follows the name of an archive in that of its bundle.
pub const BUNDLE_SUFFIX: &str = ".sigstore.json";

/// What follows it in that of the bundle of its provenance.
pub const PROVENANCE_SUFFIX: &str = ".provenance.sigstore.json";

/// Where the bundle of an archive is: `example-1.0.iso.sigstore.json` beside `example-1.0.iso`, and that of `.` beside its folder.
#[must_use]
pub fn bundle_path(archive: &Path) -> PathBuf {
    // A path such as `.` has no name of its own.
    let named = archive.file_name().map_or_else(|| std::fs::canonicalize(archive).ok(), |_| None);
    // Without a slash at the end.
    let archive = named.as_deref().unwrap_or(archive).components();
    let mut path = archive.as_path().as_os_str().to_owned();
    path.push(BUNDLE_SUFFIX);
    path.into()
}

/// How many bundles of one archive are looked at.
const BUNDLES_MAX: usize = 16;
/// The hexadecimal digits in the name of one of several bundles.
const DIGITS: usize = 12;

/// Where the bundles of an archive are: at [`bundle_path`], or if that is missing, those of several that were fetched with it, which
/// have the first digits of their digests in their names: `example-1.0.iso.16e777537ea8.sigstore.json`. At least one path.
#[must_use]
pub fn bundle_paths(archive: &Path) -> Vec<PathBuf> {
    let usual = bundle_path(archive);
    let name = usual.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let stem = name.strip_suffix(BUNDLE_SUFFIX).unwrap_or(&name);
    let is_one = |other: &str| {
        let digits = other.strip_prefix(stem).and_then(|rest| rest.strip_prefix('.'));
        let digits = digits.and_then(|rest| rest.strip_suffix(BUNDLE_SUFFIX)).unwrap_or_default();
        digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
    };
    let folder = usual.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut several = Vec::new();
    if usual.symlink_metadata().is_err() {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        several.extend(names.filter(|name| is_one(name)).map(|name| usual.with_file_name(name)));
        several.sort();
        several.truncate(BUNDLES_MAX);
    }
    if several.is_empty() { vec![usual] } else { several }
}

/// Why an archive is not the signed one, or cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttestationError {
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] Error),
    /// The bundle cannot be read.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The archive has no bundle.
    #[error("{} is not signed: {} is missing", printable_path(archive), printable_path(bundle))]
    Unsigned {
        /// The archive.
        archive: PathBuf,
        /// Its bundle.
        bundle: PathBuf,
    },
    /// The archive has neither `product.txt` nor `manifest.yaml`.
    #[error("{} has no name: it contains neither product.txt nor manifest.yaml", printable_path(.0))]
    Nameless(PathBuf),
    /// The bundle does not count, or the archive is another one.
    #[error("{}: {fault}", printable_path(path))]
    Refused {
        /// The bundle, or the archive.
        path: PathBuf,
        /// Why.
        fault: Fault,
    },
}
