//! Where what is pushed comes from.

use std::io::Read;

use content::Digest;

use crate::Store;
use crate::client::RegistryFault;
use crate::error::Result;
use crate::manifest::MANIFEST_MAX;

/// Manifests and blobs by digest. What is read is checked against its digest as it leaves.
pub trait BlobSource: Send + Sync {
    /// The size in bytes, or `None` where the content is not there.
    ///
    /// # Errors
    ///
    /// What looking it up gives.
    fn size(&self, digest: &Digest) -> Result<Option<u64>>;

    /// The bytes, from the start.
    ///
    /// # Errors
    ///
    /// What opening gives; also where it is not there.
    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>>;
}

impl BlobSource for Store {
    fn size(&self, digest: &Digest) -> Result<Option<u64>> {
        Self::size(self, digest)
    }

    fn open(&self, digest: &Digest) -> Result<Box<dyn Read + Send>> {
        Ok(Box::new(content::open(&self.blob_path(digest), content::LinkPolicy::Refuse)?))
    }
}

/// The bytes of a manifest, checked.
pub(super) fn manifest(content: &dyn BlobSource, digest: &Digest) -> Result<Vec<u8>, RegistryFault> {
    let mut bytes = Vec::new();
    content
        .open(digest)?
        .take(MANIFEST_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| RegistryFault::Damaged(format!("{digest} cannot be read: {error}")))?;
    if bytes.len() as u64 > MANIFEST_MAX {
        return Err(RegistryFault::TooLarge { limit: MANIFEST_MAX });
    }
    check(digest, &Digest::of(&bytes))?;
    Ok(bytes)
}

/// Verifies the digest before anything is sent.
pub(super) fn check(expected: &Digest, found: &Digest) -> Result<(), RegistryFault> {
    if expected == found {
        Ok(())
    } else {
        Err(RegistryFault::Damaged(format!("expected {expected}, found {found}")))
    }
}
