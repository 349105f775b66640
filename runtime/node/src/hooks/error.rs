//! Errors of hooks.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use content::IoError;

use super::step::HookStep;

/// A hook cannot be run, or has failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
    /// Others could change hooks; at least one.
    #[error("hooks of the step {step} cannot be run: {}", .hooks.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unsafe {
        /// The step.
        step: HookStep,
        /// The hooks or their folders.
        hooks: Vec<UnsafeHook>,
    },
    /// A folder has too many entries.
    #[error("{} has more than {most} entries", content::printable_path(folder))]
    TooMany {
        /// The folder.
        folder: PathBuf,
        /// The most that it may have.
        most: usize,
    },
    /// A hook failed.
    #[error("the hook {} {}", content::printable_path(hook), content::exit(*status))]
    Failed {
        /// The hook.
        hook: PathBuf,
        /// How it ended.
        status: ExitStatus,
    },
    /// A hook took too long and was ended.
    #[error("the hook {} was ended: it took longer than {}", content::printable_path(hook), content::duration(*limit))]
    TimedOut {
        /// The hook.
        hook: PathBuf,
        /// The time that it may take.
        limit: Duration,
    },
    /// A hook was ended because the command is cancelled.
    #[error("the hook {} was ended: the command was cancelled", content::printable_path(hook))]
    Cancelled {
        /// The hook.
        hook: PathBuf,
    },
}

/// A hook, or a folder of hooks, that others could change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsafeHook {
    /// Its path.
    pub path: PathBuf,
    /// Why it cannot be trusted.
    pub problem: String,
}

impl std::fmt::Display for UnsafeHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", content::printable_path(&self.path), self.problem)
    }
}
