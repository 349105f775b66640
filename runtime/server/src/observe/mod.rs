//! What an operator sees of a server: log, metrics, notifications to systemd.

pub(crate) mod log;
pub(crate) mod metrics;
pub mod systemd;
