//! Manifests and tags.

use std::collections::BTreeMap;

use ::content::Digest;
use reqwest::Method;
use reqwest::header::{self, HeaderMap, HeaderValue};

use super::content;
use super::error::Error;
use super::feed::DocumentBody;
use super::plan::PlannedPush;
use super::pusher::{Pusher, accepted, claimed};
use crate::client::{
    ACCEPT_MANIFESTS, Backoff, Encoding, RegistryEndpoint, RegistryFault, decoded, read_body, shown,
};
use crate::manifest::{MANIFEST_MAX, Manifest, MediaKind};

/// How often a manifest is sent again to a registry that says it lacks a blob of it.
const FORGOTTEN_MAX: u32 = 3;

impl Pusher {
    /// Pushes the manifests of an image by their digests, each after those it lists. How many were not there.
    pub(super) async fn manifests(&self, image: &PlannedPush) -> Result<usize, Error> {
        let mut pushed = 0;
        for digest in &image.manifests {
            let name = digest.to_string();
            let bytes = content::manifest(&*self.content, digest)
                .map_err(|fault| Error::here(&image.label, &format!("manifest {digest}"), fault))?;
            pushed += usize::from(self.put(image, &name, digest, bytes).await?);
        }
        Ok(pushed)
    }

    /// Tags an image, if it has a tag; returns whether the registry did not have that tag.
    pub(super) async fn name(&self, image: &PlannedPush) -> Result<bool, Error> {
        let Some(tag) = image.reference.tag() else { return Ok(false) };
        let here = |fault| Error::here(&image.label, &format!("tag {tag}"), fault);
        let bytes = content::manifest(&*self.content, &image.digest).map_err(here)?;
        match subject(tag).filter(|_| image.kind == MediaKind::OciIndex) {
            None => self.put(image, tag, &image.digest, bytes).await,
            Some(subject) => self.name_referrers(image, tag, &subject, bytes).await,
        }
    }

    /// The list of what hangs on `subject`, where the registry does not keep one itself. What others put into it stays.
    async fn name_referrers(
        &self,
        image: &PlannedPush,
        tag: &str,
        subject: &Digest,
        ours: Vec<u8>,
    ) -> Result<bool, Error> {
        let own = image.endpoint.url("referrers", &subject.to_string());
        if self.document(&image.endpoint, &own).await.map_err(at(image, tag, &own))?.is_some() {
            return Ok(false);
        }
        let url = image.endpoint.url("manifests", tag);
        let bytes = match self.document(&image.endpoint, &url).await.map_err(at(image, tag, &url))? {
            None => ours,
            Some(theirs) => match merged(&theirs, ours).map_err(at(image, tag, &url))? {
                None => return Ok(false),
                Some(bytes) => bytes,
            },
        };
        let digest = Digest::of(&bytes);
        self.put(image, tag, &digest, bytes).await
    }

    /// A small document; `None` where the registry has none, or no such interface.
    async fn document(
        &self,
        endpoint: &RegistryEndpoint,
        url: &reqwest::Url,
    ) -> Result<Option<Vec<u8>>, RegistryFault> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, ACCEPT_MANIFESTS)]);
        match self.request(endpoint, Method::GET, url, &headers, None).await {
            Ok(response) => {
                let encoding = Encoding::of(response.headers());
                let bytes = read_body(response, MANIFEST_MAX, self.options().stall).await?;
                decoded(bytes, &encoding, MANIFEST_MAX).map(Some)
            }
            Err(RegistryFault::Status { status: 400 | 404 | 405 | 501, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// PUT of a manifest under a digest or tag, unless the registry has it.
    async fn put(
        &self,
        image: &PlannedPush,
        name: &str,
        digest: &Digest,
        bytes: Vec<u8>,
    ) -> Result<bool, Error> {
        let url = image.endpoint.url("manifests", name);
        let failed = at(image, name, &url);
        let found = self.head(&image.endpoint, &url, Some(ACCEPT_MANIFESTS)).await.map_err(&failed)?;
        // Without the header a digest is still a digest, and a tag could name anything.
        let by_digest = name == digest.to_string();
        if found.is_some_and(|headers| claimed(&headers).map_or(by_digest, |found| found == *digest)) {
            return Ok(false);
        }
        let kind = Manifest::parse(&bytes).map_err(|error| failed(error.into()))?.kind;
        let media_type = HeaderValue::from_static(kind.media_type());
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, media_type)]);
        let payload = DocumentBody(bytes.into());
        let mut backoff = Backoff::new(self.options());
        backoff.limit(FORGOTTEN_MAX);
        loop {
            let answer = self.request(&image.endpoint, Method::PUT, &url, &headers, Some(&payload)).await;
            let Err(fault) = answer.and_then(|response| accepted(&response, digest)) else {
                return Ok(true);
            };
            return Err(failed(match fault {
                RegistryFault::Status { status: status @ (400 | 404), message, .. }
                    if kind.is_index() && image.left_out > 0 =>
                {
                    RegistryFault::Sparse { left_out: image.left_out, status, message }
                }
                fault => {
                    if has_forgotten(&fault) && self.pause_anyway(&mut backoff, &url, &fault).await {
                        continue;
                    }
                    fault
                }
            }));
        }
    }
}

/// Whether the registry reports a missing blob, although it has received all blobs of the manifest. CNCF distribution does so
/// while another client uploads the same blob to the same repository: its link to the blob is empty for a moment.
fn has_forgotten(fault: &RegistryFault) -> bool {
    matches!(fault, RegistryFault::Status { status: 400 | 404, message, .. } if message.contains("BLOB_UNKNOWN"))
}

fn at(image: &PlannedPush, name: &str, url: &reqwest::Url) -> impl Fn(RegistryFault) -> Error {
    let (image, content, url) = (image.label.clone(), format!("manifest {name}"), shown(url));
    move |fault| Error {
        image: image.clone(),
        content: content.clone(),
        url: url.clone(),
        fault: Box::new(fault),
    }
}

/// The digest in a tag under which clients keep referrers: `sha256-<hex>`.
fn subject(tag: &str) -> Option<Digest> {
    Digest::from_hex(tag.strip_prefix("sha256-")?).ok()
}

/// The list with what `theirs` has and `ours` lacks; `None` where `theirs` has everything.
fn merged(theirs: &[u8], ours: Vec<u8>) -> Result<Option<Vec<u8>>, RegistryFault> {
    let list = |bytes: &[u8]| -> Result<BTreeMap<_, _>, RegistryFault> {
        let listed = Manifest::parse(bytes)?.manifests;
        Ok(listed.into_iter().map(|descriptor| (descriptor.digest, descriptor)).collect())
    };
    let (mut all, known) = (list(theirs)?, list(&ours)?);
    if known.keys().all(|digest| all.contains_key(digest)) {
        return Ok(None);
    }
    let alone = all.keys().all(|digest| known.contains_key(digest));
    all.extend(known);
    if alone {
        return Ok(Some(ours));
    }
    let index = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MediaKind::OciIndex.media_type(),
        "manifests": all.into_values().collect::<Vec<_>>(),
    });
    Ok(Some(index.to_string().into_bytes()))
}
