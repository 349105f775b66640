//! Deleting an archive from the node.

use super::error::Error;
use super::find::find;
use super::lists::read;
use super::lock::lock;
use super::machine::Machine;
use super::node_change::NodeChange;
use super::node_layout::NodeLayout;
use super::solutions::active;
use super::{apply, plan, requires};

/// Deletes an archive from this node: `which` is its ID, its path, or its mount point. The archive file itself stays.
/// `force` deletes it even if it is in use.
///
/// # Errors
///
/// [`Error`]; nothing has changed then.
pub fn delete(
    paths: &NodeLayout,
    which: &str,
    force: bool,
    dry_run: bool,
    machine: &dyn Machine,
) -> Result<NodeChange, Error> {
    let paths = &paths.resolved();
    let _lock = lock(paths, dry_run)?;
    let (archive, id, kind) = find(paths, which, machine)?;
    let configuration = read(paths, kind)?;
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
