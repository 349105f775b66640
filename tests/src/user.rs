//! The user who runs the tests, and other users.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

/// The number of the user and the group `nobody`.
const NOBODY: u32 = 65_534;

/// Whether root runs the tests.
#[must_use]
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// A command of a user who is not root: of `nobody` if root runs the tests.
#[must_use]
pub fn as_user(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={NOBODY}")).arg(format!("--regid={NOBODY}"));
    command.arg("--clear-groups").arg(program);
    command
}

/// A folder that every user may enter.
///
/// # Panics
///
/// If it cannot be made.
#[must_use]
pub fn open_folder() -> TempDir {
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap()
}

/// Makes a folder that belongs to the user of [`as_user`].
///
/// # Panics
///
/// If it cannot be made.
pub fn make_folder(path: &Path) {
    fs::create_dir(path).unwrap();
    if is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}
