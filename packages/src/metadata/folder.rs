//! Repositories in folders: with metadata, or packages alone.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use content::LinkPolicy;

use super::comps::Groups;
use super::filelists::WantedPaths;
use super::modules::Modules;
use super::pool::{Pool, RepositoryId};
use super::repomd::{Repomd, RepomdFile};
use super::{MAX_GROUP_METADATA, MAX_PACKAGE_METADATA, MAX_REPOMD, metadata_error, unpacked};
use crate::error::{Error, Result};
use crate::repository::{HeaderFault, package_metadata};

/// What a folder's packages were read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderRepository {
    /// How many packages it has.
    pub packages: usize,
    /// Where the paths of all packages can be read, where they have not been read already.
    filelists: Option<(PathBuf, RepomdFile)>,
}

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
    /// The metadata must be those that `repomd.xml` names, by size and SHA-256.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`], [`Error::Rpm`] and [`Error::Io`].
    pub fn read_repository(&mut self, repository: RepositoryId, folder: &Path) -> Result<FolderRepository> {
        let path = folder.join("repodata/repomd.xml");
        let repomd = match content::open_read(&path, LinkPolicy::Follow, MAX_REPOMD) {
            Ok(bytes) => Repomd::read(bytes.as_slice(), &path)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.read_packages(repository, folder);
            }
            Err(error) => return Err(error.into()),
        };
        let primary = repomd.file("primary").ok_or_else(|| {
            metadata_error(&path)(HeaderFault::new("repomd.xml", "a file of the type primary", "none"))
        })?;
        let (file, path) = open(folder, primary, MAX_PACKAGE_METADATA)?;
        let packages = self.read_primary(repository, file, &path)?;
        if let Some(listed) = repomd.file("group_gz").or_else(|| repomd.file("group")) {
            let (file, path) = open(folder, listed, MAX_GROUP_METADATA)?;
            self.set_groups(repository, Groups::read(file, &path)?);
        }
        if let Some(listed) = repomd.file("modules") {
            let (mut file, path) = open(folder, listed, MAX_GROUP_METADATA)?;
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(Error::io("read", &path))?;
            self.set_modules(repository, Modules::read(&text, &path)?);
        }
        let filelists = repomd.file("filelists").cloned();
        Ok(FolderRepository { packages, filelists: filelists.map(|listed| (folder.to_owned(), listed)) })
    }

    /// Reads the wanted paths of a repository that [`read_repository`](Self::read_repository) read.
    ///
    /// # Errors
    ///
    /// [`Error::Metadata`] and [`Error::Io`].
    pub fn read_folder_filelists(
        &mut self,
        repository: RepositoryId,
        folder: &FolderRepository,
        wanted: &WantedPaths,
    ) -> Result<()> {
        let Some((folder, listed)) = folder.filelists.as_ref().filter(|_| !wanted.is_empty()) else {
            return Ok(());
        };
        let (file, path) = open(folder, listed, MAX_PACKAGE_METADATA)?;
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

/// Opens a metadata file, unpacked, after checking that it is the one that `repomd.xml` names.
fn open(folder: &Path, listed: &RepomdFile, max: u64) -> Result<(Box<dyn BufRead + Send>, PathBuf)> {
    let (file, path) = check(folder, listed)?;
    let unpacked =
        unpacked(BufReader::with_capacity(128 << 10, file), max).map_err(Error::io("read", &path))?;
    Ok((unpacked, path))
}

/// Opens a metadata file and checks it; it stands at its start.
fn check(folder: &Path, listed: &RepomdFile) -> Result<(File, PathBuf)> {
    let path = folder.join(&listed.location);
    let mut file = content::open(&path, LinkPolicy::Follow)?;
    if let Some(expected) = &listed.checksum {
        let found = expected.kind.of(&mut file).map_err(Error::io("read", &path))?;
        if found != *expected {
            let fault = HeaderFault::new("repomd.xml", format!("a file with {expected}"), found.to_string());
            return Err(metadata_error(&path)(fault));
        }
        file.rewind().map_err(Error::io("read", &path))?;
    }
    Ok((file, path))
}
