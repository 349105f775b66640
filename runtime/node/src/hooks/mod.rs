//! Hooks: programs of the site and of an archive that do the cluster's part of a change of the node.
//!
//! The hooks of a step are the executable files in `/etc/metalk8s/hooks.d/STEP/` and in `hooks/STEP/` of the archive. They run one
//! after the other in the order of their names; of two with one name, only that of the site runs. The first that fails ends
//! the step. A hook runs with the rights of this process, so nobody else may be able to write to it.

mod error;
mod find;
mod run;
mod step;
#[cfg(test)]
mod tests;

pub use error::{Error, UnsafeHook};
pub use find::{FoundHooks, Hook, HookFolders, HookOrigin, find};
pub use run::{HookEnvironment, HookProgress, HookRun};
pub use step::HookStep;
