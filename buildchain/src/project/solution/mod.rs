//! What makes an archive a Solution.

mod draft;
mod scaffold;

use std::collections::BTreeMap;

use archive::solution::manifest::{self, SolutionManifest};
use archive::solution::{ImageTag, requirement};
use archive::{ArchiveId, Product};

pub use self::draft::{DraftError, SolutionDraft};
pub use self::scaffold::{Scaffold, ScaffoldFile, SolutionName};
use super::model::Project;
use super::names::ImageOfArchive;

/// The group of the documented annotations.
const GROUP: &str = "solutions.metalk8s.scality.com";

/// What a project says about its Solution.
#[derive(Debug, Clone)]
pub struct SolutionDefinition {
    /// The image of the operator.
    pub operator: Option<ImageOfArchive>,
    /// The image of the user interface.
    pub ui: Option<ImageOfArchive>,
    /// The annotations, except those of the build.
    pub annotations: BTreeMap<String, String>,
    /// The file that describes the archive.
    pub layout: SolutionLayout,
}

/// The file that describes a Solution.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SolutionLayout {
    /// `manifest.yaml`.
    #[default]
    Manifest,
    /// `product.txt`, as MetalK8s had it in 2019.
    Product,
}

/// The key of an annotation in full.
pub(in crate::project) fn annotation_key(key: &str) -> String {
    if key.contains('/') { key.to_owned() } else { format!("{GROUP}/{key}") }
}

/// The images of a manifest in the order of the guidelines: by name, then the operator, then the user interface.
fn listed(mut images: Vec<ImageTag>, operator: Option<&ImageTag>, ui: Option<&ImageTag>) -> Vec<ImageTag> {
    images.sort();
    images.dedup();
    // A stable sort: the others keep the order of their names.
    images.sort_by_key(|image| (Some(image) == ui, Some(image) == operator));
    images
}

impl Project {
    /// The images of the archive, each tag once, in the order of their names.
    #[must_use]
    pub fn image_tags(&self) -> Vec<ImageTag> {
        let pulled = self.pull.iter().flat_map(|pull| pull.all_tags().map(|tag| (&pull.name, tag)));
        let built = self.images.iter().flat_map(|image| image.tags.iter().map(|tag| (&image.name, tag)));
        let tags = pulled.chain(built);
        let mut tags: Vec<ImageTag> = tags
            .map(|(name, tag)| ImageTag { name: name.as_str().to_owned(), tag: tag.as_str().to_owned() })
            .collect();
        tags.sort();
        tags.dedup();
        tags
    }

    /// The image of the archive that `wanted` means: the only one with the name; of several, the one with the version of the
    /// project.
    ///
    /// # Errors
    ///
    /// A sentence: no image has the name, or several have it.
    pub(in crate::project) fn image_of_archive(&self, wanted: &ImageOfArchive) -> Result<ImageTag, String> {
        let all = self.image_tags();
        let named: Vec<&ImageTag> = all.iter().filter(|image| image.name == wanted.name).collect();
        let tag = wanted.tag.as_ref();
        let found = match (tag, named.as_slice()) {
            (Some(tag), _) => named.iter().find(|image| image.tag == *tag),
            (None, [only]) => Some(only),
            (None, several) => several.iter().find(|image| image.tag == self.values.version),
        };
        if let Some(found) = found {
            return Ok((*found).clone());
        }
        let names = |images: &[&ImageTag]| {
            images.iter().map(|image| format!("`{image}`")).collect::<Vec<_>>().join(", ")
        };
        match (named.is_empty(), tag) {
            (false, None) => Err(format!("several images have the name: write one of {}", names(&named))),
            (false, Some(_)) => Err(format!("the archive has {}, not `{wanted}`", names(&named))),
            (true, _) if all.is_empty() => {
                Err(format!("the archive has no image `{wanted}`: add it to `images`"))
            }
            (true, _) => {
                let shown: Vec<&ImageTag> = all.iter().take(10).collect();
                Err(format!(
                    "the archive has no image `{wanted}`: add it to `images`, which has {}",
                    names(&shown)
                ))
            }
        }
    }

    /// The manifest of the Solution; `git` is the commit that is built. `None` if the archive is not a Solution.
    #[must_use]
    pub fn solution_manifest(&self, git: Option<&str>) -> Option<SolutionManifest> {
        let solution = self.solution.as_ref()?;
        let mut annotations = solution.annotations.clone();
        let built = [
            (manifest::BUILD_TIMESTAMP, archive::product::timestamp(self.source_date)),
            (manifest::GIT_REVISION, git.map(str::to_owned)),
        ];
        for (key, value) in built {
            if let Some(value) = value {
                annotations.entry(key.to_owned()).or_insert(value);
            }
        }
        // Images that are not locked yet are missing: nothing is built then.
        let image = |image: &Option<ImageOfArchive>| self.image_of_archive(image.as_ref()?).ok();
        let (operator, ui) = (image(&solution.operator), image(&solution.ui));
        Some(SolutionManifest {
            name: self.values.slug.clone(),
            version: self.values.version.clone(),
            annotations,
            labels: BTreeMap::new(),
            images: listed(self.image_tags(), operator.as_ref(), ui.as_ref()),
            operator,
            ui,
        })
    }

    /// The product information of the archive, for `product.txt`; `git` is the commit that is built.
    #[must_use]
    pub fn product(&self, git: Option<String>) -> Product {
        let mut product = Product {
            name: self.values.name.clone(),
            version: self.values.version.clone(),
            short_version: Some(self.values.short_version.clone()),
            git,
            development_release: self.values.version.contains('-'),
            build_timestamp: archive::product::timestamp(self.source_date),
            other: Vec::new(),
        };
        if let Some(solution) = &self.solution {
            if let Some(range) = solution.annotations.get(manifest::REQUIRE_METALK8S) {
                product.other.push((requirement::PRODUCT_KEY.to_owned(), range.clone()));
            }
            product.other.push((requirement::LAYOUT_KEY.to_owned(), requirement::LAYOUT_VERSION.to_owned()));
        }
        product
    }

    /// The ID of the archive on a node.
    #[must_use]
    pub fn id(&self) -> ArchiveId {
        self.product(None).id()
    }
}
