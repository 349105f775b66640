//! The served archives: an index in memory from names, tags and digests to positions in archives. Content stays in them.

pub(crate) mod archive;
mod build;
pub(crate) mod contents;
pub(crate) mod facts;
pub(crate) mod repository;
pub(crate) mod verdict;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ::archive::{ArchiveId, Product};
use bytes::Bytes;

use self::archive::ServedArchive;
use self::repository::ServedRepository;
use crate::error::Error;

/// All served archives, by the names in URLs.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// In the order given.
    pub(crate) archives: Vec<Arc<ServedArchive>>,
    by_prefix: HashMap<String, usize>,
    by_id: HashMap<ArchiveId, usize>,
    /// Indices of the archives whose images are also served without a prefix.
    bare: Vec<usize>,
    /// Every name that [`Inventory::repository`] knows, sorted.
    pub(crate) names: Vec<String>,
    /// The names as `_catalog` lists them, rendered at the first request and shared by all responses.
    pub(crate) listing: OnceLock<Bytes>,
    /// The paths that were to be served.
    pub(crate) paths: Vec<PathBuf>,
    /// Archives that could not be opened and were left out, each with the reason.
    pub(crate) left_out: Vec<(PathBuf, String)>,
}

impl Inventory {
    /// Opens archives. Unchanged ones of `former` are kept with their verdicts. One that cannot be opened is an error, or
    /// left out.
    pub(crate) fn open(paths: &[PathBuf], former: &Self, leave_out: bool) -> Result<Self, Error> {
        let mut inventory = Self { paths: paths.to_vec(), ..Self::default() };
        for path in paths {
            let known = former.archives.iter().find(|archive| archive.path == *path);
            let archive = match known {
                Some(archive) if archive.unchanged() => Arc::clone(archive),
                known => match ServedArchive::read(path, known.map(Arc::as_ref)) {
                    Ok(archive) => Arc::new(archive),
                    Err(error) if leave_out => {
                        inventory.left_out.push((path.clone(), error.to_string()));
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            match inventory.add(archive, paths.len() == 1) {
                Err(error) if leave_out => inventory.left_out.push((path.clone(), error.to_string())),
                done => done?,
            }
        }
        inventory.names = inventory.all_names();
        Ok(inventory)
    }

    /// Adds an archive, unless its images or packages have the same names as those of another.
    fn add(&mut self, archive: Arc<ServedArchive>, alone: bool) -> Result<(), Error> {
        let index = self.archives.len();
        let prefix = archive.product.as_ref().map(Product::repository_prefix);
        let before = prefix.as_ref().and_then(|prefix| self.archives.get(*self.by_prefix.get(prefix)?));
        if let (Some(prefix), Some(first)) = (&prefix, before) {
            let (first, second) = (first.path.clone(), archive.path.clone());
            return Err(Error::Twice { id: prefix.clone(), first, second });
        }
        if archive.product.is_none() || alone {
            self.add_bare(&archive, index)?;
        }
        self.by_prefix.extend(prefix.map(|prefix| (prefix, index)));
        self.by_id.extend(archive.product.as_ref().map(|product| (product.id(), index)));
        self.archives.push(archive);
        Ok(())
    }

    fn add_bare(&mut self, archive: &ServedArchive, index: usize) -> Result<(), Error> {
        for other in self.bare.iter().filter_map(|other| self.archives.get(*other)) {
            if let Some(name) =
                archive.repositories.keys().find(|name| other.repositories.contains_key(*name))
            {
                let (first, second) = (other.path.clone(), archive.path.clone());
                return Err(Error::Conflict { name: name.to_string(), first, second });
            }
        }
        self.bare.push(index);
        Ok(())
    }

    /// The images of a name: `metalk8s-2.10/redis`, or `redis` where that can only mean one.
    pub(crate) fn repository(&self, name: &str) -> Option<(&Arc<ServedArchive>, &ServedRepository)> {
        self.prefixed(name).or_else(|| {
            let bare = self.bare.iter().filter_map(|index| self.archives.get(*index));
            bare.filter_map(|archive| Some((archive, archive.repositories.get(name)?))).next()
        })
    }

    /// The images of a name that begins with an archive ID.
    pub(crate) fn prefixed(&self, name: &str) -> Option<(&Arc<ServedArchive>, &ServedRepository)> {
        let (prefix, rest) = name.split_once('/')?;
        let archive = self.archives.get(*self.by_prefix.get(prefix)?)?;
        Some((archive, archive.repositories.get(rest)?))
    }

    /// The archive `metalk8s-2.10`.
    pub(crate) fn archive(&self, id: &str) -> Option<&Arc<ServedArchive>> {
        self.archives.get(*self.by_id.get(id)?)
    }

    fn all_names(&self) -> Vec<String> {
        let prefixed =
            self.by_prefix.iter().filter_map(|(prefix, index)| Some((prefix, self.archives.get(*index)?)));
        let prefixed = prefixed.flat_map(|(prefix, archive)| {
            archive.repositories.keys().map(move |name| format!("{prefix}/{name}"))
        });
        let bare = self.bare.iter().filter_map(|index| self.archives.get(*index));
        let mut names: Vec<String> =
            bare.flat_map(|archive| archive.repositories.keys().map(ToString::to_string)).collect();
        names.extend(prefixed);
        names.sort();
        names.dedup();
        names
    }

    /// The IDs of all archives that have one, sorted.
    pub(crate) fn ids(&self) -> Vec<&str> {
        let mut ids: Vec<&str> = self.by_id.keys().map(ArchiveId::as_str).collect();
        ids.sort_unstable();
        ids
    }
}
