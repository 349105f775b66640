//! What a build is made of: tasks, the graph that their paths make, and what the user selects.

pub(crate) mod context;
pub(crate) mod error;
pub(crate) mod graph;
pub(crate) mod linked;
pub(crate) mod links;
pub(crate) mod lookalike;
pub(crate) mod paths;
pub(crate) mod progress;
pub(crate) mod reason;
pub(crate) mod selection;
pub(crate) mod task;
pub(crate) mod tree;
