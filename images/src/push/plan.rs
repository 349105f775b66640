//! What an image consists of and where it is to go.

use std::collections::HashSet;

use ::content::Digest;

use super::content::{self, Content};
use super::{Error, Request};
use crate::Reference;
use crate::client::{Endpoint, Fault, Options};
use crate::manifest::{DEPTH_MAX, Descriptor, Kind, MANIFESTS_MAX, Manifest};

/// An image whose manifests have been read.
pub(super) struct Image {
    pub(super) label: String,
    pub(super) endpoint: Endpoint,
    pub(super) reference: Reference,
    pub(super) digest: Digest,
    pub(super) kind: Kind,
    /// Each after those it lists, so that the image itself is last.
    pub(super) manifests: Vec<Digest>,
    /// The manifests an index lists that the content does not have.
    pub(super) left_out: usize,
    pub(super) blobs: Vec<Descriptor>,
}

/// Reads the manifests of an image, and sees that its blobs are there.
pub(super) fn image(request: &Request, content: &dyn Content, options: &Options) -> Result<Image, Error> {
    let label = request.reference.to_string();
    let endpoint = Endpoint::registry(&request.reference, options)
        .map_err(|fault| Error::here(&label, "anything", fault))?;
    let mut image = Image {
        label,
        endpoint,
        reference: request.reference.clone(),
        digest: request.digest,
        kind: Kind::OciManifest,
        manifests: Vec::new(),
        left_out: 0,
        blobs: Vec::new(),
    };
    let mut seen = HashSet::new();
    let mut bytes = 0;
    // Found from the outside in; pushed from the inside out.
    let mut waiting = vec![(request.digest, 0)];
    while let Some((digest, depth)) = waiting.pop() {
        let here = |fault| Error::here(&image.label, &format!("manifest {digest}"), fault);
        let read = content::manifest(content, &digest).map_err(here)?;
        bytes += read.len() as u64;
        if bytes > MANIFESTS_MAX {
            return Err(here(Fault::TooLarge { limit: MANIFESTS_MAX }));
        }
        let manifest = Manifest::parse(&read).map_err(|error| here(error.into()))?;
        if depth == 0 {
            image.kind = manifest.kind;
        }
        if depth == DEPTH_MAX && !manifest.manifests.is_empty() {
            return Err(here(Fault::TooDeep { limit: DEPTH_MAX }));
        }
        // An index met again below another must come before both.
        image.manifests.retain(|known| *known != digest);
        image.manifests.push(digest);
        let mut left_out = 0;
        for child in &manifest.manifests {
            match content.size(&child.digest).map_err(|error| here(error.into()))? {
                Some(_) => waiting.push((child.digest, depth + 1)),
                None => left_out += 1,
            }
        }
        for blob in manifest.blobs() {
            if seen.insert(blob.digest)
                && is_there(content, blob)
                    .map_err(|fault| Error::here(&image.label, &format!("blob {}", blob.digest), fault))?
            {
                image.blobs.push(blob.clone());
            }
        }
        image.left_out += left_out;
    }
    image.manifests.reverse();
    Ok(image)
}

/// Whether a blob is to be pushed. A layer that registries only link to may be missing.
fn is_there(content: &dyn Content, blob: &Descriptor) -> Result<bool, Fault> {
    match content.size(&blob.digest)? {
        Some(found) if found == blob.size => Ok(true),
        Some(found) => {
            Err(Fault::Damaged(format!("{}: expected {} bytes, found {found}", blob.digest, blob.size)))
        }
        None if !blob.urls.is_empty() => Ok(false),
        None => Err(Fault::Damaged(format!("{} is missing", blob.digest))),
    }
}
