//! Queries of a graph and its state, and changes of the state, without running an action.

pub(crate) mod clean;
pub(crate) mod dry_run;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod forget;
pub(crate) mod info;
pub(crate) mod list;
