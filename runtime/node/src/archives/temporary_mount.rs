//! Mounting without importing, for people and programs that need files: serving needs no mount.

use std::path::{Path, PathBuf};

use content::IoError;

use super::describe::{described, product_of};
use super::error::Error;
use super::find::is_name;
use super::lock::lock;
use super::machine::{Machine, mounted};
use super::mount_choice::MountChoice;
use super::node_change::{NodeChange, NodeStep};
use super::node_layout::{NodeLayout, real};
use super::open_archive::OpenArchive;
use super::{apply, mount_unit, plan, signed, verify};

/// Options of [`mount`], which does not import the archive.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// The mount point; the archive's own below [`NodeLayout::mounts`] if `None`.
    pub at: Option<PathBuf>,
    /// Whether the archive is verified first.
    pub verify: bool,
    /// How to mount. [`MountChoice::Never`] is an error.
    pub mounting: MountChoice,
    /// Whether to return the steps without doing them.
    pub dry_run: bool,
}

/// Mounts an archive. It stays mounted until [`unmount`] or the end of the system.
///
/// # Errors
///
/// [`Error`]; nothing has changed then.
pub fn mount(
    paths: &NodeLayout,
    archive: &Path,
    options: &MountOptions,
    machine: &dyn Machine,
    progress: &dyn iso::ByteProgress,
) -> Result<NodeChange, Error> {
    let paths = &paths.resolved();
    let open = OpenArchive::open(archive)?;
    let archive = open.path().to_path_buf();
    let (product, _) = product_of(&open.tree()?)?;
    let id = product.id();
    // Imports and deletions do not use a folder that the user chose.
    let (at, _lock) = match &options.at {
        Some(at) => (std::path::absolute(at).map_err(IoError::at("name", at))?, None),
        None => (paths.mounts.join(&id), lock(paths, options.dry_run)?),
    };
    plan::refuse_other(&archive, &id, &at, machine)?;
    let done = |archive, steps| NodeChange {
        id: id.to_string(),
        archive,
        steps,
        not_mounted: None,
        notes: Vec::new(),
    };
    if mounted(machine, &at)?.is_some() && !machine.is_broken(&at) {
        return Ok(done(archive, Vec::new()));
    }
    let requirement = signed::check(paths, &open.tree()?, !options.verify)?;
    let way = options
        .mounting
        .choose(&archive, machine, options.dry_run)
        .map_err(|problem| Error::CannotMount { id: id.clone(), problem })?;
    if options.verify {
        if options.dry_run {
            verify::refuse_unverifiable(&open, &requirement)?;
        } else {
            verify::run(&open, &requirement, progress)?;
        }
    }
    let steps = plan::mount(&archive, &at, way, machine)?;
    if !options.dry_run {
        apply::run(&steps, id.as_str(), machine, Some(&open))?;
    }
    Ok(done(archive, steps))
}

/// Unmounts an archive: `which` is its ID, its path, or its mount point. `force` unmounts it even if it is in use.
///
/// # Errors
///
/// [`Error::NotMounted`], [`Error::InUse`]; nothing has changed then.
pub fn unmount(
    paths: &NodeLayout,
    which: &str,
    force: bool,
    machine: &dyn Machine,
) -> Result<NodeChange, Error> {
    let paths = &paths.resolved();
    let path = real(&std::path::absolute(which).unwrap_or_else(|_| PathBuf::from(which)));
    let mut candidates = vec![path.clone()];
    candidates.extend(is_name(which).then(|| paths.mounts.join(which)));
    candidates.extend(described(&path).ok().map(|(product, _)| paths.mounts.join(product.id())));
    for at in candidates {
        let Some(way) = mounted(machine, &at)? else { continue };
        let ours = at.parent() == Some(&paths.mounts);
        // A file system that is no archive is never unmounted.
        let broken = machine.is_broken(&at);
        if !ours && !broken && described(&at).is_err() {
            continue;
        }
        let _lock = lock(paths, !ours)?;
        let id = at.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let archive = id.parse().ok().and_then(|id| mount_unit::archive_of(paths, &id));
        let keep = archive.is_some();
        let archive = archive.unwrap_or_else(|| at.clone());
        let mut steps = vec![NodeStep::Unmount {
            archive: archive.clone(),
            at: at.clone(),
            way,
            lazily: force || broken,
        }];
        // Our own mount point, unless a unit mounts there again at the next boot.
        if ours && !keep {
            steps.push(NodeStep::RemoveFolder { path: at });
        }
        apply::run(&steps, &id, machine, None)?;
        return Ok(NodeChange { id, archive, steps, not_mounted: None, notes: Vec::new() });
    }
    Err(Error::NotMounted(which.to_owned()))
}
