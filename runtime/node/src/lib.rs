//! The bootstrap node's administrator: import, mount and copy archives, and write the configuration of those who use them.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod archives;
pub mod client_config;
pub mod copy;
mod file;
pub mod nginx;
pub mod push;
pub mod site_config;
