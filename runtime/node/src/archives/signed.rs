//! The policy of the node: which archives it accepts, and whose signatures.

use std::path::{Path, PathBuf};

use archive::attestation::{self, Proof, SignedStatement, bundle_path};
use archive::verify::VerifyReport;
use archive::{Tree, product};
use content::Digest;
use trust::{Policy, Require};

use super::error::Error;
use super::lists::{accepts_unverified, configured};
use super::node_layout::NodeLayout;

/// What the policy requires of an archive, and what its signature says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Requirement {
    signed: Option<(Proof, SignedStatement)>,
    accepts_unverified: bool,
}

/// Reads the policy of the node. Without one, checksums are required.
fn policy(paths: &NodeLayout) -> Result<Policy, Error> {
    Ok(still_policy(paths, false)?.unwrap_or_default())
}

/// The policy of the node; `None` if it does not exist. One that existed before must still exist: without it, archives would be
/// accepted that it refuses.
fn still_policy(paths: &NodeLayout, existed: bool) -> Result<Option<Policy>, Error> {
    match Policy::read_if_exists(&paths.trust)? {
        None if existed => Err(Error::Gone(paths.trust.clone())),
        None if paths.trust_must_exist => Ok(Some(Policy::read(&paths.trust)?)),
        policy => Ok(policy),
    }
}

/// Refuses an archive that the policy does not accept: it is too old, or it must be signed, and its name, version and checksums are
/// not those of the signed one. Reads no other content. `unverified` is whether the user accepts an unverifiable archive, which
/// no signature allows.
///
/// # Errors
///
/// [`Error::Signature`], [`Error::MustBeSigned`], [`Error::Policy`].
pub(super) fn check(paths: &NodeLayout, tree: &Tree, unverified: bool) -> Result<Requirement, Error> {
    check_by(&policy(paths)?, paths, tree, unverified)
}

fn check_by(
    policy: &Policy,
    paths: &NodeLayout,
    tree: &Tree,
    unverified: bool,
) -> Result<Requirement, Error> {
    // An archive without a name is refused elsewhere; here it has the rule of the others.
    let product = product::of(tree)?.unwrap_or_default();
    let rule = policy.rule(&product.name);
    if unverified && rule.require == Require::Signature {
        let (archive, policy) = (tree.path().to_owned(), paths.trust.clone());
        return Err(Error::MustBeSigned { archive, policy });
    }
    let signed = match attestation::accept(tree, None, policy)? {
        Some(statement) => Some((statement.covered(tree)?, statement)),
        None => None,
    };
    let accepts_unverified =
        signed.is_none() && (unverified || rule.require == Require::None || accepts_unverified(paths)?);
    Ok(Requirement { signed, accepts_unverified })
}

/// Refuses an archive that the policy of the node does not accept. Its signature, name, version and checksums are checked, and no
/// other content is read.
///
/// # Errors
///
/// [`Error::Signature`], [`Error::Policy`]; [`Error`] if the archive cannot be read.
pub fn check_policy(paths: &NodeLayout, archive: &Path) -> Result<(), Error> {
    check(paths, &Tree::open(archive)?, false).map(drop)
}

/// Whether the policy requires a signature of the ISO at `archive`, whose digest this is, and the bundle in the file `bundle` has
/// it; false if it requires none.
///
/// # Errors
///
/// [`Error::Signature`] if the policy refuses the archive with this bundle; [`Error::Policy`].
pub fn check_bundle(
    paths: &NodeLayout,
    archive: &Path,
    bundle: &Path,
    digest: Digest,
) -> Result<bool, Error> {
    let tree = Tree::open(archive)?;
    let Some(signed) = attestation::accept(&tree, Some(bundle), &policy(paths)?)? else { return Ok(false) };
    if signed.covered(&tree)? == Proof::Iso {
        signed.compare_iso(archive, Some(digest))?;
    }
    Ok(true)
}

impl Requirement {
    /// Whether the digest of the ISO must be the signed one.
    pub(super) fn needs_iso_digest(&self) -> bool {
        matches!(self.signed, Some((Proof::Iso, _)))
    }

    /// Whether an archive without findings, but without checksums, is accepted: the digest of an ISO proves each byte.
    pub(super) fn accepts_unverified(&self) -> bool {
        self.accepts_unverified || self.needs_iso_digest()
    }

    /// Refuses an archive with this report that is not the signed one.
    pub(super) fn prove(&self, report: &VerifyReport) -> Result<(), Error> {
        match &self.signed {
            Some((proof, signed)) => Ok(signed.prove(*proof, report)?),
            None => Ok(()),
        }
    }
}

/// The configured archives that a server serves.
#[derive(Debug, Default)]
pub struct Served {
    /// Those that the policy accepts.
    pub archives: Vec<PathBuf>,
    /// The others, and why.
    pub refused: Vec<(PathBuf, Error)>,
}

/// The archives that the node configurations list and the policy of the node accepts. Signatures, names, versions and checksums
/// are checked, and no other content is read. So a statement must have the digest of `SHA256SUMS`: that of an ISO is compared by the
/// import alone.
///
/// # Errors
///
/// [`Error::Configuration`], [`Error::Policy`].
pub fn served(paths: &NodeLayout) -> Result<Served, Error> {
    accepted(paths, configured(paths)?, false)
}

/// Those of `archives` that the policy accepts, which must still exist if it `existed`. An archive that cannot be read stays: the
/// server reports it.
pub(super) fn accepted(paths: &NodeLayout, archives: Vec<PathBuf>, existed: bool) -> Result<Served, Error> {
    let Some(policy) = still_policy(paths, existed)? else {
        return Ok(Served { archives, refused: Vec::new() });
    };
    let mut served = Served::default();
    for path in archives {
        let checked = Tree::open(&path).map_err(Error::from).and_then(|tree| {
            let Some(signed) = attestation::accept(&tree, None, &policy)? else { return Ok(()) };
            signed.covered(&tree)?;
            Ok(signed.covered_files(&tree)?)
        });
        match checked {
            Ok(()) | Err(Error::Archive(_)) => served.archives.push(path),
            Err(error) => served.refused.push((path, error)),
        }
    }
    Ok(served)
}

/// The files whose changes can change what [`served`] returns: the policy, its keys, and the bundles of `archives`.
pub(super) fn watched(paths: &NodeLayout, archives: &[PathBuf]) -> Vec<PathBuf> {
    let mut files = vec![paths.trust.clone()];
    if let Ok(Some(policy)) = Policy::read_if_exists(&paths.trust) {
        files.extend(policy.files().iter().skip(1).cloned());
        files.extend(archives.iter().map(|archive| bundle_path(archive)));
    }
    files
}
