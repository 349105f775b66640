//! Verifying an archive before it is imported or mounted.

use std::path::Path;

use archive::verify::{Verdict, Verification, VerifyOptions};

use super::error::Error;
use super::node_layout::NodeLayout;
use super::open_archive::OpenArchive;
use super::signed::{self, Requirement};

/// An archive that was verified and is still open: what is imported is what was verified.
#[derive(Debug)]
pub struct VerifiedArchive {
    pub(super) open: OpenArchive,
    /// What the policy required of it.
    pub(super) requirement: Requirement,
}

/// Refuses an archive that is unverifiable, unless that is accepted. Reads only lists, no content.
pub(super) fn refuse_unverifiable(open: &OpenArchive, requirement: &Requirement) -> Result<(), Error> {
    if requirement.accepts_unverified()
        || Verification::of(open.tree()?, &VerifyOptions::default())?.can_verify()
    {
        return Ok(());
    }
    Err(Error::Unverifiable(open.path().to_path_buf()))
}

/// Refuses an archive that the policy of the node does not accept, or that is unverifiable, unless `unverified`, the policy or the
/// node's configuration accepts it. Reads only lists, no content.
///
/// # Errors
///
/// [`Error::Unverifiable`], [`Error::Signature`], [`Error::MustBeSigned`]; [`Error`] if the archive or the configuration cannot be
/// read.
pub fn check_verifiable(paths: &NodeLayout, archive: &Path, unverified: bool) -> Result<(), Error> {
    let open = OpenArchive::open(archive)?;
    let requirement = signed::check(paths, &open.tree()?, unverified)?;
    refuse_unverifiable(&open, &requirement)
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
) -> Result<VerifiedArchive, Error> {
    let open = OpenArchive::open(archive)?;
    let requirement = signed::check(paths, &open.tree()?, unverified)?;
    run(&open, &requirement, progress)?;
    Ok(VerifiedArchive { open, requirement })
}

/// Verifies all content of an archive that is open.
pub(super) fn run(
    open: &OpenArchive,
    requirement: &Requirement,
    progress: &dyn iso::ByteProgress,
) -> Result<(), Error> {
    let options = VerifyOptions { iso_digest: requirement.needs_iso_digest(), ..VerifyOptions::default() };
    let report = Verification::of(open.tree()?, &options)?.run(progress);
    requirement.prove(&report)?;
    match report.verdict() {
        Verdict::Intact => {}
        Verdict::Unverifiable if requirement.accepts_unverified() => {}
        Verdict::Unverifiable => return Err(Error::Unverifiable(open.path().to_path_buf())),
        Verdict::Damaged => return Err(Error::Damaged(Box::new(report))),
    }
    open.check()
}
