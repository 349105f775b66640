//! The bootstrap node's configuration: which archives it has.
//!
//! `BootstrapConfiguration` lists the archives of the platform, `SolutionsConfiguration` those of Solutions. People
//! write these files, so a change keeps their comments, their order and their way of writing lists: only the lines of
//! the list of archives change, and what comes out is read again before it replaces what was there.

mod active;
mod edit;
mod networks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use content::{IoError, Links};
use serde::Deserialize;
use serde_saphyr::{Error as YamlError, Location, Spanned};

use networks::Networks;

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
        /// The key the problem is with or lies below, `networks.controlPlane`; empty for the file as a whole.
        key: String,
        /// What was expected and what was found.
        problem: String,
    },
    /// The archives, or the active versions, are written in a way that cannot be changed line by line.
    #[error("{}:{line}: {key}: cannot be changed as it is written; write one entry a line, or all on the line of the key", path.display())]
    Layout {
        /// The file.
        path: PathBuf,
        /// The line the list begins at.
        line: u64,
        /// The key of the list.
        key: &'static str,
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
        match (Self::read_if_there(path, kind)?, kind) {
            (Some(found), _) => Ok(found),
            (None, Kind::Solutions) => Self::parse(path, kind, NEW_SOLUTIONS.to_owned()),
            (None, Kind::Bootstrap) => {
                let source = rustix::io::Errno::NOENT.into();
                Err(Error::Io { operation: "read", path: path.to_path_buf(), source })
            }
        }
    }

    /// [`Configuration::read`] of a file that may not exist. Only one of which the operating system says so does not: one
    /// that cannot be looked at is an error.
    ///
    /// # Errors
    ///
    /// Those of [`Configuration::read`].
    pub fn read_if_there(path: &Path, kind: Kind) -> Result<Option<Self>, Error> {
        let failed = |operation, source| Error::Io { operation, path: path.to_path_buf(), source };
        let bytes = match content::open_read(path, Links::Follow, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(IoError { operation, source, .. }) => return Err(failed(operation, source)),
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            failed("read", std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
        })?;
        Self::parse(path, kind, text).map(Some)
    }

    /// [`Configuration::read`] of a text; errors name it by `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`].
    pub fn parse(path: &Path, kind: Kind, text: String) -> Result<Self, Error> {
        let document: Document = serde_saphyr::from_str(&text).map_err(|error| {
            let (line, column) = error.location().map_or((1, 1), |place| (place.line(), place.column()));
            let key = match error.without_snippet() {
                YamlError::SerdeMissingField { field, .. } => (*field).to_owned(),
                _ => key_at(&text, line),
            };
            let said = error.without_snippet().to_string();
            let problem =
                said.strip_suffix(&format!(" at line {line}, column {column}")).unwrap_or(&said).to_owned();
            Error::Invalid { path: path.to_path_buf(), line, column, key, problem }
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
                networks::check(network).map_err(|found| wrong(*place, key, found))?;
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

    /// Which configuration it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
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

    /// Makes `version` the active one of the Solution `name`, or with `None` no version of it.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if the versions cannot be changed line by line.
    pub fn set_active(&mut self, name: &str, version: Option<&str>) -> Result<(), Error> {
        let mut wanted = self.active.clone();
        match version {
            Some(version) => wanted.insert(name.to_owned(), version.to_owned()),
            None => wanted.remove(name),
        };
        let layout =
            || Error::Layout { path: self.path.clone(), line: active::line(&self.text), key: "active" };
        let changed = active::set(&self.text, name, version).ok_or_else(layout)?;
        let read = Self::parse(&self.path, self.kind, changed).map_err(|_| layout())?;
        let same = read.archives == self.archives && rest(&read.text, "active") == rest(&self.text, "active");
        if read.active != wanted || !same {
            return Err(layout());
        }
        *self = read;
        Ok(())
    }

    /// Changes the text and makes sure that the list, and only the list, is another one.
    fn change(
        &mut self,
        wanted: &[PathBuf],
        change: impl FnOnce(&str, &edit::List) -> Option<String>,
    ) -> Result<(), Error> {
        let list = edit::List::find(&self.text);
        let line = list.as_ref().map_or(1, |list| list.line);
        let layout = || Error::Layout { path: self.path.clone(), line, key: "archives" };
        let changed = list.as_ref().and_then(|list| change(&self.text, list)).ok_or_else(layout)?;
        let read = Self::parse(&self.path, self.kind, changed).map_err(|_| layout())?;
        if read.archives != wanted || rest(&read.text, "archives") != rest(&self.text, "archives") {
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

/// Everything a file says but for what stands under `key`, the archives under either of their names.
fn rest(text: &str, key: &str) -> Option<serde_json::Value> {
    let mut value: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    let fields = value.as_object_mut()?;
    fields.remove(key);
    if key == "archives" {
        fields.remove("solutions");
    }
    Some(value)
}

/// The key that a line, counted from 1, stands at or below: `networks.controlPlane`. What the indentation tells: a text that
/// cannot be parsed says no more.
fn key_at(text: &str, line: u64) -> String {
    let mut keys = Vec::new();
    let mut indentation = usize::MAX;
    for line in
        text.lines().take(usize::try_from(line).unwrap_or(usize::MAX)).collect::<Vec<_>>().into_iter().rev()
    {
        let content = line.trim_start();
        let key = content.split_once(':').map_or("", |(key, _)| key);
        let named =
            !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if named && line.len() - content.len() < indentation {
            indentation = line.len() - content.len();
            keys.push(key);
        }
    }
    keys.reverse();
    keys.join(".")
}

#[cfg(test)]
mod tests;
