//! Locked packages: brought into the store, and checked.

use content::LinkPolicy;
use images::pull::{Download, RegistryFault, TransferProgress};
use images::{RegistrySession, Store};
use packages::openpgp::{Keys, ValidAt};
use packages::repository::verify_package;

use super::repository::{joined, local};
use crate::project::{LockedPackage, LockedRepository, Nevra, SignatureRule, Upstream, UpstreamLocation};

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
        package: Nevra,
        /// What is wrong.
        reason: String,
    },
}

/// The URLs of a repository.
pub(crate) fn bases<'a>(location: &'a UpstreamLocation, locked: &'a LockedRepository) -> &'a [String] {
    match location {
        UpstreamLocation::Urls(urls) => urls,
        _ => &locked.mirrors,
    }
}

/// The keys that packages of a repository must be signed with; `None` if their signatures do not count.
pub(crate) fn keys_of_packages(upstream: &Upstream) -> Result<Option<Keys>, String> {
    match upstream.signatures {
        SignatureRule::None | SignatureRule::Metadata => Ok(None),
        SignatureRule::All | SignatureRule::Packages => super::read_keys(&upstream.keys).map(Some),
    }
}

/// A package of a repository with these URLs.
pub(crate) struct WantedPackage<'a> {
    pub(crate) name: &'a Nevra,
    pub(crate) package: &'a LockedPackage,
    /// The URLs of the repository, in their order.
    pub(crate) bases: &'a [String],
    /// URLs of servers that may ask for credentials.
    pub(crate) accounts: &'a [String],
}

impl WantedPackage<'_> {
    fn wrong(&self, reason: impl Into<String>) -> FetchError {
        FetchError::Package { package: self.name.clone(), reason: reason.into() }
    }

    /// Brings the package into the store.
    pub(crate) fn fetch(
        &self,
        store: &Store,
        registries: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<(), FetchError> {
        let LockedPackage { path, digest, size, .. } = self.package;
        if store.has(digest, *size)? {
            return Ok(());
        }
        let replaced = |found: &str| {
            self.wrong(format!(
                "the repository has another file under this name, {found}: if it is right, run `sealift update`"
            ))
        };
        // A folder of this machine: the first one that has the file counts.
        let folders = self.bases.iter().filter_map(|base| local(base));
        if let Some(file) = folders.map(|folder| folder.join(path.as_str())).find(|file| file.exists()) {
            let mut source = content::open(&file, LinkPolicy::Follow)?;
            let mut new = store.create()?;
            std::io::copy(&mut source, &mut new).map_err(content::IoError::at("copy", &file))?;
            return match new.finish_as(digest) {
                Err(images::Error::DigestMismatch { found, .. }) => Err(replaced(&found.to_string())),
                other => Ok(other.map(|_| ())?),
            };
        }
        let urls = self.bases.iter().map(|base| joined(base, path.as_str()));
        let urls: Vec<String> = urls.filter(|url| local(url).is_none()).collect();
        if urls.is_empty() {
            return Err(self.wrong(format!("no folder of the repository has {path}")));
        }
        let download = Download {
            name: self.name.to_string(),
            urls,
            digest: Some(*digest),
            limit: *size,
            accounts: self.accounts.to_vec(),
        };
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

    /// Checks that the file in the store is this package, and its signature if `keys` are given; when it was built, in seconds since
    /// 1970.
    pub(crate) fn check(&self, store: &Store, keys: Option<&Keys>) -> Result<i64, FetchError> {
        let LockedPackage { digest, size, .. } = self.package;
        let found = store.size(digest)?;
        if found != Some(*size) {
            let found = found.unwrap_or_default();
            return Err(self.wrong(format!("expected {size} bytes, found {found}")));
        }
        let path = store.blob_path(digest);
        let verified = verify_package(&path, keys, ValidAt::Signing).map_err(|error| match error {
            packages::Error::Signature { fault, .. } => self.wrong(fault.to_string()),
            error => self.wrong(error.to_string()),
        })?;
        let identity = verified.identity.to_string();
        if identity != self.name.as_str() {
            return Err(self.wrong(format!("the file is another package: {}", content::printable(&identity))));
        }
        Ok(verified.identity.build_time)
    }
}
