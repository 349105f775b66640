//! Names of Debian packages and of the repositories that have them.

use std::fmt;

use super::{Check, ParsedName, text_name};

text_name! {
    /// The name of a suite, or of one of its components: `bookworm`, `bookworm/updates`.
    SuiteName, "suite-name", Some("^[A-Za-z0-9][A-Za-z0-9+._~-]*(/[A-Za-z0-9][A-Za-z0-9+._~-]*)*$"), |text| {
        let legal = |c: char| c.is_ascii_alphanumeric() || "+._~-".contains(c);
        let is_part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric()) && part.chars().all(legal);
        if text.split('/').all(is_part) {
            return Ok(());
        }
        Err(format!("`{text}` cannot name a suite or component: expected one such as `bookworm` or `main`"))
    }
}

text_name! {
    /// An architecture of Debian: `amd64`.
    DebArchitecture, "deb-architecture", Some("^[a-z0-9][a-z0-9-]{0,63}$"), |text| {
        let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_first = text.bytes().next().is_some_and(legal);
        if is_first && text.len() <= 64 && text.bytes().all(|byte| legal(byte) || byte == b'-') {
            return Ok(());
        }
        Err(format!("`{text}` is not an architecture of Debian: expected one such as `amd64`"))
    }
}

text_name! {
    /// A Debian package as `NAME_[EPOCH:]VERSION_ARCHITECTURE`.
    DebName, "deb-name", Some("^[A-Za-z0-9][A-Za-z0-9+._-]*_([0-9]{1,9}:)?[A-Za-z0-9][A-Za-z0-9+.~:-]*_[A-Za-z0-9][A-Za-z0-9-]*$"), |text| {
        let starts = |part: &str| part.starts_with(|c: char| c.is_ascii_alphanumeric());
        let all = |part: &str, more: &str| {
            starts(part) && part.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let parts = text.rsplit_once('_').and_then(|(rest, architecture)| {
            let (name, version) = rest.rsplit_once('_')?;
            Some((name, version, architecture))
        });
        let is_package = parts.is_some_and(|(name, version, architecture)| {
            all(name, "+._-") && all(version, "+.~:-") && all(architecture, "-")
        });
        if is_package {
            return Ok(());
        }
        Err(format!("`{text}` is not a Debian package: expected `NAME_VERSION_ARCHITECTURE`"))
    }
}

impl DebName {
    /// The name, with the architecture: `socat:amd64`.
    #[must_use]
    pub fn name(&self) -> String {
        let mut parts = self.as_str().rsplitn(3, '_');
        let (architecture, _) = (parts.next().unwrap_or_default(), parts.next());
        format!("{}:{architecture}", parts.next().unwrap_or_default())
    }

    /// Its place below the folder of a repository: `pool/main/s/socat/socat_1.7.4.4-2_amd64.deb`.
    #[must_use]
    pub fn place(&self) -> String {
        let mut parts = self.as_str().rsplitn(3, '_');
        let (architecture, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = parts.next().unwrap_or_default();
        let version = version.split_once(':').map_or(version, |(_, version)| version);
        pool_place(name, &format!("{name}_{version}_{architecture}.deb"))
    }
}

/// The place of the file of a package below the folder of a repository, as the archives of Debian have it.
#[must_use]
pub(crate) fn pool_place(name: &str, file: &str) -> String {
    let letters = if name.starts_with("lib") { 4 } else { 1 };
    format!("pool/main/{}/{name}/{file}", name.get(..letters).unwrap_or(name))
}
