//! What a package provides, requires, conflicts with or obsoletes: a capability and, at will, versions of it.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A capability and the versions of it that count; in text, as in a spec file: `nginx`, `nginx >= 1.20`,
/// `/bin/sh`, `(firewalld or nftables)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct Dependency {
    name: String,
    version: Option<(Comparison, String)>,
}

/// How versions are compared with the one that is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl Comparison {
    const ALL: [(&'static str, Self); 5] = [
        ("<", Self::Less),
        ("<=", Self::LessOrEqual),
        ("=", Self::Equal),
        (">=", Self::GreaterOrEqual),
        (">", Self::Greater),
    ];

    fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, comparison)| *comparison == self).map_or("=", |(text, _)| text)
    }
}

impl Dependency {
    /// The capability: a package's name, a file's path, or a rich dependency in parentheses.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version it is compared with, as `[epoch:]version[-release]`.
    #[must_use]
    pub fn version(&self) -> Option<(Comparison, &str)> {
        self.version.as_ref().map(|(comparison, version)| (*comparison, version.as_str()))
    }

    pub(crate) fn to_rpm(&self) -> rpm::Dependency {
        let name = &self.name;
        match self.version() {
            None => rpm::Dependency::any(name),
            Some((Comparison::Less, version)) => rpm::Dependency::less(name, version),
            Some((Comparison::LessOrEqual, version)) => rpm::Dependency::less_eq(name, version),
            Some((Comparison::Equal, version)) => rpm::Dependency::eq(name, version),
            Some((Comparison::GreaterOrEqual, version)) => rpm::Dependency::greater_eq(name, version),
            Some((Comparison::Greater, version)) => rpm::Dependency::greater(name, version),
        }
    }
}

impl FromStr for Dependency {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let error = || Error::Value {
            expected: "a dependency such as `nginx`, `nginx >= 1.20` or `(this or that)`",
            found: text.to_owned(),
        };
        let text = text.trim();
        let printable = |part: &str| !part.is_empty() && !part.chars().any(char::is_control);
        if text.starts_with('(') {
            // The grammar of rich dependencies is rpm's own; it is judged where the package is installed.
            let rich = printable(text) && text.ends_with(')');
            return if rich { Ok(Self { name: text.to_owned(), version: None }) } else { Err(error()) };
        }
        // `a>=1` is a name to rpm, and never what was meant. `font(:lang=en)` is one.
        let is_name = |part: &str| printable(part) && (part.contains('(') || !part.contains(['<', '=', '>']));
        let words: Vec<&str> = text.split_whitespace().collect();
        match *words.as_slice() {
            [name] if is_name(name) => Ok(Self { name: name.to_owned(), version: None }),
            [name, comparison, version] if is_name(name) && printable(version) => {
                let (_, comparison) =
                    Comparison::ALL.into_iter().find(|(text, _)| *text == comparison).ok_or_else(error)?;
                Ok(Self { name: name.to_owned(), version: Some((comparison, version.to_owned())) })
            }
            _ => Err(error()),
        }
    }
}

impl TryFrom<String> for Dependency {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        match self.version() {
            None => Ok(()),
            Some((comparison, version)) => write!(formatter, " {} {version}", comparison.as_str()),
        }
    }
}

impl From<Dependency> for String {
    fn from(dependency: Dependency) -> Self {
        dependency.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_spec_files_say() {
        for (text, name, version) in [
            ("nginx", "nginx", None),
            ("  /bin/sh ", "/bin/sh", None),
            ("nginx >= 1:1.20-3", "nginx", Some((Comparison::GreaterOrEqual, "1:1.20-3"))),
            ("a = 1", "a", Some((Comparison::Equal, "1"))),
            ("font(:lang=en)", "font(:lang=en)", None),
            ("libc.so.6(GLIBC_2.34)(64bit)", "libc.so.6(GLIBC_2.34)(64bit)", None),
            ("(firewalld or nftables >= 1)", "(firewalld or nftables >= 1)", None),
        ] {
            let dependency: Dependency = text.parse().unwrap();
            assert_eq!((dependency.name(), dependency.version()), (name, version), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_none() {
        for text in ["", " ", "a >=", "a>=1", "a => 1", "a 1", "a = 1 2", "a = \u{1}", "(a or b"] {
            text.parse::<Dependency>().unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(name in "[A-Za-z0-9_/.+-]{1,12}", index in 0..6_usize, version in "[0-9.:~-]{1,8}") {
            let version = Comparison::ALL.get(index).map(|(_, comparison)| (*comparison, version));
            let dependency = Dependency { name, version };
            prop_assert_eq!(dependency.to_string().parse::<Dependency>().unwrap(), dependency);
        }
    }
}
