//! What is signed about an archive.

use content::Digest;
use trust::{ArchiveStatement, Fault, Provenance, SUBJECTS_MAX, Subject};

use super::AttestationError;
use super::file::digest_of;
use crate::signatures::REPOMD;
use crate::verify::{Verification, VerifyReport};
use crate::{Product, Tree, layout, product, sums};

/// The metadata of a repository of DEBs.
const RELEASE: &str = "Release";
/// The most bytes of all names of subjects together: a bundle has at most [`trust::BUNDLE_MAX`].
const NAMES_MAX: usize = 256 << 10;

/// A statement about an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArchiveDescription {
    /// The statement.
    pub statement: ArchiveStatement,
    /// How many manifests and metadata are not subjects of their own, since a statement has at most 1024 of them, and 256 KiB of
    /// names: `SHA256SUMS` covers them.
    pub omitted: usize,
    /// What the archive says that it was built from.
    pub provenance: Option<Provenance>,
}

impl ArchiveDescription {
    /// A statement, as JSON, about what the archive was built from: the ISO and `SHA256SUMS`. `None` if the archive does not say it.
    ///
    /// # Errors
    ///
    /// [`Fault`]: it cannot be written.
    pub fn provenance_statement(&self, builder_id: Option<&str>) -> Option<Result<String, Fault>> {
        let mut provenance = self.provenance.clone()?;
        if let Some(id) = builder_id {
            id.clone_into(&mut provenance.run_details.builder.id);
        }
        let ArchiveStatement { iso, subjects, .. } = &self.statement;
        let is_whole = |one: &&Subject| one.name == layout::SUMS || Some(&one.name) == iso.as_ref();
        let subjects: Vec<Subject> = subjects.iter().filter(is_whole).cloned().collect();
        Some(provenance.statement(&subjects))
    }
}

/// Describes an archive by its verification, whose options must ask for the digest of an ISO, and returns its report as well: what is
/// damaged must not be signed. `progress` gets [`Verification::bytes`] bytes.
///
/// # Errors
///
/// [`AttestationError`]: the archive cannot be read, has no name, or is a folder without `SHA256SUMS`.
pub fn describe(
    work: Verification,
    progress: &dyn iso::ByteProgress,
) -> Result<(ArchiveDescription, VerifyReport), AttestationError> {
    let path = work.tree().path().to_owned();
    let listed = Listed::of(work.tree())?;
    let report = work.run(progress);
    let missing = || AttestationError::Refused { path: path.clone(), fault: Fault::IsoNotRead };
    let description = listed.describe(|| report.iso_digest.ok_or_else(missing))?;
    Ok((description, report))
}

/// Describes an ISO that was just built: `digest` is that of all its bytes, and the build has verified what it wrote. Reads lists
/// only.
///
/// # Errors
///
/// Those of [`describe`].
pub fn describe_built(tree: &Tree, digest: Digest) -> Result<ArchiveDescription, AttestationError> {
    Listed::of(tree)?.describe(|| Ok(digest))
}

/// What the lists of an archive say.
struct Listed {
    product: Product,
    /// The name of the ISO.
    iso: Option<String>,
    subjects: Vec<Subject>,
    omitted: usize,
    provenance: Option<Provenance>,
}

impl Listed {
    fn of(tree: &Tree) -> Result<Self, AttestationError> {
        let product = product_of(tree)?;
        let iso = matches!(tree, Tree::Iso(_)).then(|| name_of(tree, &product));
        let most = SUBJECTS_MAX - usize::from(iso.is_some());
        let mut subjects = Vec::new();
        let (mut omitted, mut names) = (0, 0);
        if tree.entry(layout::SUMS)?.is_some() {
            let digest = digest_of(tree, layout::SUMS)?;
            subjects.push(Subject { name: layout::SUMS.into(), digest });
            for sum in sums::of(tree)?.unwrap_or_default() {
                if !is_subject(&sum.path) {
                    continue;
                }
                names += sum.path.len();
                if subjects.len() < most && names <= NAMES_MAX {
                    subjects.push(Subject { name: sum.path, digest: sum.digest });
                } else {
                    omitted += 1;
                }
            }
        } else if iso.is_none() {
            let path = tree.path().to_owned();
            return Err(AttestationError::Refused { path, fault: Fault::SumsMissing });
        }
        Ok(Self { product, iso, subjects, omitted, provenance: super::provenance(tree)? })
    }

    /// The description; `digest` is that of the ISO.
    fn describe(
        self,
        digest: impl FnOnce() -> Result<Digest, AttestationError>,
    ) -> Result<ArchiveDescription, AttestationError> {
        let Self { product: Product { name, version, .. }, iso, mut subjects, omitted, provenance } = self;
        if let Some(name) = iso.clone() {
            subjects.insert(0, Subject { name, digest: digest()? });
        }
        Ok(ArchiveDescription {
            statement: ArchiveStatement { name, version, iso, subjects },
            omitted,
            provenance,
        })
    }
}

pub(super) fn product_of(tree: &Tree) -> Result<Product, AttestationError> {
    product::of(tree)?.ok_or_else(|| AttestationError::Nameless(tree.path().to_owned()))
}

/// The name of an ISO: that of its file, or of the archive if it is a device.
fn name_of(tree: &Tree, product: &Product) -> String {
    let is_device = tree.path().starts_with("/dev");
    let name = tree.path().file_name().and_then(|name| name.to_str()).filter(|_| !is_device);
    name.map_or_else(|| format!("{}.iso", product.id()), ToOwned::to_owned)
}

/// Whether a file is a subject of its own: the manifest of an image, or the metadata of a package repository.
fn is_subject(path: &str) -> bool {
    let below = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
    let ends = |name: &str| path.strip_suffix(name).is_some_and(|rest| rest.ends_with('/'));
    (below(layout::IMAGES) && ends("manifest.json") && !path.ends_with(".manifest.json"))
        || (below(layout::PACKAGES) && (ends(REPOMD) || ends(RELEASE)))
}
