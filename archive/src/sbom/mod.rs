//! Software bills of materials (SBOMs): which packages an image holds, and an archive.
//!
//! [`ImageReader`] finds the packages of an image: in the SBOM that is attached to it, if there is one, else in the databases of
//! package managers and the build information of programs in its layers. [`spdx`] writes documents of that in the format SPDX
//! 2.3.
//!
//! Layers, databases and documents come from outside: what is wrong with one is noted in the document, and the rest is read.

mod attached;
mod component;
mod image;
mod layers;
mod query;
pub mod rpm_database;
pub mod sources;
pub mod spdx;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use self::attached::fuzz as fuzz_attached;
pub use self::component::{Component, Ecosystem};
pub use self::image::{ImageContents, ImageReader, ManifestContents, Upstream};
pub use self::layers::{InstalledPackages, LayerView};
pub use self::query::{
    FoundPackages, PackageHolder, PackageQuery, PackageQueryError, PackageSearch, compare_versions,
};
use self::spdx::Document;
use crate::tree::EntryKind;
use crate::{Result, Tree, layout};

/// A document, or what is wrong with it.
type ReadDocument = std::result::Result<Document, String>;

/// Calls `visit` with the document of each image of an archive and its path, sorted by it; or with what is wrong with one.
///
/// # Errors
///
/// The archive cannot be read; those of `visit`.
pub(crate) fn each_image_document(
    tree: &Tree,
    visit: &mut dyn FnMut(&str, ReadDocument) -> Result<()>,
) -> Result<()> {
    let folder = format!("{}/{}", layout::ATTESTATIONS, layout::IMAGES);
    for (path, entry) in tree.walk_below(&folder)? {
        if entry.kind == EntryKind::File && path.ends_with(layout::SBOM_EXTENSION) {
            visit(&path, Document::read(&tree.read(&path, spdx::DOCUMENT_MAX)?))?;
        }
    }
    Ok(())
}
