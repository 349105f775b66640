//! Which of several versions, or of several archives, is newer.
//!
//! Versions that all follow [Semantic Versioning](https://semver.org) are compared by it: 1.10.0 is newer than 1.9.0, and
//! 1.0.0-rc.10 is newer than 1.0.0-rc.9 and older than 1.0.0. If one of them does not, such as 1.0 or 2.10.0.1, all are
//! compared by the rule of RPM (rpm-version(7)), where a hyphen counts as `~`: 1.0-rc1 is older than 1.0. The Salt module
//! `metalk8s` has the same rule. There, 1.0 is older than 1.0.0; only [`is_older`] completes versions.

use std::cmp::{Ordering, Reverse};

use semver::Version;

use crate::Product;

/// Sorts items by their versions, the oldest first. Equal versions keep their order.
pub fn sort<T>(items: &mut [T], version: impl Fn(&T) -> &str) {
    let parsed = |item: &T| Version::parse(version(item)).ok();
    if items.iter().all(|item| parsed(item).is_some()) {
        items.sort_by(|a, b| match (parsed(a), parsed(b)) {
            (Some(a), Some(b)) => a.cmp_precedence(&b),
            _ => Ordering::Equal,
        });
    } else {
        items.sort_by(|a, b| compare_by_rpm(version(a), version(b)));
    }
}

/// Whether a version is older than another one. Parts that one of them lacks count as 0.
///
/// ```
/// assert!(archive::version::is_older("1.9.0", "1.10.0"));
/// assert!(!archive::version::is_older("1.10", "1.10.0"));
/// ```
#[must_use]
pub fn is_older(version: &str, other: &str) -> bool {
    let parts = numbers(version).max(numbers(other));
    // Equal versions keep their order.
    let mut both = [(with_numbers(other, parts), false), (with_numbers(version, parts), true)];
    sort(&mut both, |(text, _)| text);
    both.first().is_some_and(|(_, is_version)| *is_version)
}

/// The end of the numbers at the start of a version; 0 if something else than a pre-release or a build follows them.
fn end_of_numbers(version: &str) -> usize {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let end = version.find(|letter| !is_number(letter)).unwrap_or(version.len());
    let (numbers, rest) = version.split_at(end);
    if numbers.ends_with('.') || !(rest.is_empty() || rest.starts_with(['-', '~', '+', '^'])) {
        0
    } else {
        end
    }
}

/// How many numbers a version begins with.
fn numbers(version: &str) -> usize {
    match end_of_numbers(version) {
        0 => 0,
        end => version.bytes().take(end).filter(|byte| *byte == b'.').count() + 1,
    }
}

/// The version with at least `parts` numbers, if it begins with any.
fn with_numbers(version: &str, parts: usize) -> String {
    let missing = match numbers(version) {
        0 => 0,
        found => parts.saturating_sub(found),
    };
    let (numbers, rest) = version.split_at(end_of_numbers(version));
    format!("{numbers}{}{rest}", ".0".repeat(missing))
}

/// Sorts archives in the order in which they provide an image that several of them have under one name: the newest version
/// first, equal versions by ID, and those without a product last, in their order. All nodes with the same archives have the
/// same order, whatever the order of their lists.
///
/// ```
/// use archive::{Product, version};
///
/// let of = |name: &str, version: &str| {
///     Some(Product { name: name.into(), version: version.into(), ..Product::default() })
/// };
/// let mut archives = [None, of("b", "1.9"), of("c", "1.10"), of("a", "1.9")];
/// version::newest_first(&mut archives, Option::as_ref);
/// assert_eq!(archives, [of("c", "1.10"), of("a", "1.9"), of("b", "1.9"), None]);
/// ```
pub fn newest_first<T>(archives: &mut [T], product: impl Fn(&T) -> Option<&Product>) {
    archives.sort_by_key(|one| product(one).is_none());
    let count = archives.partition_point(|one| product(one).is_some());
    let Some(with_product) = archives.get_mut(..count) else { return };
    // Equal versions keep their order, which `reverse` turns around.
    with_product.sort_by_cached_key(|one| Reverse(product(one).map(Product::id)));
    sort(with_product, |one| product(one).map_or("", |product| &product.version));
    with_product.reverse();
}

/// The order of two versions by the rule of RPM, where a hyphen counts as `~`.
fn compare_by_rpm(first: &str, second: &str) -> Ordering {
    packages::version::compare(&first.replace('-', "~"), &second.replace('-', "~"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Versions from the oldest to the newest. The end-to-end test of the Salt module reads the same file.
    const ORDERED: &str = include_str!("versions.txt");

    #[test]
    fn missing_numbers_of_a_version_count_as_zero() {
        for (version, other, expected) in [
            ("1.0", "1.0.0", false),
            ("1.0.0", "1.0", false),
            ("1", "1.0.0.0", false),
            ("1.0", "1.0.1", true),
            ("1.0.1", "1.0", false),
            ("1.9", "1.10.0", true),
            ("1.10", "1.9.9", false),
            ("1.0-rc1", "1.0.0", true),
            ("1.0", "1.0.0-rc1", false),
            ("1.0+7", "1.0.0", false),
            ("1.0a", "1.0", false),
            ("1.", "1.0", true),
            ("", "1.0", true),
            ("main", "1.0", true),
        ] {
            assert_eq!(is_older(version, other), expected, "{version} {other}");
        }
    }

    #[test]
    fn versions_are_ordered_as_the_file_lists_them() {
        for line in ORDERED.lines().filter(|line| !line.starts_with('#')) {
            let expected: Vec<&str> = line.split_whitespace().collect();
            for turn in 0..expected.len() {
                let mut found = expected.clone();
                found.reverse();
                found.rotate_left(turn);
                sort(&mut found, |version| version);
                assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn archives_have_one_order_whatever_the_order_of_the_list() {
        let of = |name: &str, version: &str| {
            Some(Product { name: name.into(), version: version.into(), ..Product::default() })
        };
        let expected =
            [of("A", "2.0"), of("b", "2.0"), of("c", "1.10"), of("a", "1.9"), of("a", "1.9-rc1"), None];
        for turn in 0..expected.len() {
            let mut found = expected.clone();
            found.reverse();
            found.rotate_left(turn);
            newest_first(&mut found, Option::as_ref);
            assert_eq!(found, expected, "turn {turn}");
        }
        newest_first(&mut [] as &mut [Option<Product>], Option::as_ref);
    }

    #[test]
    fn equal_versions_keep_their_order() {
        let mut versions = ["1.0", "1_0", "1.00", "0.9"];
        sort(&mut versions, |version| version);
        assert_eq!(versions, ["0.9", "1.0", "1_0", "1.00"]);
        let mut builds = ["1.0.0+b", "1.0.0+a", "0.9.0"];
        sort(&mut builds, |version| version);
        assert_eq!(builds, ["0.9.0", "1.0.0+b", "1.0.0+a"]);
    }
}
