//! Options that several commands share.

pub(crate) mod care;
pub(crate) mod client_config;
pub(crate) mod cluster;
pub(crate) mod hooks;
pub(crate) mod node_paths;
pub(crate) mod oci;
pub(crate) mod registry_client;
pub(crate) mod remote;
pub(crate) mod signing;
pub(crate) mod trust;
