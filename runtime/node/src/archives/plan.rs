//! Planning the steps of an import, a mount or a deletion.

use std::path::{Path, PathBuf};

use content::IoError;

use super::describe::described;
use super::error::Error;
use super::machine::{Machine, mounted};
use super::mount_mode::MountMode;
use super::node_change::NodeStep;
use super::node_layout::NodeLayout;
use super::{fstab, mount_unit};
use crate::site_config::NodeConfiguration;
use archive::ArchiveId;

/// The steps that an import still needs.
pub(super) fn import(
    paths: &NodeLayout,
    archive: &Path,
    id: &ArchiveId,
    way: Option<MountMode>,
    machine: &dyn Machine,
    configuration: &NodeConfiguration,
) -> Result<Vec<NodeStep>, Error> {
    let at = paths.mounts.join(id);
    let mut steps = way.map_or_else(|| Ok(Vec::new()), |way| mount(archive, &at, way, machine))?;
    // A mount unit of systemd cannot start the program of a FUSE mount.
    if way == Some(MountMode::Kernel) {
        let (path, link) = mount_unit::files(paths, id);
        mount_unit::check(archive)?;
        mount_unit::check(&at)?;
        let content = mount_unit::content(archive, &at, archive.is_dir());
        let former = mount_unit::read(&path)?;
        if former.as_deref() != Some(&content) || !link.exists() {
            steps.push(NodeStep::WriteUnit { path, link, content, former });
        }
    }
    if !configuration.archives().iter().any(|listed| listed == archive) {
        // Refuses a list that cannot be changed before any step is done.
        configuration.clone().add(archive)?;
        steps.push(NodeStep::List {
            file: configuration.path().to_path_buf(),
            kind: configuration.kind(),
            archive: archive.to_path_buf(),
        });
    }
    Ok(steps)
}

/// Refuses a mount point at which something else is mounted: another archive, or a former one of this name.
pub(super) fn refuse_other(
    archive: &Path,
    id: &ArchiveId,
    at: &Path,
    machine: &dyn Machine,
) -> Result<(), Error> {
    if mounted(machine, at)?.is_none() {
        return Ok(());
    }
    let is_this = machine.shows(archive, at).map_err(IoError::at("determine the mount at", at))?;
    if is_this && (machine.is_broken(at) || described(at).is_ok_and(|(shown, _)| shown.id() == *id)) {
        return Ok(());
    }
    Err(Error::Occupied { at: at.to_path_buf() })
}

/// The steps that a mount still needs.
pub(super) fn mount(
    archive: &Path,
    at: &Path,
    way: MountMode,
    machine: &dyn Machine,
) -> Result<Vec<NodeStep>, Error> {
    let mut steps = Vec::new();
    let now = mounted(machine, at)?;
    let broken = now.filter(|_| machine.is_broken(at));
    if let Some(way) = broken {
        let (archive, at) = (archive.to_path_buf(), at.to_path_buf());
        steps.push(NodeStep::Unmount { archive, at, way, lazily: true });
    }
    if now.is_none() || broken.is_some() {
        if broken.is_none() && !at.is_dir() {
            steps.push(NodeStep::CreateFolder { path: at.to_path_buf() });
        }
        steps.push(NodeStep::Mount { archive: archive.to_path_buf(), at: at.to_path_buf(), way });
    }
    Ok(steps)
}

/// The steps that a deletion still needs, and notes on what remains. An archive without an ID is unidentifiable: it is only
/// removed from the configuration.
pub(super) fn delete(
    paths: &NodeLayout,
    archive: &Path,
    id: Option<&ArchiveId>,
    lazily: bool,
    machine: &dyn Machine,
    configuration: &NodeConfiguration,
) -> Result<(Vec<NodeStep>, Vec<String>), Error> {
    let at = id.map(|id| paths.mounts.join(id));
    let broken = at.as_deref().is_some_and(|at| machine.is_broken(at));
    let mut steps = Vec::new();
    // First: most deletions fail because the archive is in use, and then nothing has been changed.
    if let Some((at, way)) = at.clone().zip(at.as_deref().map_or(Ok(None), |at| mounted(machine, at))?) {
        steps.push(NodeStep::Unmount { archive: archive.to_path_buf(), at, way, lazily: lazily || broken });
    }
    let fstab = fstab::find(paths, archive, at.as_deref())?;
    if !fstab.ours.is_empty() {
        steps.push(NodeStep::ChangeFstab {
            path: paths.fstab.clone(),
            content: fstab.without(),
            lines: fstab.ours,
            former: fstab.text,
        });
    }
    // Before the archive leaves the list, by which the next run after a kill finds it: FUSE has no unit.
    let is_folder = |at: &PathBuf| broken || std::fs::symlink_metadata(at).is_ok_and(|data| data.is_dir());
    if let Some(path) = at.filter(is_folder) {
        steps.push(NodeStep::RemoveFolder { path });
    }
    if configuration.archives().iter().any(|listed| listed == archive) {
        configuration.clone().remove(archive)?;
        steps.push(NodeStep::Unlist {
            file: configuration.path().to_path_buf(),
            kind: configuration.kind(),
            archive: archive.to_path_buf(),
        });
    }
    // Last: the unit identifies the archive for the next run after a kill.
    if let Some(id) = id.filter(|id| mount_unit::archive_of(paths, id).is_some()) {
        let (path, link) = mount_unit::files(paths, id);
        let former = mount_unit::read(&path)?.unwrap_or_default();
        steps.push(NodeStep::RemoveUnit { path, link, former });
    }
    Ok((steps, fstab::notes(&paths.fstab, &fstab.others)))
}
