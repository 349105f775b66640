//! The formats of packages.

use std::path::Path;

use crate::error::Result;
use crate::repository::{PackageSelection, find};

/// The format of packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PackageFormat {
    /// `.rpm`: the metadata are in `repodata/`.
    Rpm,
    /// `.deb`: the metadata are `Packages` files, below `dists/` or beside the packages.
    Deb,
}

impl PackageFormat {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Rpm, Self::Deb];

    /// The format of the package with this name or path.
    #[must_use]
    pub fn of(path: &str) -> Option<Self> {
        let (_, ending) = path.rsplit_once('.')?;
        Self::ALL.into_iter().find(|format| format.ending() == ending)
    }

    /// `rpm` or `deb`.
    #[must_use]
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Deb => "deb",
        }
    }
}

/// The formats of the packages that would be indexed below `dir`, without repetition.
///
/// # Errors
///
/// [`Error::Unindexable`](crate::Error::Unindexable), [`Error::Pattern`](crate::Error::Pattern) and
/// [`Error::Io`](crate::Error::Io).
pub fn formats_in(dir: &Path, selection: &PackageSelection) -> Result<Vec<PackageFormat>> {
    let found = find::find(dir, selection, &PackageFormat::ALL, &[], &|_| true)?;
    let has = |format: &PackageFormat| {
        found.packages.iter().any(|one| PackageFormat::of(&one.location) == Some(*format))
    };
    Ok(PackageFormat::ALL.into_iter().filter(has).collect())
}
