//! What imports and mounts need from the machine, apart from files.

use std::io;
use std::path::Path;

use content::IoError;

use super::error::Error;
use super::mount_mode::{CannotMount, MountMode};

/// What imports and mounts need from the machine, apart from files.
pub trait Machine {
    /// Whether an archive can be mounted here in a way. Changes nothing.
    ///
    /// # Errors
    ///
    /// Why not.
    fn can_mount(&self, archive: &Path, way: MountMode) -> Result<(), CannotMount>;
    /// Prepares the machine to mount an archive in a way: loads the module that the kernel lacks.
    ///
    /// # Errors
    ///
    /// Why it still cannot be mounted.
    fn prepare(&self, archive: &Path, way: MountMode) -> Result<(), CannotMount> {
        self.can_mount(archive, way)
    }
    /// Mounts an ISO, or a folder, read-only. It stays mounted when this process ends.
    ///
    /// # Errors
    ///
    /// The error of the program that mounts.
    fn mount(&self, archive: &Path, at: &Path, way: MountMode) -> io::Result<()>;
    /// Unmounts; lazily if it may be in use.
    ///
    /// # Errors
    ///
    /// The error of the program that unmounts.
    fn unmount(&self, at: &Path, lazily: bool) -> io::Result<()>;
    /// The way in which something is mounted at `at`; `None` if nothing is.
    ///
    /// # Errors
    ///
    /// If the list of mounts cannot be read.
    fn mounted(&self, at: &Path) -> io::Result<Option<MountMode>>;
    /// Whether this archive is mounted at `at`, and not another one or a file that had its name before.
    ///
    /// # Errors
    ///
    /// If the list of mounts cannot be read.
    fn shows(&self, archive: &Path, at: &Path) -> io::Result<bool>;
    /// Whether the mount at `at` is dead: its program has ended, and every access fails.
    fn is_broken(&self, at: &Path) -> bool {
        let dead = Some(rustix::io::Errno::NOTCONN.raw_os_error());
        std::fs::metadata(at).is_err_and(|error| error.raw_os_error() == dead)
    }
    /// Notifies systemd that units were added or removed.
    ///
    /// # Errors
    ///
    /// The error of `systemctl`.
    fn reload_units(&self) -> io::Result<()>;
}

/// The way in which something is mounted at `at`.
pub(super) fn mounted(machine: &dyn Machine, at: &Path) -> Result<Option<MountMode>, Error> {
    Ok(machine.mounted(at).map_err(IoError::at("determine the mount at", at))?)
}
