//! What an upstream repository has: its `Release`, and the packages that `Packages` list.

mod listed;
mod release;
#[cfg(test)]
mod tests;

pub use self::listed::{ListedDeb, read_packages};
pub use self::release::{MAX_RELEASE, Release, ReleaseFile};
