//! The signatures of an image, from its registry.

use std::sync::Arc;

use content::Digest;

use super::fetch::Fetcher;
use super::{Error, PullRequest, RegistryFault, TransferProgress, alone, blobs, referrers};
use crate::client::RegistrySession;
use crate::manifest::{Descriptor, Manifest};
use crate::signatures::{FoundSignatures, Judge, RequiredSigners, SignatureForm};
use crate::{Reference, Store};

/// Finds the signatures of the image `image` in the repository of `reference`, under cosign's tag and in referrers, and checks
/// them. What they consist of goes into the store.
///
/// # Errors
///
/// The registry cannot be reached, or lies about its content. That no signature is good is no error.
pub fn signatures(
    reference: &Reference,
    image: &Digest,
    signers: &RequiredSigners<'_>,
    store: &Store,
    session: &RegistrySession,
    progress: &dyn TransferProgress,
) -> Result<FoundSignatures, Error> {
    let (name, request, subject) = (reference.to_string(), Arc::new(PullRequest::of(reference)), *image);
    let found =
        alone(
            &name,
            session,
            progress,
            |fetcher| async move { attached(&fetcher, &request, &subject).await },
        )?;
    let mut judge = Judge::new(*image, signers);
    for (form, digest, manifest) in &found {
        let mut read = |layer: &Descriptor| match blobs(
            reference,
            std::slice::from_ref(layer),
            store,
            session,
            progress,
        ) {
            Ok(()) => store
                .read(&layer.digest, layer.size)
                .map(Ok)
                .map_err(|error| Error::new(&name, &format!("blob {}", layer.digest), "", error.into())),
            Err(error) if error.is_unusable() => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        };
        judge.look_at(*form, (*digest, manifest), &mut read)?;
    }
    Ok(judge.end())
}

/// The manifests that may have signatures of `subject`.
async fn attached(
    fetcher: &Fetcher,
    request: &Arc<PullRequest>,
    subject: &Digest,
) -> Result<Vec<(SignatureForm, Digest, Manifest)>, Error> {
    let here = |error| Error::new(&request.label(), "signatures", "", RegistryFault::Manifest(error));
    let mut found = Vec::new();
    if let Some(bytes) = referrers::signature_tag(fetcher, request, subject).await? {
        let manifest = Manifest::parse(&bytes).map_err(here)?;
        found.push((SignatureForm::Tag, Digest::of(&bytes), manifest));
    }
    let (list, manifests) = referrers::listed(fetcher, request, subject).await?;
    for descriptor in list {
        let Some(bytes) = manifests.get(&descriptor.digest) else { continue };
        found.push((SignatureForm::Referrer, descriptor.digest, Manifest::parse(bytes).map_err(here)?));
    }
    Ok(found)
}
