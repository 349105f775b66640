//! Which versions may follow each other.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The direction of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To a newer version.
    Upgrade,
    /// To an older version.
    Downgrade,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upgrade => "upgrade",
            Self::Downgrade => "downgrade",
        })
    }
}

/// Why a version may not follow another one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A version does not start with two numbers.
    #[error("`{}` has no minor version: expected a version such as 2.10.0", content::printable(.0))]
    Unknown(String),
    /// The destination is older in an upgrade, or newer in a downgrade.
    #[error("{to} is {} than {from}: that is {}", if *.older { "older" } else { "newer" }, if *.older { "a downgrade" } else { "an upgrade" })]
    Direction {
        /// The version that runs.
        from: String,
        /// The destination.
        to: String,
        /// Whether the destination is older.
        older: bool,
    },
    /// The major versions differ.
    #[error("{from} and {to} have different major versions")]
    Major {
        /// The version that runs.
        from: String,
        /// The destination.
        to: String,
    },
    /// There are minor versions between the two.
    #[error("{from} and {to} are {steps} minor versions apart, and one step may change one")]
    Minor {
        /// The version that runs.
        from: String,
        /// The destination.
        to: String,
        /// How many minor versions lie between them.
        steps: u64,
    },
}

/// Whether a node that runs `from` may change to `to`: at most one minor version at a time, any patch. Equal versions may follow
/// each other: nothing has to be done then.
///
/// ```
/// use node::change_version::{Direction, check};
///
/// assert!(check("2.4.0", "2.5.1", Direction::Upgrade).is_ok());
/// assert!(check("2.4.0", "2.6.0", Direction::Upgrade).is_err());
/// assert!(check("2.5.1", "2.4.0", Direction::Downgrade).is_ok());
/// ```
///
/// # Errors
///
/// [`Refusal`].
pub fn check(from: &str, to: &str, direction: Direction) -> Result<(), Refusal> {
    let ((major, minor), (new_major, new_minor)) = (numbers(from)?, numbers(to)?);
    let (from, to) = (from.to_owned(), to.to_owned());
    match (order(&from, &to), direction) {
        (Ordering::Greater, Direction::Upgrade) => return Err(Refusal::Direction { from, to, older: true }),
        (Ordering::Less, Direction::Downgrade) => return Err(Refusal::Direction { from, to, older: false }),
        _ => {}
    }
    if major != new_major {
        return Err(Refusal::Major { from, to });
    }
    match minor.abs_diff(new_minor) {
        0 | 1 => Ok(()),
        steps => Err(Refusal::Minor { from, to, steps }),
    }
}

/// The order of two versions, by the one rule for versions of archives.
fn order(from: &str, to: &str) -> Ordering {
    let keeps_order = |first: &str, second: &str| {
        let mut pair = [(first, 0), (second, 1)];
        archive::version::sort(&mut pair, |(version, _)| version);
        pair.first().is_some_and(|(_, place)| *place == 0)
    };
    // Equal versions keep their order.
    match (keeps_order(from, to), keeps_order(to, from)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        _ => Ordering::Greater,
    }
}

/// The major and the minor number of a version.
fn numbers(version: &str) -> Result<(u64, u64), Refusal> {
    let unknown = || Refusal::Unknown(version.to_owned());
    let mut parts = version.split(['.', '-', '+', '~']);
    let mut number = || {
        let part = parts.next().filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        part.and_then(|part| part.parse::<u64>().ok()).ok_or_else(unknown)
    };
    Ok((number()?, number()?))
}

#[cfg(test)]
mod tests {
    use super::Direction::{Downgrade, Upgrade};
    use super::*;

    /// The examples of the documents of MetalK8s first.
    #[test]
    fn at_most_one_minor_version_changes_at_a_time() {
        for (from, to, direction, refusal) in [
            ("2.4.0", "2.4.4", Upgrade, None),
            ("2.4.0", "2.5.1", Upgrade, None),
            ("2.0.1", "2.0.3", Upgrade, None),
            ("2.0.1", "2.1.0", Upgrade, None),
            ("2.4.4", "2.4.1", Downgrade, None),
            ("2.5.1", "2.4.0", Downgrade, None),
            ("2.1.0", "2.0.7", Downgrade, None),
            ("2.2.0", "2.1.0", Downgrade, None),
            // The cases of the tests of its formulas.
            ("2.7.3", "2.8.0", Upgrade, None),
            (
                "2.6.1",
                "2.8.0",
                Upgrade,
                Some("2.6.1 and 2.8.0 are 2 minor versions apart, and one step may change one"),
            ),
            ("2.9.0", "2.8.0", Upgrade, Some("2.8.0 is older than 2.9.0: that is a downgrade")),
            ("2.8.0", "2.7.3", Downgrade, None),
            (
                "2.8.0",
                "2.6.1",
                Downgrade,
                Some("2.8.0 and 2.6.1 are 2 minor versions apart, and one step may change one"),
            ),
            ("2.8.0", "2.8.1", Downgrade, Some("2.8.1 is newer than 2.8.0: that is an upgrade")),
            // What they do not say.
            ("2.8.0", "2.8.0", Upgrade, None),
            ("2.8.0", "2.8.0", Downgrade, None),
            ("2.9.0", "2.10.0", Upgrade, None),
            ("2.10.0-alpha1", "2.10.0", Upgrade, None),
            (
                "2.10.0",
                "2.10.0-alpha1",
                Upgrade,
                Some("2.10.0-alpha1 is older than 2.10.0: that is a downgrade"),
            ),
            ("2.10.0-rc.9", "2.10.0-rc.10", Upgrade, None),
            ("2.9", "2.10", Upgrade, None),
            ("2.9.0.1", "2.10.0.3", Upgrade, None),
            ("2.11.0", "3.0.0", Upgrade, Some("2.11.0 and 3.0.0 have different major versions")),
            ("3.0.0", "2.11.0", Downgrade, Some("3.0.0 and 2.11.0 have different major versions")),
            ("2", "2.1.0", Upgrade, Some("`2` has no minor version: expected a version such as 2.10.0")),
            (
                "2.1.0",
                "latest",
                Upgrade,
                Some("`latest` has no minor version: expected a version such as 2.10.0"),
            ),
        ] {
            let found = check(from, to, direction).err().map(|refusal| refusal.to_string());
            assert_eq!(found.as_deref(), refusal, "{direction} {from} {to}");
        }
    }
}
