//! The packages in the images and repositories of an archive.

use std::path::Path;

use archive::sbom::{Component, FoundPackages, PackageHolder, PackageQuery};
use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::output::document::Document;

/// The packages in the images and repositories of an archive.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ArchivePackages {
    /// The path of the archive, as it was given.
    archive: String,
    /// What was asked for; empty for all packages.
    query: String,
    /// The packages, sorted by what holds them.
    packages: Vec<HeldPackage>,
    /// What is not known about the content of images.
    notes: Vec<ContentNote>,
    /// How many images were read because the archive has no usable SBOM of them.
    images_read: usize,
}

impl Document for ArchivePackages {
    const KIND: &'static str = "ArchivePackages";
}

/// A package of an image or a repository.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct HeldPackage {
    /// The image that holds it, as `NAME:TAG`; null for a package of a repository.
    image: Option<String>,
    /// The folder of the repository below `packages/`; null for a package of an image.
    repository: Option<String>,
    /// `rpm`, `deb`, `apk`, `pypi`, `npm`, `golang` or `generic`.
    ecosystem: &'static str,
    /// Its name.
    name: String,
    /// Its version, with the epoch and the release.
    version: String,
    /// Its architecture; empty if it has none.
    arch: String,
    /// The source package, if it is known and has another name.
    source: Option<String>,
    /// Who supplies it, if it says so.
    supplier: Option<String>,
    /// Its license as it is written there.
    license: Option<String>,
    /// Its package URL.
    purl: String,
}

/// What is not known about the content of an image.
#[derive(Debug, Serialize, JsonSchema)]
struct ContentNote {
    /// The image: `NAME:TAG`.
    image: Option<String>,
    /// What is not known.
    note: String,
}

fn image(holder: &PackageHolder) -> Option<String> {
    match holder {
        PackageHolder::Image { name, tag } => Some(format!("{name}:{tag}")),
        PackageHolder::Repository { .. } => None,
    }
}

impl HeldPackage {
    fn of((holder, component): &(PackageHolder, Component)) -> Self {
        let known = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        Self {
            image: image(holder),
            repository: match holder {
                PackageHolder::Repository { folder } => Some(folder.clone()),
                PackageHolder::Image { .. } => None,
            },
            ecosystem: component.ecosystem.name(),
            name: component.name.clone(),
            version: component.version.clone(),
            arch: component.arch.clone(),
            source: known(&component.source),
            supplier: known(&component.supplier),
            license: known(&component.license),
            purl: component.purl(),
        }
    }
}

impl ArchivePackages {
    /// The document of what `query` found in the archive at `archive`.
    pub(crate) fn new(archive: &Path, query: &PackageQuery, found: &FoundPackages) -> Self {
        Self {
            archive: text(archive),
            query: query.to_string(),
            packages: found.packages.iter().map(HeldPackage::of).collect(),
            notes: found
                .notes
                .iter()
                .map(|(holder, note)| ContentNote { image: image(holder), note: note.clone() })
                .collect(),
            images_read: found.images_read,
        }
    }
}
