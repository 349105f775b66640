//! The order of versions of apk: `NUMBER{.NUMBER}[LETTER]{_SUFFIX[NUMBER]}[-rNUMBER]` (apk-package(5)).

use std::cmp::Ordering;

/// A part of a version. What comes later in this list has a lower version if the parts differ in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(&'a str),
    Letter(char),
    Suffix(i8, &'a str),
    Revision(&'a str),
    End,
}

impl Part<'_> {
    fn rank(self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Letter(_) => 1,
            Self::Suffix(..) => 2,
            Self::Revision(_) => 3,
            Self::End => 4,
        }
    }

    /// Whether it makes a version older than without it.
    fn is_before_release(self) -> bool {
        matches!(self, Self::Suffix(order, _) if order < 0)
    }
}

/// The suffixes with their order: those of pre-releases are below 0.
const SUFFIXES: [(&str, i8); 9] = [
    ("alpha", -4),
    ("beta", -3),
    ("pre", -2),
    ("rc", -1),
    ("cvs", 1),
    ("svn", 2),
    ("git", 3),
    ("hg", 4),
    ("p", 5),
];

/// The order of two versions.
pub(super) fn compare(first: &str, second: &str) -> Ordering {
    let (mut rest, mut other_rest) = (first, second);
    let mut is_first = true;
    loop {
        let (part, after) = next(rest, is_first);
        let (other, other_after) = next(other_rest, is_first);
        let order = match (part, other) {
            (Part::Number(one), Part::Number(two)) => numbers(one, two, is_first),
            (Part::Letter(one), Part::Letter(two)) => one.cmp(&two),
            (Part::Suffix(one, number), Part::Suffix(two, other_number)) => {
                one.cmp(&two).then_with(|| numbers(number, other_number, true))
            }
            (Part::Revision(one), Part::Revision(two)) => numbers(one, two, true),
            (Part::End, Part::End) => return Ordering::Equal,
            (part, _) if part.is_before_release() => Ordering::Less,
            (_, other) if other.is_before_release() => Ordering::Greater,
            (part, other) => other.rank().cmp(&part.rank()),
        };
        if order.is_ne() {
            return order;
        }
        (rest, other_rest, is_first) = (after, other_after, false);
    }
}

/// The next part of a version, and what follows it. What is invalid ends the version.
fn next(version: &str, is_first: bool) -> (Part<'_>, &str) {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = if is_first { Some(version) } else { version.strip_prefix('.') };
    if let Some(text) = number.filter(|text| text.starts_with(|c: char| c.is_ascii_digit())) {
        let (number, rest) = text.split_at(digits(text));
        return (Part::Number(number), rest);
    }
    if let Some(text) = version.strip_prefix('_') {
        let known = SUFFIXES.iter().find_map(|(name, order)| Some((order, text.strip_prefix(name)?)));
        if let Some((order, text)) = known {
            let (number, rest) = text.split_at(digits(text));
            return (Part::Suffix(*order, number), rest);
        }
    }
    if let Some(text) = version.strip_prefix("-r") {
        let (number, rest) = text.split_at(digits(text));
        return (Part::Revision(number), rest);
    }
    match version.chars().next() {
        Some(letter) if letter.is_ascii_lowercase() && !is_first => {
            (Part::Letter(letter), version.get(1..).unwrap_or_default())
        }
        _ => (Part::End, ""),
    }
}

/// The order of two numbers. One that starts with a zero is a fraction, unless it is the first of a version.
fn numbers(one: &str, two: &str, is_first: bool) -> Ordering {
    let is_fraction = |text: &str| text.len() > 1 && text.starts_with('0');
    if !is_first && (is_fraction(one) || is_fraction(two)) {
        return one.cmp(two);
    }
    let (one, two) = (one.trim_start_matches('0'), two.trim_start_matches('0'));
    one.len().cmp(&two.len()).then_with(|| one.cmp(two))
}
