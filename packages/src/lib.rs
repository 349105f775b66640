//! OS packages: building RPMs, and indexing repositories of RPMs and Debian packages.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let (base, repository) = (folder.path().join("base"), folder.path().join("repository"));
//! # std::fs::create_dir(&base)?;
//! # std::fs::write(base.join("motd"), "Served from one file.\n")?;
//! let definition: packages::RpmDefinition = serde_saphyr::from_str(
//!     r#"
//!     name: motd
//!     version: 2.11.0-dev
//!     release: "1"
//!     arch: noarch
//!     summary: Says what serves this node
//!     license: Apache-2.0
//!     files:
//!       - {from: motd, to: /etc/motd, kind: config}
//!     "#,
//! )?;
//! let source_date = 1_700_000_000;
//! let package = packages::build(&definition, &base, source_date, &repository.join("noarch"))?;
//! assert_eq!(package.nevra, "motd-2.11.0~dev-1.noarch");
//!
//! let index = packages::repository::index(&repository, source_date)?;
//! assert_eq!(index.packages, 1);
//! assert!(index.repomd.ends_with("repodata/repomd.xml"));
//! # Ok(())
//! # }
//! ```
//!
//! A package is [defined](RpmDefinition) by data: this crate reads no clock, runs no compiler and looks at no environment. Equal
//! inputs give equal bytes, on any machine and at any time. Of spec files it only finds the [sources](spec).
//!
//! # What it is built on
//!
//! * The crate `rpm` puts packages together. Its reader is not used: it allocates what a header promises and
//!   slices at offsets that it does not check, so a damaged file could end the process. The
//!   headers of foreign packages are read by a module of this crate instead, with bounds.
//! * Repository metadata are written with `quick-xml`. The crate `rpmrepo_metadata` (0.9.1, MPL-2.0) was
//!   considered: it reads with that same reader, reads each package twice, writes modification times, and
//!   brings bzip2, xz (a C library) and second versions of the hash crates. Metadata of one kind of
//!   compression, written and never read, are a few hundred lines.
//! * The grammar of dependencies, and those found in files, are modules of this crate: `rpm` checks no dependency, writes
//!   the same one twice and finds none in files. The crate `object` (0.40, August 2026) was considered for ELF files: it is well
//!   kept, but takes the whole file into memory, or a cache that a damaged file makes larger than itself. The headers,
//!   one section and two tables of versions are 300 lines.
//! * `jiff` turns a changelog's days into seconds, `rustix` exchanges two folders' names in one step.
#![cfg_attr(test, allow(clippy::disallowed_methods, reason = "tests use folders of their own"))]

mod automatic;
mod build;
mod check;
pub mod closure;
pub mod compare;
pub mod debian;
mod definition;
mod dependency;
mod error;
pub mod exchange;
mod expand;
mod format;
pub mod metadata;
pub mod openpgp;
mod overrides;
mod pattern;
mod payload;
mod publish;
mod relations;
pub mod repository;
mod scriptlets;
pub mod source;
pub mod source_package;
pub mod spec;
mod triggers;
pub mod version;

pub use build::{BUILD_HOST, BuiltPackage, build, build_in_memory, build_signed};
pub use check::Mistake;
pub use definition::{
    ChangelogEntry, PackageDirectory, PackageFile, PackageFileKind, PackageGhost, PackageMode,
    PackageSymlink, RpmDefinition,
};
pub use dependency::{Dependency, Relation, VersionComparison};
pub use error::{Error, Result};
pub use expand::{ExpandOptions, ExpandedDefinition};
pub use format::{PackageFormat, formats_in};
pub use overrides::{PackageOverrides, PackageTarget};
pub use pattern::PackageSource;
pub use payload::PackageCompression;
pub use scriptlets::{ScriptletInterpreter, ScriptletInterpreters, ScriptletRequires, Scriptlets};
pub use triggers::{FileTriggerEvent, PackageFileTrigger, PackageTrigger, TriggerEvent};
