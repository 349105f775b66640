//! The task graph as its users see it: real files, real runs.
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod cache;
mod children;
mod doit;
mod dynamic;
mod forms;
mod kill;
mod manners;
mod model;
mod run;
mod scratch;
