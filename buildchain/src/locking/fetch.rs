//! Files of package repositories, from a server or a folder of this machine.

use std::path::{Path, PathBuf};

use content::{Digest, LinkPolicy};
use images::pull::{Download, RegistryFault, TransferProgress};
use images::{RegistrySession, Store};

use crate::project::LockedPath;

/// Fetches files of repositories into the store.
pub(super) struct Fetcher<'a> {
    pub(super) store: &'a Store,
    pub(super) registries: &'a RegistrySession,
    pub(super) progress: &'a (dyn TransferProgress + Sync),
    /// The URLs of servers that may ask for credentials.
    pub(super) accounts: Vec<String>,
}

/// The folder that a `file:` URL names.
pub(crate) fn local(url: &str) -> Option<&Path> {
    url.strip_prefix("file://").map(Path::new)
}

/// The URL of `path` in the repository at `base`.
pub(crate) fn joined(base: &str, path: &str) -> String {
    if path.contains("://") {
        return path.to_owned();
    }
    // A path of metadata is a path of a URL but for what has another meaning there.
    let path = path.replace('%', "%25").replace('#', "%23").replace('?', "%3F").replace(' ', "%20");
    format!("{}/{path}", base.trim_end_matches('/'))
}

impl Fetcher<'_> {
    /// The content of a small file; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// A sentence, if it cannot be read or is too large.
    pub(super) fn small(&self, label: &str, url: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        if let Some(path) = local(url) {
            return match content::open_read(path, LinkPolicy::Follow, limit) {
                Ok(bytes) => Ok(Some(bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error.to_string()),
            };
        }
        let (name, accounts) = (label.to_owned(), self.accounts.clone());
        let download = Download { name, urls: vec![url.to_owned()], digest: None, limit, accounts };
        match images::pull::download(&download, self.store, self.registries, self.progress) {
            Ok(digest) => self.store.read(&digest, limit).map(Some).map_err(|error| error.to_string()),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The place of the file with the digest `digest` at one of `urls`; `None` if it does not exist.
    ///
    /// # Errors
    ///
    /// A sentence, if it cannot be read, is too large or has other content.
    pub(super) fn file(
        &self,
        label: &str,
        urls: Vec<String>,
        digest: Digest,
        size: u64,
    ) -> Result<Option<PathBuf>, String> {
        if let Some(path) = urls.iter().filter_map(|url| local(url)).find(|path| path.exists()) {
            let (found, _) =
                content::hash_file(path, LinkPolicy::Follow).map_err(|error| error.to_string())?;
            return if found == digest {
                Ok(Some(path.to_owned()))
            } else {
                Err(format!("{}: expected {digest}, found {found}", content::printable_path(path)))
            };
        }
        let urls: Vec<String> = urls.into_iter().filter(|url| local(url).is_none()).collect();
        if urls.is_empty() {
            return Ok(None);
        }
        let (name, accounts) = (label.to_owned(), self.accounts.clone());
        let download = Download { name, urls, digest: Some(digest), limit: size, accounts };
        match images::pull::download(&download, self.store, self.registries, self.progress) {
            Ok(digest) => Ok(Some(self.store.blob_path(&digest))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Why a package cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// It cannot be fetched.
    #[error(transparent)]
    Download(images::pull::Error),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] images::Error),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] content::IoError),
    /// Its content or its signature is wrong.
    #[error("{package}: {reason}")]
    Package {
        /// The package.
        package: String,
        /// What is wrong.
        reason: String,
    },
}

/// A file of a repository, as the lock file has it.
pub(crate) struct WantedFile<'a> {
    /// How errors and progress name it.
    pub(crate) name: &'a str,
    pub(crate) path: &'a LockedPath,
    pub(crate) digest: &'a Digest,
    /// In bytes.
    pub(crate) size: u64,
    /// The URLs of the repository, in their order.
    pub(crate) bases: &'a [String],
    /// URLs of servers that may ask for credentials.
    pub(crate) accounts: &'a [String],
}

impl WantedFile<'_> {
    /// The error for this file.
    pub(crate) fn wrong(&self, reason: String) -> FetchError {
        FetchError::Package { package: self.name.to_owned(), reason }
    }

    /// Brings the file into the store.
    pub(crate) fn fetch(
        &self,
        store: &Store,
        registries: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<(), FetchError> {
        let Self { name, path, digest, size, bases, accounts } = *self;
        if store.has(digest, size)? {
            return Ok(());
        }
        let replaced = |found: &str| {
            self.wrong(format!(
                "the repository has another file under this name, {found}: if it is right, run `sealift update`"
            ))
        };
        // A folder of this machine: the first one that has the file counts.
        let folders = bases.iter().filter_map(|base| local(base)).filter(|_| !path.is_url());
        if let Some(file) = folders.map(|folder| folder.join(path.as_str())).find(|file| file.exists()) {
            let mut source = content::open(&file, LinkPolicy::Follow)?;
            let mut new = store.create()?;
            std::io::copy(&mut source, &mut new).map_err(content::IoError::at("copy", &file))?;
            return match new.finish_as(digest) {
                Err(images::Error::DigestMismatch { found, .. }) => Err(replaced(&found.to_string())),
                other => Ok(other.map(|_| ())?),
            };
        }
        let urls: Vec<String> = if path.is_url() {
            vec![path.to_string()]
        } else {
            let urls = bases.iter().map(|base| joined(base, path.as_str()));
            urls.filter(|url| local(url).is_none()).collect()
        };
        if urls.is_empty() {
            return Err(self.wrong(format!("no folder of the repository has {path}")));
        }
        let accounts = accounts.to_vec();
        let download = Download { name: name.to_owned(), urls, digest: Some(*digest), limit: size, accounts };
        let error = match images::pull::download(&download, store, registries, progress) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        let is_other = |fault: &RegistryFault| {
            matches!(fault, RegistryFault::DigestMismatch { .. } | RegistryFault::TooLarge { .. })
        };
        let of_other = error.failures.iter().find(|failure| is_other(&failure.fault));
        match of_other.map(|other| other.fault.to_string()) {
            Some(found) => Err(replaced(&found)),
            None => Err(FetchError::Download(error)),
        }
    }
}

/// Whether the server says that a file does not exist.
fn is_missing(error: &images::pull::Error) -> bool {
    let missing = |fault: &RegistryFault| match fault {
        RegistryFault::FileServer(fault) => {
            matches!(**fault, RegistryFault::Status { status: 404 | 410, .. })
        }
        _ => false,
    };
    error.failures.iter().all(|failure| missing(&failure.fault))
}
