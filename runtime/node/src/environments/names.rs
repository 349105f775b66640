//! The names of environments, namespaces and Solutions.

use std::fmt;
use std::str::FromStr;

/// The most characters of a DNS label, and of the value of a label of Kubernetes.
const LENGTH_MAX: usize = 63;

/// The longest name of a Solution: with `-operator` it is the value of a label.
const SOLUTION_MAX: usize = LENGTH_MAX - "-operator".len();

/// A DNS label, as RFC 1123 defines it: the name of a namespace, or of a Solution whose objects are deployed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DnsLabel(String);

/// The name of an environment: the value of a label of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EnvironmentName(String);

/// A name that Kubernetes does not accept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a valid name: expected {expected}", content::printable(name))]
pub struct NameError {
    /// The name.
    name: String,
    /// The names that are valid.
    expected: &'static str,
}

/// Whether `text` starts and ends with a letter or a digit and has only these and `signs`, of at most `length` characters.
fn is_word(text: &str, letter: impl Fn(char) -> bool, signs: &str, length: usize) -> bool {
    text.len() <= length
        && text.starts_with(&letter)
        && text.ends_with(&letter)
        && text.chars().all(|one| letter(one) || signs.contains(one))
}

fn is_lower(letter: char) -> bool {
    letter.is_ascii_lowercase() || letter.is_ascii_digit()
}

impl DnsLabel {
    /// The name of a Solution. It is shorter than other labels, because the names of its objects are made of it.
    ///
    /// # Errors
    ///
    /// [`NameError`]
    pub fn of_solution(name: &str) -> Result<Self, NameError> {
        if is_word(name, is_lower, "-", SOLUTION_MAX) {
            return Ok(Self(name.to_owned()));
        }
        let expected = "at most 54 lower-case letters, digits and `-`, with a letter or digit at both ends";
        Err(NameError { name: name.to_owned(), expected })
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EnvironmentName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The namespace with the name of the environment.
    ///
    /// # Errors
    ///
    /// [`NameError`] if it is valid for an environment, but not for a namespace.
    pub fn namespace(&self) -> Result<DnsLabel, NameError> {
        self.0.parse()
    }
}

impl FromStr for DnsLabel {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if is_word(name, is_lower, "-", LENGTH_MAX) {
            return Ok(Self(name.to_owned()));
        }
        let expected = "at most 63 lower-case letters, digits and `-`, with a letter or digit at both ends";
        Err(NameError { name: name.to_owned(), expected })
    }
}

impl FromStr for EnvironmentName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        if is_word(name, |letter| letter.is_ascii_alphanumeric(), "-_.", LENGTH_MAX) {
            return Ok(Self(name.to_owned()));
        }
        let expected = "at most 63 letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";
        Err(NameError { name: name.to_owned(), expected })
    }
}

impl fmt::Display for DnsLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Display for EnvironmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `text` as the value of a label of Kubernetes: other characters become `_`, and it is shortened.
pub(super) fn label_value(text: &str) -> String {
    let valid = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let value: String =
        text.chars().take(LENGTH_MAX).map(|letter| if valid(letter) { letter } else { '_' }).collect();
    value.trim_matches(|letter: char| !letter.is_ascii_alphanumeric()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_kubernetes_accepts() {
        let (long, longest) = ("a".repeat(55), "a".repeat(63));
        for (name, namespace, environment, solution) in [
            ("prod", true, true, true),
            ("prod-1", true, true, true),
            ("1-prod", true, true, true),
            ("Prod_1.a", false, true, false),
            ("pr\u{f6}d", false, false, false),
            ("-prod", false, false, false),
            ("prod-", false, false, false),
            ("pr od", false, false, false),
            ("", false, false, false),
            (&long, true, true, false),
            (&longest, true, true, false),
            (&format!("{longest}a"), false, false, false),
        ] {
            assert_eq!(name.parse::<DnsLabel>().is_ok(), namespace, "{name}");
            assert_eq!(name.parse::<EnvironmentName>().is_ok(), environment, "{name}");
            assert_eq!(DnsLabel::of_solution(name).is_ok(), solution, "{name}");
        }
    }

    #[test]
    fn a_version_becomes_the_value_of_a_label() {
        for (version, value) in
            [("1.0.0", "1.0.0"), ("1.0.0+b.1", "1.0.0_b.1"), ("1.0~rc1", "1.0_rc1"), ("1.0+", "1.0")]
        {
            assert_eq!(label_value(version), value);
        }
        assert_eq!(label_value(&"1".repeat(64)).len(), 63);
    }
}
