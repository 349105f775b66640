//! Packages in images that differ, by the SBOMs in both archives.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{ImageDifference, PackageChange, TaggedDigest, differing};
use crate::sbom::spdx::Document;
use crate::sbom::{Ecosystem, compare_versions};
use crate::tree::EntryKind;
use crate::{Result, Tree, layout, sbom};

/// A package in an image that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImagePackageDifference {
    /// The name of the image.
    pub image: String,
    /// Where the package comes from.
    pub ecosystem: Ecosystem,
    /// The name of the package.
    pub name: String,
    /// The architecture; empty if it has none.
    pub arch: String,
    /// The versions that only the former image has.
    pub former: Vec<String>,
    /// The versions that only the new image has.
    pub new: Vec<String>,
}

impl ImagePackageDifference {
    /// How the package differs.
    #[must_use]
    pub fn change(&self) -> PackageChange {
        match (&self.former[..], &self.new[..]) {
            ([], _) => PackageChange::Added,
            (_, []) => PackageChange::Removed,
            ([former], [new]) => match compare_versions(self.ecosystem, former, new) {
                Ordering::Less => PackageChange::Upgraded,
                Ordering::Greater => PackageChange::Downgraded,
                Ordering::Equal => PackageChange::Changed,
            },
            _ => PackageChange::Changed,
        }
    }
}

/// What names a package: two packages of these values are two versions of it.
type Key = (Ecosystem, String, String);

/// The packages of the images that differ, where both archives have an SBOM of them.
pub(super) fn image_packages(
    former: &Tree,
    new: &Tree,
    images: &[ImageDifference],
) -> Result<Vec<ImagePackageDifference>> {
    let mut found = Vec::new();
    for image in images {
        let (Some(before), Some(after)) =
            (packages(former, &image.name, &image.former)?, packages(new, &image.name, &image.new)?)
        else {
            continue;
        };
        let listed = differing(before, after).into_iter();
        found.extend(listed.map(|((ecosystem, name, arch), former, new)| ImagePackageDifference {
            image: image.name.clone(),
            ecosystem,
            name,
            arch,
            former,
            new,
        }));
    }
    Ok(found)
}

/// The versions of the packages in an image with these tags; `None` if there is no readable SBOM of one of them.
fn packages(
    tree: &Tree,
    name: &str,
    tags: &[TaggedDigest],
) -> Result<Option<BTreeMap<Key, BTreeSet<String>>>> {
    let mut packages: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
    for tag in tags {
        let path = layout::image_sbom(name, &tag.tag);
        if tree.entry(&path)?.is_none_or(|entry| entry.kind != EntryKind::File) {
            return Ok(None);
        }
        let Ok(document) = Document::read(&tree.read(&path, sbom::spdx::DOCUMENT_MAX)?) else {
            return Ok(None);
        };
        for (_, component) in document.components() {
            let key = (component.ecosystem, component.name, component.arch);
            packages.entry(key).or_default().insert(component.version);
        }
    }
    Ok((!tags.is_empty()).then_some(packages))
}

/// Whether a file is an SBOM that another difference explains: that of the archive, or of an image that differs.
pub(super) fn is_explained(path: &str, images: &[ImageDifference]) -> bool {
    let of_image = |image: &ImageDifference| {
        let mut tags = image.former.iter().chain(&image.new);
        tags.any(|tag| layout::image_sbom(&image.name, &tag.tag) == path)
    };
    path == layout::ARCHIVE_SBOM || images.iter().any(of_image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Comparing;
    use crate::fixture::{image, put, sample};
    use crate::sbom::Component;
    use crate::sbom::spdx::image_document;
    use crate::sbom::{ImageContents, ManifestContents};

    fn document(components: &[(Ecosystem, &str, &str)]) -> String {
        let components =
            components.iter().map(|(ecosystem, name, version)| Component::new(*ecosystem, name, version));
        let digest = content::Digest::of(b"");
        let manifest = ManifestContents {
            digest,
            platform: None,
            vendor: None,
            created: None,
            distribution: None,
            components: components.collect(),
            notes: Vec::new(),
            upstream: None,
        };
        let (name, tag, repository) = ("app".into(), "1".into(), None);
        image_document(&ImageContents { name, tag, digest, repository, manifests: vec![manifest] }, None, "S")
            .write()
    }

    #[test]
    fn packages_of_images_go_up_and_down() {
        let (former, new) = (sample(), sample());
        let path = layout::image_sbom("app", "1");
        image(former.path(), "app", "1", b"{}", b"former");
        image(new.path(), "app", "1", b"{}", b"new");
        use Ecosystem::{Deb, Npm, Rpm};
        let before = document(&[
            (Rpm, "up", "1:1.9-1"),
            (Deb, "down", "2:1"),
            (Npm, "gone", "1.0.0"),
            (Rpm, "same", "1-1"),
        ]);
        let after = document(&[
            (Rpm, "up", "1:1.10-1"),
            (Deb, "down", "9"),
            (Npm, "added", "1.0.0"),
            (Rpm, "same", "1-1"),
        ]);
        let changes = |former: &std::path::Path, new: &std::path::Path| {
            let found = Comparing::open(former, new).unwrap().run(&()).unwrap();
            let changes = found.image_packages.iter().map(|one| format!("{} {:?}", one.name, one.change()));
            (changes.collect::<Vec<_>>(), found.files.into_iter().map(|one| one.path).collect::<Vec<_>>())
        };
        put(former.path(), &path, before.as_bytes());
        // Without an SBOM on the other side, nothing can be said.
        assert_eq!(changes(former.path(), new.path()).0, [""; 0]);
        put(new.path(), &path, after.as_bytes());
        put(new.path(), layout::ARCHIVE_SBOM, b"{}");
        let (found, files) = changes(former.path(), new.path());
        assert_eq!(found, ["up Upgraded", "down Downgraded", "added Added", "gone Removed"]);
        assert_eq!(files, [""; 0]);
        // One that nothing explains is listed.
        image(former.path(), "app", "1", b"{}", b"new");
        let (found, files) = changes(former.path(), new.path());
        assert_eq!((found.len(), files.contains(&path)), (0, true), "{files:?}");
    }
}
