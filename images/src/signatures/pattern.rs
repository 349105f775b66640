//! Patterns of repositories.

use std::fmt;
use std::str::FromStr;

use crate::Reference;

/// A repository, all repositories below a name (`quay.io/vendor/*`), or all (`*`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RepositoryPattern {
    /// All.
    All,
    /// Those below a registry or a part of its names: `quay.io`, `quay.io/vendor`.
    Below(String),
    /// One: `docker.io/library/nginx`.
    One(String),
}

impl RepositoryPattern {
    /// Whether it covers the repository `name`, as [`Reference::name`] has it.
    #[must_use]
    pub fn covers(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Below(parent) => {
                name.strip_prefix(parent.as_str()).is_some_and(|rest| rest.starts_with('/'))
            }
            Self::One(one) => one == name,
        }
    }

    /// How much it says: of two patterns that cover one repository, the one with the larger number is more precise.
    pub(super) fn precision(&self) -> usize {
        match self {
            Self::All => 0,
            Self::Below(parent) => parent.len(),
            Self::One(_) => usize::MAX,
        }
    }
}

impl FromStr for RepositoryPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::All);
        }
        let wrong = || {
            "expected a repository such as `quay.io/vendor/app`, or `quay.io/vendor/*` for all repositories below a name"
                .to_owned()
        };
        let named = |text: &str| {
            let reference: Reference = text.parse().ok()?;
            let is_plain = reference.given_tag().is_none() && reference.digest().is_none();
            is_plain.then(|| reference.name())
        };
        match text.strip_suffix("/*") {
            // Docker Hub's `library` stands only in front of a single component.
            Some(parent) => named(&format!("{parent}/x/x"))
                .and_then(|name| name.strip_suffix("/x/x").map(|parent| Self::Below(parent.to_owned())))
                .ok_or_else(wrong),
            None => named(text).map(Self::One).ok_or_else(wrong),
        }
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Below(parent) => write!(f, "{parent}/*"),
            Self::One(name) => f.write_str(name),
        }
    }
}
