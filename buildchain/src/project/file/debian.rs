//! Debian packages in the lock file.

use content::Digest;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::project::field::{ByName, Named};
use crate::project::names::{DebName, LockedPath};

/// The Debian packages of a repository for one form of the project.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedDebSetEntry {
    /// The digest of what the project says about them. If it differs, `sealift lock` chooses packages again.
    pub inputs: Named<Digest>,
    /// The date of the upstream metadata that first had these packages, in seconds since 1970.
    #[serde(default)]
    pub date: i64,
    /// Each package, as `NAME_[EPOCH:]VERSION_ARCHITECTURE`.
    #[serde(default)]
    pub packages: ByName<DebName, LockedDebEntry>,
}

/// A Debian package of an upstream repository.
#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockedDebEntry {
    /// Its path from the URL of the repository, or its URL.
    pub path: Named<LockedPath>,
    /// Its SHA-256.
    pub digest: Named<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// The request.
    pub by: String,
}
