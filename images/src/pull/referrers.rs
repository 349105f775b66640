//! What is attached to manifests: signatures, SBOMs, attestations.
//!
//! Three ways lead there, and what none of them finds is not there: the interface for referrers, the list under the tag
//! `sha256-<hex>` (distribution specification 1.1, "Listing Referrers"), and cosign's own tags `sha256-<hex>.sig` and
//! their like. A registry that answers with something else than a list has none, with a warning. What does not name the
//! manifest as its subject is left out.

use std::collections::HashMap;
use std::sync::Arc;

use content::Digest;

use super::fetch::Fetcher;
use super::manifests::index;
use super::parts::Parts;
use super::{Error, PullRequest, Referrers, RegistryFault};
use crate::client::TransferEvent;
use crate::manifest::{Descriptor, MANIFEST_MAX, MANIFESTS_MAX, Manifest, MediaKind};
use crate::referrers::{COSIGN, SIGNATURES, referrers_tag};

/// Gathers what hangs on a manifest with the image's parts, and adds it to `found`.
pub(super) async fn gather(
    fetcher: &Fetcher,
    request: &Arc<PullRequest>,
    subject: &Digest,
    parts: &mut Parts,
    found: &mut Vec<Referrers>,
) -> Result<(), Error> {
    let (list, manifests) = listed(fetcher, request, subject).await?;
    if !list.is_empty() {
        let digest = parts.gather(fetcher, request, index(&list), &[], manifests).await?;
        found.push(Referrers { subject: *subject, tag: referrers_tag(subject), digest });
    }
    for suffix in COSIGN {
        let tag = referrers_tag(subject) + suffix;
        let Some(bytes) = by_tag(fetcher, request, subject, &tag).await? else { continue };
        let digest = parts.gather(fetcher, request, bytes, &[], HashMap::new()).await?;
        found.push(Referrers { subject: *subject, tag, digest });
    }
    Ok(())
}

/// The referrers of `subject`, sorted by digest, and their manifests. Registries build the list for each response; in this
/// form it is the same as long as its content is.
pub(super) async fn listed(
    fetcher: &Fetcher,
    request: &Arc<PullRequest>,
    subject: &Digest,
) -> Result<(Vec<Descriptor>, HashMap<Digest, Vec<u8>>), Error> {
    let name = request.label();
    let warn = |text: String| fetcher.report(TransferEvent::Warn { text: format!("{name}: {text}") });
    let here = |fault| Error::new(&name, &format!("referrers of {subject}"), "", fault);
    let mut kept = Vec::new();
    let mut manifests = HashMap::new();
    let mut total = 0;
    let Some(list) = list(fetcher, request, subject).await? else { return Ok((kept, manifests)) };
    let mut all = Manifest::parse(&list).map_err(|error| here(error.into()))?.manifests;
    all.sort_by_key(|descriptor| descriptor.digest);
    all.dedup_by_key(|descriptor| descriptor.digest);
    for descriptor in all {
        let (digest, media_type) =
            (descriptor.digest, content::printable(&descriptor.media_type).to_string());
        if MediaKind::from_media_type(&descriptor.media_type).is_none() {
            warn(format!("the referrer {digest} is left out: its type {media_type} is not supported"));
            continue;
        }
        if descriptor.size > MANIFEST_MAX {
            return Err(here(RegistryFault::TooLarge { limit: MANIFEST_MAX }));
        }
        let fetched = fetcher.manifest(&name, &request.reference, &digest, Some(descriptor.size)).await;
        let bytes = match fetched {
            Ok(bytes) => bytes,
            Err(error) if error.is_unknown() || error.is_no_answer() => {
                warn(format!("the referrer {digest} is left out: {error}"));
                continue;
            }
            Err(error) => return Err(error),
        };
        let manifest = Manifest::parse(&bytes).map_err(|error| here(error.into()))?;
        if manifest.subject.is_none_or(|found| found.digest != *subject) {
            warn(format!(
                "the referrer {digest} is left out: it is listed for {subject} but does not refer to it"
            ));
            continue;
        }
        total += bytes.len() as u64;
        if total > MANIFESTS_MAX {
            return Err(here(RegistryFault::TooLarge { limit: MANIFESTS_MAX }));
        }
        manifests.insert(digest, bytes);
        kept.push(descriptor);
    }
    Ok((kept, manifests))
}

/// The list that the registry has, by its own interface or under the tag. The bytes of an index.
async fn list(
    fetcher: &Fetcher,
    request: &Arc<PullRequest>,
    subject: &Digest,
) -> Result<Option<Vec<u8>>, Error> {
    let name = request.label();
    match fetcher.referrers_by_interface(&name, &request.reference, subject).await {
        Ok(bytes) => return Ok(Some(bytes)),
        Err(error) if error.is_unknown() => {}
        Err(error) if error.is_no_answer() => {
            let text = format!("the registry has no usable interface for referrers: {error}");
            fetcher.report(TransferEvent::Warn { text });
        }
        Err(error) => return Err(error),
    }
    let bytes = by_tag(fetcher, request, subject, &referrers_tag(subject)).await?;
    // Under this tag may be an image, which is not a list.
    let is_list = |bytes: &Vec<u8>| Manifest::parse(bytes).is_ok_and(|found| found.kind.is_index());
    Ok(bytes.filter(is_list))
}

/// The manifest under cosign's tag for signatures of `subject`.
pub(super) async fn signature_tag(
    fetcher: &Fetcher,
    request: &Arc<PullRequest>,
    subject: &Digest,
) -> Result<Option<Vec<u8>>, Error> {
    by_tag(fetcher, request, subject, &(referrers_tag(subject) + SIGNATURES)).await
}

/// The manifest under a tag that says what is attached to `subject`, unless it is the subject: to GitLab these tags are digests.
async fn by_tag(
    fetcher: &Fetcher,
    request: &Arc<PullRequest>,
    subject: &Digest,
    tag: &str,
) -> Result<Option<Vec<u8>>, Error> {
    match fetcher.manifest_by_tag(&request.label(), &request.reference, tag).await {
        Ok(bytes) => Ok(Some(bytes).filter(|bytes| Digest::of(bytes) != *subject)),
        Err(error) if error.is_unknown() => Ok(None),
        Err(error) if error.is_no_answer() => {
            fetcher.report(TransferEvent::Warn { text: error.to_string() });
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
