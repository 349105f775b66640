//! The served archives: an index in memory from names, tags and digests to positions in archives. Content stays in them.

pub(crate) mod archive;
mod build;
pub(crate) mod contents;
pub(crate) mod facts;
pub(crate) mod original;
pub(crate) mod repository;
pub(crate) mod verdict;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ::archive::{ArchiveId, Product, version};
use bytes::Bytes;
use content::Digest;
use images::original_names::{NameMeaning, RequestedRegistry};

use self::archive::ServedArchive;
use self::original::OriginalTag;
use self::repository::ServedRepository;
use crate::error::Error;

/// All served archives, by the names in URLs.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// In the order given.
    pub(crate) archives: Vec<Arc<ServedArchive>>,
    by_prefix: HashMap<String, usize>,
    by_id: HashMap<ArchiveId, usize>,
    /// Indices of the archives in the order in which they provide an image that several of them have under one original name.
    newest_first: Vec<usize>,
    /// Indices of the archives whose images are also served without a prefix.
    bare: Vec<usize>,
    /// Every name of an image of the archives, sorted. Original names are not listed: they are further names of the same images.
    pub(crate) names: Vec<String>,
    /// The names as `_catalog` lists them, rendered at the first request and shared by all responses.
    pub(crate) listing: OnceLock<Bytes>,
    /// The paths that were to be served.
    pub(crate) paths: Vec<PathBuf>,
    /// Archives that could not be opened and were left out, each with the reason.
    pub(crate) left_out: Vec<(PathBuf, String)>,
}

/// The images of a name, and the archive that has them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FoundRepository<'a> {
    pub(crate) archive: &'a Arc<ServedArchive>,
    pub(crate) repository: &'a ServedRepository,
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
                    Err(Error::Archive(error)) => return Err(error.in_archive(path).into()),
                    Err(error) => return Err(error),
                },
            };
            match inventory.add(archive, paths.len() == 1) {
                Err(error) if leave_out => inventory.left_out.push((path.clone(), error.to_string())),
                done => done?,
            }
        }
        inventory.names = inventory.all_names();
        let mut order: Vec<(usize, &Arc<ServedArchive>)> = inventory.archives.iter().enumerate().collect();
        version::newest_first(&mut order, |(_, archive)| archive.product.as_ref());
        inventory.newest_first = order.into_iter().map(|(index, _)| index).collect();
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

    /// The images of a name in a request for images of `registry`: those of the first meaning of
    /// [`RequestedRegistry::meanings`] that is served. Of several archives, the one that decides about a tag is the first.
    pub(crate) fn repositories(&self, name: &str, registry: &RequestedRegistry) -> Vec<FoundRepository<'_>> {
        let meanings = registry.meanings(name);
        let mut found = meanings.iter().map(|meaning| self.of_meaning(meaning));
        found.find(|found| !found.is_empty()).unwrap_or_default()
    }

    fn of_meaning(&self, meaning: &NameMeaning<'_>) -> Vec<FoundRepository<'_>> {
        let of_archive = |prefix, repository: &dyn Fn(&ServedArchive) -> Option<&ServedRepository>| {
            let archive = self.archives.get(*self.by_prefix.get(prefix)?)?;
            Some(FoundRepository { archive, repository: repository(archive)? })
        };
        let found = match meaning {
            NameMeaning::Own { prefix: Some(prefix), name } => {
                of_archive(*prefix, &|archive| archive.repositories.get(*name))
            }
            NameMeaning::Own { prefix: None, name } => self.bare(name),
            NameMeaning::Original { prefix: Some(prefix), host, repository } => {
                of_archive(*prefix, &|archive| archive.original.get(host, repository))
            }
            NameMeaning::Original { prefix: None, host, repository } => {
                return self.original(host, repository);
            }
        };
        found.into_iter().collect()
    }

    /// Whether an image of an archive came from this registry.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.archives.iter().any(|archive| archive.original.has_host(host))
    }

    /// The images that are named without an archive.
    fn bare(&self, name: &str) -> Option<FoundRepository<'_>> {
        let bare = self.bare.iter().filter_map(|index| self.archives.get(*index));
        let mut found = bare.filter_map(|archive| Some((archive, archive.repositories.get(name)?)));
        found.next().map(|(archive, repository)| FoundRepository { archive, repository })
    }

    /// The images of an original name, in all archives, the newest first.
    fn original(&self, host: &str, repository: &str) -> Vec<FoundRepository<'_>> {
        let archives = self.newest_first.iter().filter_map(|index| self.archives.get(*index));
        let found = archives.filter_map(|archive| {
            let repository = archive.original.get(host, repository)?;
            Some(FoundRepository { archive, repository })
        });
        found.collect()
    }

    /// The archive that decides which image a tag of an original repository is, with the digest of that image.
    pub(crate) fn deciding(&self, tag: OriginalTag<'_>) -> Option<(&Arc<ServedArchive>, Digest)> {
        let found = self.original(tag.host, tag.repository);
        let newest = found.into_iter().find(|one| one.repository.has(tag.tag))?;
        let index = newest.repository.tag(tag.tag)?;
        Some((newest.archive, newest.archive.at(index)?.digest()))
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
