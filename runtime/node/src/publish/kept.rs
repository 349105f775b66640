//! Bundles that the registry has: the signatures of some programs are random, so the same statement could be attached many times.

use content::{Digest, IoError};
use images::manifest::{Descriptor, Manifest};
use images::pull::{self, TransferProgress};
use images::{Reference, RegistrySession, Store};
use trust::Bundle;

use super::Error;
use super::find::{BUNDLES_MAX, bundle};
use super::publication::{Attachment, OwnBundle, Publication};

impl Publication {
    /// Replaces each bundle for which the registry has one with the same statement, by the same key.
    ///
    /// # Errors
    ///
    /// [`Error::Pull`]: the registry cannot be reached. [`Error::Io`], [`Error::Store`]: nothing can be written to the folder for
    /// temporary files.
    pub(super) fn keep_published(
        &mut self,
        reference: &Reference,
        session: &RegistrySession,
        progress: &dyn TransferProgress,
    ) -> Result<(), Error> {
        if self.bundles.is_empty() {
            return Ok(());
        }
        let published = match pull::attached(reference, &self.digest, session, progress) {
            Ok(published) => published,
            Err(error) if error.is_unusable() => {
                progress.warn(&format!("the signatures of {reference} in the registry are unknown: {error}"));
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        for own in &self.bundles {
            // The same one is not sent again.
            if published.iter().any(|(digest, _)| *digest == own.digest) {
                continue;
            }
            let Some((digest, bytes)) = repeated(own, &published, reference, session)? else { continue };
            if let Some(attachment) = self.attached.iter_mut().find(|one| one.digest == own.digest) {
                *attachment = Attachment { digest, bytes, is_kept: true, ..attachment.clone() };
            }
        }
        Ok(())
    }
}

/// The manifest among `published` that attaches a bundle with the statement of `own` by the same key, and the size of the bundle.
fn repeated(
    own: &OwnBundle,
    published: &[(Digest, Manifest)],
    reference: &Reference,
    session: &RegistrySession,
) -> Result<Option<(Digest, u64)>, Error> {
    let found = published
        .iter()
        .filter_map(|(digest, manifest)| Some((*digest, bundle(manifest, own.predicate_type, own.limit)?)));
    let found: Vec<(Digest, &Descriptor)> = found.take(BUNDLES_MAX).collect();
    if found.is_empty() {
        return Ok(None);
    }
    let folder = tempfile::tempdir().map_err(IoError::at("create a folder in", &std::env::temp_dir()))?;
    let store = Store::open(folder.path())?;
    for (digest, blob) in found {
        match pull::blobs(reference, std::slice::from_ref(blob), &store, session, &()) {
            // What the registry does not have is no signature.
            Err(error) if error.is_unusable() => continue,
            fetched => fetched?,
        }
        let found = Bundle::parse_within(&store.read(&blob.digest, blob.size)?, own.limit);
        if found.is_ok_and(|found| found.repeats(&own.bundle)) {
            return Ok(Some((digest, blob.size)));
        }
    }
    Ok(None)
}
