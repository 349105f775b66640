//! Doing the steps of an import or deletion, and undoing them if one fails.

use std::io;
use std::path::Path;

use content::{IoError, LinkPolicy};

use super::error::Error;
use super::machine::Machine;
use super::node_change::{NodeChange, NodeStep};
use super::open_archive::OpenArchive;
use crate::file;
use crate::site_config::{self, ConfigurationKind, NodeConfiguration};

/// Does the steps; if one fails, undoes those before it. `open` is the archive, which must be the same before and after
/// each step; `None` where the steps remove an archive.
pub(super) fn run(
    steps: &[NodeStep],
    id: &str,
    machine: &dyn Machine,
    open: Option<&OpenArchive>,
) -> Result<(), Error> {
    let mut former = None;
    let mut done = 0;
    let mut all = || {
        for step in steps {
            open.map_or(Ok(()), OpenArchive::check)?;
            apply(step, id, machine, &mut former)?;
            done += 1;
            match (open, step) {
                (Some(open), NodeStep::Mount { at, .. }) => open.check_mounted(at, machine)?,
                (Some(open), _) => open.check()?,
                (None, _) => {}
            }
        }
        Ok(())
    };
    let result = all();
    if result.is_err() {
        for step in steps.get(..done).unwrap_or_default().iter().rev() {
            // A step that cannot be undone is found by the next import or deletion, which plans again.
            let _ = undo(step, id, machine, &mut former);
        }
    }
    result
}

/// Undoes the steps of an import that has succeeded, except for changes of configurations.
pub(crate) fn revert(done: &NodeChange, machine: &dyn Machine) -> Result<(), Error> {
    for step in done.steps.iter().rev() {
        if !matches!(step, NodeStep::List { .. } | NodeStep::Unlist { .. }) {
            undo(step, &done.id, machine, &mut None)?;
        }
    }
    Ok(())
}

/// Does a step. One that changes the configuration stores the previous one in `former`.
pub(super) fn apply(
    step: &NodeStep,
    id: &str,
    machine: &dyn Machine,
    former: &mut Option<NodeConfiguration>,
) -> Result<(), Error> {
    match step {
        NodeStep::CreateFolder { path } => Ok(content::create_folder(path)?),
        NodeStep::Mount { archive, at, way } => {
            Ok(machine.mount(archive, at, *way).map_err(IoError::at("mount", archive))?)
        }
        NodeStep::WriteUnit { path, link, content, former } => {
            let written = write_unit(path, link, content).and_then(|()| machine.reload_units());
            if written.is_err() {
                // Like a removal, this may be half done.
                let _ = match former {
                    Some(former) => file::replace(path, former.as_bytes()),
                    None => file::remove(link).and_then(|()| file::remove(path)),
                };
            }
            Ok(written.map_err(IoError::at("enable", path))?)
        }
        NodeStep::List { file, kind, archive } => {
            change(file, *kind, former, |configuration| configuration.add(archive))
        }
        NodeStep::Unlist { file, kind, archive } => {
            change(file, *kind, former, |configuration| configuration.remove(archive))
        }
        NodeStep::Unmount { at, lazily, .. } => {
            machine.unmount(at, *lazily).map_err(|source| Error::InUse { id: id.to_owned(), source })
        }
        NodeStep::RemoveUnit { path, link, former } => {
            let removed =
                file::remove(link).and_then(|()| file::remove(path)).and_then(|()| machine.reload_units());
            if removed.is_err() {
                let _ = write_unit(path, link, former);
            }
            Ok(removed.map_err(IoError::at("disable", path))?)
        }
        NodeStep::ChangeFstab { path, content, former, .. } => {
            let now = content::open_read(path, LinkPolicy::Follow, former.len() as u64).ok();
            if now.as_deref() != Some(former.as_bytes()) {
                let error = io::Error::other("another program has just changed it");
                return Err(IoError::at("change", path)(error).into());
            }
            let changed = file::replace(path, content.as_bytes()).and_then(|()| machine.reload_units());
            if changed.is_err() {
                // The file may have been replaced.
                let _ = file::replace(path, former.as_bytes());
            }
            Ok(changed.map_err(IoError::at("change", path))?)
        }
        // Only an empty one: files that people put there stay.
        NodeStep::RemoveFolder { path } => match std::fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            done => Ok(done.map_err(IoError::at("remove", path))?),
        },
    }
}

/// Changes the current configuration: people may have edited it while the archive was verified.
fn change(
    file: &Path,
    kind: ConfigurationKind,
    former: &mut Option<NodeConfiguration>,
    edit: impl FnOnce(&mut NodeConfiguration) -> Result<(), site_config::Error>,
) -> Result<(), Error> {
    let before = NodeConfiguration::read(file, kind)?;
    let mut changed = before.clone();
    edit(&mut changed)?;
    changed.write()?;
    *former = Some(before);
    Ok(())
}

/// Undoes a step. `former` is the configuration before the step that changed it.
fn undo(
    step: &NodeStep,
    id: &str,
    machine: &dyn Machine,
    former: &mut Option<NodeConfiguration>,
) -> Result<(), Error> {
    let reverse = match step.clone() {
        NodeStep::CreateFolder { path } => NodeStep::RemoveFolder { path },
        NodeStep::RemoveFolder { path } => NodeStep::CreateFolder { path },
        NodeStep::Mount { archive, at, way } => NodeStep::Unmount { archive, at, way, lazily: false },
        NodeStep::Unmount { archive, at, way, .. } => NodeStep::Mount { archive, at, way },
        NodeStep::WriteUnit { path, link, content, former: None } => {
            NodeStep::RemoveUnit { path, link, former: content }
        }
        NodeStep::WriteUnit { path, link, content, former: Some(former) } => {
            NodeStep::WriteUnit { path, link, content: former, former: Some(content) }
        }
        NodeStep::RemoveUnit { path, link, former } => {
            NodeStep::WriteUnit { path, link, content: former, former: None }
        }
        NodeStep::ChangeFstab { path, lines, content, former } => {
            NodeStep::ChangeFstab { path, lines, content: former, former: content }
        }
        // With its comments and its order, which adding the archive again would not restore.
        NodeStep::List { .. } | NodeStep::Unlist { .. } => {
            return former.take().map_or(Ok(()), |former| Ok(former.restore()?));
        }
    };
    apply(&reverse, id, machine, former)
}

fn write_unit(path: &Path, link: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = link.parent() {
        content::create_folder(folder)?;
    }
    file::replace(path, content.as_bytes())?;
    file::link(path, link)
}
