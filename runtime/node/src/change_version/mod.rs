//! Upgrades and downgrades: which version of its archives a node runs.
//!
//! All imported archives of a node are served, each under its ID, so the images and packages of both versions are there during a
//! change. What changes is the version that the node runs: the record in `versions.yaml`, and the environment of Salt where its
//! configuration names one. The cluster's part is the work of hooks, which run while the change can still be undone.

mod error;
mod plan;
mod rules;
mod run;
pub(crate) mod salt;
#[cfg(test)]
mod tests;
mod versions;

pub use error::Error;
pub use plan::{ChangeOptions, PlannedChange, VersionArchive, plan, root_of};
pub use rules::{Direction, Refusal, check};
pub use run::{ChangeOutcome, ChangeProgress, HookContext, abort, run};
pub(crate) use versions::versions;
pub use versions::{RecordError, parse as parse_versions, set as set_version};
