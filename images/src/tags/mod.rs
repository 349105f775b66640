//! Choosing tags of a repository: by a regular expression, or by a range of versions.

mod range;

use std::cmp::Ordering;

use regex::{Regex, RegexBuilder};

pub use self::range::{VersionRange, version};
use crate::reference::check_tag;

/// The most bytes that a compiled regular expression takes.
const PATTERN_MAX: usize = 1 << 20;

/// Which tags are meant.
#[derive(Debug, Clone)]
pub enum TagFilter {
    /// Those in which a regular expression finds something.
    Pattern(Regex),
    /// Those that are versions in this range.
    Versions(VersionRange),
}

impl TagFilter {
    /// The tags in which the regular expression `text` finds something: `^` and `$` anchor it.
    ///
    /// # Errors
    ///
    /// A sentence, if it is not a regular expression or a large one.
    pub fn pattern(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).size_limit(PATTERN_MAX).build();
        regex.map(Self::Pattern).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!("the regular expression `{text}` is too large"),
            error => {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default().trim_start_matches("error: ");
                format!("`{text}` is not a regular expression: {reason}")
            }
        })
    }

    /// The tags that are versions in the range `text`: comparisons (`>=1.27`, `<1.28`, `!=1.27.3`, `~1.2`, `^1.2`, `1.27`, `1.*`) with
    /// blanks or commas between them, of which all must hold; `||` separates alternatives, and `1.2 - 1.4` takes all from one to
    /// the other. A version without a sign is all of it: `1.27` is any `1.27.x`. A tag of up to three numbers is a version, with
    /// or without a `v`. A pre-release, such as `1.27.1-alpine`, is only in alternatives of which a comparison has one: `>=1.27-0 <2`.
    ///
    /// # Errors
    ///
    /// A sentence, if it is not a range.
    pub fn versions(text: &str) -> Result<Self, String> {
        VersionRange::parse(text).map(Self::Versions).map_err(|reason| {
            format!("`{text}` is not a range of versions: {reason}; expected one such as `>=1.27 <1.28`")
        })
    }

    fn takes(&self, tag: &str) -> bool {
        match self {
            Self::Pattern(regex) => regex.is_match(tag),
            Self::Versions(range) => version(tag).is_some_and(|version| range.contains(&version)),
        }
    }

    /// Those of `tags` that are meant, the oldest first; with `latest`, only so many of the newest. Versions are in their order
    /// and after all other tags, which are in the order of their texts, with numbers in them by their value.
    #[must_use]
    pub fn choose(&self, tags: &[String], latest: Option<usize>) -> Vec<String> {
        let mut chosen: Vec<String> = tags.iter().filter(|tag| self.takes(tag)).cloned().collect();
        chosen.sort_by(|one, other| compare(one, other));
        chosen.dedup();
        let skipped = latest.map_or(0, |latest| chosen.len().saturating_sub(latest));
        chosen.split_off(skipped)
    }
}

fn compare(one: &str, other: &str) -> Ordering {
    match (version(one), version(other)) {
        (Some(first), Some(second)) => first.cmp(&second).then_with(|| one.cmp(other)),
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (None, None) => natural(one, other),
    }
}

/// By the text, with numbers in it by their value.
fn natural(one: &str, other: &str) -> Ordering {
    let (mut first, mut second) = (one, other);
    loop {
        let (a, b) = (digits(first), digits(second));
        if !a.is_empty() && !b.is_empty() {
            let (x, y) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
            if order != Ordering::Equal {
                return order;
            }
            first = first.strip_prefix(a).unwrap_or_default();
            second = second.strip_prefix(b).unwrap_or_default();
            continue;
        }
        let (mut rest, mut others) = (first.chars(), second.chars());
        match (rest.next(), others.next()) {
            (None, None) => return one.cmp(other),
            (a, b) if a == b => (first, second) = (rest.as_str(), others.as_str()),
            (a, b) => return a.cmp(&b),
        }
    }
}

/// The digits that a text begins with.
fn digits(text: &str) -> &str {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())).0
}

/// Takes what a registry lists; a tag that cannot be one is a lie.
///
/// # Errors
///
/// The first text that cannot be a tag, with the reason.
pub(crate) fn checked(tags: Vec<String>) -> Result<Vec<String>, String> {
    for tag in &tags {
        check_tag(tag).map_err(|reason| {
            let shown: String = tag.chars().take(100).collect();
            format!("`{}` cannot be a tag: it {reason}", content::printable(&shown))
        })?;
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [&str; 18] = [
        "latest",
        "1",
        "1.27",
        "1.27.0",
        "1.27.10",
        "1.27.9",
        "v1.27.2",
        "1.28.0",
        "1.28.0-rc.1",
        "1.27.1-alpine",
        "20240101",
        "2.0",
        "bookworm-9",
        "bookworm-10",
        "bookworm-010",
        "01.27",
        "1.2.3.4",
        "",
    ];

    fn chosen(filter: &TagFilter, latest: Option<usize>) -> String {
        filter.choose(&TAGS.map(str::to_owned), latest).join(" ")
    }

    #[test]
    fn ranges_take_versions_in_their_order() {
        for (range, latest, expected) in [
            (">=1.27 <1.28", None, "01.27 1.27 1.27.0 v1.27.2 1.27.9 1.27.10"),
            ("1.27", Some(2), "1.27.9 1.27.10"),
            ("=1.27.2 || >=2 <3", None, "v1.27.2 2.0"),
            ("<100", Some(1), "2.0"),
            ("*", Some(1), "20240101"),
            (">=1.28.0-rc.0 <2", None, "1.28.0-rc.1 1.28.0"),
            (">20240101", None, ""),
        ] {
            assert_eq!(chosen(&TagFilter::versions(range).unwrap(), latest), expected, "{range}");
        }
        let error = TagFilter::versions("latest").unwrap_err();
        assert_eq!(
            error,
            "`latest` is not a range of versions: `latest` is not a version; expected one such as `>=1.27 <1.28`"
        );
    }

    #[test]
    fn patterns_find_anywhere_and_numbers_count_by_their_value() {
        for (pattern, latest, expected) in [
            ("^bookworm-", None, "bookworm-9 bookworm-010 bookworm-10"),
            ("^bookworm-", Some(1), "bookworm-10"),
            (r"^1\.27\.\d+$", Some(2), "1.27.9 1.27.10"),
            ("alpine", None, "1.27.1-alpine"),
            ("^(latest|1|1.28.0)$", None, "latest 1 1.28.0"),
            ("^none$", None, ""),
        ] {
            assert_eq!(chosen(&TagFilter::pattern(pattern).unwrap(), latest), expected, "{pattern}");
        }
        for (pattern, reason) in [("(", "unclosed group"), ("a{9999999}", ""), ("(?=x)", "look-around")] {
            let error = TagFilter::pattern(pattern).expect_err(pattern);
            assert!(error.contains(reason) && error.lines().count() == 1, "{error}");
        }
    }
}
