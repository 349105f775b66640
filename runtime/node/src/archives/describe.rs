//! The product information of an archive.

use std::path::Path;

use archive::{Product, Tree, product};

use super::error::Error;
use crate::site_config::ConfigurationKind;

/// The product information of an archive, and the kind of configuration that lists such archives.
pub(crate) fn described(archive: &Path) -> Result<(Product, ConfigurationKind), Error> {
    product_of(&Tree::open(archive)?)
}

/// As [`described`], of an open archive.
pub(super) fn product_of(tree: &Tree) -> Result<(Product, ConfigurationKind), Error> {
    let (found, kind) = product::describe(tree)?.ok_or_else(|| Error::Nameless(tree.path().to_path_buf()))?;
    let kind = match kind {
        product::ArchiveKind::Platform => ConfigurationKind::Bootstrap,
        product::ArchiveKind::Solution => ConfigurationKind::Solutions,
    };
    Ok((found, kind))
}
