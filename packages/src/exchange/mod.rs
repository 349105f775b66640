//! Lists of packages as other tools lock them, and their inputs.
//!
//! | file | version | tools |
//! | --- | --- | --- |
//! | `packages.manifest.yaml` | `rpm-package-manifest` 0.2.2 | libpkgmanifest, `dnf5 manifest` |
//! | `rpms.lock.yaml` | `lockfileVersion: 1` | rpm-lockfile-prototype 0.30, Hermeto |
//! | `rpms.in.yaml` | the input of rpm-lockfile-prototype 0.30 | the same, `dnf5 manifest resolve` |

mod input;
mod konflux;
mod manifest;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write as _};

use serde::Deserialize;
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

pub use self::input::{InputPackage, PackageInput};
use crate::metadata::{Checksum, ChecksumKind};

/// Bytes of a file.
pub const EXCHANGE_MAX: u64 = 16 << 20;
/// Packages of a list, requests of an input.
const PACKAGES_MAX: usize = 100_000;
/// Repositories of a list.
const REPOSITORIES_MAX: usize = 1000;

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
}

impl Place {
    const START: Self = Self { line: 1, column: 1 };

    fn of<T>(value: &Spanned<T>) -> Self {
        Self::from(value.referenced)
    }
}

impl From<Location> for Place {
    fn from(place: Location) -> Self {
        Self { line: place.line().max(1), column: place.column().max(1) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What is wrong with a file. The message starts with the place: `LINE:COLUMN: REASON`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {}", content::printable(reason))]
pub struct ExchangeFault {
    place: Place,
    reason: String,
}

impl ExchangeFault {
    fn new(place: Place, reason: impl Into<String>) -> Self {
        Self { place, reason: reason.into() }
    }

    fn yaml(error: &serde_saphyr::Error) -> Self {
        let location = error.location();
        let rendered = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        let first = rendered.lines().next().unwrap_or_default();
        let written = location.map(|at| format!(" at line {}, column {}", at.line(), at.column()));
        let reason = written.and_then(|written| first.strip_suffix(&written)).unwrap_or(first);
        Self::new(location.map_or(Place::START, Place::from), reason)
    }

    fn too_many(limit: usize, what: &str) -> Self {
        Self::new(Place::START, format!("more than {limit} {what}"))
    }
}

/// A file of one of the kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeFile {
    /// `packages.manifest.yaml` or `rpms.lock.yaml`.
    List(PackageList),
    /// `rpms.in.yaml`.
    Input(PackageInput),
}

/// Packages, each with its place and content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageList {
    /// Their repositories.
    pub repositories: Vec<ListedRepository>,
    /// The packages.
    pub packages: Vec<ListedPackage>,
    /// How many source packages were left out when the list was read.
    pub sources: usize,
}

/// A repository of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct ListedRepository {
    /// Its name.
    pub id: String,
    /// Its URL, perhaps with `$arch` or `$basearch`.
    #[serde(default, rename = "baseurl")]
    pub url: Option<String>,
    /// The URL of a metalink.
    #[serde(default)]
    pub metalink: Option<String>,
    /// The URL of a list of mirrors.
    #[serde(default)]
    pub mirrorlist: Option<String>,
}

/// A package of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPackage {
    /// The name.
    pub name: String,
    /// The version: `[EPOCH:]VERSION-RELEASE`.
    pub evr: String,
    /// The architecture: `noarch`.
    pub arch: String,
    /// The architectures of the machines that it is for; empty for all.
    pub machines: Vec<String>,
    /// The name of the repository.
    pub repository: String,
    /// The path from the URL of the repository, or its URL; empty if unknown.
    pub location: String,
    /// Its checksum.
    pub checksum: Checksum,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is in the file that it was read from.
    pub place: Option<Place>,
}

impl ExchangeFile {
    /// Reads a file of any of the kinds, which its keys tell apart.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn read(text: &str) -> Result<Self, ExchangeFault> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Kind {
            #[serde(default)]
            document: Option<String>,
            #[serde(default)]
            lockfile_version: Option<Spanned<u64>>,
            #[serde(default)]
            content_origin: Option<serde::de::IgnoredAny>,
        }
        let kind: Kind = serde_saphyr::from_str(text).map_err(|error| ExchangeFault::yaml(&error))?;
        match kind {
            Kind { document: Some(document), .. } if document == "rpm-package-manifest" => {
                manifest::read(text).map(Self::List)
            }
            Kind { lockfile_version: Some(Spanned { value: 1, .. }), .. } => {
                konflux::read(text).map(Self::List)
            }
            Kind { lockfile_version: Some(other), .. } => Err(ExchangeFault::new(
                Place::of(&other),
                format!("expected `lockfileVersion: 1`, found {}", other.value),
            )),
            Kind { content_origin: Some(_), .. } => input::read(text).map(Self::Input),
            _ => Err(ExchangeFault::new(
                Place::START,
                "expected `document: rpm-package-manifest`, `lockfileVersion` or `contentOrigin`",
            )),
        }
    }
}

impl PackageList {
    /// The list as `packages.manifest.yaml`.
    #[must_use]
    pub fn manifest(&self) -> String {
        manifest::write(self)
    }

    /// The list as `rpms.lock.yaml`. Locations must be URLs.
    #[must_use]
    pub fn rpms_lock(&self) -> String {
        konflux::write(self)
    }

    fn checked(self) -> Result<Self, ExchangeFault> {
        bounded(self.packages.len(), self.repositories.len())?;
        Ok(self)
    }
}

/// Checks the number of packages and of repositories.
fn bounded(packages: usize, repositories: usize) -> Result<(), ExchangeFault> {
    if packages > PACKAGES_MAX {
        return Err(ExchangeFault::too_many(PACKAGES_MAX, "packages"));
    }
    if repositories > REPOSITORIES_MAX {
        return Err(ExchangeFault::too_many(REPOSITORIES_MAX, "repositories"));
    }
    Ok(())
}

/// The name of a repository without the architecture: `ubi-9-$basearch-rpms` and, for x86_64, `ubi-9-x86_64-rpms` are `ubi-9-rpms`.
/// A repository of a project has one name for all architectures.
#[must_use]
pub fn without_architecture(id: &str, architecture: &str) -> String {
    let mut name = id.to_owned();
    for word in ["$basearch", "$arch", architecture].into_iter().filter(|word| !word.is_empty()) {
        for part in [format!("-{word}"), format!("{word}-"), format!("_{word}"), format!("{word}_")] {
            name = name.replace(&part, "");
        }
        name = name.replace(word, "");
    }
    name
}

/// `KIND:HEX`.
fn checksum(text: &Spanned<String>) -> Result<Checksum, ExchangeFault> {
    let read = text.value.split_once(':').and_then(|(kind, hex)| {
        let (kind, hex) = (ChecksumKind::from_name(&kind.to_ascii_lowercase())?, hex.to_ascii_lowercase());
        let is_hex = hex.len() == kind.digits() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then_some(Checksum { kind, hex })
    });
    read.ok_or_else(|| {
        let reason = format!("`{}` is not a checksum: expected one such as `sha256:…`", text.value);
        ExchangeFault::new(Place::of(text), reason)
    })
}

/// The architecture in the name of a package file.
fn arch_of(location: &str) -> Option<&str> {
    let name = location.rsplit('/').next()?.split(['?', '#']).next()?.strip_suffix(".rpm")?;
    name.rsplit_once('.').map(|(_, arch)| arch).filter(|arch| !arch.is_empty())
}

/// A YAML scalar: a JSON string is one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Writes `key: value` if there is a value.
fn entry(out: &mut String, indent: &str, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{indent}{key}: {}", quoted(value));
    }
}
