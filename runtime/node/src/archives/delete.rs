//! Taking an archive off the node, and finding the archive that a person means.

use std::path::{Component, Path, PathBuf};

use super::describe::described;
use super::lock::lock;
use super::places::{list_of, read, read_if_there};
use super::solutions::active;
use super::{Done, Error, Machine, Paths, plan, unit};
use crate::site_config::Kind;

/// Takes an archive off this node: `which` is its name and version, its path, or its mount point. The archive itself
/// stays. `force` takes off what is in use.
///
/// # Errors
///
/// [`Error`]; what was there before is there still.
pub fn delete(
    paths: &Paths,
    which: &str,
    force: bool,
    dry_run: bool,
    machine: &dyn Machine,
) -> Result<Done, Error> {
    let paths = &paths.real();
    let _lock = lock(paths, dry_run)?;
    let (archive, id, kind) = meant(paths, which, machine)?;
    let configuration = read(paths, kind)?;
    if let Some(id) = id.as_ref().filter(|id| !force && active(&configuration).contains(id)) {
        return Err(Error::Active { id: id.clone() });
    }
    let (steps, notes) = plan::delete(paths, &archive, id.as_deref(), force, machine, &configuration)?;
    let id = id.unwrap_or_else(|| archive.display().to_string());
    if !dry_run {
        plan::run(&steps, &id, machine, None, &|_| {})?;
    }
    Ok(Done { id, archive, steps, not_mounted: None, notes })
}

/// The archive, its name and version, and its configuration, for what a person typed. No name and version where neither the
/// archive nor a unit tells it.
fn meant(
    paths: &Paths,
    which: &str,
    machine: &dyn Machine,
) -> Result<(PathBuf, Option<String>, Kind), Error> {
    let as_path = std::fs::canonicalize(which)
        .or_else(|_| std::path::absolute(which))
        .unwrap_or_else(|_| PathBuf::from(which));
    for kind in Kind::ALL {
        let Some(configuration) = read_if_there(paths, kind)? else { continue };
        for path in configuration.archives() {
            let id = described(path).map(|(product, _)| product.id()).ok();
            let mount = id.as_ref().map(|id| paths.mounts.join(id));
            if *path == as_path || id.as_deref() == Some(which) || mount.as_deref() == Some(&as_path) {
                // An archive that cannot be read any more has left its unit behind, under the name it had.
                let id = id.or_else(|| unit::of_archive(paths, path));
                return Ok((path.clone(), id, kind));
            }
        }
    }
    // Not in the configuration, by an import or a deletion that was killed: its unit is there.
    let id = as_path.strip_prefix(&paths.mounts).ok().and_then(Path::to_str).unwrap_or(which);
    if let Some(archive) = unit::archive_of(paths, id).filter(|_| is_name(id)) {
        let kind = described(&archive).map_or(Kind::Bootstrap, |(_, kind)| kind);
        let kind = list_of(paths, &archive, kind)?;
        return Ok((archive, Some(id.to_owned()), kind));
    }
    // Only mounted, as through FUSE, which has no unit.
    let at = paths.mounts.join(id);
    match described(&at) {
        Ok((product, kind)) if product.id() == id && plan::mounted(machine, &at)?.is_some() => {
            let kind = list_of(paths, &at, kind)?;
            Ok((at, Some(id.to_owned()), kind))
        }
        _ => Err(Error::Unknown(which.to_owned())),
    }
}

/// Whether a text is one name, which can be put below a folder and stays there.
pub(super) fn is_name(text: &str) -> bool {
    matches!(Path::new(text).components().collect::<Vec<_>>()[..], [Component::Normal(_)])
}
