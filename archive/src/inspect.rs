//! What is in an archive, in milliseconds: only folders, manifests and product information are read.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use content::Digest;

use crate::requires::Requirement;
use crate::tree::{EntryKind, Tree};
use crate::verify::ArchiveForm;
use crate::{Product, Result, UnindexedPackages, image, layout, product, requires, unindexed_of};

/// The most bytes of an image configuration that is read for its platform.
const CONFIG_LIMIT: u64 = 4 << 20;
/// The most bytes of all of them together; from there on no platform is found.
pub(crate) const CONFIGS_LIMIT: u64 = 256 << 20;

/// What is in an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection {
    /// The archive, as it was named.
    pub archive: PathBuf,
    /// `iso` or `folder`.
    pub form: ArchiveForm,
    /// The volume ID of an ISO.
    pub volume_id: Option<String>,
    /// What `product.txt` or `manifest.yaml` says.
    pub product: Option<Product>,
    /// The archives that it requires.
    pub requires: Vec<Requirement>,
    /// The container images, sorted by name and tag.
    pub images: Vec<ImageSummary>,
    /// The bytes of the blobs of all images, those that images share counted once.
    pub image_content: u64,
    /// The package repositories, sorted by folder.
    pub repositories: Vec<RepositorySummary>,
    /// Packages that clients cannot find, since no metadata of a repository cover them.
    pub unindexed: Vec<UnindexedPackages>,
    /// The folders at the root of the archive, sorted; the files at the root itself are those of the empty name.
    pub folders: Vec<FolderSummary>,
    /// The number of files.
    pub files: u64,
    /// The bytes of all files together, content that files share counted for each.
    pub bytes: u64,
    /// The bytes of the ISO file itself.
    pub image_bytes: Option<u64>,
}

/// A container image of an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImageSummary {
    /// The name below `images/`.
    pub name: String,
    /// The tag.
    pub tag: String,
    /// The digest clients get for the tag; `None` if the manifest cannot be read.
    pub digest: Option<String>,
    /// The media type of the manifest or index.
    pub media_type: Option<String>,
    /// The platforms it is stored for, `linux/amd64`.
    pub platforms: Vec<String>,
    /// The bytes of its blobs.
    pub bytes: u64,
    /// Why it cannot be served, if so.
    pub problem: Option<image::ImageDefect>,
}

/// A package repository of an archive.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RepositorySummary {
    /// The folder below `packages/`.
    pub folder: String,
    /// The package files without extension, sorted.
    pub packages: Vec<String>,
    /// The bytes of the package files.
    pub bytes: u64,
}

/// A folder at the root of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FolderSummary {
    /// The name.
    pub name: String,
    /// The number of files in it and below.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
}

/// Looks into the archive at `path`.
///
/// # Errors
///
/// [`crate::Error`] when there is no archive at `path`, or its product information breaks its format.
pub fn inspect(path: &Path) -> Result<Inspection> {
    let tree = Tree::open(path)?;
    let product = product::of(&tree)?;
    let requires = requires::of(&tree, product.as_ref())?;
    inspect_tree(&tree, product, requires)
}

/// Looks into an open archive, with this product information and these requirements.
///
/// # Errors
///
/// [`crate::Error`]: a folder cannot be read, or the archive is larger than any real one.
pub fn inspect_tree(tree: &Tree, product: Option<Product>, requires: Vec<Requirement>) -> Result<Inspection> {
    let mut inspection = Inspection {
        archive: tree.path().to_path_buf(),
        form: if matches!(tree, Tree::Iso(_)) { ArchiveForm::Iso } else { ArchiveForm::Folder },
        volume_id: None,
        product,
        requires,
        images: Vec::new(),
        image_content: 0,
        repositories: Vec::new(),
        unindexed: Vec::new(),
        folders: Vec::new(),
        files: 0,
        bytes: 0,
        image_bytes: None,
    };
    if let Tree::Iso(image) = tree {
        inspection.volume_id = Some(image.volume_id().to_owned());
        inspection.image_bytes = image.file().metadata().ok().map(|data| data.len());
    }
    let mut repositories = BTreeMap::new();
    let mut folders: BTreeMap<String, FolderSummary> = BTreeMap::new();
    let entries = tree.walk()?;
    inspection.unindexed = unindexed_of(&entries);
    for (path, entry) in entries {
        if entry.kind != EntryKind::File {
            continue;
        }
        inspection.files += 1;
        inspection.bytes = inspection.bytes.saturating_add(entry.size);
        let name = path.split_once('/').map_or("", |(top, _)| top);
        let folder = match folders.get_mut(name) {
            Some(folder) => folder,
            None => folders.entry(name.to_owned()).or_insert_with_key(|name| FolderSummary {
                name: name.clone(),
                files: 0,
                bytes: 0,
            }),
        };
        folder.files += 1;
        folder.bytes = folder.bytes.saturating_add(entry.size);
        if let layout::PathOwner::Package { package, repository } = layout::owner(&path) {
            let summary = repositories.entry(repository).or_insert_with_key(|folder| RepositorySummary {
                folder: folder.clone(),
                packages: Vec::new(),
                bytes: 0,
            });
            summary.packages.push(package);
            summary.bytes = summary.bytes.saturating_add(entry.size);
        }
    }
    inspection.folders = folders.into_values().collect();
    inspection.repositories = repositories.into_values().collect();
    for summary in &mut inspection.repositories {
        summary.packages.sort();
    }
    let mut configs = CONFIGS_LIMIT;
    let mut counted: HashSet<Digest> = HashSet::new();
    image::each(tree, layout::IMAGES, &mut |image| {
        let new = image.blobs.iter().filter(|(digest, _)| counted.insert(**digest));
        let content = new.fold(0_u64, |sum, (_, blob)| sum.saturating_add(blob.entry.size));
        inspection.image_content = inspection.image_content.saturating_add(content);
        inspection.images.push(summary(tree, &image, &mut configs));
    })?;
    Ok(inspection)
}

fn summary(tree: &Tree, image: &image::ArchiveImage, configs: &mut u64) -> ImageSummary {
    let stored = image.manifest.as_ref().ok();
    ImageSummary {
        name: image.name.clone(),
        tag: image.tag.clone(),
        digest: stored.map(|stored| stored.digest.to_string()),
        media_type: stored.map(|stored| stored.manifest.kind.media_type().to_owned()),
        platforms: platforms(tree, image, configs),
        bytes: image.blobs.values().fold(0, |sum, blob| sum.saturating_add(blob.entry.size)),
        problem: image.whole().err(),
    }
}

/// The platforms of an image: those of the index for the existing manifests, or that of the configuration. `configs` is how many
/// bytes of configurations may still be read.
pub(crate) fn platforms(tree: &Tree, image: &image::ArchiveImage, configs: &mut u64) -> Vec<String> {
    let Ok(stored) = &image.manifest else { return Vec::new() };
    if !stored.manifest.kind.is_index() {
        return platform_of_config(tree, image, stored.manifest.config, configs).into_iter().collect();
    }
    let there = image.children.keys().flat_map(|digest| stored.manifest.listed(*digest));
    // Attestations are listed for the platform unknown/unknown.
    let named = there.flatten().filter(|platform| platform.os != "unknown");
    let mut platforms: Vec<String> = named.map(ToString::to_string).collect();
    platforms.sort();
    platforms.dedup();
    platforms
}

/// What a configuration says; `left` is how many bytes of configurations may still be read.
fn platform_of_config(
    tree: &Tree,
    image: &image::ArchiveImage,
    config: Option<Digest>,
    left: &mut u64,
) -> Option<String> {
    let blob = image.blobs.get(&config?)?;
    if blob.entry.size > CONFIG_LIMIT {
        return None;
    }
    *left = left.checked_sub(blob.entry.size)?;
    let config = tree.locate_entry(&blob.path, &blob.entry).ok()?.read_all().ok()?;
    let platform: images::manifest::Platform = serde_json::from_slice(&config).ok()?;
    (!platform.os.is_empty()).then(|| platform.to_string()).filter(|text| text.len() <= image::PLATFORM_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{LAYER, image, sample};

    #[test]
    fn what_is_in_it() {
        let folder = sample();
        let found = inspect(folder.path()).expect("inspected");
        assert_eq!(found.product.map(|product| product.id()), Some("sample-1.0".parse().unwrap()));
        assert_eq!(found.files, 10);
        let [app] = &found.images[..] else { panic!("{:?}", found.images) };
        assert_eq!((app.name.as_str(), app.tag.as_str()), ("library/app", "1.0"));
        assert_eq!(app.platforms, ["linux/amd64"]);
        assert_eq!(app.media_type.as_deref(), Some("application/vnd.oci.image.manifest.v1+json"));
        assert_eq!(app.problem, None);
        let [repository] = &found.repositories[..] else { panic!("{:?}", found.repositories) };
        assert_eq!(repository.folder, "redhat/8/sample-scality-el8");
        assert_eq!(repository.packages, ["app-1-1.x86_64"]);
        let folders: Vec<_> = found.folders.iter().map(|one| (one.name.as_str(), one.files)).collect();
        assert_eq!(folders, [("", 3), ("images", 4), ("packages", 2), ("salt", 1)]);
        assert_eq!(found.unindexed, []);
    }

    #[test]
    fn content_that_images_share_counts_once() {
        let folder = sample();
        image(folder.path(), "other", "2", b"{}", LAYER);
        let found = inspect(folder.path()).expect("inspected");
        let apart: u64 = found.images.iter().map(|image| image.bytes).sum();
        assert_eq!(found.image_content, apart - LAYER.len() as u64);
    }

    #[test]
    fn a_damaged_image_does_not_hide_the_others() {
        let folder = sample();
        let digest = image(folder.path(), "other", "2", b"{}", LAYER);
        std::fs::write(folder.path().join("images/library/app/1.0/manifest.json"), "{").expect("written");
        let found = inspect(folder.path()).expect("inspected");
        assert!(found.images[0].problem.as_ref().is_some_and(|problem| problem.to_string().contains("EOF")));
        assert_eq!(found.images[1].digest, Some(digest.to_string()));
        assert_eq!(found.images[1].platforms, [""; 0]);
    }
}
