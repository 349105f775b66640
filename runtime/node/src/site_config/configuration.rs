//! Reading, changing and writing a node configuration.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use content::{IoError, LinkPolicy};

use super::document::{Document, Site};
use super::error::Error;
use super::kind::ConfigurationKind;
use super::{active, edit};

/// The maximum size of a configuration file, in bytes.
const LIMIT: u64 = 1 << 20;

/// A node configuration.
///
/// ```
/// use node::site_config::{ConfigurationKind, NodeConfiguration};
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("solutions.yaml");
/// std::fs::write(&file, "\
/// apiVersion: metalk8s.scality.com/v1alpha1
/// kind: SolutionsConfiguration
/// archives:
///   - /solutions/storage.iso  # for the backup team
/// active:
///   storage: 1.0.0
/// ")?;
/// let mut configuration = NodeConfiguration::read(&file, ConfigurationKind::Solutions)?;
/// configuration.add("/solutions/computing.iso".as_ref())?;
/// configuration.write()?;
/// assert_eq!(std::fs::read_to_string(&file)?, "\
/// apiVersion: metalk8s.scality.com/v1alpha1
/// kind: SolutionsConfiguration
/// archives:
///   - /solutions/storage.iso  # for the backup team
///   - /solutions/computing.iso
/// active:
///   storage: 1.0.0
/// ");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NodeConfiguration {
    path: PathBuf,
    kind: ConfigurationKind,
    text: String,
    archives: Vec<PathBuf>,
    /// The number of archives under `archives`; the others are under `products`.
    own: usize,
    active: BTreeMap<String, String>,
    accepts_unverified: bool,
    site: Site,
    /// Whether the file existed when it was read.
    existed: bool,
}

impl NodeConfiguration {
    /// Reads a configuration file and checks it. A missing file of Solutions or archives is empty.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] with all problems, each with its line and key; [`Error::Io`].
    pub fn read(path: &Path, kind: ConfigurationKind) -> Result<Self, Error> {
        match (Self::read_if_exists(path, kind)?, kind.new_text()) {
            (Some(found), _) => Ok(found),
            (None, Some(text)) => Ok(Self { existed: false, ..Self::parse(path, kind, text.to_owned())? }),
            (None, None) => Err(IoError::at("read", path)(rustix::io::Errno::NOENT.into()).into()),
        }
    }

    /// As [`NodeConfiguration::read`]; `None` for a missing file. A file that cannot be examined is an error, not missing.
    ///
    /// # Errors
    ///
    /// Those of [`NodeConfiguration::read`].
    pub fn read_if_exists(path: &Path, kind: ConfigurationKind) -> Result<Option<Self>, Error> {
        let bytes = match content::open_read(path, LinkPolicy::Follow, LIMIT) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error());
            IoError::at("read", path)(error)
        })?;
        Self::parse(path, kind, text).map(Some)
    }

    /// As [`NodeConfiguration::read`], from a text; errors name it by `path`.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`].
    pub fn parse(path: &Path, kind: ConfigurationKind, text: String) -> Result<Self, Error> {
        let Document { archives, own, active, accepts_unverified, site } = Document::read(kind, &text)
            .map_err(|problems| Error::Invalid {
                path: path.to_path_buf(),
                kind,
                problems,
                others: Vec::new(),
            })?;
        Ok(Self {
            path: path.to_path_buf(),
            kind,
            text,
            archives,
            own,
            active,
            accepts_unverified,
            site,
            existed: true,
        })
    }

    /// The archives in their order: those under `archives`, then those under `products`, the key of the first
    /// `BootstrapConfiguration`.
    #[must_use]
    pub fn archives(&self) -> &[PathBuf] {
        &self.archives
    }

    /// The active version of each Solution that has one.
    #[must_use]
    pub fn active(&self) -> &BTreeMap<String, String> {
        &self.active
    }

    /// Whether unverifiable archives are accepted: `acceptUnverified` of an `ArchivesConfiguration`.
    #[must_use]
    pub fn accepts_unverified(&self) -> bool {
        self.accepts_unverified
    }

    /// The networks of the control plane, in CIDR notation: `networks.controlPlane` of a `BootstrapConfiguration`.
    #[must_use]
    pub fn control_plane(&self) -> &[String] {
        &self.site.control_plane
    }

    /// The address at which the control plane is reached, if it has one of its own: `networks.controlPlane.ingress.ip`.
    #[must_use]
    pub fn ingress(&self) -> Option<&str> {
        self.site.ingress.as_deref()
    }

    /// The host name of the bootstrap node: `ca.minion` of a `BootstrapConfiguration`.
    #[must_use]
    pub fn bootstrap_host(&self) -> Option<&str> {
        self.site.minion.as_deref()
    }

    /// The kind of the configuration.
    #[must_use]
    pub fn kind(&self) -> ConfigurationKind {
        self.kind
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Restores the file as it was read; removes it if it did not exist.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub(crate) fn restore(&self) -> Result<(), Error> {
        if self.existed {
            return self.write();
        }
        Ok(crate::file::remove(&self.path).map_err(IoError::at("remove", &self.path))?)
    }

    /// The text that [`NodeConfiguration::write`] writes.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds an archive at the end of the list. One that is listed already keeps its place.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if the list cannot be changed line by line.
    pub fn add(&mut self, archive: &Path) -> Result<(), Error> {
        if self.archives.iter().any(|listed| listed == archive) {
            return Ok(());
        }
        let mut wanted = self.archives.clone();
        wanted.insert(self.own, archive.to_path_buf());
        let own = wanted.get(..=self.own).unwrap_or_default();
        self.change(&wanted, |text, list| edit::add(text, list, own))
    }

    /// Removes an archive from the list. One that is not listed is no error.
    ///
    /// # Errors
    ///
    /// [`Error::Layout`] if the list cannot be changed line by line.
    pub fn remove(&mut self, archive: &Path) -> Result<(), Error> {
        let Some(index) = self.archives.iter().position(|listed| listed == archive) else { return Ok(()) };
        if index >= self.own {
            let line = self.text.lines().zip(1..).find(|(line, _)| line.starts_with("products:"));
            let line = line.map_or(1, |(_, number)| number);
            return Err(Error::Layout { path: self.path.clone(), line, key: "products" });
        }
        let mut wanted = self.archives.clone();
        wanted.remove(index);
        let own = wanted.get(..self.own - 1).unwrap_or_default();
        self.change(&wanted, |text, list| edit::remove(text, list, index, own))
    }

    /// Activates `version` of the Solution `name`, or deactivates the Solution with `None`.
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

    /// Changes the text and checks that the list has changed as wanted, and nothing else.
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

    /// Writes the file whole or not at all, and keeps its permissions.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn write(&self) -> Result<(), Error> {
        if let Some(folder) = self.path.parent().filter(|_| self.kind == ConfigurationKind::Archives) {
            // `/etc/sealift` on the first import; a missing folder of MetalK8s is a mistake.
            content::create_folder(folder)?;
        }
        Ok(crate::file::replace(&self.path, self.text.as_bytes())
            .map_err(IoError::at("write", &self.path))?)
    }
}

/// The content of a file without `key`; for the archives, without both of its names.
fn rest(text: &str, key: &str) -> Option<serde_json::Value> {
    let mut value: serde_json::Value = serde_saphyr::from_str(text).ok()?;
    let fields = value.as_object_mut()?;
    fields.remove(key);
    if key == "archives" {
        fields.remove("solutions");
    }
    Some(value)
}
