//! The steps of an import or deletion: planned first, told or done then, undone if one of them fails.

use std::io;
use std::path::{Path, PathBuf};

use content::Links;
use serde::Serialize;

use super::describe::described;
use super::held::Held;
use super::machine::Machine;
use super::mounting::Way;
use super::{Error, Paths, fstab, unit};
use crate::file;
use crate::site_config::{self, Configuration, Kind};

/// One change to the node. As JSON: an object with the key `step`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// Make a mount point.
    CreateFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Mount the archive.
    Mount {
        /// The archive.
        archive: PathBuf,
        /// Where.
        at: PathBuf,
        /// How.
        way: Way,
    },
    /// Write the systemd mount unit and have it started with the system.
    WriteUnit {
        /// The file of the unit.
        path: PathBuf,
        /// The link that has it started.
        link: PathBuf,
        /// What the unit says.
        content: String,
        /// What it said before.
        former: Option<String>,
    },
    /// Add the archive to the configuration.
    List {
        /// The configuration file.
        file: PathBuf,
        /// Which configuration that is.
        #[serde(skip)]
        kind: Kind,
        /// The archive.
        archive: PathBuf,
    },
    /// Take the archive off the configuration.
    Unlist {
        /// The configuration file.
        file: PathBuf,
        /// Which configuration that is.
        #[serde(skip)]
        kind: Kind,
        /// The archive.
        archive: PathBuf,
    },
    /// Unmount the archive.
    Unmount {
        /// The archive.
        archive: PathBuf,
        /// Where it is mounted.
        at: PathBuf,
        /// How it was mounted.
        way: Way,
        /// Even if something uses it.
        lazily: bool,
    },
    /// Remove the systemd mount unit.
    RemoveUnit {
        /// The file of the unit.
        path: PathBuf,
        /// The link that has it started.
        link: PathBuf,
        /// What it said.
        former: String,
    },
    /// Remove the lines by which the system mounts the archive at each boot.
    ChangeFstab {
        /// The file.
        path: PathBuf,
        /// The lines.
        lines: Vec<String>,
        /// What the file says then.
        #[serde(skip)]
        content: String,
        /// What it said before.
        #[serde(skip)]
        former: String,
    },
    /// Remove the mount point.
    RemoveFolder {
        /// The folder.
        path: PathBuf,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateFolder { path } => write!(f, "create {}", path.display()),
            Self::Mount { archive, at, way } => {
                write!(f, "mount {} at {} {way}", archive.display(), at.display())?;
                f.write_str(if *way == Way::Fuse { ", until the system ends" } else { "" })
            }
            Self::WriteUnit { path, .. } => write!(f, "write {}", path.display()),
            Self::List { file, archive, .. } => write!(f, "add {} to {}", archive.display(), file.display()),
            Self::Unlist { file, archive, .. } => {
                write!(f, "remove {} from {}", archive.display(), file.display())
            }
            Self::Unmount { at, .. } => write!(f, "unmount {}", at.display()),
            Self::ChangeFstab { path, lines, .. } => {
                let lines = lines.join("\n");
                write!(f, "remove from {}: {}", path.display(), content::printable(&lines))
            }
            Self::RemoveUnit { path, .. } | Self::RemoveFolder { path } => {
                write!(f, "remove {}", path.display())
            }
        }
    }
}

/// What is still to be done to import an archive.
pub(super) fn import(
    paths: &Paths,
    archive: &Path,
    id: &str,
    way: Option<Way>,
    machine: &dyn Machine,
    configuration: &Configuration,
) -> Result<Vec<Step>, Error> {
    let at = paths.mounts.join(id);
    let mut steps = way.map_or_else(|| Ok(Vec::new()), |way| mount(archive, &at, way, machine))?;
    // What FUSE shows comes from a program that systemd's mount units cannot start.
    if way == Some(Way::Kernel) {
        let (path, link) = unit::files(paths, id);
        unit::check(archive)?;
        unit::check(&at)?;
        let content = unit::content(archive, &at, archive.is_dir());
        let former = unit::read(&path)?;
        if former.as_deref() != Some(&content) || !link.exists() {
            steps.push(Step::WriteUnit { path, link, content, former });
        }
    }
    if !configuration.archives().iter().any(|listed| listed == archive) {
        // A list that cannot be changed is refused before anything else is.
        configuration.clone().add(archive)?;
        steps.push(Step::List {
            file: configuration.path().to_path_buf(),
            kind: configuration.kind(),
            archive: archive.to_path_buf(),
        });
    }
    Ok(steps)
}

/// Refuses a place at which something else is mounted: another archive, or one that was there under this name before.
pub(super) fn refuse_other(archive: &Path, id: &str, at: &Path, machine: &dyn Machine) -> Result<(), Error> {
    if mounted(machine, at)?.is_none() {
        return Ok(());
    }
    let is_this = machine.shows(archive, at).map_err(|source| Error::Io {
        operation: "find out what is mounted at",
        path: at.to_path_buf(),
        source,
    })?;
    if is_this && (machine.is_broken(at) || described(at).is_ok_and(|(there, _)| there.id() == id)) {
        return Ok(());
    }
    Err(Error::Occupied { at: at.to_path_buf() })
}

/// What is still to be done to have an archive mounted.
pub(super) fn mount(archive: &Path, at: &Path, way: Way, machine: &dyn Machine) -> Result<Vec<Step>, Error> {
    let mut steps = Vec::new();
    let there = mounted(machine, at)?;
    let broken = there.filter(|_| machine.is_broken(at));
    if let Some(way) = broken {
        let (archive, at) = (archive.to_path_buf(), at.to_path_buf());
        steps.push(Step::Unmount { archive, at, way, lazily: true });
    }
    if there.is_none() || broken.is_some() {
        if broken.is_none() && !at.is_dir() {
            steps.push(Step::CreateFolder { path: at.to_path_buf() });
        }
        steps.push(Step::Mount { archive: archive.to_path_buf(), at: at.to_path_buf(), way });
    }
    Ok(steps)
}

/// What is still to be done to delete an archive, and what stays. One without an `id`, of which nobody knows what it was, is
/// only taken off the configuration.
pub(super) fn delete(
    paths: &Paths,
    archive: &Path,
    id: Option<&str>,
    lazily: bool,
    machine: &dyn Machine,
    configuration: &Configuration,
) -> Result<(Vec<Step>, Vec<String>), Error> {
    let at = id.map(|id| paths.mounts.join(id));
    let broken = at.as_deref().is_some_and(|at| machine.is_broken(at));
    let mut steps = Vec::new();
    // First: an archive in use is what refuses most deletions, and then nothing has been changed.
    if let Some((at, way)) = at.clone().zip(at.as_deref().map_or(Ok(None), |at| mounted(machine, at))?) {
        steps.push(Step::Unmount { archive: archive.to_path_buf(), at, way, lazily: lazily || broken });
    }
    let fstab = fstab::find(paths, archive, at.as_deref())?;
    if !fstab.ours.is_empty() {
        steps.push(Step::ChangeFstab {
            path: paths.fstab.clone(),
            content: fstab.without(),
            lines: fstab.ours,
            former: fstab.text,
        });
    }
    if configuration.archives().iter().any(|listed| listed == archive) {
        configuration.clone().remove(archive)?;
        steps.push(Step::Unlist {
            file: configuration.path().to_path_buf(),
            kind: configuration.kind(),
            archive: archive.to_path_buf(),
        });
    }
    let is_folder = |at: &PathBuf| broken || std::fs::symlink_metadata(at).is_ok_and(|data| data.is_dir());
    if let Some(path) = at.filter(is_folder) {
        steps.push(Step::RemoveFolder { path });
    }
    // Last: until then it tells a deletion that was killed what was meant.
    if let Some(id) = id.filter(|id| unit::archive_of(paths, id).is_some()) {
        let (path, link) = unit::files(paths, id);
        let former = unit::read(&path)?.unwrap_or_default();
        steps.push(Step::RemoveUnit { path, link, former });
    }
    Ok((steps, fstab::notes(&paths.fstab, &fstab.others)))
}

pub(super) fn mounted(machine: &dyn Machine, at: &Path) -> Result<Option<Way>, Error> {
    machine.mounted(at).map_err(|source| Error::Io {
        operation: "find out what is mounted at",
        path: at.to_path_buf(),
        source,
    })
}

/// Does the steps; if one fails, undoes those before it. `before` is told of each step. `held` is the archive they are
/// about, which must be the same before and after each of them; `None` where steps take an archive away.
pub(super) fn run(
    steps: &[Step],
    id: &str,
    machine: &dyn Machine,
    held: Option<&Held>,
    before: &dyn Fn(&Step),
) -> Result<(), Error> {
    let mut former = None;
    let mut done = 0;
    let mut all = || {
        for step in steps {
            before(step);
            held.map_or(Ok(()), Held::check)?;
            apply(step, id, machine, &mut former)?;
            done += 1;
            match (held, step) {
                (Some(held), Step::Mount { at, .. }) => held.check_mounted(at, machine)?,
                (Some(held), _) => held.check()?,
                (None, _) => {}
            }
        }
        Ok(())
    };
    let result = all();
    if result.is_err() {
        for step in steps.get(..done).unwrap_or_default().iter().rev() {
            // What cannot be undone is named by the next import or deletion, which plans again.
            let _ = undo(step, id, machine, &mut former);
        }
    }
    result
}

/// Does a step. One that changes the configuration leaves in `former` what that was before.
fn apply(
    step: &Step,
    id: &str,
    machine: &dyn Machine,
    former: &mut Option<Configuration>,
) -> Result<(), Error> {
    let failed = |operation, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { operation, path, source }
    };
    match step {
        Step::CreateFolder { path } => {
            content::create_folder(path).map_err(|error| failed("create", path)(error.source))
        }
        Step::Mount { archive, at, way } => {
            machine.mount(archive, at, *way).map_err(failed("mount", archive))
        }
        Step::WriteUnit { path, link, content, former } => {
            let written = write_unit(path, link, content).and_then(|()| machine.units_changed());
            if written.is_err() {
                // As the other way round, this can fail half way.
                let _ = match former {
                    Some(former) => file::replace(path, former.as_bytes()),
                    None => file::remove(link).and_then(|()| file::remove(path)),
                };
            }
            written.map_err(failed("have systemd mount by", path))
        }
        Step::List { file, kind, archive } => {
            change(file, *kind, former, |configuration| configuration.add(archive))
        }
        Step::Unlist { file, kind, archive } => {
            change(file, *kind, former, |configuration| configuration.remove(archive))
        }
        Step::Unmount { at, lazily, .. } => {
            machine.unmount(at, *lazily).map_err(|source| Error::InUse { id: id.to_owned(), source })
        }
        Step::RemoveUnit { path, link, former } => {
            let removed =
                file::remove(link).and_then(|()| file::remove(path)).and_then(|()| machine.units_changed());
            if removed.is_err() {
                let _ = write_unit(path, link, former);
            }
            removed.map_err(failed("have systemd forget", path))
        }
        Step::ChangeFstab { path, content, former, .. } => {
            let now = content::open_read(path, Links::Follow, former.len() as u64).ok();
            if now.as_deref() != Some(former.as_bytes()) {
                return Err(failed("change", path)(io::Error::other("somebody else has just changed it")));
            }
            let changed = file::replace(path, content.as_bytes()).and_then(|()| machine.units_changed());
            if changed.is_err() {
                // Half of it may be done.
                let _ = file::replace(path, former.as_bytes());
            }
            changed.map_err(failed("change", path))
        }
        // Only an empty one: what people have put there is theirs.
        Step::RemoveFolder { path } => match std::fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            done => done.map_err(failed("remove", path)),
        },
    }
}

/// Changes a configuration as it is now: people may have edited it while the archive was verified.
fn change(
    file: &Path,
    kind: Kind,
    former: &mut Option<Configuration>,
    edit: impl FnOnce(&mut Configuration) -> Result<(), site_config::Error>,
) -> Result<(), Error> {
    let before = Configuration::read(file, kind)?;
    let mut changed = before.clone();
    edit(&mut changed)?;
    changed.write()?;
    *former = Some(before);
    Ok(())
}

/// Takes a step back. `former` is the configuration as it was before the step that changed it.
fn undo(
    step: &Step,
    id: &str,
    machine: &dyn Machine,
    former: &mut Option<Configuration>,
) -> Result<(), Error> {
    let reverse = match step.clone() {
        Step::CreateFolder { path } => Step::RemoveFolder { path },
        Step::RemoveFolder { path } => Step::CreateFolder { path },
        Step::Mount { archive, at, way } => Step::Unmount { archive, at, way, lazily: false },
        Step::Unmount { archive, at, way, .. } => Step::Mount { archive, at, way },
        Step::WriteUnit { path, link, content, former: None } => {
            Step::RemoveUnit { path, link, former: content }
        }
        Step::WriteUnit { path, link, content, former: Some(former) } => {
            Step::WriteUnit { path, link, content: former, former: Some(content) }
        }
        Step::RemoveUnit { path, link, former } => {
            Step::WriteUnit { path, link, content: former, former: None }
        }
        Step::ChangeFstab { path, lines, content, former } => {
            Step::ChangeFstab { path, lines, content: former, former: content }
        }
        // Its comments and its order, too: adding what was removed would not give them back.
        Step::List { .. } | Step::Unlist { .. } => {
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
