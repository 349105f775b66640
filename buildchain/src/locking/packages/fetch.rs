//! Locked packages: brought into the store, and checked.

use images::Store;
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

/// A locked package, to be fetched from the repository at `bases`. The servers of `accounts` may ask for credentials.
pub(crate) fn wanted<'a>(
    name: &'a Nevra,
    package: &'a LockedPackage,
    bases: &'a [String],
    accounts: &'a [String],
) -> WantedFile<'a> {
    let LockedPackage { path, digest, size, .. } = package;
    WantedFile { name: name.as_str(), path, digest, size: *size, bases, accounts }
}

/// Checks that a file in the store is the package with its name, and its signature if `keys` are given; when it was built, in seconds
/// since 1970.
pub(crate) fn check(file: &WantedFile<'_>, store: &Store, keys: Option<&Keys>) -> Result<i64, FetchError> {
    let WantedFile { name, digest, size, .. } = *file;
    let found = store.size(digest)?;
    if found != Some(size) {
        let found = found.unwrap_or_default();
        return Err(file.wrong(format!("expected {size} bytes, found {found}")));
    }
    let path = store.blob_path(digest);
    let verified = verify_package(&path, keys, ValidAt::Signing).map_err(|error| match error {
        packages::Error::Signature { fault, .. } => file.wrong(fault.to_string()),
        error => file.wrong(error.to_string()),
    })?;
    let identity = verified.identity.to_string();
    if identity != name {
        return Err(file.wrong(format!("the file is another package: {}", content::printable(&identity))));
    }
    Ok(verified.identity.build_time)
}
