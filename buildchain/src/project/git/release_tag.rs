//! The tags of releases and release candidates.

use std::cmp::Ordering;
use std::fmt;

/// A tag that names a release or one of its candidates: `X.Y.Z`, `vX.Y.Z`, `X.Y.Z-rcN`.
///
/// Tags are compared by their versions: `v1.2.0` and `1.2.0` are equal.
#[derive(Debug, Clone)]
pub(crate) struct ReleaseTag {
    /// The numbers X, Y and Z.
    numbers: [u64; 3],
    /// N of `-rcN`.
    candidate: Option<u64>,
    has_letter: bool,
}

impl ReleaseTag {
    /// Reads the name of a tag; `None` if it names no release.
    #[must_use]
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (text, has_letter) = match name.strip_prefix('v') {
            Some(text) => (text, true),
            None => (name, false),
        };
        let (numbers, candidate) = match text.split_once("-rc") {
            Some((numbers, candidate)) => (numbers, Some(number(candidate)?)),
            None => (text, None),
        };
        let mut parts = numbers.split('.').map(number);
        let numbers = [parts.next()??, parts.next()??, parts.next()??];
        parts.next().is_none().then_some(Self { numbers, candidate, has_letter })
    }

    /// The version of what the commit builds: `X.Y.Z`, of a candidate `X.Y.Z-rcN`.
    #[must_use]
    pub(crate) fn version(&self) -> String {
        match self.candidate() {
            None => self.release(),
            Some(candidate) => format!("{}-rc{candidate}", self.release()),
        }
    }

    /// The version of the release: `X.Y.Z`.
    #[must_use]
    pub(crate) fn release(&self) -> String {
        let [major, minor, patch] = self.numbers;
        format!("{major}.{minor}.{patch}")
    }

    /// The number of the candidate; `None` for a release.
    #[must_use]
    pub(crate) fn candidate(&self) -> Option<u64> {
        self.candidate
    }

    /// What tags are compared by. A release comes after its candidates.
    fn key(&self) -> ([u64; 3], bool, Option<u64>) {
        (self.numbers, self.candidate.is_none(), self.candidate)
    }
}

impl PartialEq for ReleaseTag {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ReleaseTag {}

impl PartialOrd for ReleaseTag {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ReleaseTag {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for ReleaseTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.has_letter { "v" } else { "" }, self.version())
    }
}

/// A number without zeros at its start (Semantic Versioning 2.0.0, 2 and 9).
fn number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_releases_are_read_and_written() {
        for (name, version, candidate) in [
            ("1.2.3", "1.2.3", None),
            ("v1.2.3", "1.2.3", None),
            ("129.0.10-rc0", "129.0.10-rc0", Some(0)),
            ("v1.2.3-rc12", "1.2.3-rc12", Some(12)),
        ] {
            let tag = ReleaseTag::parse(name).unwrap();
            assert_eq!((tag.version().as_str(), tag.candidate()), (version, candidate), "{name}");
            assert_eq!(tag.to_string(), name);
        }
        for name in [
            "",
            "v",
            "1.2",
            "1.2.3.4",
            "1.2.3-rc",
            "1.2.3-rc01",
            "1.2.3-RC1",
            "1.2.3-beta1",
            "01.2.3",
            "+1.2.3",
            "vv1.2.3",
            "1.2.3-rc1-rc2",
            "1.2.99999999999999999999",
            "release/1.2.3",
            "1.2.3 ",
        ] {
            assert_eq!(ReleaseTag::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_release_comes_after_its_candidates() {
        let sorted = ["1.2.3-rc0", "v1.2.3-rc2", "1.2.3-rc10", "1.2.3", "1.2.4-rc0", "1.10.0"];
        let tags: Vec<_> = sorted.iter().map(|name| ReleaseTag::parse(name).unwrap()).collect();
        assert!(tags.is_sorted_by(|one, other| one < other));
        let of = |name| ReleaseTag::parse(name).unwrap();
        assert_eq!((of("v1.2.3"), of("v1.2.3-rc2")), (of("1.2.3"), of("1.2.3-rc2")));
        assert!(of("1.2.3") < of("v1.2.4-rc0") && of("v1.2.3-rc0") < of("1.2.3"));
    }
}
