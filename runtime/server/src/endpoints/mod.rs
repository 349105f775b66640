//! The endpoints: the registry, and the files of archives.

pub(crate) mod files;
pub(crate) mod registry;
