//! The run: the status of every task, the execution of actions, and how a run ends.

pub(crate) mod act;
pub(crate) mod attempts;
pub(crate) mod children;
pub(crate) mod error;
pub(crate) mod host;
pub(crate) mod notifier;
pub(crate) mod options;
pub(crate) mod outputs;
pub(crate) mod project;
pub(crate) mod prune;
pub(crate) mod recorder;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod schedule;
pub(crate) mod shared;
pub(crate) mod watch;
pub(crate) mod work;
