//! What is asked of a graph and its state without running an action.

pub(crate) mod clean;
pub(crate) mod dry_run;
pub(crate) mod export;
pub(crate) mod list;
