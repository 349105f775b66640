//! The run: which task is where, what its action does, and how it ends.

pub(crate) mod act;
pub(crate) mod children;
pub(crate) mod context;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod sweep;
pub(crate) mod watch;
pub(crate) mod work;
