//! The task graph as its users see it: real files, real runs.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

mod bench;
mod run;
