//! The plan of a push: an image's manifests and blobs, and where they go.

use std::collections::{HashMap, HashSet};

use ::content::Digest;

use super::content::{self, BlobSource};
use super::{Error, PushRequest};
use crate::Reference;
use crate::client::{RegistryEndpoint, RegistryFault, RegistryOptions};
use crate::closure::Closure;
use crate::manifest::{Descriptor, MediaKind};

/// An image whose manifests have been read.
pub(super) struct PlannedPush {
    pub(super) label: String,
    pub(super) endpoint: RegistryEndpoint,
    pub(super) reference: Reference,
    pub(super) digest: Digest,
    pub(super) kind: MediaKind,
    /// Each after those it lists, so that the image itself is last.
    pub(super) manifests: Vec<Digest>,
    /// The manifests an index lists that the content does not have.
    pub(super) left_out: usize,
    pub(super) blobs: Vec<Descriptor>,
}

/// Reads the manifests of an image, and checks that its blobs exist.
pub(super) fn image(
    request: &PushRequest,
    content: &dyn BlobSource,
    options: &RegistryOptions,
) -> Result<PlannedPush, Error> {
    let label = request.reference.to_string();
    let endpoint = RegistryEndpoint::registry(&request.reference, options)
        .map_err(|fault| Error::here(&label, "", fault))?;
    let mut image = PlannedPush {
        label,
        endpoint,
        reference: request.reference.clone(),
        digest: request.digest,
        kind: MediaKind::OciManifest,
        manifests: Vec::new(),
        left_out: 0,
        blobs: Vec::new(),
    };
    let mut seen = HashSet::new();
    let mut listed = HashMap::new();
    let mut closure = Closure::of(request.digest);
    while let Some(node) = closure.next() {
        let here = |fault| Error::here(&image.label, &format!("manifest {}", node.digest), fault);
        let left_out =
            !node.is_root() && content.size(&node.digest).map_err(|error| here(error.into()))?.is_none();
        if left_out {
            image.left_out += 1;
            continue;
        }
        let read = content::manifest(content, &node.digest).map_err(here)?;
        let manifest = closure.read(&node, &read, &[]).map_err(|refusal| here(refusal.into()))?;
        if node.is_root() {
            image.kind = manifest.kind;
        }
        for blob in manifest.blobs() {
            if seen.insert(blob.digest)
                && is_there(content, blob)
                    .map_err(|fault| Error::here(&image.label, &format!("blob {}", blob.digest), fault))?
            {
                image.blobs.push(blob.clone());
            }
        }
        listed.insert(node.digest, manifest.manifests.into_iter().map(|child| child.digest).collect());
    }
    image.manifests = inside_out(request.digest, listed);
    Ok(image)
}

/// The manifests in the order in which a registry takes them: each after those it lists. `listed` has every manifest that is
/// to be pushed, with those that it lists.
fn inside_out(root: Digest, mut listed: HashMap<Digest, Vec<Digest>>) -> Vec<Digest> {
    let mut order = Vec::with_capacity(listed.len());
    let mut open = vec![(root, listed.remove(&root).unwrap_or_default())];
    while let Some((digest, children)) = open.last_mut() {
        match children.pop() {
            Some(child) => open.extend(listed.remove(&child).map(|children| (child, children))),
            None => {
                order.push(*digest);
                open.pop();
            }
        }
    }
    order
}

/// Whether to push a blob. A layer that registries only link to may be missing.
fn is_there(content: &dyn BlobSource, blob: &Descriptor) -> Result<bool, RegistryFault> {
    match content.size(&blob.digest)? {
        Some(found) if found == blob.size => Ok(true),
        Some(found) => Err(RegistryFault::Damaged(format!(
            "{}: expected {} bytes, found {found}",
            blob.digest, blob.size
        ))),
        None if !blob.urls.is_empty() => Ok(false),
        None => Err(RegistryFault::Damaged(format!("{} is missing", blob.digest))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_index_lists_is_pushed_before_it() {
        let named = |name: &str| Digest::of(name.as_bytes());
        let (root, inner, image) = (named("root"), named("inner"), named("image"));
        // The image is listed by both indexes; one manifest that the root lists is left out.
        let listed = [(root, vec![image, inner, named("left out")]), (inner, vec![image]), (image, vec![])];
        assert_eq!(inside_out(root, listed.into()), [image, inner, root]);
    }
}
