//! Child processes of actions.

use std::process::{Command, Output};

pub(crate) use content::Supervision;
pub use content::probe;

use crate::model::error::{ActionError, CannotRun};

/// Runs a child process to its end; see [`TaskContext::run_as`](crate::TaskContext::run_as).
pub(crate) fn run(
    supervision: &Supervision<'_>,
    name: &str,
    command: &mut Command,
) -> Result<Output, ActionError> {
    let program = command.get_program().to_string_lossy().into_owned();
    if (supervision.cancelled)() {
        return Err(ActionError::Cancelled);
    }
    let output = content::supervised(supervision, command).map_err(|source| CannotRun { program, source })?;
    if output.status.success() {
        Ok(output)
    } else if (supervision.cancelled)() {
        Err(ActionError::Cancelled)
    } else {
        Err(ActionError::Failed(format!("`{name}` {}", content::exit(output.status))))
    }
}
