//! The bootstrap node's configuration: which archives it has.
//!
//! `BootstrapConfiguration` lists the archives of the platform, `SolutionsConfiguration` those of Solutions. People
//! write these files, so a change keeps their comments, their order and their way of writing lists: only the lines of
//! the list of archives change, and what comes out is read again before it replaces what was there.

mod edit;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, de};
use serde_saphyr::{Location, Spanned};

/// The most bytes of an honest configuration file.
const LIMIT: u64 = 1 << 20;
/// What a new file of Solutions begins with.
const NEW_SOLUTIONS: &str =
    "apiVersion: metalk8s.scality.com/v1alpha1\nkind: SolutionsConfiguration\narchives: []\n";

/// A configuration file cannot be read, is not what it should be, or cannot be changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("cannot {operation} {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The file breaks its format.
    #[error("{}:{line}:{column}: {}{problem}", path.display(), if key.is_empty() { String::new() } else { format!("{key}: ") })]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// The column, counted from 1.
        column: u64,
        /// The key the problem is with, `networks.controlPlane`; empty for the file as a whole.
        key: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// The list of archives is written in a way that cannot be changed line by line.
    #[error("{}:{line}: archives: cannot change the list as it is written; write one archive a line, each after a dash, or all on the line of the key", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// The line the list begins at.
        line: u64,
    },
}

/// Which configuration a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `BootstrapConfiguration`: the platform.
    Bootstrap,
    /// `SolutionsConfiguration`: the Solutions.
    Solutions,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Bootstrap => "BootstrapConfiguration",
            Self::Solutions => "SolutionsConfiguration",
        }
    }

    fn versions(self) -> &'static [&'static str] {
        match self {
            Self::Bootstrap => &["metalk8s.scality.com/v1alpha2", "metalk8s.scality.com/v1alpha3"],
            // Documents of the original have both.
            Self::Solutions => &["metalk8s.scality.com/v1alpha1", "solutions.metalk8s.scality.com/v1alpha1"],
        }
    }
}

/// A configuration file as it was read.
///
/// ```
/// use runtime::configuration::{Configuration, Kind};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("solutions.yaml");
/// std::fs::write(&file, "\
/// apiVersion: metalk8s.scality.com/v1alpha1
/// kind: SolutionsConfiguration
/// archives:
///   - /solutions/storage.iso  # asked for by the backup team
/// active:
///   storage: 1.0.0
/// ")?;
/// let mut configuration = Configuration::read(&file, Kind::Solutions)?;
/// configuration.add("/solutions/computing.iso".as_ref())?;
/// configuration.write()?;
/// assert_eq!(std::fs::read_to_string(&file)?, "\
/// apiVersion: metalk8s.scality.com/v1alpha1
/// kind: SolutionsConfiguration
/// archives:
///   - /solutions/storage.iso  # asked for by the backup team
///   - /solutions/computing.iso
/// active:
///   storage: 1.0.0
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Configuration {
    path: PathBuf,
    kind: Kind,
    text: String,
    archives: Vec<PathBuf>,
    active: BTreeMap<String, String>,
}

/// What is read of either file. Keys that are not ours are left alone.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    api_version: Spanned<String>,
    kind: Spanned<String>,
    /// `solutions` is what the design of 2019 called it.
    #[serde(default, alias = "solutions")]
    archives: Option<Spanned<Option<Vec<Spanned<String>>>>>,
    #[serde(default)]
    active: Option<BTreeMap<String, String>>,
    #[serde(default)]
    networks: Option<Networks>,
    #[serde(default)]
    ca: Option<Authority>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Networks {
    control_plane: Option<Spanned<Network>>,
    workload_plane: Option<Spanned<Network>>,
    pods: Option<Spanned<Network>>,
    services: Option<Spanned<Network>>,
}

/// The networks of a plane, each with its place where it has one of its own: a text or a list of texts (v1alpha2), or
/// either of these under the key `cidr` (v1alpha3).
struct Network(Vec<(Option<Location>, String)>);

#[derive(Deserialize)]
struct Authority {
    minion: Option<String>,
}

impl Configuration {
    /// Reads a configuration file and checks it. A file of Solutions that does not exist is an empty one.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with file, line and key; [`Error::Io`].
    pub fn read(path: &Path, kind: Kind) -> Result<Self, Error> {
        let failed = |source| Error::Io { operation: "read", path: path.to_path_buf(), source };
        let text = match std::fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && kind == Kind::Solutions => {
                NEW_SOLUTIONS.to_owned()
            }
            Err(error) => return Err(failed(error)),
            Ok(data) if data.len() > LIMIT => {
                let problem = format!("{} bytes, expected at most {LIMIT}", data.len());
                return Err(failed(std::io::Error::new(std::io::ErrorKind::InvalidData, problem)));
            }
            Ok(_) => std::fs::read_to_string(path).map_err(failed)?,
        };
        Self::parse(path, kind, text)
    }

    /// [`Configuration::read`] of a text; errors name it by `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`].
    pub fn parse(path: &Path, kind: Kind, text: String) -> Result<Self, Error> {
        let document: Document = serde_saphyr::from_str(&text).map_err(|error| {
            let place = error.location().map_or((1, 1), |place| (place.line(), place.column()));
            let problem = error.without_snippet().to_string();
            Error::Invalid {
                path: path.to_path_buf(),
                line: place.0,
                column: place.1,
                key: String::new(),
                problem,
            }
        })?;
        let wrong = |place: Location, key: &str, problem: String| Error::Invalid {
            path: path.to_path_buf(),
            line: place.line(),
            column: place.column(),
            key: key.to_owned(),
            problem,
        };
        if document.kind.value != kind.name() {
            let problem = format!("expected {}, found {}", kind.name(), document.kind.value);
            return Err(wrong(document.kind.referenced, "kind", problem));
        }
        if !kind.versions().contains(&document.api_version.value.as_str()) {
            let problem =
                format!("expected {}, found {}", kind.versions().join(" or "), document.api_version.value);
            return Err(wrong(document.api_version.referenced, "apiVersion", problem));
        }
        if kind == Kind::Bootstrap {
            let problem = |key: &str| wrong(document.kind.referenced, key, "it is missing".to_owned());
            document.ca.as_ref().and_then(|ca| ca.minion.as_ref()).ok_or_else(|| problem("ca.minion"))?;
            let networks = document.networks.as_ref().ok_or_else(|| problem("networks"))?;
            let listed = networks.listed();
            for (key, place, network) in &listed {
                check_network(network).map_err(|found| wrong(*place, key, found))?;
            }
            for key in ["networks.controlPlane", "networks.workloadPlane"] {
                if !listed.iter().any(|(found, ..)| *found == key) {
                    return Err(problem(key));
                }
            }
        }
        let mut archives: Vec<PathBuf> = Vec::new();
        for archive in document.archives.iter().flat_map(|archives| archives.value.iter().flatten()) {
            let found = PathBuf::from(&archive.value);
            if !found.is_absolute() {
                let problem = format!("expected an absolute path, found {:?}", archive.value);
                return Err(wrong(archive.referenced, "archives", problem));
            }
            if archives.contains(&found) {
                return Err(wrong(
                    archive.referenced,
                    "archives",
                    format!("{} is listed twice", archive.value),
                ));
            }
            archives.push(found);
        }
        let active = document.active.unwrap_or_default();
        Ok(Self { path: path.to_path_buf(), kind, text, archives, active })
    }

    /// The archives in their order.
    #[must_use]
    pub fn archives(&self) -> &[PathBuf] {
        &self.archives
    }

    /// The active version of each Solution that has one.
    #[must_use]
    pub fn active(&self) -> &BTreeMap<String, String> {
        &self.active
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What [`Configuration::write`] writes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds an archive at the end of the list. One that is listed already stays where it is.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if the list cannot be changed line by line.
    pub fn add(&mut self, archive: &Path) -> Result<(), Error> {
        if self.archives.iter().any(|listed| listed == archive) {
            return Ok(());
        }
        let wanted: Vec<PathBuf> = self.archives.iter().cloned().chain([archive.to_path_buf()]).collect();
        self.change(&wanted, |text, list| edit::add(text, list, &wanted))
    }

    /// Takes an archive off the list. One that is not listed is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if the list cannot be changed line by line.
    pub fn remove(&mut self, archive: &Path) -> Result<(), Error> {
        let Some(index) = self.archives.iter().position(|listed| listed == archive) else { return Ok(()) };
        let wanted: Vec<PathBuf> =
            self.archives.iter().filter(|listed| *listed != archive).cloned().collect();
        self.change(&wanted, |text, list| edit::remove(text, list, index, &wanted))
    }

    /// Changes the text and makes sure that the list, and only the list, is another one.
    fn change(
        &mut self,
        wanted: &[PathBuf],
        change: impl FnOnce(&str, &edit::List) -> Option<String>,
    ) -> Result<(), Error> {
        let list = edit::List::find(&self.text);
        let layout =
            || Error::Layout { path: self.path.clone(), line: list.as_ref().map_or(1, |list| list.line) };
        let changed = list.as_ref().and_then(|list| change(&self.text, list)).ok_or_else(layout)?;
        let read = Self::parse(&self.path, self.kind, changed).map_err(|_| layout())?;
        if read.archives != wanted || rest(&read.text) != rest(&self.text) {
            return Err(layout());
        }
        *self = read;
        Ok(())
    }

    /// Writes the file: whole or not at all, with the permissions it had.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn write(&self) -> Result<(), Error> {
        crate::file::replace(&self.path, self.text.as_bytes()).map_err(|source| Error::Io {
            operation: "write",
            path: self.path.clone(),
            source,
        })
    }
}

impl Networks {
    /// Every network with its key and place.
    fn listed(&self) -> Vec<(&'static str, Location, &str)> {
        let planes = [
            ("networks.controlPlane", &self.control_plane),
            ("networks.workloadPlane", &self.workload_plane),
            ("networks.pods", &self.pods),
            ("networks.services", &self.services),
        ];
        let planes = planes.into_iter().filter_map(|(key, plane)| Some((key, plane.as_ref()?)));
        planes
            .flat_map(|(key, plane)| {
                plane
                    .value
                    .0
                    .iter()
                    .map(move |(place, text)| (key, place.unwrap_or(plane.referenced), text.as_str()))
            })
            .collect()
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NetworkVisitor)
    }
}

/// Not an untagged enum: those lose the places of what is in them.
struct NetworkVisitor;

impl<'de> de::Visitor<'de> for NetworkVisitor {
    type Value = Network;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a network, a list of networks, or a mapping with the key cidr")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Network, E> {
        Ok(Network(vec![(None, text.to_owned())]))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Network, A::Error> {
        let mut found = Vec::new();
        while let Some(item) = items.next_element::<Spanned<String>>()? {
            found.push((Some(item.referenced), item.value));
        }
        Ok(Network(found))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut fields: A) -> Result<Network, A::Error> {
        let mut found = Network(Vec::new());
        while let Some(key) = fields.next_key::<String>()? {
            if key == "cidr" {
                let cidr = fields.next_value::<Spanned<Network>>()?;
                let place =
                    |(place, text): (Option<Location>, String)| (place.or(Some(cidr.referenced)), text);
                found = Network(cidr.value.0.into_iter().map(place).collect());
            } else {
                fields.next_value::<de::IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// Checks a network in CIDR notation (RFC 4632, section 3.1).
fn check_network(text: &str) -> Result<(), String> {
    let wrong = || format!("expected a network as 10.0.0.0/16, found {text:?}");
    let (address, length) = text.split_once('/').ok_or_else(wrong)?;
    let most = match address.parse::<IpAddr>().map_err(|_| wrong())? {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    };
    match length.parse::<u8>() {
        Ok(length) if length <= most => Ok(()),
        _ => Err(wrong()),
    }
}

/// Everything a file says but for its archives.
fn rest(text: &str) -> Option<serde_json::Value> {
    let mut value: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    let fields = value.as_object_mut()?;
    fields.remove("archives");
    fields.remove("solutions");
    Some(value)
}

#[cfg(test)]
mod tests;
