//! Whether the packages of an archive can be installed from its repositories.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;

use ::packages::closure::{Check, Options, architectures, check};
use ::packages::metadata::{FolderRepository, Pool, Repository, RepositoryFiles, RepositoryId};

use crate::layout;
use crate::tree::{EntryKind, Location, Tree};
use crate::{Error, Result};

/// A repository to check, or to check against.
#[derive(Debug)]
pub struct Source<'a> {
    /// The archive or folder.
    pub tree: &'a Tree,
    /// The folder of the repository in it; empty for the root.
    pub folder: String,
}

/// The RPM repositories of one release in an archive.
struct ReleaseRepositories {
    release: String,
    folders: Vec<String>,
}

/// Repositories whose packages are installed on the same machines.
#[derive(Debug)]
pub struct ClosureSet<'a> {
    /// The release of the distribution; none for folders that do not say it.
    pub release: Option<String>,
    /// The repositories to check.
    pub sources: Vec<Source<'a>>,
    /// The repositories that they can rely on.
    pub bases: Vec<Source<'a>>,
}

/// The sets of repositories in archives and folders: one for each release, and one for the folders that are a repository
/// themselves. Those among `bases` count for every release.
///
/// # Errors
///
/// What reading folders gives.
pub fn sets<'a>(checked: &'a [Tree], bases: &'a [Tree]) -> Result<Vec<ClosureSet<'a>>> {
    let (mut releases, mut alone) = (BTreeMap::new(), Vec::new());
    sort_out(checked, &mut releases, &mut alone)?;
    let (mut base_releases, mut base_alone) = (BTreeMap::new(), Vec::new());
    sort_out(bases, &mut base_releases, &mut base_alone)?;
    let source = |(tree, folder): &(&'a Tree, String)| Source { tree, folder: folder.clone() };
    let mut sets = Vec::new();
    for (release, sources) in releases {
        let of_release = base_releases.get(&release).into_iter().flatten();
        sets.push(ClosureSet {
            release: Some(release),
            sources: sources.iter().map(source).collect(),
            bases: of_release.chain(&base_alone).map(source).collect(),
        });
    }
    if !alone.is_empty() {
        let all = base_releases.values().flatten().chain(&base_alone);
        sets.push(ClosureSet {
            release: None,
            sources: alone.iter().map(source).collect(),
            bases: all.map(source).collect(),
        });
    }
    Ok(sets)
}

/// Whether a folder is a package repository with metadata, and not an archive.
#[must_use]
pub fn is_repository(tree: &Tree) -> bool {
    matches!(tree.resolve("repodata/repomd.xml"), Ok(Some(_)))
}

/// Repositories: the archive or folder, and the folder in it.
type Places<'a> = Vec<(&'a Tree, String)>;

fn sort_out<'a>(
    trees: &'a [Tree],
    releases_of: &mut BTreeMap<String, Places<'a>>,
    alone: &mut Places<'a>,
) -> Result<()> {
    for tree in trees {
        let found = releases(tree)?;
        if found.is_empty() {
            alone.push((tree, String::new()));
        }
        for ReleaseRepositories { release, folders } in found {
            releases_of.entry(release).or_default().extend(folders.into_iter().map(|folder| (tree, folder)));
        }
    }
    Ok(())
}

/// What the check of one architecture found.
#[derive(Debug)]
pub struct ArchitectureCheck {
    /// The architecture.
    pub architecture: String,
    /// How many packages were checked.
    pub packages: usize,
    /// The packages that cannot be installed.
    pub findings: Vec<ClosureFinding>,
}

/// A package that cannot be installed from the repositories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosureFinding {
    /// The package: `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
    pub package: String,
    /// The path of its repository.
    pub repository: String,
    /// The folder of its repository in the archive.
    pub folder: String,
    /// Each reason, as a sentence.
    pub reasons: Vec<String>,
}

/// The RPM repositories of an archive, by release: the folders with metadata in `packages/redhat/<release>/`.
fn releases(tree: &Tree) -> Result<Vec<ReleaseRepositories>> {
    let root = format!("{}/redhat", layout::PACKAGES);
    let folders = |path: &str| -> Result<Vec<String>> {
        if tree.resolve(path)?.is_none() {
            return Ok(Vec::new());
        }
        let entries = tree.read_dir(path)?;
        Ok(entries.into_iter().filter(|one| one.kind != EntryKind::File).map(|one| one.name).collect())
    };
    let mut releases = Vec::new();
    for release in folders(&root)? {
        let path = format!("{root}/{release}");
        let mut found = Vec::new();
        for name in folders(&path)? {
            let folder = format!("{path}/{name}");
            if tree.resolve(&format!("{folder}/repodata/repomd.xml"))?.is_some() {
                found.push(folder);
            }
        }
        if !found.is_empty() {
            releases.push(ReleaseRepositories { release, folders: found });
        }
    }
    Ok(releases)
}

/// Checks that each package of a set can be installed from it and its bases, for each architecture that they have packages
/// for.
///
/// # Errors
///
/// A repository cannot be read.
pub fn check_set(set: &ClosureSet<'_>) -> ::packages::Result<Vec<ArchitectureCheck>> {
    let ClosureSet { sources, bases, .. } = set;
    let mut pool = Pool::new();
    let mut read: Vec<(RepositoryId, &Source<'_>, FolderRepository)> = Vec::new();
    let mut checked = Vec::new();
    for (number, source) in sources.iter().chain(bases).enumerate() {
        let repository = pool.add_repository(Repository::new(source.path().display().to_string()));
        if let Some(found) = read_one(&mut pool, repository, source)? {
            read.push((repository, source, found));
        }
        if number < sources.len() {
            checked.push(repository);
        }
    }
    let wanted = pool.wanted_paths([]);
    for (repository, source, found) in read {
        pool.read_wanted_paths(repository, source, &found, &wanted)?;
    }
    let of_architecture = |architecture: String| {
        let Check { packages, findings } = check(&pool, &checked, &Options::new(architecture.as_str()));
        let finding = |one: ::packages::closure::Finding| {
            let package = pool.package(one.package);
            let repository = package.and_then(|one| pool.repository(one.repository));
            let place = package.and_then(|one| checked.iter().position(|id| *id == one.repository));
            let source = place.and_then(|place| sources.get(place));
            ClosureFinding {
                folder: source.map(|one| one.folder.clone()).unwrap_or_default(),
                package: package.map(|one| pool.nevra(one)).unwrap_or_default(),
                repository: repository.map(|one| one.name.clone()).unwrap_or_default(),
                reasons: one.problem.causes.iter().map(ToString::to_string).collect(),
            }
        };
        ArchitectureCheck { architecture, packages, findings: findings.into_iter().map(finding).collect() }
    };
    Ok(architectures(&pool).into_iter().map(of_architecture).collect())
}

/// Reads the metadata of a repository, or the packages of a folder of the file system.
fn read_one(
    pool: &mut Pool,
    repository: RepositoryId,
    source: &Source<'_>,
) -> ::packages::Result<Option<FolderRepository>> {
    match pool.read_repository_files(repository, source)? {
        Some(found) => Ok(Some(found)),
        None if matches!(source.tree, Tree::Folder(_)) => {
            pool.read_repository(repository, &source.path()).map(Some)
        }
        None => Ok(None),
    }
}

impl RepositoryFiles for Source<'_> {
    fn path(&self) -> PathBuf {
        if self.folder.is_empty() { self.tree.path().to_owned() } else { self.tree.path().join(&self.folder) }
    }

    fn open(&self, location: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        let path =
            if self.folder.is_empty() { location.to_owned() } else { format!("{}/{location}", self.folder) };
        match self.tree.locate(&path) {
            Ok(location) => Ok(Some(Box::new(Content::new(location)))),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(Error::Io(error)) => Err(error.source),
            Err(error) => Err(io::Error::other(error.to_string())),
        }
    }
}

/// The content of a file of an archive.
pub(crate) struct Content {
    location: Location,
    offset: u64,
}

impl Content {
    pub(crate) fn new(location: Location) -> Self {
        Self { location, offset: 0 }
    }
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.location.read_at(self.offset, buffer)?;
        self.offset += read as u64;
        Ok(read)
    }
}
