//! Verifying an archive before it is imported or mounted.

use std::path::Path;

use archive::verify::{Verdict, Verification, VerifyOptions};

use super::error::Error;
use super::node_layout::NodeLayout;
use super::open_archive::OpenArchive;
use super::signed;

/// Refuses an archive that the policy does not accept, or that is unverifiable, unless `unverified`, the policy or the node's
/// configuration accepts it. Reads only lists, no content.
pub(super) fn refuse_unverifiable(
    paths: &NodeLayout,
    open: &OpenArchive,
    unverified: bool,
) -> Result<(), Error> {
    let tree = open.tree()?;
    let accepted = signed::check(paths, &tree, unverified)?.accepts_unverified();
    if accepted || Verification::of(tree, &VerifyOptions::default())?.can_verify() {
        return Ok(());
    }
    Err(Error::Unverifiable(open.path().to_path_buf()))
}

/// Refuses an archive that the policy of the node does not accept, or that is unverifiable, unless `unverified` or the node's
/// configuration accepts it. Reads only lists, no content.
///
/// # Errors
///
/// [`Error::Unverifiable`], [`Error::Signature`], [`Error::MustBeSigned`]; [`Error`] if the archive or the configuration cannot be
/// read.
pub fn check_verifiable(paths: &NodeLayout, archive: &Path, unverified: bool) -> Result<(), Error> {
    refuse_unverifiable(paths, &OpenArchive::open(archive)?, unverified)
}

/// Verifies all content of an archive, and its signature if the policy requires one. An unverifiable archive without findings
/// passes if `unverified`, the policy or the node's configuration accepts it.
///
/// # Errors
///
/// [`Error::Damaged`], [`Error::Unverifiable`], [`Error::Signature`], [`Error::MustBeSigned`]; [`Error`] if the archive or the
/// configuration cannot be read.
pub fn verify_archive(
    paths: &NodeLayout,
    archive: &Path,
    unverified: bool,
    progress: &dyn iso::ByteProgress,
) -> Result<(), Error> {
    run(paths, &OpenArchive::open(archive)?, unverified, progress)
}

/// As [`verify_archive`], for an archive that is open.
pub(super) fn run(
    paths: &NodeLayout,
    open: &OpenArchive,
    unverified: bool,
    progress: &dyn iso::ByteProgress,
) -> Result<(), Error> {
    let tree = open.tree()?;
    let requirement = signed::check(paths, &tree, unverified)?;
    let progress = requirement.shared(progress);
    let unverified = requirement.prove(&tree, &progress)?;
    let report = Verification::of(tree, &VerifyOptions::default())?.run(&progress);
    match report.verdict() {
        Verdict::Intact => {}
        Verdict::Unverifiable if unverified => {}
        Verdict::Unverifiable => return Err(Error::Unverifiable(open.path().to_path_buf())),
        Verdict::Damaged => return Err(Error::Damaged(Box::new(report))),
    }
    open.check()
}
