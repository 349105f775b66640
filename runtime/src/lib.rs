//! The bootstrap node: serve, import and mount archives.
//!
//! [`serve`] answers container runtimes and package managers straight from archives:
//!
//! ```no_run
//! use runtime::serve::{Config, Server};
//!
//! # async fn example() -> Result<(), runtime::serve::Error> {
//! let server = Server::bind(Config {
//!     listen: vec![([127, 0, 0, 1], 8080).into()],
//!     archives: vec!["metalk8s.iso".into()],
//!     ..Config::default()
//! })?;
//! server.run(async { tokio::signal::ctrl_c().await.unwrap_or(()) }).await
//! # }
//! ```
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

pub mod archives;
pub mod clients;
pub mod configuration;
pub mod copy;
mod file;
pub mod nginx;
pub mod push;
pub mod serve;
pub mod systemd;
