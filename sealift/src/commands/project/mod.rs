//! The commands on a project: its tasks, their state, the lock file, the result cache.

pub(crate) mod cache;
pub(crate) mod clean;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod info;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod state;
pub(crate) mod watch;
