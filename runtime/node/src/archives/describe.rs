//! What an archive says it is.

use std::path::Path;

use archive::{Product, Tree, product};

use super::Error;
use crate::site_config::Kind;

/// What an archive says it is, and whose configuration lists such.
pub(super) fn described(archive: &Path) -> Result<(Product, Kind), Error> {
    product_of(&Tree::open(archive)?)
}

/// [`described`] of an archive that is open.
pub(super) fn product_of(tree: &Tree) -> Result<(Product, Kind), Error> {
    let (found, kind) = product::describe(tree)?.ok_or_else(|| Error::Nameless(tree.path().to_path_buf()))?;
    let kind = match kind {
        product::Kind::Platform => Kind::Bootstrap,
        product::Kind::Solution => Kind::Solutions,
    };
    Ok((found, kind))
}
