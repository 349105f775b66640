//! Ranges of versions, by the rules that skopeo, Helm and Flux have.
//!
//! What differs from the ranges of cargo: a version that is only a number, `!=`, `1.2 - 1.4`, and pre-releases, which count where
//! one of the comparisons that must hold has one.

use semver::{BuildMetadata, Prerelease, Version};

/// Versions that are in one of several alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    /// Each with the comparisons that must all hold.
    alternatives: Vec<Vec<Comparison>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Comparison {
    sign: Sign,
    precision: Precision,
    /// With zeros for the numbers that are not written.
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Same,
    Other,
    Greater,
    AtLeast,
    Less,
    AtMost,
    Tilde,
    Caret,
}

/// How many numbers of a version are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    Any,
    Major,
    Minor,
    Patch,
}

const SIGNS: [(&str, Sign); 12] = [
    ("", Sign::Same),
    ("=", Sign::Same),
    ("!=", Sign::Other),
    (">", Sign::Greater),
    (">=", Sign::AtLeast),
    ("=>", Sign::AtLeast),
    ("<", Sign::Less),
    ("<=", Sign::AtMost),
    ("=<", Sign::AtMost),
    ("~", Sign::Tilde),
    ("~>", Sign::Tilde),
    ("^", Sign::Caret),
];

impl VersionRange {
    /// Parses comparisons with blanks or commas between them, and `||` between alternatives.
    ///
    /// # Errors
    ///
    /// What is wrong, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let alternatives: Result<_, String> = text.split("||").map(alternative).collect();
        Ok(Self { alternatives: alternatives? })
    }

    /// Whether `version` is in the range.
    #[must_use]
    pub fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|all| {
            let counts =
                version.pre.is_empty() || all.iter().any(|comparison| !comparison.version.pre.is_empty());
            counts && all.iter().all(|comparison| comparison.holds(version))
        })
    }

    /// As [`VersionRange::contains`], but if the range has no pre-release, one of `version` counts as the release that it precedes.
    #[must_use]
    pub fn contains_release_of(&self, version: &Version) -> bool {
        let mut comparisons = self.alternatives.iter().flatten();
        if comparisons.any(|comparison| !comparison.version.pre.is_empty()) {
            return self.contains(version);
        }
        self.contains(&Version { pre: Prerelease::EMPTY, ..version.clone() })
    }
}

/// The comparisons of an alternative.
fn alternative(text: &str) -> Result<Vec<Comparison>, String> {
    let mut comparisons: Vec<Comparison> = Vec::new();
    for part in text.split(',') {
        let before = comparisons.len();
        let mut words = part.split_whitespace();
        while let Some(word) = words.next() {
            let number = word.trim_start_matches(['<', '>', '=', '~', '^', '!']);
            let sign = word.strip_suffix(number).unwrap_or_default();
            // A blank can follow the sign.
            let number = match number {
                "" => words.next().ok_or_else(|| format!("no version follows `{sign}`"))?,
                number => number,
            };
            if let Some(first) = comparisons.last_mut().filter(|_| word == "-") {
                let last = words.next().ok_or("no version follows `-`")?;
                first.open_range()?;
                comparisons.push(Comparison::new(Sign::AtMost, last)?);
                continue;
            }
            let known = SIGNS.into_iter().find(|(text, _)| *text == sign);
            let (_, sign) = known.ok_or_else(|| format!("`{sign}` is not a comparison"))?;
            comparisons.push(Comparison::new(sign, number)?);
        }
        if comparisons.len() == before {
            return Err("a comparison is missing".into());
        }
    }
    Ok(comparisons)
}

impl Comparison {
    fn new(sign: Sign, text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a version");
        let (precision, version) = partial(text).ok_or_else(wrong)?;
        if precision == Precision::Any
            && !matches!(sign, Sign::Same | Sign::AtLeast | Sign::Tilde | Sign::Caret)
        {
            return Err(format!("`{text}` is any version: nothing is above, below or beside it"));
        }
        Ok(Self { sign, precision, version })
    }

    /// Makes the version in front of ` - ` the lowest of a range.
    fn open_range(&mut self) -> Result<(), String> {
        if self.sign != Sign::Same {
            return Err("a version without a sign must be in front of `-`".into());
        }
        self.sign = Sign::AtLeast;
        Ok(())
    }

    fn holds(&self, version: &Version) -> bool {
        let Self { sign, precision, version: known } = self;
        let is_full = *precision == Precision::Patch;
        let same_major = version.major == known.major;
        let same_minor = same_major && version.minor == known.minor;
        // In what is written of the version.
        let is_within = match precision {
            Precision::Any => true,
            Precision::Major => same_major,
            Precision::Minor => same_minor,
            Precision::Patch => version == known,
        };
        match sign {
            Sign::Same if is_full => version == known,
            Sign::Same => version >= known && is_within,
            Sign::Other => !is_within || *precision == Precision::Minor && version.pre != known.pre,
            Sign::AtLeast => version >= known,
            Sign::Less => version < known,
            Sign::Greater => version > known && !is_within,
            Sign::AtMost => version <= known || is_within,
            // All of them have this exception.
            Sign::Tilde if is_full && *known == Version::new(0, 0, 0) => version >= known,
            Sign::Tilde if is_full => version >= known && same_minor,
            Sign::Tilde => version >= known && is_within,
            Sign::Caret => {
                // The first number that is not zero, or the last that is written, stays.
                let kept = match (known.major, known.minor, precision) {
                    (_, _, Precision::Any) => true,
                    (1.., ..) | (0, _, Precision::Major) => same_major,
                    (0, 1.., _) | (0, 0, Precision::Minor) => same_minor,
                    (0, 0, Precision::Patch) => same_minor && version.patch == known.patch,
                };
                version >= known && kept
            }
        }
    }
}

/// A version of which the last numbers can be missing, or be `x` or `*`.
fn partial(text: &str) -> Option<(Precision, Version)> {
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    let text = text.strip_prefix('v').unwrap_or(text);
    let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
    let mut found = Vec::new();
    let mut is_open = false;
    let mut count = 0;
    for number in numbers.split('.') {
        count += 1;
        match number {
            "x" | "X" | "*" => is_open = true,
            _ if is_open || number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) => {
                return None;
            }
            // Zeros in front do not count: `24.04` is a version.
            number => found.push(number.parse().ok()?),
        }
    }
    let precision = match found.len() {
        0 => Precision::Any,
        1 => Precision::Major,
        2 => Precision::Minor,
        _ => Precision::Patch,
    };
    if count > 3 {
        return None;
    }
    let mut numbers = found.into_iter();
    let mut next = || numbers.next().unwrap_or_default();
    let pre = match pre {
        Some("") => return None,
        Some(pre) => Prerelease::new(pre).ok()?,
        None => Prerelease::EMPTY,
    };
    let version = Version { major: next(), minor: next(), patch: next(), pre, build: BuildMetadata::EMPTY };
    Some((precision, version))
}

/// The version that a tag stands for, if it stands for one: up to three numbers, perhaps with a `v` in front and a pre-release at
/// the end.
#[must_use]
pub fn version(tag: &str) -> Option<Version> {
    let is_whole = |part: &str| !part.contains(['x', 'X', '*']);
    let is_version = tag.split('-').next().is_some_and(is_whole);
    partial(tag).filter(|_| is_version).map(|(_, version)| version)
}

#[cfg(test)]
mod tests {
    use semver::VersionReq;

    use super::*;

    fn range(text: &str) -> VersionRange {
        VersionRange::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Ranges without pre-releases mean what they mean to cargo, once each bare version has a sign.
    #[test]
    fn ranges_agree_with_those_of_cargo() {
        let versions: Vec<Version> = (0..3)
            .flat_map(|major| {
                (0..4).flat_map(move |minor| (0..3).map(move |patch| Version::new(major, minor, patch)))
            })
            .collect();
        for sign in ["=", ">", ">=", "<", "<=", "~", "^"] {
            for number in
                ["0", "1", "0.0", "0.1", "1.2", "0.0.0", "0.0.1", "0.1.2", "1.0.0", "1.2.1", "1.x", "1.2.*"]
            {
                let text = format!("{sign}{number}");
                // To cargo, a wildcard is a sign of its own.
                let Ok(expected) = VersionReq::parse(&text.replace(".x", "").replace(".*", "")) else {
                    panic!("{text}")
                };
                // The one exception.
                for version in versions.iter().filter(|_| text != "~0.0.0") {
                    assert_eq!(range(&text).contains(version), expected.matches(version), "{text} {version}");
                }
            }
        }
    }

    #[test]
    fn what_cargo_does_not_have() {
        for (text, inside, outside) in [
            ("1", "1.0.0 1.9.3", "0.9.9 2.0.0 1.5.0-rc.1"),
            ("1.2", "1.2.0 1.2.9", "1.3.0"),
            ("v1.2.3", "1.2.3", "1.2.4 1.2.3-rc.1"),
            ("1.2 - 1.4", "1.2.0 1.4.9", "1.1.9 1.5.0"),
            ("1.2.1 - 1.4.2", "1.2.1 1.4.2", "1.2.0 1.4.3"),
            (">1 !=1.5 < 3", "2.0.0", "1.9.0 3.0.0"),
            (">=1,!=1.5", "1.4.0 1.6.0", "1.5.0 1.5.7"),
            ("!=1.2.3", "1.2.4", "1.2.3 1.2.3-rc.1"),
            ("!=1.2-rc.1", "1.2.0 1.3.0", "1.2.0-rc.1"),
            ("~0.0.0", "0.0.0 7.1.0", "0.0.0-rc.1"),
            ("1.2 - 1.4 !=1.3.1, <1.4.2", "1.2.0 1.4.1", "1.3.1 1.4.2"),
            ("=>1.2 =<1.3", "1.2.0 1.3.9", "1.4.0"),
            ("~>1.2", "1.2.9", "1.3.0"),
            (">= 24.04, < 25", "24.4.0 24.10.0", "25.0.0 24.3.0"),
            ("*", "0.0.0 7.0.0", "7.0.0-rc.1"),
            (">=1.2-0", "1.2.0-alpine 1.2.0 1.3.0-rc.1", "1.1.0"),
            (">=1.2.0-rc.2", "1.2.0-rc.3 1.2.0 1.9.0-a", "1.2.0-rc.1"),
            (">=1.2.0-0 <1.4", "1.3.0 1.3.0-rc.1", "1.4.0"),
            (">=1.2.0-0 <1.4 || >=2", "1.3.0-rc.1 2.0.0", "2.0.0-rc.1"),
            ("^1.2.0-0", "1.3.0-rc.1 1.2.0", "2.0.0-rc.1 1.1.0"),
            ("~1.2.0-0", "1.2.1-rc.1", "1.3.0-rc.1"),
            ("<1 || >=3 <4", "0.1.0 3.2.0", "1.0.0 2.0.0 4.0.0"),
        ] {
            let range = range(text);
            for (versions, expected) in [(inside, true), (outside, false)] {
                for version in versions.split(' ') {
                    let parsed = version.parse().unwrap();
                    assert_eq!(range.contains(&parsed), expected, "{text}: {version}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_range() {
        for (text, reason) in [
            ("", "a comparison is missing"),
            (" ", "a comparison is missing"),
            ("1 ||", "a comparison is missing"),
            ("1,,2", "a comparison is missing"),
            ("latest", "`latest` is not a version"),
            (">=", "no version follows `>=`"),
            (">= <2", "`<2` is not a version"),
            ("1 -", "no version follows `-`"),
            ("- 1", "`-` is not a version"),
            (">1 - 2", "a version without a sign must be in front of `-`"),
            ("1 - >2", "`>2` is not a version"),
            ("!1", "`!` is not a comparison"),
            ("<>1", "`<>` is not a comparison"),
            ("1.2.3.4", "`1.2.3.4` is not a version"),
            ("<1.x.3", "`1.x.3` is not a version"),
            ("1.2-", "`1.2-` is not a version"),
            (">1<2", "`1<2` is not a version"),
            ("<*", "`*` is any version"),
            ("99999999999999999999", "`99999999999999999999` is not a version"),
        ] {
            let error = VersionRange::parse(text).expect_err(text);
            assert!(error.starts_with(reason), "{text}: {error}");
        }
    }

    #[test]
    fn tags_that_are_versions() {
        for (tag, expected) in [
            ("1", Some("1.0.0")),
            ("v1.27", Some("1.27.0")),
            ("1.27.1", Some("1.27.1")),
            ("24.04", Some("24.4.0")),
            ("20240101", Some("20240101.0.0")),
            ("1.27.1-alpine", Some("1.27.1-alpine")),
            ("1.27-rc.1", Some("1.27.0-rc.1")),
            ("1.27.1-01", None),
            ("1.2.3.4", None),
            ("1.x", None),
            ("1.27.1_1", None),
            ("latest", None),
            ("v", None),
            ("", None),
        ] {
            assert_eq!(version(tag).map(|version| version.to_string()).as_deref(), expected, "{tag}");
        }
    }
}
