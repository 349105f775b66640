//! A package as it is installed or shipped, and its URL.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The longest name, version or other text that is kept of a package, in bytes.
pub(super) const TEXT_MAX: usize = 512;

/// Where a package comes from, which decides how its versions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ecosystem {
    /// RPM.
    Rpm,
    /// dpkg.
    Deb,
    /// apk of Alpine Linux.
    Apk,
    /// Python.
    Pypi,
    /// JavaScript.
    Npm,
    /// Go.
    Golang,
    /// Any other.
    Generic,
}

impl Ecosystem {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Rpm, Self::Deb, Self::Apk, Self::Pypi, Self::Npm, Self::Golang, Self::Generic];

    /// Its type in package URLs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rpm => "rpm",
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Golang => "golang",
            Self::Generic => "generic",
        }
    }

    /// The ecosystem with this type; [`Self::Generic`] for those that are not known.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self::ALL.into_iter().find(|known| known.name() == name).unwrap_or(Self::Generic)
    }
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Component {
    /// Where it comes from.
    pub ecosystem: Ecosystem,
    /// The name, such as `openssl`, `@scope/name` or `golang.org/x/net`.
    pub name: String,
    /// The version as the ecosystem writes it: `1:3.0.7-27.el9` of an RPM.
    pub version: String,
    /// The architecture; empty if it has none.
    pub arch: String,
    /// The distribution in its URL, such as `rocky` or `debian`; empty if it is not known.
    pub distribution: String,
    /// The distribution with its version: `rocky-9.4`.
    pub release: String,
    /// The source package that it was built from; empty if that is not known, or has the same name.
    pub source: String,
    /// Who supplies it; empty if it does not say.
    pub supplier: String,
    /// Its license, as it is written there.
    pub license: String,
}

impl Component {
    pub(crate) fn new(ecosystem: Ecosystem, name: &str, version: &str) -> Self {
        Self {
            ecosystem,
            name: bounded(name),
            version: bounded(version),
            arch: String::new(),
            distribution: String::new(),
            release: String::new(),
            source: String::new(),
            supplier: String::new(),
            license: String::new(),
        }
    }

    /// Whether it is the same package, whatever is said about it.
    pub(super) fn is_same_package(&self, other: &Self) -> bool {
        let identity = |one: &Self| (one.ecosystem, one.name.clone(), one.version.clone(), one.arch.clone());
        identity(self) == identity(other)
    }

    /// Its package URL (purl): `pkg:rpm/rocky/openssl@3.0.7-27.el9?arch=x86_64&epoch=1`.
    #[must_use]
    pub fn purl(&self) -> String {
        let mut url = format!("pkg:{}", self.ecosystem.name());
        let mut add = |part: &str| {
            url.push('/');
            encode(part, &mut url);
        };
        let (mut version, mut epoch) = (self.version.as_str(), None);
        match self.ecosystem {
            Ecosystem::Rpm | Ecosystem::Deb | Ecosystem::Apk => {
                if !self.distribution.is_empty() {
                    add(&self.distribution);
                }
                add(&self.name);
                if self.ecosystem == Ecosystem::Rpm
                    && let Some((before, rest)) = version.split_once(':')
                {
                    (epoch, version) = (Some(before), rest);
                }
            }
            // Names of Python are equal whatever their case, and `_` is `-`.
            Ecosystem::Pypi => add(&self.name.to_lowercase().replace('_', "-")),
            Ecosystem::Npm | Ecosystem::Golang | Ecosystem::Generic => self.name.split('/').for_each(add),
        }
        url.push('@');
        encode(version, &mut url);
        let qualifiers = [
            ("arch", self.arch.as_str()),
            ("distro", &self.release),
            ("epoch", epoch.unwrap_or_default()),
            ("upstream", &self.source),
        ];
        let mut separator = '?';
        for (key, value) in qualifiers.into_iter().filter(|(_, value)| !value.is_empty()) {
            let _ = write!(url, "{separator}{key}=");
            encode(value, &mut url);
            separator = '&';
        }
        url
    }

    /// The package that a URL and the version and name beside it describe. A URL that cannot be read counts as none.
    pub(super) fn of_purl(purl: Option<&str>, name: &str, version: &str) -> Self {
        let mut component = Self::new(Ecosystem::Generic, name, version);
        let Some(rest) = purl.and_then(|purl| purl.strip_prefix("pkg:")) else { return component };
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let Some((kind, path)) = rest.split_once('/') else { return component };
        component.ecosystem = Ecosystem::of(&kind.to_ascii_lowercase());
        let (path, written) = path.rsplit_once('@').unwrap_or((path, ""));
        let is_of_distribution =
            matches!(component.ecosystem, Ecosystem::Rpm | Ecosystem::Deb | Ecosystem::Apk);
        if let Some((distribution, _)) = path.split_once('/').filter(|_| is_of_distribution) {
            component.distribution = bounded(&decode(distribution));
        }
        if version.is_empty() {
            component.version = bounded(&decode(written));
        }
        for (key, value) in qualifiers.split('&').filter_map(|one| one.split_once('=')) {
            let value = decode(value);
            match key {
                "arch" => component.arch = bounded(&value),
                "distro" => component.release = bounded(&value),
                "upstream" => component.source = bounded(&value),
                // Others leave the epoch out of the version.
                "epoch" if component.ecosystem == Ecosystem::Rpm && !component.version.contains(':') => {
                    component.version = bounded(&format!("{value}:{}", component.version));
                }
                _ => {}
            }
        }
        component
    }
}

/// A text without control characters, cut at [`TEXT_MAX`].
pub(super) fn bounded(text: &str) -> String {
    let mut kept = String::new();
    for c in text.trim().chars() {
        let c = if c.is_control() { ' ' } else { c };
        if kept.len() + c.len_utf8() > TEXT_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

/// Writes what a part of a URL may have as it is, and the rest as `%2B`.
fn encode(part: &str, url: &mut String) {
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            url.push(char::from(byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
}

/// A part of a URL.
pub(super) fn encoded(part: &str) -> String {
    let mut url = String::new();
    encode(part, &mut url);
    url
}

fn decode(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.get(..2).and_then(|digits| hex::decode(digits).ok());
        match escaped.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.extend(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_those_of_the_specification() {
        let rpm = Component {
            arch: "x86_64".into(),
            distribution: "rocky".into(),
            release: "rocky-9.4".into(),
            source: "openssl".into(),
            ..Component::new(Ecosystem::Rpm, "openssl-libs", "1:3.0.7-27.el9")
        };
        let deb = Component {
            arch: "amd64".into(),
            distribution: "debian".into(),
            ..Component::new(Ecosystem::Deb, "attr", "1:2.4.47-2+b1")
        };
        let plain = |ecosystem, name, version| Component::new(ecosystem, name, version);
        for (component, expected) in [
            (
                rpm,
                "pkg:rpm/rocky/openssl-libs@3.0.7-27.el9?arch=x86_64&distro=rocky-9.4&epoch=1&upstream=openssl",
            ),
            (deb, "pkg:deb/debian/attr@1:2.4.47-2%2Bb1?arch=amd64"),
            (plain(Ecosystem::Npm, "@scope/a", "1.0.0"), "pkg:npm/%40scope/a@1.0.0"),
            (plain(Ecosystem::Golang, "golang.org/x/net", "v0.1.0"), "pkg:golang/golang.org/x/net@v0.1.0"),
            (plain(Ecosystem::Pypi, "Zope_Interface", "5.0"), "pkg:pypi/zope-interface@5.0"),
        ] {
            assert_eq!(component.purl(), expected);
            let read = Component::of_purl(Some(expected), &component.name, &component.version);
            assert_eq!(read, component);
        }
    }

    #[test]
    fn odd_urls_are_read_without_harm() {
        for purl in
            ["", "pkg:", "pkg:rpm", "pkg:rpm/", "pkg:rpm/@%", "pkg:rpm/a@1?epoch=2&arch", "pkg:x/%zz@%f"]
        {
            let found = Component::of_purl(Some(purl), "a", "1");
            assert_eq!(found.name, "a", "{purl}");
        }
        assert_eq!(Component::of_purl(Some("pkg:rpm/a@1?epoch=2"), "a", "1").version, "2:1");
    }
}
