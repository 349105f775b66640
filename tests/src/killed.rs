//! Commands that are killed with SIGKILL, with everything that they started.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use crate::peer;

/// Starts a command in a process group of its own, without input and output.
///
/// # Panics
///
/// If it cannot be started.
#[must_use]
pub fn start(command: &mut Command) -> Child {
    let command = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

/// Kills a process that [`start`] started, and all others of its group.
///
/// # Panics
///
/// If it has been waited for.
pub fn kill(mut child: Child) {
    let group = format!("-{}", child.id());
    peer::run(Command::new("kill").args(["-s", "KILL", "--", &group]));
    child.wait().unwrap();
}
