//! The administrator of a bootstrap node: imports, mounts and copies archives, and writes the configuration of their clients.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod archives;
pub mod backup;
pub mod bootstrap;
pub mod care;
pub mod change_version;
pub mod client_config;
pub mod copy;
pub mod environments;
mod file;
pub mod hooks;
pub mod nginx;
pub mod other_nodes;
pub mod publish;
pub mod push;
pub mod remote;
pub mod site_config;
pub mod transaction;
