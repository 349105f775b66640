//! The task graph as its users see it: with real files and real runs.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

mod behavior;
mod cache;
mod children;
mod doit;
mod dynamic;
mod forms;
mod kill;
mod learning;
mod model;
mod project;
mod run;
mod scratch;
