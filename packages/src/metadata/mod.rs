//! Reading the metadata of package repositories, of any origin.
//!
//! A [`Pool`] has the packages of several repositories. [`Pool::read_primary`] fills it from `primary.xml`,
//! [`Pool::read_repository`] from a folder with or without metadata. Everything is read as it streams by and with bounds:
//! names, versions and dependencies are kept once, and no number in the input decides what is allocated. Files are unpacked by
//! [`unpacked`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use packages::metadata::{Pool, Repository, unpacked};
//!
//! let primary = br#"<metadata><package type="rpm">
//!     <name>a</name><arch>noarch</arch><version epoch="0" ver="1.0" rel="1"/>
//!     <checksum type="sha256">e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855</checksum>
//!     <location href="a-1.0-1.noarch.rpm"/>
//!     <format><rpm:requires><rpm:entry name="(b or c)"/></rpm:requires></format>
//! </package></metadata>"#;
//! let mut pool = Pool::new();
//! let epel = pool.add_repository(Repository::new("epel"));
//! pool.read_primary(epel, unpacked(&primary[..], 1 << 20)?, Path::new("primary.xml"))?;
//! let (_, package) = pool.packages().next().ok_or("no package")?;
//! assert_eq!(pool.nevra(package), "a-1.0-1.noarch");
//! # Ok(())
//! # }
//! ```

mod changelog;
mod checksum;
mod compression;
mod comps;
mod expression;
mod filelists;
mod folder;
mod modules;
mod pool;
mod primary;
mod repomd;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod xml;

use std::path::Path;

pub use self::changelog::{ChangelogEntry, Changelogs, newer_entries, read_changelogs};
pub use self::checksum::{Checksum, ChecksumHasher, ChecksumKind};
pub use self::compression::unpacked;
pub use self::comps::{Group, Groups, Member, MemberKind};
pub use self::expression::{Evr, Expression, ExpressionId};
pub use self::filelists::WantedPaths;
pub use self::folder::{FolderRepository, RepositoryFiles};
pub use self::modules::{ModuleDefaults, ModuleStream, Modules};
pub use self::pool::{Package, PackageId, Pool, Repository, RepositoryId};
pub use self::repomd::{Repomd, RepomdFile};
pub use self::text::Text;
pub use crate::dependency::Operator;
use crate::error::Error;
use crate::repository::HeaderFault;

/// Bytes of a `repomd.xml`.
pub const MAX_REPOMD: u64 = 4 << 20;
/// Bytes of a `primary.xml` or `filelists.xml`, unpacked.
pub const MAX_PACKAGE_METADATA: u64 = 4 << 30;
/// Bytes of a `comps.xml` or `modules.yaml`, unpacked.
pub const MAX_GROUP_METADATA: u64 = 64 << 20;

fn metadata_error(path: &Path) -> impl FnOnce(HeaderFault) -> Error {
    |HeaderFault { place, expected, found }| Error::Metadata { path: path.to_owned(), place, expected, found }
}

/// Whether a path from outside stays in the folder of its repository.
pub(crate) fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= 4096
        && !path.starts_with('/')
        && !path.contains("://")
        && !path.chars().any(|c| c.is_control() || c == '\\')
        && path.split('/').all(|part| part != "..")
}
