//! Debian packages and their repositories.
//!
//! [`build`] makes a package of the definition of an RPM, whose key `deb` has the values that differ for Debian.
//!
//! [`index`] writes the metadata that apt reads. A repository is flat (`Packages` and `Release` beside the packages, `deb URL ./`),
//! or it has suites: `dists/SUITE/Release` names the metadata of each component and architecture with their SHA-256, and these
//! name the packages. Packages stay where they are.
//!
//! [`Release`] and [`read_packages`] read the metadata of others.
//!
//! Each package is read once: its control file is parsed and all of it hashed in the same pass. Several threads read, and the
//! entries are written in the order of names. Little is kept in memory: entries lie in a file until all are known.
//!
//! # Differences from `apt-ftparchive` and `dpkg-scanpackages`
//!
//! * SHA-256 is the only checksum: apt refuses repositories that have only weaker ones, and needs no other.
//! * Fields of a control file that only a repository can have, such as `Filename`, are left out.
//! * A file that is not a package, or is damaged, is an error unless the caller skips it.
//! * `Contents` name packages as `section/name`, as the archives of Debian do.

mod ar;
mod build;
mod contents;
mod entry;
mod index;
mod members;
mod options;
mod package;
mod place;
mod release;
mod stanza;
#[cfg(test)]
mod tests;
mod upstream;
mod version;
mod write;

pub(crate) use self::ar::Ar;
pub use self::build::{
    DebDefinition, DebDependency, DebScripts, build, build_in_memory, file_name, mistakes,
};
pub use self::index::{IndexedDebs, index};
pub use self::options::{DebIndexOptions, Suite};
pub use self::package::{DebIdentity, DebPackage};
pub use self::place::KEY;
pub use self::stanza::Stanza;
pub use self::upstream::{ListedDeb, MAX_RELEASE, Release, ReleaseFile, read_packages};
pub use self::version::compare;
