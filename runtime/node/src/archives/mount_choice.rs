//! Choosing the way an archive is mounted.

use std::path::Path;

use super::machine::Machine;
use super::mount_mode::{CannotMount, MountMode};

/// Whether and how an archive is to be mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MountChoice {
    /// By the kernel where possible, else through FUSE where possible, else not.
    #[default]
    Auto,
    /// In this way; an error if that is not possible.
    By(MountMode),
    /// Not at all.
    Never,
}

impl MountChoice {
    /// The way to mount an archive on a machine, or why it cannot be mounted. A dry run does not prepare the machine.
    pub(super) fn choose(
        self,
        archive: &Path,
        machine: &dyn Machine,
        dry_run: bool,
    ) -> Result<MountMode, CannotMount> {
        let can = |way| usable(way, archive, machine, dry_run);
        match self {
            Self::By(way) => Ok(way),
            Self::Never => Err(CannotMount::Never),
            Self::Auto => can(MountMode::Kernel).or_else(|kernel| {
                can(MountMode::Fuse)
                    .map_err(|fuse| CannotMount::Neither { kernel: Box::new(kernel), fuse: Box::new(fuse) })
            }),
        }
    }
}

/// The way, if a machine can mount an archive in it. Except in a dry run, the machine is prepared for it.
pub(super) fn usable(
    way: MountMode,
    archive: &Path,
    machine: &dyn Machine,
    dry_run: bool,
) -> Result<MountMode, CannotMount> {
    let can = if dry_run { machine.can_mount(archive, way) } else { machine.prepare(archive, way) };
    can.map(|()| way)
}
