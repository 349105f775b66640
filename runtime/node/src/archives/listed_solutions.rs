//! Listing the Solutions of a node, without reading the content of their archives.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use archive::solution::{ImageTag, SolutionManifest};
use archive::verify::{Verification, VerifyOptions};
use archive::{Tree, image, layout, product, version};

use super::error::Error;
use super::list::{ListedArchive, ListedArchiveKind, get};
use super::lists::read;
use super::machine::Machine;
use super::node_layout::NodeLayout;
use super::solutions::LATEST;
use crate::site_config::ConfigurationKind;

/// A version of a Solution on a node.
#[derive(Clone, Debug)]
pub struct ListedSolution {
    /// Its name; `None` if its archive cannot be read.
    pub name: Option<String>,
    /// Its version; `None` if its archive cannot be read.
    pub version: Option<String>,
    /// The name that people read.
    pub display_name: Option<String>,
    /// Whether it is the active version.
    pub active: bool,
    /// What is known of it without reading its content.
    pub health: SolutionHealth,
    /// Whether its content can be verified: it has checksums or an implanted MD5. `None` if it cannot be read.
    pub verifiable: Option<bool>,
    /// Its images: those of its manifest, or in the older layout those of its archive.
    pub images: Vec<String>,
    /// The image of its operator.
    pub operator: Option<ImageTag>,
    /// The image of its user interface.
    pub ui: Option<ImageTag>,
    /// What is wrong with it.
    pub problem: Option<String>,
    /// Its archive; `None` for an active version that is not imported.
    pub archive: Option<ListedArchive>,
}

/// What is known of a Solution without reading the content of its archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SolutionHealth {
    /// All images are in its archive, with all of their blobs.
    Complete,
    /// Images or blobs are missing.
    Incomplete,
    /// Its archive cannot be read.
    Unreadable,
    /// Its archive does not exist, or it is active and not imported.
    Missing,
}

/// The Solutions of a node by their names and versions, the oldest version first; those that cannot be read are last.
///
/// # Errors
///
/// [`Error::Configuration`].
pub fn solutions(paths: &NodeLayout, machine: &dyn Machine) -> Result<Vec<ListedSolution>, Error> {
    let mut named: BTreeMap<String, Vec<ListedSolution>> = BTreeMap::new();
    let mut unreadable = Vec::new();
    let archives = get(paths, machine)?.into_iter().filter(|one| one.kind == ListedArchiveKind::Solution);
    for solution in archives.map(listed) {
        match &solution.name {
            Some(name) => named.entry(name.clone()).or_default().push(solution),
            None => unreadable.push(solution),
        }
    }
    let configuration = read(paths, ConfigurationKind::Solutions)?;
    for (name, wanted) in configuration.active() {
        let versions = named.entry(name.clone()).or_default();
        let is_imported = versions.iter().any(|one| wanted == LATEST || one.version.as_ref() == Some(wanted));
        if !is_imported {
            versions.push(not_imported(name, wanted));
        }
    }
    for versions in named.values_mut() {
        version::sort(versions, |one| one.version.as_deref().unwrap_or_default());
    }
    Ok(named.into_values().flatten().chain(unreadable).collect())
}

/// The version of a Solution that is active without an archive.
fn not_imported(name: &str, version: &str) -> ListedSolution {
    ListedSolution {
        name: Some(name.to_owned()),
        version: Some(version.to_owned()),
        display_name: None,
        active: true,
        health: SolutionHealth::Missing,
        verifiable: None,
        images: Vec::new(),
        operator: None,
        ui: None,
        problem: Some("it is active, but not imported".to_owned()),
        archive: None,
    }
}

fn listed(archive: ListedArchive) -> ListedSolution {
    let content = match &archive.product {
        Some(_) => content(&archive.path),
        None => Ok(Content::default()),
    };
    let problem = archive.problem.clone();
    let (content, problem) = match content {
        Ok(content) => {
            let missing = content.missing.first().map(|image| format!("it has no image {image}"));
            (content, problem.or(missing))
        }
        Err(error) => (Content::default(), Some(error.to_string())),
    };
    let health = match (&archive.product, archive.images) {
        (None, _) if archive.missing => SolutionHealth::Missing,
        (Some(_), Some(count)) if content.verifiable.is_some() => {
            let is_complete = count.whole == count.total && content.missing.is_empty();
            if is_complete { SolutionHealth::Complete } else { SolutionHealth::Incomplete }
        }
        _ => SolutionHealth::Unreadable,
    };
    let manifest = content.manifest;
    ListedSolution {
        name: archive.product.as_ref().map(|product| product.name.clone()),
        version: archive.product.as_ref().map(|product| product.version.clone()),
        display_name: manifest.as_ref().map(|manifest| manifest.display_name().to_owned()),
        active: archive.active,
        health,
        verifiable: content.verifiable,
        images: content.images,
        operator: manifest.as_ref().and_then(|manifest| manifest.operator.clone()),
        ui: manifest.and_then(|manifest| manifest.ui),
        problem,
        archive: Some(archive),
    }
}

/// What an archive says about its Solution.
#[derive(Default)]
struct Content {
    /// `None` in the older layout.
    manifest: Option<SolutionManifest>,
    images: Vec<String>,
    /// Images of the manifest that the archive does not have.
    missing: Vec<String>,
    verifiable: Option<bool>,
}

/// Reads the manifests of an archive, its own and those of its images.
fn content(path: &Path) -> archive::Result<Content> {
    let tree = Tree::open(path)?;
    let manifest = product::solution_manifest(&tree)?;
    let stored = image::list(&tree, layout::IMAGES)?;
    let stored: BTreeSet<String> =
        stored.iter().map(|image| format!("{}:{}", image.name, image.tag)).collect();
    let named: Vec<String> = match &manifest {
        None => Vec::new(),
        Some(manifest) => {
            let parts = [&manifest.operator, &manifest.ui].into_iter().flatten();
            manifest.images.iter().chain(parts).map(ToString::to_string).collect()
        }
    };
    let missing = named.iter().filter(|image| !stored.contains(*image)).cloned().collect();
    let images = match &manifest {
        Some(manifest) => manifest.images.iter().map(ToString::to_string).collect(),
        None => stored.into_iter().collect(),
    };
    let verifiable = Verification::of(tree, &VerifyOptions::default())?.can_verify();
    Ok(Content { manifest, images, missing, verifiable: Some(verifiable) })
}
