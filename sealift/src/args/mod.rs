//! Options that several commands share.

pub(crate) mod node_paths;
pub(crate) mod registry_client;
