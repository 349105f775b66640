//! Archives that others require.

use std::path::Path;

use archive::requires::{self, Base, Requirement, Unmet, UnmetReason};
use archive::{ArchiveId, Product, Tree};

use super::describe::described;
use super::error::Error;
use super::lists::configured;
use super::node_layout::NodeLayout;

/// The archives of the node that can be read, except for the one at `except`.
fn bases(paths: &NodeLayout, except: &Path) -> Result<Vec<Base>, Error> {
    let others = configured(paths)?.into_iter().filter(|path| path != except);
    Ok(others.filter_map(|path| Some(Base { product: described(&path).ok()?.0, path })).collect())
}

/// Refuses the archive at `archive` if it requires archives that the node does not have. Returns what cannot be compared: the
/// platform may run without its archive on the node.
pub(super) fn refuse_unmet(
    paths: &NodeLayout,
    archive: &Path,
    tree: &Tree,
    product: &Product,
) -> Result<Vec<String>, Error> {
    let requires = requires::of(tree, Some(product))?;
    let (unknown, unmet): (Vec<Unmet>, Vec<Unmet>) =
        requires::unmet(&requires, &bases(paths, archive)?).into_iter().partition(is_unknown);
    if !unmet.is_empty() {
        return Err(Error::Requires { id: product.id(), unmet });
    }
    let note = |unmet: &Unmet| {
        format!(
            "{} is for {}; no archive on this node says which version runs",
            product.id(),
            unmet.requirement
        )
    };
    Ok(unknown.iter().map(note).collect())
}

/// Whether the requirement concerns a platform of which no archive is on the node.
pub(super) fn is_unknown(unmet: &Unmet) -> bool {
    unmet.requirement.of_platform && unmet.reason == UnmetReason::NoArchive
}

/// Refuses to delete the archive at `archive` if another archive requires it and no other one takes its place.
pub(super) fn refuse_required(paths: &NodeLayout, archive: &Path, id: &ArchiveId) -> Result<(), Error> {
    let Ok((product, _)) = described(archive) else { return Ok(()) };
    let remaining = bases(paths, archive)?;
    let this = Base { path: archive.to_path_buf(), product };
    let by: Vec<ArchiveId> = remaining
        .iter()
        .filter(|other| {
            let requires = Tree::open(&other.path).and_then(|tree| requires::of(&tree, Some(&other.product)));
            // One that cannot be read requires nothing that is known.
            let requires: Vec<Requirement> = requires.unwrap_or_default();
            let needs_this = |requirement: &Requirement| {
                !requirement.of_platform
                    && requirement.unmet_by(&remaining).is_some()
                    && requirement.unmet_by(std::slice::from_ref(&this)).is_none()
            };
            requires.iter().any(needs_this)
        })
        .map(|other| other.product.id())
        .collect();
    if by.is_empty() { Ok(()) } else { Err(Error::Required { id: id.clone(), by }) }
}
