//! Finding the archive that a user means.

use std::path::{Component, Path, PathBuf};

use archive::ArchiveId;

use super::describe::described;
use super::error::Error;
use super::lists::{list_of, read_if_exists};
use super::machine::{Machine, mounted};
use super::mount_unit;
use super::node_layout::NodeLayout;
use crate::site_config::ConfigurationKind;

/// The archive that a user typed as `which`, with its ID and the kind of its configuration. The ID is `None` where neither
/// the archive nor a unit names it.
pub(super) fn find(
    paths: &NodeLayout,
    which: &str,
    machine: &dyn Machine,
) -> Result<(PathBuf, Option<ArchiveId>, ConfigurationKind), Error> {
    let as_path = std::fs::canonicalize(which)
        .or_else(|_| std::path::absolute(which))
        .unwrap_or_else(|_| PathBuf::from(which));
    for kind in ConfigurationKind::ALL {
        let Some(configuration) = read_if_exists(paths, kind)? else { continue };
        for path in configuration.archives() {
            let id = described(path).map(|(product, _)| product.id()).ok();
            let mount = id.as_ref().map(|id| paths.mounts.join(id));
            if *path == as_path
                || id.as_ref().is_some_and(|id| id == which)
                || mount.as_deref() == Some(&as_path)
            {
                // The unit of an unreadable archive still names it.
                let id = id.or_else(|| mount_unit::of_archive(paths, path));
                return Ok((path.clone(), id, kind));
            }
        }
    }
    // Not in the configuration, but with a unit: an import or a deletion was killed.
    let id = as_path.strip_prefix(&paths.mounts).ok().and_then(Path::to_str).unwrap_or(which);
    let Ok(id) = id.parse::<ArchiveId>() else { return Err(Error::Unknown(which.to_owned())) };
    if let Some(archive) = mount_unit::archive_of(paths, &id) {
        let kind = described(&archive).map_or(ConfigurationKind::Bootstrap, |(_, kind)| kind);
        let kind = list_of(paths, &archive, kind)?;
        return Ok((archive, Some(id), kind));
    }
    // Mounted only, as through FUSE, which has no unit.
    let at = paths.mounts.join(&id);
    match described(&at) {
        Ok((product, kind)) if product.id() == id && mounted(machine, &at)?.is_some() => {
            let kind = list_of(paths, &at, kind)?;
            Ok((at, Some(id), kind))
        }
        _ => Err(Error::Unknown(which.to_owned())),
    }
}

/// Whether a text is a single file name, which cannot lead out of a folder.
pub(super) fn is_name(text: &str) -> bool {
    matches!(Path::new(text).components().collect::<Vec<_>>()[..], [Component::Normal(_)])
}
