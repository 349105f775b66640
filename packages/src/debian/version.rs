//! Debian's rule for comparing versions.

use std::cmp::Ordering;

/// The order of two versions of Debian packages, `[epoch:]version[-revision]` (deb-version(7)).
///
/// Runs of other characters and runs of digits are compared one after the other: digits as numbers, and other characters with letters
/// before all others. `~` is before everything, even the end.
///
/// ```
/// use std::cmp::Ordering;
///
/// assert_eq!(packages::debian::compare("1.10-1", "1.9-2"), Ordering::Greater);
/// assert_eq!(packages::debian::compare("1.0~rc1-1", "1.0-1"), Ordering::Less);
/// assert_eq!(packages::debian::compare("1:0.1", "2.0"), Ordering::Greater);
/// ```
#[must_use]
pub fn compare(first: &str, second: &str) -> Ordering {
    let (first_epoch, first) = first.split_once(':').unwrap_or(("", first));
    let (second_epoch, second) = second.split_once(':').unwrap_or(("", second));
    let (first, first_revision) = first.rsplit_once('-').unwrap_or((first, ""));
    let (second, second_revision) = second.rsplit_once('-').unwrap_or((second, ""));
    numbers(first_epoch, second_epoch)
        .then_with(|| parts(first, second))
        .then_with(|| parts(first_revision, second_revision))
}

/// The order of two versions, or of two revisions.
fn parts(mut first: &str, mut second: &str) -> Ordering {
    while !first.is_empty() || !second.is_empty() {
        let (text, digits, rest) = split(first);
        let (other_text, other_digits, other_rest) = split(second);
        let order = texts(text, other_text).then_with(|| numbers(digits, other_digits));
        if order.is_ne() {
            return order;
        }
        (first, second) = (rest, other_rest);
    }
    Ordering::Equal
}

/// The text before the first digit, the digits, and the rest.
fn split(part: &str) -> (&str, &str, &str) {
    let (text, rest) = part.split_at(part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len()));
    let (digits, rest) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len()));
    (text, digits, rest)
}

/// The order of two runs of digits of any length.
fn numbers(first: &str, second: &str) -> Ordering {
    let (first, second) = (first.trim_start_matches('0'), second.trim_start_matches('0'));
    first.len().cmp(&second.len()).then_with(|| first.cmp(second))
}

fn texts(first: &str, second: &str) -> Ordering {
    let (mut first, mut second) = (first.chars(), second.chars());
    loop {
        let (one, other) = (first.next(), second.next());
        let order = weight(one).cmp(&weight(other));
        if order.is_ne() || one.is_none() {
            return order;
        }
    }
}

/// `~`, the end, letters, and then all other characters.
fn weight(character: Option<char>) -> (u8, u32) {
    match character {
        Some('~') => (0, 0),
        None => (1, 0),
        Some(letter) if letter.is_ascii_alphabetic() => (2, letter.into()),
        Some(other) => (3, other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_the_order_of_dpkg() {
        for (older, newer) in [
            ("1.0", "1.0-0a"),
            ("1.0~~", "1.0~~a"),
            ("1.0~~a", "1.0~"),
            ("1.0~", "1.0"),
            ("1.0", "1.0a"),
            ("1.0a", "1.0+"),
            ("1.2-9", "1.10-1"),
            ("9.9", "1:0"),
            ("2:1", "10:1"),
            ("1.0-1", "1.0-1.1"),
            ("1.0-1-2", "1.0-2-1"),
            ("99999999999999999999", "100000000000000000000"),
            ("1a", "1a1"),
        ] {
            assert_eq!(compare(older, newer), Ordering::Less, "{older} {newer}");
            assert_eq!(compare(newer, older), Ordering::Greater, "{newer} {older}");
        }
        for (one, other) in [("1.0", "0:1.0"), ("1.0-0", "1.0"), ("1.01", "1.1"), ("", ""), ("a", "a0")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} {other}");
        }
    }
}
