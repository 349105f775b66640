//! Mounting, for people and programs that want files: serving needs no mount.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::delete::is_name;
use super::describe::{described, product_of};
use super::held::Held;
use super::import::{refuse_unvouched, verified};
use super::lock::lock;
use super::machine::Machine;
use super::places::{accepts_unverified, real};
use super::plan::{self, Step};
use super::{Done, Error, Paths, unit};

/// How an archive is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By the kernel: its isofs on a loop device, or a bind mount of a folder.
    Kernel,
    /// Through FUSE, by a process of ours.
    Fuse,
}

impl std::fmt::Display for Way {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Kernel => "by the kernel",
            Self::Fuse => "through FUSE",
        })
    }
}

/// How an archive is to be mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mounting {
    /// By the kernel where it can, else through FUSE where that can, else not.
    #[default]
    Auto,
    /// In this way, or it is an error.
    By(Way),
    /// Not at all.
    Never,
}

impl Mounting {
    /// The way that is taken for an archive on a machine, or why none is. A dry run only asks the machine.
    pub(super) fn choose(self, archive: &Path, machine: &dyn Machine, dry_run: bool) -> Result<Way, String> {
        let can = |way| usable(way, archive, machine, dry_run);
        match self {
            Self::By(way) => Ok(way),
            Self::Never => Err("`--mount never` was given".to_owned()),
            Self::Auto => can(Way::Kernel)
                .or_else(|kernel| can(Way::Fuse).map_err(|fuse| format!("{kernel}; no FUSE: {fuse}"))),
        }
    }
}

/// The way, if a machine can mount an archive in it, or why not. Except in a dry run, the machine is prepared for it.
pub(super) fn usable(way: Way, archive: &Path, machine: &dyn Machine, dry_run: bool) -> Result<Way, String> {
    let can = if dry_run { machine.can_mount(archive, way) } else { machine.prepare(archive, way) };
    can.map(|()| way)
}

/// How an archive is mounted by itself, without becoming one of this node's.
#[derive(Clone, Debug)]
pub struct Mount {
    /// The folder; its own below [`Paths::mounts`] if `None`.
    pub at: Option<PathBuf>,
    /// Whether the archive is verified first.
    pub verify: bool,
    /// How. [`Mounting::Never`] only tells whether it could be.
    pub mounting: Mounting,
    /// Whether only the steps are told.
    pub dry_run: bool,
}

/// Mounts an archive. It stays mounted until [`unmount`] or the end of the system.
///
/// # Errors
///
/// [`Error`]; what was there before is there still.
pub fn mount(
    paths: &Paths,
    archive: &Path,
    options: &Mount,
    machine: &dyn Machine,
    progress: &dyn iso::Progress,
) -> Result<Done, Error> {
    let io = |operation, path: &Path| {
        let path = path.to_path_buf();
        move |source| Error::Io { operation, path, source }
    };
    let paths = &paths.real();
    let held = Held::open(archive)?;
    let archive = held.path().to_path_buf();
    let (product, _) = product_of(&held.tree()?)?;
    let id = product.id();
    // Imports and deletions have nothing to do with a folder of the user's own.
    let (at, _lock) = match &options.at {
        Some(at) => (std::path::absolute(at).map_err(io("name", at))?, None),
        None => (paths.mounts.join(&id), lock(paths, options.dry_run)?),
    };
    plan::refuse_other(&archive, &id, &at, machine)?;
    let done = |archive, steps| Done { id: id.clone(), archive, steps, not_mounted: None, notes: Vec::new() };
    if plan::mounted(machine, &at)?.is_some() && !machine.is_broken(&at) {
        return Ok(done(archive, Vec::new()));
    }
    let way = options
        .mounting
        .choose(&archive, machine, options.dry_run)
        .map_err(|problem| Error::NoWay { id: id.clone(), problem })?;
    if options.verify {
        let unvouched = accepts_unverified(paths)?;
        if options.dry_run {
            refuse_unvouched(&held, unvouched)?;
        } else {
            verified(&held, unvouched, progress)?;
        }
    }
    let steps = plan::mount(&archive, &at, way, machine)?;
    if !options.dry_run {
        plan::run(&steps, &id, machine, Some(&held), &|_| {})?;
    }
    Ok(done(archive, steps))
}

/// Unmounts an archive: `which` is its name and version, its path, or its mount point. `force` unmounts what is in use.
///
/// # Errors
///
/// [`Error::NotMounted`], [`Error::InUse`]; what was there before is there still.
pub fn unmount(paths: &Paths, which: &str, force: bool, machine: &dyn Machine) -> Result<Done, Error> {
    let paths = &paths.real();
    let path = real(&std::path::absolute(which).unwrap_or_else(|_| PathBuf::from(which)));
    let mut places = vec![path.clone()];
    places.extend(is_name(which).then(|| paths.mounts.join(which)));
    places.extend(described(&path).ok().map(|(product, _)| paths.mounts.join(product.id())));
    for at in places {
        let Some(way) = plan::mounted(machine, &at)? else { continue };
        let ours = at.parent() == Some(&paths.mounts);
        // Nobody means the file system of the machine, whatever was typed.
        let broken = machine.is_broken(&at);
        if !ours && !broken && described(&at).is_err() {
            continue;
        }
        let _lock = lock(paths, !ours)?;
        let id = at.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let archive = unit::archive_of(paths, &id);
        let keep = archive.is_some();
        let archive = archive.unwrap_or_else(|| at.clone());
        let mut steps =
            vec![Step::Unmount { archive: archive.clone(), at: at.clone(), way, lazily: force || broken }];
        // Our own, unless a unit mounts there again when the system starts.
        if ours && !keep {
            steps.push(Step::RemoveFolder { path: at });
        }
        plan::run(&steps, &id, machine, None, &|_| {})?;
        return Ok(Done { id, archive, steps, not_mounted: None, notes: Vec::new() });
    }
    Err(Error::NotMounted(which.to_owned()))
}
