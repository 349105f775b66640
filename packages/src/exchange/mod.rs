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

use std::fmt::Write as _;

use serde::Deserialize;

pub use self::input::{InputPackage, PackageInput};
use crate::metadata::{Checksum, ChecksumKind};

/// Bytes of a file.
pub const EXCHANGE_MAX: u64 = 16 << 20;
/// Packages of a list, requests of an input.
const PACKAGES_MAX: usize = 100_000;
/// Repositories of a list.
const REPOSITORIES_MAX: usize = 1000;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", content::printable(.0))]
pub struct ExchangeFault(String);

impl ExchangeFault {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    fn yaml(error: &serde_saphyr::Error) -> Self {
        Self(error.to_string().lines().next().unwrap_or_default().to_owned())
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
            lockfile_version: Option<u64>,
            #[serde(default)]
            content_origin: Option<serde::de::IgnoredAny>,
        }
        let kind: Kind = serde_saphyr::from_str(text).map_err(|error| ExchangeFault::yaml(&error))?;
        match kind {
            Kind { document: Some(document), .. } if document == "rpm-package-manifest" => {
                manifest::read(text).map(Self::List)
            }
            Kind { lockfile_version: Some(1), .. } => konflux::read(text).map(Self::List),
            Kind { lockfile_version: Some(other), .. } => {
                Err(ExchangeFault::new(format!("expected `lockfileVersion: 1`, found {other}")))
            }
            Kind { content_origin: Some(_), .. } => input::read(text).map(Self::Input),
            _ => Err(ExchangeFault::new(
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
        if self.packages.len() > PACKAGES_MAX || self.repositories.len() > REPOSITORIES_MAX {
            return Err(ExchangeFault::new(format!("more than {PACKAGES_MAX} packages")));
        }
        Ok(self)
    }
}

/// `KIND:HEX`.
fn checksum(text: &str) -> Result<Checksum, ExchangeFault> {
    let read = text.split_once(':').and_then(|(kind, hex)| {
        let (kind, hex) = (ChecksumKind::from_name(&kind.to_ascii_lowercase())?, hex.to_ascii_lowercase());
        let is_hex = hex.len() == kind.digits() && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_hex.then_some(Checksum { kind, hex })
    });
    read.ok_or_else(|| {
        ExchangeFault::new(format!("`{text}` is not a checksum: expected one such as `sha256:…`"))
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
