//! `primary.xml`: what each package is, provides and requires, and the paths that dependencies name most.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

use super::checksum::Checksum;
use super::expression::{Evr, ExpressionId};
use super::pool::{Package, PackageId, PackagePath, Pool, RepositoryId};
use super::text::{Text, TextsFull};
use super::xml::{self, Attributes, Elements};
use super::{is_inside, metadata_error};
use crate::dependency::{Relation, VersionComparison};
use crate::error::Result;
use crate::repository::HeaderFault;

/// Packages of one pool.
const MAX_PACKAGES: usize = 1_000_000;
/// Dependencies of one kind of one package.
const MAX_DEPENDENCIES: usize = 250_000;
/// Dependencies of all packages.
const MAX_RELATIONS: usize = 100_000_000;
/// Paths of all packages.
const MAX_PATHS: usize = 100_000_000;

impl Pool {
    /// Reads the packages of a repository from its `primary.xml`, unpacked; how many there are. A package that is listed twice
    /// counts once. `name` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`](crate::Error::Metadata) where it is not one, a package lacks a name, a version or a checksum, its
    /// path leads out of the repository, or two packages have one checksum.
    pub fn read_primary(
        &mut self,
        repository: RepositoryId,
        input: impl BufRead,
        name: &Path,
    ) -> Result<usize> {
        let before = self.packages.len();
        let mut reading = Primary {
            pool: self,
            repository,
            has_root: false,
            package: None,
            list: None,
            lists: Default::default(),
            known: HashMap::new(),
            checksum_kind: String::new(),
        };
        xml::read(input, &mut reading).map_err(metadata_error(name))?;
        Ok(self.packages.len() - before)
    }
}

impl From<TextsFull> for HeaderFault {
    fn from(_: TextsFull) -> Self {
        Self::new("the repositories", "4 GiB of names and versions at most", "more")
    }
}

struct Primary<'a> {
    pool: &'a mut Pool,
    repository: RepositoryId,
    has_root: bool,
    package: Option<Package>,
    /// The list that is being read.
    list: Option<Relation>,
    /// The lists of the package that is being read, in the order of [`Relation::ALL`].
    lists: [Vec<ExpressionId>; 8],
    known: HashMap<Text, PackageId>,
    checksum_kind: String,
}

/// The value of an attribute that is read into a text of the pool.
fn number<T: std::str::FromStr>(place: &str, text: &str) -> Result<T, HeaderFault> {
    text.parse().map_err(|_| HeaderFault::new(place, "a number", text))
}

pub(super) fn comparison(flags: &str) -> Option<VersionComparison> {
    Some(match flags {
        "EQ" => VersionComparison::Equal,
        "LT" => VersionComparison::Less,
        "LE" => VersionComparison::LessOrEqual,
        "GT" => VersionComparison::Greater,
        "GE" => VersionComparison::GreaterOrEqual,
        _ => return None,
    })
}

impl Elements for Primary<'_> {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> Result<(), HeaderFault> {
        if !self.has_root {
            if name != "metadata" {
                return Err(HeaderFault::new("primary.xml", "the element metadata", name));
            }
            self.has_root = true;
            return Ok(());
        }
        if name == "package" && self.package.is_none() {
            // Older repositories list patches here as well.
            if attributes.get("type")?.is_none_or(|kind| kind == "rpm") {
                self.package = Some(Package { repository: self.repository, ..Package::NOTHING });
            }
            return Ok(());
        }
        let Some(package) = &mut self.package else { return Ok(()) };
        match name {
            "entry" => {
                if let Some(relation) = self.list {
                    let entry = read_entry(self.pool, attributes)?;
                    let Some(list) = self.lists.get_mut(relation as usize) else { return Ok(()) };
                    if list.len() == MAX_DEPENDENCIES {
                        let expected = format!("{MAX_DEPENDENCIES} dependencies at most");
                        return Err(HeaderFault::new(relation.key(), expected, "more"));
                    }
                    list.extend(entry);
                }
            }
            "version" => package.evr = read_evr(self.pool, attributes)?,
            "checksum" => self.checksum_kind = attributes.get("type")?.unwrap_or_default().into_owned(),
            "time" => {
                let build = attributes.get("build")?;
                package.build_time = build.map_or(Ok(0), |text| number("time", &text))?;
            }
            "size" => attributes.each(|key, value| {
                match key {
                    "package" => package.size = number("size", &value)?,
                    "installed" => package.installed_size = number("size", &value)?,
                    _ => {}
                }
                Ok(())
            })?,
            "location" => {
                let (href, base) = (attributes.get("href")?.unwrap_or_default(), attributes.get("base")?);
                if !is_inside(&href) {
                    return Err(HeaderFault::new("location", "a path in the repository", href));
                }
                package.location = self.pool.texts.add(&href)?;
                package.base = self.pool.texts.add(&base.unwrap_or_default())?;
            }
            _ => {
                if let Some(relation) = Relation::ALL.into_iter().find(|relation| relation.key() == name) {
                    self.list = Some(relation);
                }
            }
        }
        Ok(())
    }

    fn close(&mut self, name: &str, text: &str) -> Result<(), HeaderFault> {
        let Some(package) = &mut self.package else { return Ok(()) };
        match name {
            "name" => package.name = self.pool.texts.add(text.trim())?,
            "arch" => package.arch = self.pool.texts.add(text.trim())?,
            "license" => package.license = self.pool.texts.add(text.trim())?,
            "sourcerpm" => package.source = self.pool.texts.add(text.trim())?,
            "checksum" => {
                let sum = Checksum::read(&self.checksum_kind, text.trim()).ok_or_else(|| {
                    let found = format!("{} {}", self.checksum_kind, text.trim());
                    HeaderFault::new("checksum", "a checksum and its type", found)
                })?;
                package.checksum_kind = sum.kind;
                package.checksum = self.pool.texts.add(&sum.hex)?;
            }
            "file" => {
                let package = PackageId(u32::try_from(self.pool.packages.len()).unwrap_or(u32::MAX));
                add_path(self.pool, text, package)?;
            }
            "package" => {
                if let Some(package) = self.package.take() {
                    self.finish(package)?;
                }
            }
            "entry" => {}
            _ if self.list.is_some_and(|list| list.key() == name) => self.list = None,
            _ => {}
        }
        Ok(())
    }
}

/// Adds a path of a package.
pub(super) fn add_path(pool: &mut Pool, path: &str, package: PackageId) -> Result<(), HeaderFault> {
    let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
    if pool.paths.len() == MAX_PATHS {
        return Err(HeaderFault::new("file", format!("{MAX_PATHS} paths at most"), "more"));
    }
    let path = PackagePath { folder: pool.texts.add(folder)?, name: pool.texts.add(name)?, package };
    pool.paths.push(path);
    Ok(())
}

/// An `<entry>` of a list. `None` for what is asked of rpm itself.
fn read_entry(pool: &mut Pool, attributes: &Attributes<'_>) -> Result<Option<ExpressionId>, HeaderFault> {
    let mut name = Cow::Borrowed("");
    let (mut flags, mut epoch) = (None, 0);
    let (mut version, mut release) = (Cow::Borrowed(""), Cow::Borrowed(""));
    attributes.each(|key, value| {
        match key {
            "name" => name = value,
            "flags" => flags = Some(value),
            "epoch" => epoch = number("epoch", &value)?,
            "ver" => version = value,
            "rel" => release = value,
            _ => {}
        }
        Ok(())
    })?;
    if name.is_empty() {
        return Err(HeaderFault::new("entry", "a name", "none"));
    }
    if name.starts_with("rpmlib(") {
        return Ok(None);
    }
    let version = match flags {
        None => None,
        Some(flags) => {
            let comparison = comparison(&flags).ok_or_else(|| {
                HeaderFault::new("entry", "the flags EQ, LT, LE, GT or GE", flags.to_string())
            })?;
            Some((comparison, epoch, version.as_ref(), release.as_ref()))
        }
    };
    Ok(Some(pool.add_dependency(&name, version)?))
}

pub(super) fn read_evr(pool: &mut Pool, attributes: &Attributes<'_>) -> Result<Evr, HeaderFault> {
    let mut evr = Evr::default();
    attributes.each(|key, value| {
        match key {
            "epoch" => evr.epoch = number("epoch", &value)?,
            "ver" => evr.version = pool.texts.add(&value)?,
            "rel" => evr.release = pool.texts.add(&value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(evr)
}

impl Primary<'_> {
    /// Ends a package: checks that nothing is missing, and puts its lists into the pool's.
    fn finish(&mut self, mut package: Package) -> Result<(), HeaderFault> {
        let pool = &mut *self.pool;
        for (what, text) in [
            ("a name", package.name),
            ("an architecture", package.arch),
            ("a version", package.evr.version),
            ("a checksum", package.checksum),
            ("a location", package.location),
        ] {
            if text == Text::EMPTY {
                return Err(HeaderFault::new(format!("package {}", pool.text(package.name)), what, "none"));
            }
        }
        let id = PackageId(u32::try_from(pool.packages.len()).unwrap_or(u32::MAX));
        if let Some(known) = self.known.get(&package.checksum).and_then(|known| pool.package(*known)) {
            if (known.name, known.arch, known.evr) != (package.name, package.arch, package.evr) {
                let place = format!("package {}", pool.nevra(&package));
                return Err(HeaderFault::new(
                    place,
                    "a checksum of its own",
                    format!("that of {}", pool.nevra(known)),
                ));
            }
            pool.paths.truncate(pool.paths.partition_point(|path| path.package < id));
            self.lists.iter_mut().for_each(Vec::clear);
            return Ok(());
        }
        let total: usize = self.lists.iter().map(Vec::len).sum();
        if pool.packages.len() == MAX_PACKAGES || pool.relations.len() + total > MAX_RELATIONS {
            let expected = format!("{MAX_PACKAGES} packages and {MAX_RELATIONS} dependencies at most");
            return Err(HeaderFault::new("the repositories", expected, "more"));
        }
        for (list, ends) in self.lists.iter_mut().zip(0..) {
            if let Some(start) = package.lists.get_mut(ends) {
                *start = u32::try_from(pool.relations.len()).unwrap_or(u32::MAX);
            }
            pool.relations.append(list);
        }
        if let Some(end) = package.lists.last_mut() {
            *end = u32::try_from(pool.relations.len()).unwrap_or(u32::MAX);
        }
        self.known.insert(package.checksum, id);
        pool.packages.push(package);
        Ok(())
    }
}
