//! The document of an image.

use super::{
    DOCUMENT, Document, Draft, ExternalDocument, NONE, Package, organization, package_of, purl_reference,
    readable, sha256, start,
};
use crate::sbom::component::encoded;
use crate::sbom::image::{ImageContents, ManifestContents, Upstream};

/// The document of an image: the image, each of its manifests if it is an index, and the packages that they hold.
///
/// `created` is in Unix seconds; without it, the date of the image counts. `creator` is who builds the archive, and supplies
/// images whose supplier is not known.
#[must_use]
pub fn image_document(image: &ImageContents, created: Option<i64>, creator: &str) -> Document {
    let label = format!("{}:{}", image.name, image.tag);
    let mut draft = Draft::new(&label, created.or(image.created()).unwrap_or(0), creator);
    let root = draft.add(container(image, None, creator));
    draft.relate(DOCUMENT, "DESCRIBES", &root);
    let mut comments = Vec::new();
    for manifest in &image.manifests {
        let holder = if manifest.digest == image.digest {
            root.clone()
        } else {
            let holder = draft.add(container(image, Some(manifest), creator));
            draft.relate(&root, "CONTAINS", &holder);
            holder
        };
        let distribution =
            manifest.distribution.as_ref().map(|found| found.name.as_str()).unwrap_or_default();
        let fallback =
            if distribution.is_empty() { image.supplier(creator) } else { distribution.to_owned() };
        for component in &manifest.components {
            let package = draft.add(package_of(component, &fallback));
            draft.relate(&holder, "CONTAINS", &package);
        }
        let platform = manifest.platform.as_deref().unwrap_or("the image");
        if let Some(upstream) = &manifest.upstream {
            comments.push(refer(&mut draft, &holder, upstream, platform));
        }
        comments.extend(manifest.notes.iter().map(|note| format!("{platform}: not read: {note}")));
        if manifest.components.is_empty() {
            comments.push(format!("{platform}: it has no package database, so its content is not known"));
        }
    }
    if image.manifests.is_empty() {
        comments.push("the archive has no manifest that the index lists, so its content is not known".into());
    }
    comments.dedup();
    draft.document.comment = (!comments.is_empty()).then(|| comments.join("; "));
    draft.finish()
}

/// Names the document that the packages were taken from; a sentence about it.
fn refer(draft: &mut Draft, holder: &str, upstream: &Upstream, platform: &str) -> String {
    let digest = upstream.digest;
    if let Some(namespace) = &upstream.namespace {
        let id = format!("DocumentRef-upstream-{}", start(&digest));
        draft.relate(holder, "DESCRIBED_BY", &format!("{id}:{DOCUMENT}"));
        draft.document.external_document_refs.push(ExternalDocument {
            external_document_id: id,
            checksum: sha256(&digest),
            spdx_document: namespace.clone(),
        });
    }
    format!("{platform}: the packages are those of the SBOM that is attached to the image, {digest}")
}

/// The image, or one of its manifests.
fn container(image: &ImageContents, manifest: Option<&ManifestContents>, creator: &str) -> Package {
    let digest = manifest.map_or(image.digest, |manifest| manifest.digest);
    let last = image.name.rsplit('/').next().unwrap_or(&image.name);
    let mut purl = format!(
        "pkg:oci/{}@{}",
        encoded(&last.to_lowercase()),
        encoded(&digest.to_string()).replace(':', "%3A")
    );
    let own = image.manifests.iter().find(|one| one.digest == digest).and_then(|one| one.platform.as_deref());
    let arch = own.and_then(|platform| platform.split('/').nth(1)).unwrap_or_default();
    let repository = image.repository.as_deref().unwrap_or_default();
    let mut separator = '?';
    for (key, value) in [("arch", arch), ("repository_url", repository), ("tag", image.tag.as_str())] {
        if !value.is_empty() {
            purl += &format!("{separator}{key}={}", encoded(value));
            separator = '&';
        }
    }
    Package {
        id: format!("SPDXRef-Image-{}-{}", readable(&image.name), start(&digest)),
        name: image.name.clone(),
        version_info: image.tag.clone(),
        supplier: organization(&image.supplier(creator)),
        download_location: NONE.into(),
        checksums: vec![sha256(&digest)],
        external_refs: vec![purl_reference(purl)],
        primary_package_purpose: "CONTAINER".into(),
        ..Package::default()
    }
}
