//! What is signed about an archive.

use content::{Digest, IoError};
use trust::{ArchiveStatement, Fault, SUBJECTS_MAX, Subject};

use super::AttestationError;
use super::file::digest_of;
use crate::signatures::REPOMD;
use crate::tree::{IsoTree, Location, LocationPiece};
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
}

/// Describes an archive: reads all of an ISO, and the lists. `progress` gets [`iso_bytes`] bytes.
///
/// # Errors
///
/// [`AttestationError`]: the archive cannot be read, has no name, or is a folder without `SHA256SUMS`.
pub fn describe(
    tree: &Tree,
    progress: &dyn iso::ByteProgress,
) -> Result<ArchiveDescription, AttestationError> {
    let product = product_of(tree)?;
    let refused = |fault| AttestationError::Refused { path: tree.path().to_owned(), fault };
    let mut subjects = Vec::new();
    let mut iso = None;
    if let Tree::Iso(image) = tree {
        let name = name_of(tree, &product);
        subjects.push(Subject { name: name.clone(), digest: digest_of_iso(image, progress)? });
        iso = Some(name);
    }
    let (mut omitted, mut names) = (0, 0);
    if tree.entry(layout::SUMS)?.is_some() {
        let digest = digest_of(tree, layout::SUMS)?;
        subjects.push(Subject { name: layout::SUMS.into(), digest });
        for sum in sums::of(tree)?.unwrap_or_default() {
            if !is_subject(&sum.path) {
                continue;
            }
            names += sum.path.len();
            if subjects.len() < SUBJECTS_MAX && names <= NAMES_MAX {
                subjects.push(Subject { name: sum.path, digest: sum.digest });
            } else {
                omitted += 1;
            }
        }
    } else if iso.is_none() {
        return Err(refused(Fault::SumsMissing));
    }
    let statement = ArchiveStatement { name: product.name, version: product.version, iso, subjects };
    Ok(ArchiveDescription { statement, omitted })
}

/// The bytes of an ISO that [`describe`] and the check of its digest read; 0 for a folder. Of a disc in a drive, which may have more
/// sectors, those of the volume.
#[must_use]
pub fn iso_bytes(tree: &Tree) -> u64 {
    match tree {
        Tree::Iso(image) => bytes_of(image),
        Tree::Folder(_) => 0,
    }
}

fn bytes_of(image: &IsoTree) -> u64 {
    let data = image.file().metadata().ok();
    data.filter(std::fs::Metadata::is_file).map_or_else(|| image.declared_bytes(), |data| data.len())
}

/// The digest of all bytes of an ISO, through the file that is open.
pub(super) fn digest_of_iso(
    image: &IsoTree,
    progress: &dyn iso::ByteProgress,
) -> Result<Digest, AttestationError> {
    let size = bytes_of(image);
    let pieces = [LocationPiece { offset: 0, len: size }].into();
    let location = Location { file: image.file().clone(), pieces, size, mtime: 0 };
    let (digest, _) = content::hash_reader(location.reader(), |bytes| {
        progress.advance(bytes.len() as u64);
        Ok(())
    })
    .map_err(IoError::at("read", image.path()))?;
    Ok(digest)
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
