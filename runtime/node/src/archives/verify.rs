//! Verifying an archive before it is imported or mounted.

use std::path::Path;

use archive::verify::{Verdict, Verification, VerifyOptions};

use super::error::Error;
use super::lists::accepts_unverified;
use super::node_layout::NodeLayout;
use super::open_archive::OpenArchive;

/// Refuses an unverifiable archive, unless `unverified` accepts it. Reads only lists, no content.
pub(super) fn refuse_unverifiable(open: &OpenArchive, unverified: bool) -> Result<(), Error> {
    if unverified || Verification::of(open.tree()?, &VerifyOptions::default())?.can_verify() {
        return Ok(());
    }
    Err(Error::Unverifiable(open.path().to_path_buf()))
}

/// Refuses an unverifiable archive, unless the node's configuration accepts it. Reads only lists, no content.
///
/// # Errors
///
/// [`Error::Unverifiable`]; [`Error`] if the archive or the configuration cannot be read.
pub fn check_verifiable(paths: &NodeLayout, archive: &Path) -> Result<(), Error> {
    refuse_unverifiable(&OpenArchive::open(archive)?, accepts_unverified(paths)?)
}

/// Verifies all content of an archive. An unverifiable one without findings passes if `unverified`, or the node's configuration,
/// accepts it.
///
/// # Errors
///
/// [`Error::Damaged`], [`Error::Unverifiable`]; [`Error`] if the archive or the configuration cannot be read.
pub fn verify_archive(
    paths: &NodeLayout,
    archive: &Path,
    unverified: bool,
    progress: &dyn iso::ByteProgress,
) -> Result<(), Error> {
    run(&OpenArchive::open(archive)?, unverified || accepts_unverified(paths)?, progress)
}

/// Verifies an archive. An unverifiable one without findings passes if `unverified` accepts it.
pub(super) fn run(
    open: &OpenArchive,
    unverified: bool,
    progress: &dyn iso::ByteProgress,
) -> Result<(), Error> {
    let report = Verification::of(open.tree()?, &VerifyOptions::default())?.run(progress);
    match report.verdict() {
        Verdict::Intact => {}
        Verdict::Unverifiable if unverified => {}
        Verdict::Unverifiable => return Err(Error::Unverifiable(open.path().to_path_buf())),
        Verdict::Damaged => return Err(Error::Damaged(Box::new(report))),
    }
    open.check()
}
