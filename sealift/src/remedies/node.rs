//! Help for errors about changes of a whole node.

use node::hooks::Error as HookError;

use crate::failure::Failure;
use crate::signals::Signals;

/// Hooks that cannot be run, or have failed.
pub(crate) fn hooks(error: HookError) -> Failure {
    match error {
        HookError::Unsafe { .. } => Failure::usage_by(error)
            .remedy("give them to root and let nobody else write to them: `chown root`, `chmod go-w`"),
        HookError::Failed { .. } => Failure::failed(error),
        HookError::TimedOut { .. } => Failure::failed(error).remedy("allow it more time with --hook-timeout"),
        error => error.into(),
    }
}

/// As [`hooks`]; the signal if that ended a hook.
pub(crate) fn hooks_cancelled(error: HookError, signals: &Signals) -> Failure {
    match (&error, signals.number()) {
        (HookError::Cancelled { .. }, Some(number)) => Failure::Signal(number),
        _ => hooks(error),
    }
}
