//! The document of a whole archive.

use std::path::Path;

use content::Digest;
use packages::debian::DebPackage;
use packages::repository::RpmDescription;

use super::{DOCUMENT, Document, Draft, NONE, Package, organization, package_of, readable, sha256, start};
use crate::sbom::Component;
use crate::sbom::layers::of_rpm;
use crate::tree::{EntryKind, TreeEntry, join};
use crate::{Error, Product, Result, Tree, layout, sbom};

/// What the document of an archive leaves out, by its name at the top: images, which it names by their manifests, files that follow
/// from others, and those whose digests are secret. [`archive_document`] reads nothing in them but the documents of the images, so
/// they may change meanwhile.
pub const LEFT_OUT: [&str; 6] =
    [layout::IMAGES, layout::REGISTRY, layout::ATTESTATIONS, layout::PILLAR, layout::SUMS, layout::LINKS];

/// The document of the archive in `tree`: its images, with the packages that their documents in the archive have, its RPMs and
/// DEBs, and its other files. `created` is in Unix seconds, `digest` gives the SHA-256 of a file.
///
/// # Errors
///
/// The archive, or a document of an image, cannot be read; those of `digest`.
pub fn archive_document(
    tree: &Tree,
    product: &Product,
    created: i64,
    digest: &mut dyn FnMut(&str) -> Result<Digest>,
) -> Result<Document> {
    let mut sbom = ArchiveSbom::new(product, created);
    sbom::each_image_document(tree, &mut |path, document| {
        let file = path.to_owned();
        sbom.add_image(document.map_err(|problem| Error::Content { file, problem })?);
        Ok(())
    })?;
    let mut files = Vec::new();
    for top in tree.read_dir("")? {
        match top.kind {
            _ if LEFT_OUT.contains(&top.name.as_str()) => {}
            EntryKind::Directory => tree.each_folder(&top.name, &mut |folder, entries| {
                let path = |entry: &TreeEntry| join(folder, &entry.name);
                files.extend(entries.iter().filter(|entry| is_named(&path(entry), &entry.kind)).map(path));
                Ok(())
            })?,
            _ => files.extend(is_named(&top.name, &top.kind).then_some(top.name)),
        }
    }
    for path in files {
        let digest = digest(&path)?;
        sbom.add_file(tree, &path, digest)?;
    }
    Ok(sbom.finish())
}

/// The document of an archive while it is put together.
struct ArchiveSbom {
    draft: Draft,
    root: String,
    creator: String,
    version: String,
    comments: Vec<String>,
}

impl ArchiveSbom {
    fn new(product: &Product, created: i64) -> Self {
        let creator = product.name.clone();
        let mut draft = Draft::new(&format!("{} {}", product.name, product.version), created, &creator);
        let root = draft.add(Package {
            id: format!("SPDXRef-Archive-{}", readable(&product.name)),
            name: product.name.clone(),
            version_info: product.version.clone(),
            supplier: organization(&creator),
            download_location: NONE.into(),
            primary_package_purpose: "ARCHIVE".into(),
            ..Package::default()
        });
        draft.relate(DOCUMENT, "DESCRIBES", &root);
        Self { draft, root, creator, version: product.version.clone(), comments: Vec::new() }
    }

    /// Adds the packages and relationships of the document of an image.
    fn add_image(&mut self, image: Document) {
        for relationship in image.relationships {
            if relationship.spdx_element_id == DOCUMENT {
                let root = self.root.clone();
                self.draft.relate(&root, "CONTAINS", &relationship.related_spdx_element);
            } else {
                self.draft.document.relationships.push(relationship);
            }
        }
        self.draft.document.external_document_refs.extend(image.external_document_refs);
        self.comments.extend(image.comment.map(|comment| format!("{}: {comment}", image.name)));
        image.packages.into_iter().for_each(|package| drop(self.draft.add(package)));
    }

    /// Adds a file of the archive: a package if it is an RPM or a DEB, whose beginning is read.
    fn add_file(&mut self, tree: &Tree, path: &str, digest: Digest) -> Result<()> {
        // The same package can be in several repositories, in different files.
        let place = start(&Digest::of(format!("{path} {digest}").as_bytes()));
        let package = match package_in(tree, path)? {
            Some(component) => {
                let package = package_of(&component, &self.creator);
                let name = readable(&component.name);
                Package {
                    id: format!("SPDXRef-{}-{name}-{place}", component.ecosystem.name()),
                    primary_package_purpose: "INSTALL".into(),
                    ..package
                }
            }
            None => Package {
                id: format!("SPDXRef-File-{place}"),
                name: path.to_owned(),
                version_info: self.version.clone(),
                supplier: organization(&self.creator),
                download_location: NONE.into(),
                primary_package_purpose: "FILE".into(),
                ..Package::default()
            },
        };
        let id = self.draft.add(Package {
            package_file_name: format!("./{path}"),
            checksums: vec![sha256(&digest)],
            ..package
        });
        let root = self.root.clone();
        self.draft.relate(&root, "CONTAINS", &id);
        Ok(())
    }

    fn finish(mut self) -> Document {
        let references = &mut self.draft.document.external_document_refs;
        references.sort_by(|one, other| one.external_document_id.cmp(&other.external_document_id));
        references.dedup();
        self.draft.document.comment = (!self.comments.is_empty()).then(|| self.comments.join("; "));
        self.draft.finish()
    }
}

/// The package in a file, if it is an RPM or a DEB.
pub(in crate::sbom) fn package_in(tree: &Tree, path: &str) -> Result<Option<Component>> {
    let is = |extension| Path::new(path).extension().is_some_and(|found| found == extension);
    if !path.starts_with(layout::PACKAGES) || !(is("rpm") || is("deb")) {
        return Ok(None);
    }
    let location = tree.locate(path)?;
    let failed =
        |error: packages::Error| Error::Content { file: path.to_owned(), problem: error.to_string() };
    if is("rpm") {
        let found = RpmDescription::read(location.reader(), Path::new(path)).map_err(failed)?;
        return Ok(Some(of_rpm(&found)));
    }
    let control = DebPackage::control(location.reader(), Path::new(path)).map_err(failed)?;
    let component = sbom::sources::of_control(&control);
    component.map(Some).ok_or_else(|| Error::Content {
        file: path.to_owned(),
        problem: "the control file has no name or version".into(),
    })
}

/// Whether the document of an archive names the file at `path`, which is not [`LEFT_OUT`].
fn is_named(path: &str, kind: &EntryKind) -> bool {
    *kind == EntryKind::File && !matches!(layout::owner(path), layout::PathOwner::Repository { .. })
}
