//! What the end-to-end tests share: the program under test, the peers (the real tools that judge its output) and their servers.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a fixture that cannot be set up fails its test"
)]

pub mod apt;
pub mod browser;
pub mod containerd;
pub mod daemon;
pub mod dnf;
pub mod file_server;
pub mod folder;
pub mod http;
pub mod killed;
pub mod kubernetes;
pub mod mounts;
pub mod network;
pub mod nginx;
pub mod peer;
pub mod qemu;
pub mod registry;
pub mod relay;
pub mod sealift;
pub mod signing_key;
pub mod user;
pub mod virtual_node;
