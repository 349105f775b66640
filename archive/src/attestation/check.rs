//! Whether an archive is the signed one.

use std::path::Path;

use content::{Digest, LinkPolicy};
use trust::{ArchiveStatement, BUNDLE_MAX, Bundle, Covers, Fault, Policy, Require, Rule, SignedBy};

use super::describe::product_of;
use super::file::digest_of;
use super::{AttestationError, bundle_paths};
use crate::tree::EntryKind;
use crate::verify::{Verdict, VerifyReport};
use crate::{Product, Tree, layout, product, version};

/// Checks an archive by the rule of `policy` for it: its version, and its signature if the rule requires one, as
/// [`SignedStatement::check`] does. An archive without a name has the rule of the others. Returns `None` if the rule requires no
/// signature.
///
/// # Errors
///
/// [`AttestationError`]: the archive is too old, or those of [`SignedStatement::check`].
pub fn accept(
    tree: &Tree,
    bundle: Option<&Path>,
    policy: &Policy,
) -> Result<Option<SignedStatement>, AttestationError> {
    let product = product::of(tree)?.unwrap_or_default();
    let rule = policy.rule(&product.name);
    if rule.require == Require::Signature {
        return SignedStatement::check(tree, bundle, policy).map(Some);
    }
    refuse_older(tree, &product, rule)?;
    Ok(None)
}

/// Refuses an archive that is older than the oldest version that a rule accepts.
fn refuse_older(tree: &Tree, product: &Product, rule: &Rule) -> Result<(), AttestationError> {
    match &rule.minimum_version {
        Some(oldest) if version::is_older(&product.version, oldest) => {
            let fault = Fault::TooOld { found: product.version.clone(), oldest: oldest.clone() };
            Err(AttestationError::Refused { path: tree.path().to_owned(), fault })
        }
        _ => Ok(()),
    }
}

/// What a signature proves about an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Each byte of the ISO.
    Iso,
    /// Each file and link, if the verification of the archive has no findings: `SHA256SUMS` is the signed one.
    Contents,
}

/// A statement about an archive whose signature counts, and which has the name, version and checksums of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedStatement {
    /// The statement.
    pub statement: ArchiveStatement,
    /// Who signed it.
    pub by: SignedBy,
    /// What the signature must cover.
    covers: Covers,
}

impl Proof {
    /// Whether the proof holds for an archive with this report: that of the contents needs an archive that is intact.
    #[must_use]
    pub fn holds(self, report: &VerifyReport) -> bool {
        match self {
            Self::Iso => report.verdict() != Verdict::Damaged,
            Self::Contents => report.verdict() == Verdict::Intact,
        }
    }
}

impl SignedStatement {
    /// Checks the signature of the archive in `tree` by the rule of `policy` for it. `bundle` is the file of the bundle; by default
    /// the one beside the archive, or one of several that were fetched with it ([`bundle_paths`]): one that counts is enough. Reads
    /// `SHA256SUMS` and no other content.
    ///
    /// # Errors
    ///
    /// [`AttestationError`]: the archive is not signed by a signer of the policy, or the statement is about another one.
    pub fn check(tree: &Tree, bundle: Option<&Path>, policy: &Policy) -> Result<Self, AttestationError> {
        let product = product_of(tree)?;
        let paths = bundle.map_or_else(|| bundle_paths(tree.path()), |path| vec![path.to_owned()]);
        let mut first = None;
        for path in paths {
            match Self::check_bundle(tree, &product, &path, policy) {
                Ok(signed) => return Ok(signed),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| AttestationError::Nameless(tree.path().to_owned())))
    }

    /// As [`SignedStatement::check`], with the bundle at `path`.
    fn check_bundle(
        tree: &Tree,
        product: &Product,
        path: &Path,
        policy: &Policy,
    ) -> Result<Self, AttestationError> {
        let bytes = match content::open_read(path, LinkPolicy::Refuse, BUNDLE_MAX as u64) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let archive = tree.path().to_owned();
                return Err(AttestationError::Unsigned { archive, bundle: path.to_owned() });
            }
            read => read?,
        };
        let in_bundle = |fault| AttestationError::Refused { path: path.to_owned(), fault };
        let in_archive = |fault| AttestationError::Refused { path: tree.path().to_owned(), fault };
        let bundle = Bundle::parse(&bytes).map_err(in_bundle)?;
        let (statement, by) = policy.verify(&product.name, &bundle).map_err(in_bundle)?;
        if (&statement.name, &statement.version) != (&product.name, &product.version) {
            return Err(in_archive(Fault::OtherArchive {
                signed: format!("{} {}", statement.name, statement.version),
                found: format!("{} {}", product.name, product.version),
            }));
        }
        let rule = policy.rule(&product.name);
        refuse_older(tree, product, rule)?;
        let signed = Self { by, covers: rule.covers, statement };
        signed.check_sums(tree)?;
        Ok(signed)
    }

    /// Whether `SHA256SUMS` is the signed one, if it is signed.
    fn check_sums(&self, tree: &Tree) -> Result<(), AttestationError> {
        let refused = |fault| AttestationError::Refused { path: tree.path().to_owned(), fault };
        let Some(signed) = self.sums() else { return Ok(()) };
        if tree.entry(layout::SUMS)?.is_none() {
            return Err(refused(Fault::SumsMissing));
        }
        match digest_of(tree, layout::SUMS)? {
            found if found == signed => Ok(()),
            found => Err(refused(Fault::SumsDiffer { signed, found })),
        }
    }

    /// The digest of `SHA256SUMS`, if it is signed.
    pub(super) fn sums(&self) -> Option<Digest> {
        self.statement.digest_of(layout::SUMS)
    }

    /// The digest of the ISO, if it is signed.
    fn iso(&self) -> Option<Digest> {
        self.statement.iso.as_ref().and_then(|name| self.statement.digest_of(name))
    }

    /// What the signature must prove about the archive, and can. Reads no content.
    ///
    /// # Errors
    ///
    /// [`AttestationError`]: the statement lacks the digest that counts, or the archive has links that no signed list has.
    pub fn covered(&self, tree: &Tree) -> Result<Proof, AttestationError> {
        let refused = |fault| Err(AttestationError::Refused { path: tree.path().to_owned(), fault });
        match (tree, self.covers) {
            (Tree::Iso(_), Covers::Iso) if self.iso().is_none() => refused(Fault::NoIso),
            (Tree::Iso(_), Covers::Iso) => Ok(Proof::Iso),
            _ => self.covered_files(tree).map(|()| Proof::Contents),
        }
    }

    /// Refuses an archive with files or links that no signed list has: what a program that serves files of it relies on, after
    /// the import has compared the digest of the ISO. Reads no content.
    ///
    /// # Errors
    ///
    /// [`AttestationError`]
    pub fn covered_files(&self, tree: &Tree) -> Result<(), AttestationError> {
        let refused = |fault| Err(AttestationError::Refused { path: tree.path().to_owned(), fault });
        if self.sums().is_none() {
            return refused(Fault::NoSums);
        }
        match unlisted_links(tree)? {
            0 => Ok(()),
            links => refused(Fault::LinksNotSigned(links)),
        }
    }

    /// Refuses an archive with this report that is not the signed one. `proof` is what [`SignedStatement::covered`] has returned: for
    /// [`Proof::Iso`] the report must have the digest of the ISO.
    ///
    /// # Errors
    ///
    /// [`AttestationError`]
    pub fn prove(&self, proof: Proof, report: &VerifyReport) -> Result<(), AttestationError> {
        match proof {
            Proof::Contents => Ok(()),
            Proof::Iso => self.compare_iso(&report.archive, report.iso_digest),
        }
    }

    /// Refuses the ISO at `path` if its digest, `None` if it could not be read, is not the signed one.
    ///
    /// # Errors
    ///
    /// [`AttestationError`]
    pub fn compare_iso(&self, path: &Path, found: Option<Digest>) -> Result<(), AttestationError> {
        let fault = match (self.iso(), found, self.sums()) {
            (Some(signed), Some(found), _) if found == signed => return Ok(()),
            (Some(_), Some(_), Some(_)) => Fault::LayoutDiffers,
            (Some(signed), Some(found), None) => Fault::IsoDiffers { signed, found },
            (None, ..) => Fault::NoIso,
            (_, None, _) => Fault::IsoNotRead,
        };
        Err(AttestationError::Refused { path: path.to_owned(), fault })
    }
}

/// The number of symbolic links that no list has: those of an archive without `LINKS.mtree`. Those of `registry/` follow from the
/// images.
fn unlisted_links(tree: &Tree) -> Result<u64, AttestationError> {
    let mut links = 0;
    if tree.entry(layout::LINKS)?.is_none() {
        tree.each_folder("", &mut |folder, entries| {
            let is_registry = folder.split('/').next() == Some(layout::REGISTRY);
            let found = entries.iter().filter(|entry| matches!(entry.kind, EntryKind::Symlink(_))).count();
            links += if is_registry { 0 } else { found as u64 };
            Ok(())
        })?;
    }
    Ok(links)
}
