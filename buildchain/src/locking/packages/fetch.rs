//! Locked packages: brought into the store, and checked.

use images::pull::TransferProgress;
use images::{RegistrySession, Store};
use packages::openpgp::{Keys, ValidAt};
use packages::repository::verify_package;

use crate::locking::{FetchError, WantedFile};
use crate::project::{LockedPackage, LockedRepository, Nevra, SignatureRule, Upstream, UpstreamLocation};

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
        FetchError::Package { package: self.name.to_string(), reason: reason.into() }
    }

    /// Brings the package into the store.
    pub(crate) fn fetch(
        &self,
        store: &Store,
        registries: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<(), FetchError> {
        let LockedPackage { path, digest, size, .. } = self.package;
        let (name, bases, accounts) = (self.name.as_str(), self.bases, self.accounts);
        WantedFile { name, path, digest, size: *size, bases, accounts }.fetch(store, registries, progress)
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
