//! Deleting an archive from the node.

use super::error::Error;
use super::find::find;
use super::lists::read;
use super::lock::lock;
use super::machine::Machine;
use super::node_change::NodeChange;
use super::node_layout::NodeLayout;
use super::only::Only;
use super::solutions::active;
use super::{apply, plan, requires};

/// Options of [`delete`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DeleteOptions {
    /// The archives that may be deleted.
    pub only: Only,
    /// Whether to delete the archive even if it is in use.
    pub force: bool,
    /// Whether to return the steps without doing them.
    pub dry_run: bool,
}

/// Deletes an archive from this node: `which` is its ID, its path, or its mount point. The archive file itself stays.
///
/// # Errors
///
/// [`Error`]; nothing has changed then.
pub fn delete(
    paths: &NodeLayout,
    which: &str,
    options: &DeleteOptions,
    machine: &dyn Machine,
) -> Result<NodeChange, Error> {
    let &DeleteOptions { only, force, dry_run } = options;
    let paths = &paths.resolved();
    let _lock = lock(paths, dry_run)?;
    let (archive, id, kind) = find(paths, which, machine)?;
    let configuration = read(paths, kind)?;
    let listing = configuration.archives().contains(&archive).then_some(kind);
    only.refuse_listed(&archive, listing)?;
    if let Some(id) = id.as_ref().filter(|id| !force && active(&configuration).contains(id)) {
        return Err(Error::Active { id: id.clone() });
    }
    if let Some(id) = id.as_ref().filter(|_| !force) {
        requires::refuse_required(paths, &archive, id)?;
    }
    let (steps, notes) = plan::delete(paths, &archive, id.as_ref(), force, machine, &configuration)?;
    let id = id.map_or_else(|| archive.display().to_string(), String::from);
    if !dry_run {
        apply::run(&steps, &id, machine, None)?;
    }
    Ok(NodeChange { id, archive, steps, not_mounted: None, notes })
}
