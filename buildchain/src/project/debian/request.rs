//! What a project asks an upstream repository of Debian packages for.

use std::fmt;

use super::super::names::{DebArchitecture, FileUrl, ParsedName as _};

/// A request: a package by its name, or a file by its URL.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum DebRequest {
    /// A package of the repository.
    Package {
        /// Its name.
        name: String,
        /// The only architecture that is wanted; by default all of the entry.
        architecture: Option<String>,
        /// Its version; by default the newest.
        version: Option<String>,
    },
    /// A file.
    File(FileUrl),
}

impl DebRequest {
    /// Reads `name`, `name:architecture`, `name=version` or a URL.
    ///
    /// # Errors
    ///
    /// A sentence that says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains("://") {
            return FileUrl::parse(text).map(Self::File);
        }
        let expected = || {
            let suggested = text.split([' ', '(']).next().unwrap_or_default();
            let hint =
                text.split_once(">=").map(|_| format!("; without a version, `{suggested}` is the newest"));
            format!(
                "expected a Debian package such as `socat` or `socat=1.7.4.4-2`, or the URL of one, found `{text}`{}",
                hint.unwrap_or_default()
            )
        };
        let (package, version) = match text.split_once('=') {
            Some((package, version)) => (package, Some(version)),
            None => (text, None),
        };
        let (name, architecture) = match package.split_once(':') {
            Some((name, architecture)) => (name, Some(architecture)),
            None => (package, None),
        };
        let all = |part: &str, more: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if !all(name, "+.-") || version.is_some_and(|version| !all(version, "+.~:-")) {
            return Err(expected());
        }
        let architecture = architecture.map(|text| DebArchitecture::parse(text).map(|one| one.to_string()));
        Ok(Self::Package {
            name: name.to_owned(),
            architecture: architecture.transpose()?,
            version: version.map(str::to_owned),
        })
    }
}

impl fmt::Display for DebRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(url) => url.fmt(f),
            Self::Package { name, architecture, version } => {
                f.write_str(name)?;
                if let Some(architecture) = architecture {
                    write!(f, ":{architecture}")?;
                }
                if let Some(version) = version {
                    write!(f, "={version}")?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_are_written() {
        for good in
            ["socat", "libstdc++6", "a:arm64", "a=1:2.0~rc1-1+b1", "a:i386=1", "https://h/x_1_all.deb"]
        {
            assert_eq!(DebRequest::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "-a",
            "a b",
            "a=",
            "a>=1",
            "a (>= 1)",
            "a:",
            "a:../x",
            "ftp://h/a.deb",
            "https://u:p@h/a",
            "a_b",
        ] {
            assert!(DebRequest::parse(bad).is_err(), "{bad}");
        }
        let said = DebRequest::parse("nginx >= 1.20").unwrap_err();
        assert!(said.ends_with("without a version, `nginx` is the newest"), "{said}");
    }
}
