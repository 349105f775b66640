//! `filelists.xml`: all paths of all packages, of which only those that a dependency names are kept.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::path::Path;

use super::expression::Expression;
use super::metadata_error;
use super::pool::{PackageId, Pool, RepositoryId};
use super::primary::add_path;
use super::text::Text;
use super::xml::{self, Attributes, Elements};
use crate::dependency::Relation;
use crate::error::Result;
use crate::repository::{HeaderFault, is_primary_path};

/// Paths that dependencies or requests name, and that no `primary.xml` has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WantedPaths(HashSet<String>);

impl WantedPaths {
    /// Whether there are none, so that no `filelists.xml` needs to be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Pool {
    /// The paths that packages of this pool and `requests` name, and that only the `filelists.xml` of repositories have.
    /// Call it after all repositories have been read.
    pub fn wanted_paths<'a>(&self, requests: impl IntoIterator<Item = &'a str>) -> WantedPaths {
        let mut needed = HashSet::new();
        for package in &self.packages {
            for relation in Relation::ALL {
                if !matches!(relation, Relation::Provides | Relation::Obsoletes) {
                    needed.extend(self.relations(package, relation));
                }
            }
        }
        let mut wanted: HashSet<String> =
            requests.into_iter().filter(|path| path.starts_with('/')).map(str::to_owned).collect();
        let mut rest: Vec<_> = needed.iter().copied().collect();
        while let Some(id) = rest.pop() {
            match self.expression(id) {
                Expression::Capability { name, .. } => {
                    let name = self.text(name);
                    if name.starts_with('/') {
                        wanted.insert(name.to_owned());
                    }
                }
                Expression::Rich { left, right, .. } => {
                    rest.extend([left, right].into_iter().filter(|id| needed.insert(*id)));
                }
            }
        }
        wanted.retain(|path| !is_primary_path(path));
        WantedPaths(wanted)
    }

    /// Reads the wanted paths of the packages of a repository from its `filelists.xml`, unpacked; how many it has. `name` is
    /// for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) where it is not one.
    pub fn read_filelists(
        &mut self,
        repository: RepositoryId,
        wanted: &WantedPaths,
        input: impl BufRead,
        name: &Path,
    ) -> Result<usize> {
        let before = self.paths.len();
        let packages = self.packages().filter(|(_, package)| package.repository == repository);
        let packages = packages.map(|(id, package)| (package.checksum, id)).collect();
        let mut reading = Filelists { pool: self, wanted, packages, package: None, has_root: false };
        xml::read(input, &mut reading).map_err(metadata_error(name))?;
        Ok(self.paths.len() - before)
    }
}

struct Filelists<'a> {
    pool: &'a mut Pool,
    wanted: &'a WantedPaths,
    packages: HashMap<Text, PackageId>,
    package: Option<PackageId>,
    has_root: bool,
}

impl Elements for Filelists<'_> {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault> {
        if !self.has_root {
            if name != "filelists" {
                return Err(HeaderFault::new("filelists.xml", "the element filelists", name));
            }
            self.has_root = true;
        }
        if name == "package" {
            let id = attributes.get("pkgid")?.unwrap_or_default().to_ascii_lowercase();
            let id = self.pool.texts.find(&id);
            self.package = id.and_then(|id| self.packages.get(&id).copied());
        }
        Ok(())
    }

    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault> {
        match (name, self.package) {
            ("package", _) => self.package = None,
            ("file", Some(package)) if self.wanted.0.contains(text) => add_path(self.pool, text, package)?,
            _ => {}
        }
        Ok(())
    }
}
