//! The images of the archive, compared with the manifest and with each other.

use super::finding::{Findings, Place};
use super::manifest::Declared;
use super::table::CheckName;
use crate::image::{ArchiveImage, ImageIndex};
use crate::inspect::{CONFIGS_LIMIT, platforms};
use crate::layout::image_folder;
use crate::solution::ImageTag;
use crate::{Tree, layout};

/// The images of an archive as they are visited.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) index: ImageIndex,
    images: Vec<FoundImage>,
    /// How many bytes of configurations may still be read.
    configs: u64,
}

#[derive(Debug)]
struct FoundImage {
    name: String,
    tag: String,
    platforms: Vec<String>,
    foreign: u32,
}

impl Contents {
    pub(super) fn new() -> Self {
        Self { index: ImageIndex::default(), images: Vec::new(), configs: CONFIGS_LIMIT }
    }

    pub(super) fn add(&mut self, tree: &Tree, image: &ArchiveImage) {
        self.index.add(image);
        self.images.push(FoundImage {
            name: image.name.clone(),
            tag: image.tag.clone(),
            platforms: platforms(tree, image, &mut self.configs),
            foreign: image.stored().fold(0, |sum, stored| sum.saturating_add(stored.manifest.foreign)),
        });
    }

    /// Whether the archive has an image, whole or not.
    fn has(&self, image: &ImageTag) -> bool {
        self.index.has(&image.name, &image.tag)
    }

    pub(super) fn check(&self, tree: &Tree, declared: &Declared, findings: &mut Findings) {
        for listed in declared.images.iter().flatten() {
            let image = &listed.image;
            if !self.has(image) {
                let folder = image_folder(&image.name, &image.tag);
                let problem = match tree.entry(&folder) {
                    Ok(Some(_)) => {
                        format!("spec.images lists {image}, but {folder} has no {}", layout::IMAGE_MANIFEST)
                    }
                    _ => format!("spec.images lists {image}, which the archive does not have"),
                };
                findings.add(CheckName::ImageMissing, listed.place.clone(), problem);
            }
        }
        let is_listed = |image: &ImageTag| {
            declared.images.as_ref().is_none_or(|images| images.iter().any(|listed| listed.image == *image))
        };
        for (component, what, missing) in [
            (&declared.operator, "the operator", CheckName::OperatorImageMissing),
            (&declared.ui, "the user interface", CheckName::UiImageMissing),
        ] {
            let Some(component) = component else { continue };
            let image = &component.image;
            if !self.has(image) {
                let problem = format!("the archive does not have the image of {what}, {image}");
                findings.add(missing, component.place.clone(), problem);
            }
            if !is_listed(image) {
                let problem = format!("spec.images does not list the image of {what}, {image}");
                findings.add(CheckName::OperatorImageUnlisted, component.place.clone(), problem);
            }
        }
        self.check_default_operator(declared, findings);
        for image in &self.images {
            self.check_image(image, declared, findings);
        }
    }

    /// MetalK8s has a default for a manifest that names no operator.
    fn check_default_operator(&self, declared: &Declared, findings: &mut Findings) {
        let names_none = declared.operator.is_none() && declared.is_manifest && !declared.name.is_empty();
        if !names_none || declared.version.is_empty() || findings.has(CheckName::ManifestInvalid) {
            return;
        }
        let (name, tag) = (format!("{}-operator", declared.name), &declared.version);
        if !self.index.has(&name, tag) {
            let problem = format!(
                "the manifest has no spec.operator.image, and the archive does not have the default, {name}:{tag}"
            );
            findings.add(CheckName::OperatorImageMissing, Place::file(crate::layout::MANIFEST), problem);
        }
    }

    fn check_image(&self, image: &FoundImage, declared: &Declared, findings: &mut Findings) {
        let FoundImage { name, tag, platforms, foreign } = image;
        let place = || Place::file(image_folder(name, tag));
        // A manifest without images has another finding, or is one of the older layout.
        if let Some(images) = &declared.images
            && !images.iter().any(|listed| listed.image.name == *name && listed.image.tag == *tag)
        {
            let is_component = [&declared.operator, &declared.ui]
                .into_iter()
                .flatten()
                .any(|component| component.image.name == *name && component.image.tag == *tag);
            if !is_component {
                findings.add(
                    CheckName::ImageUnlisted,
                    place(),
                    format!("spec.images does not list {name}:{tag}"),
                );
            }
        }
        if tag == "latest" {
            findings.add(CheckName::ImageLatest, place(), format!("the tag of {name} is `latest`"));
        }
        if *foreign > 0 {
            let layers = if *foreign == 1 {
                "a foreign layer".to_owned()
            } else {
                format!("{foreign} foreign layers")
            };
            findings.add(CheckName::ImageForeignLayer, place(), format!("{name}:{tag} has {layers}"));
        }
        let operator = declared.operator.as_ref().and_then(|operator| {
            let is_operator =
                |image: &&FoundImage| image.name == operator.image.name && image.tag == operator.image.tag;
            self.images.iter().find(is_operator)
        });
        // Platforms of a damaged image are not known.
        if let Some(operator) = operator.filter(|_| !platforms.is_empty()) {
            let lacking: Vec<&str> = operator
                .platforms
                .iter()
                .filter(|platform| !platforms.contains(platform))
                .map(String::as_str)
                .collect();
            if !lacking.is_empty() {
                let problem = format!(
                    "{name}:{tag} is for {}, and not for {}, which the image of the operator has",
                    platforms.join(", "),
                    lacking.join(", ")
                );
                findings.add(CheckName::ImagePlatform, place(), problem);
            }
        }
    }
}
