//! Repositories in folders: with metadata, or packages alone.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use content::LinkPolicy;

use super::changelog::{Changelogs, read_changelogs};
use super::comps::Groups;
use super::filelists::WantedPaths;
use super::modules::Modules;
use super::pool::{Pool, RepositoryId};
use super::repomd::{Repomd, RepomdFile};
use super::{MAX_GROUP_METADATA, MAX_PACKAGE_METADATA, MAX_REPOMD, metadata_error, unpacked};
use crate::error::{Error, Result};
use crate::repository::{HeaderFault, package_metadata};

/// The files of a repository, by their paths in it.
pub trait RepositoryFiles {
    /// What the repository is called in messages.
    fn path(&self) -> PathBuf;

    /// Opens a file; `None` if it is missing.
    ///
    /// # Errors
    ///
    /// The file system's.
    fn open(&self, location: &str) -> io::Result<Option<Box<dyn Read + Send>>>;
}

impl RepositoryFiles for Path {
    fn path(&self) -> PathBuf {
        self.to_owned()
    }

    fn open(&self, location: &str) -> io::Result<Option<Box<dyn Read + Send>>> {
        match content::open(&self.join(location), LinkPolicy::Follow) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.source),
        }
    }
}

/// What the packages of a repository were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRepository {
    /// How many packages it has.
    pub packages: usize,
    /// Where the paths of all packages can be read, where they have not been read already.
    filelists: Option<RepomdFile>,
}

/// The path of `repomd.xml` in a repository.
const REPOMD: &str = "repodata/repomd.xml";

impl Pool {
    /// Sets the groups of a repository.
    pub fn set_groups(&mut self, repository: RepositoryId, groups: Groups) {
        if let Some(repository) = self.repositories.get_mut(repository.index()) {
            repository.groups = groups;
        }
    }

    /// Sets the modules of a repository.
    pub fn set_modules(&mut self, repository: RepositoryId, modules: Modules) {
        if let Some(repository) = self.repositories.get_mut(repository.index()) {
            repository.modules = modules;
        }
    }

    /// Reads a repository in a folder: what its `repodata/` says, or else the headers of the packages in it.
    ///
    /// # Errors
    ///
    /// Those of [`read_repository_files`](Self::read_repository_files), and [`Error::Rpm`].
    pub fn read_repository(&mut self, repository: RepositoryId, folder: &Path) -> Result<FolderRepository> {
        match self.read_repository_files(repository, folder)? {
            Some(found) => Ok(found),
            None => self.read_packages(repository, folder),
        }
    }

    /// Reads the metadata of a repository; `None` if it has no `repodata/repomd.xml`. They must be those that it names, by their
    /// checksums.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] and [`Error::Io`].
    pub fn read_repository_files(
        &mut self,
        repository: RepositoryId,
        files: &(impl RepositoryFiles + ?Sized),
    ) -> Result<Option<FolderRepository>> {
        let path = files.path().join(REPOMD);
        let Some(mut file) = files.open(REPOMD).map_err(Error::io("read", &path))? else { return Ok(None) };
        let bytes = content::read_bounded(&mut file, MAX_REPOMD).map_err(Error::io("read", &path))?;
        let repomd = Repomd::read(bytes.as_slice(), &path)?;
        let primary = repomd.file("primary").ok_or_else(|| {
            metadata_error(&path)(HeaderFault::new("repomd.xml", "a file of the type primary", "none"))
        })?;
        let (file, path) = open(files, primary, MAX_PACKAGE_METADATA)?;
        let packages = self.read_primary(repository, file, &path)?;
        if let Some(listed) = repomd.file("group_gz").or_else(|| repomd.file("group")) {
            let (file, path) = open(files, listed, MAX_GROUP_METADATA)?;
            self.set_groups(repository, Groups::read(file, &path)?);
        }
        if let Some(listed) = repomd.file("modules") {
            let (mut file, path) = open(files, listed, MAX_GROUP_METADATA)?;
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(Error::io("read", &path))?;
            self.set_modules(repository, Modules::read(&text, &path)?);
        }
        Ok(Some(FolderRepository { packages, filelists: repomd.file("filelists").cloned() }))
    }

    /// Reads the wanted paths of a repository whose metadata were read before.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] and [`Error::Io`].
    pub fn read_wanted_paths(
        &mut self,
        repository: RepositoryId,
        files: &(impl RepositoryFiles + ?Sized),
        read: &FolderRepository,
        wanted: &WantedPaths,
    ) -> Result<()> {
        let Some(listed) = read.filelists.as_ref().filter(|_| !wanted.is_empty()) else { return Ok(()) };
        let (file, path) = open(files, listed, MAX_PACKAGE_METADATA)?;
        self.read_filelists(repository, wanted, file, &path).map(drop)
    }

    /// Reads the headers of all packages below a folder, with all their paths.
    fn read_packages(&mut self, repository: RepositoryId, folder: &Path) -> Result<FolderRepository> {
        let mut packages = 0;
        package_metadata(folder, |path, primary| {
            packages += self.read_primary(repository, primary, path)?;
            Ok(())
        })?;
        Ok(FolderRepository { packages, filelists: None })
    }
}

impl Repomd {
    /// Reads the changelogs of the packages with the checksums `wanted`; none if the repository has no `other.xml`.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] and [`Error::Io`].
    pub fn changelogs(
        &self,
        files: &(impl RepositoryFiles + ?Sized),
        wanted: &BTreeSet<String>,
    ) -> Result<Changelogs> {
        let Some(listed) = self.file("other") else { return Ok(Changelogs::new()) };
        let (file, path) = open(files, listed, MAX_PACKAGE_METADATA)?;
        read_changelogs(wanted, file, &path)
    }
}

/// Opens a metadata file, unpacked, after checking that it is the one that `repomd.xml` names.
fn open(
    files: &(impl RepositoryFiles + ?Sized),
    listed: &RepomdFile,
    max: u64,
) -> Result<(Box<dyn BufRead + Send>, PathBuf)> {
    let path = files.path().join(&listed.location);
    let again = || {
        let file = files.open(&listed.location).map_err(Error::io("read", &path))?;
        file.ok_or_else(|| Error::io("open", &path)(io::ErrorKind::NotFound.into()))
    };
    if let Some(expected) = &listed.checksum {
        let found = expected.kind.of(&mut again()?).map_err(Error::io("read", &path))?;
        if found != *expected {
            let fault = HeaderFault::new("repomd.xml", format!("a file with {expected}"), found.to_string());
            return Err(metadata_error(&path)(fault));
        }
    }
    let file = BufReader::with_capacity(128 << 10, again()?);
    let unpacked = unpacked(file, max).map_err(Error::io("read", &path))?;
    Ok((unpacked, path))
}
