//! Files of package repositories, from a server or a folder of this machine.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use content::{Digest, LinkPolicy};
use images::pull::{Download, RegistryFault, TransferProgress};
use images::{RegistrySession, Store};

use crate::project::LockedPath;

/// How many files are fetched at the same time.
pub(crate) const DOWNLOADS: usize = 4;

/// Fetches files of repositories into the store.
pub(super) struct Fetcher<'a> {
    pub(super) store: &'a Store,
    pub(super) registries: &'a RegistrySession,
    pub(super) progress: &'a (dyn TransferProgress + Sync),
    /// The URLs of servers that may ask for credentials.
    pub(super) accounts: Vec<String>,
}

/// The path that a `file:` URL names (RFC 8089).
pub(crate) fn local(url: &str) -> Option<PathBuf> {
    let path = percent_encoding::percent_decode_str(url.strip_prefix("file://")?);
    Some(PathBuf::from(OsString::from_vec(path.collect())))
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
            return match content::open_read(&path, LinkPolicy::Follow, limit) {
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

    /// The file with the digest `digest` at one of `urls`, in the store; `None` if it does not exist.
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
        let (name, accounts) = (label.to_owned(), self.accounts.clone());
        let wanted = Download { name, urls, digest: None, limit: size, accounts };
        match bring(wanted, &digest, self.store, self.registries, self.progress) {
            Ok(()) => Ok(Some(self.store.blob_path(&digest))),
            Err(NotBrought::Absent) => Ok(None),
            Err(NotBrought::Other { place, found }) => {
                Err(format!("{place}: expected {digest}, found {found}"))
            }
            Err(NotBrought::Download(error)) if is_missing(&error) => Ok(None),
            Err(NotBrought::Download(error)) => Err(error.to_string()),
            Err(NotBrought::Failed(error)) => Err(error.to_string()),
        }
    }
}

/// Why a file with a known digest is not in the store.
enum NotBrought {
    /// No URL is that of a server, and no folder of this machine has it.
    Absent,
    /// The first place that has it has another content.
    Other {
        place: String,
        found: String,
    },
    Download(images::pull::Error),
    Failed(FetchError),
}

/// Brings the file with the digest `digest` into the store. Of the folders of this machine, the first one that has it counts; servers
/// are asked only if no folder does.
fn bring(
    wanted: Download,
    digest: &Digest,
    store: &Store,
    registries: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<(), NotBrought> {
    let failed = |error: FetchError| NotBrought::Failed(error);
    if store.has(digest, wanted.limit).map_err(|error| failed(error.into()))? {
        return Ok(());
    }
    if let Some(file) = wanted.urls.iter().filter_map(|url| local(url)).find(|file| file.exists()) {
        // What is checked is what is used: the file may change after that.
        let copied = || -> Result<_, FetchError> {
            let mut source = content::open(&file, LinkPolicy::Follow)?.take(wanted.limit.saturating_add(1));
            let mut new = store.create()?;
            std::io::copy(&mut source, &mut new).map_err(content::IoError::at("copy", &file))?;
            Ok(new.finish_as(digest))
        };
        return match copied().map_err(failed)? {
            Ok(_) => Ok(()),
            Err(images::Error::DigestMismatch { found, .. }) => {
                let place = content::printable_path(&file).to_string();
                Err(NotBrought::Other { place, found: found.to_string() })
            }
            Err(error) => Err(failed(error.into())),
        };
    }
    let urls: Vec<String> = wanted.urls.into_iter().filter(|url| local(url).is_none()).collect();
    if urls.is_empty() {
        return Err(NotBrought::Absent);
    }
    let download = Download { urls, digest: Some(*digest), ..wanted };
    images::pull::download(&download, store, registries, progress).map_err(NotBrought::Download).map(|_| ())
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
        let replaced = |found: &str| {
            self.wrong(format!(
                "the repository has another file under this name: expected {digest}, found {found}. If the new file is right, run \
                 `sealift update`; if that changes nothing, the metadata of the repository do not fit its files"
            ))
        };
        let urls = if path.is_url() {
            vec![path.to_string()]
        } else {
            bases.iter().map(|base| joined(base, path.as_str())).collect()
        };
        let (name, accounts) = (name.to_owned(), accounts.to_vec());
        let download = Download { name, urls, digest: None, limit: size, accounts };
        let is_other = |fault: &RegistryFault| {
            matches!(fault, RegistryFault::DigestMismatch { .. } | RegistryFault::TooLarge { .. })
        };
        match bring(download, digest, store, registries, progress) {
            Ok(()) => Ok(()),
            Err(NotBrought::Absent) => {
                Err(self.wrong(format!("{path} does not exist in the folder of the repository")))
            }
            Err(NotBrought::Other { found, .. }) => Err(replaced(&found)),
            Err(NotBrought::Failed(error)) => Err(error),
            Err(NotBrought::Download(error)) => {
                let of_other = error.failures.iter().find(|failure| is_other(&failure.fault));
                match of_other.map(|other| other.fault.to_string()) {
                    Some(found) => Err(replaced(&found)),
                    None => Err(FetchError::Download(error)),
                }
            }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_url_of_a_path_in_a_folder_of_this_machine_names_that_path() {
        for path in ["a.rpm", "a b.rpm", "a%20b.rpm", "100%.rpm", "a#b?c.rpm", "pool/ü/a~1+b.deb"] {
            assert_eq!(local(&joined("file:///srv/r/", path)).unwrap(), Path::new("/srv/r").join(path));
        }
        assert_eq!(local("file:///my%20repository").unwrap(), Path::new("/my repository"));
        assert_eq!(local("https://h/a"), None);
    }
}
