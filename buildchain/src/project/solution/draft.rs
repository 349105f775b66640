//! A project file for a Solution that is described by options: `sealift solution build --name …`.

use std::collections::BTreeMap;
use std::path::Path;

use archive::layout;
use archive::requires::VersionRange;
use archive::solution::ImageTag;
use archive::solution::manifest::{self, SolutionManifest};

use super::annotation_key;
use crate::project::init::text::value;
use crate::project::names::{ArchiveName, ImageSource, ParsedName as _, Version};

/// A Solution that options describe.
#[derive(Debug, Clone)]
pub struct SolutionDraft {
    /// Its name.
    pub name: ArchiveName,
    /// Its version.
    pub version: Version,
    /// The image of the operator.
    pub operator: Option<ImageTag>,
    /// The image of the user interface.
    pub ui: Option<ImageTag>,
    /// Further images.
    pub images: Vec<ImageTag>,
    /// Where images come from, by name or by `NAME:TAG`, as the project file writes it. Default: `images/NAME/TAG`, else
    /// `images/NAME` to build.
    pub sources: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: Vec<(String, String)>,
    /// The versions of MetalK8s that it needs.
    pub requirement: Option<VersionRange>,
    /// Whether `product.txt` describes it, as in 2019.
    pub is_2019: bool,
}

/// Why there is no project for a draft.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DraftError {
    /// No source for an image.
    #[error(
        "no source for the image {0}: the folder has neither `images/{name}/{tag}` as skopeo's `dir:` writes it, nor an image to build in `images/{name}`",
        name = .0.name, tag = .0.tag
    )]
    NoSource(ImageTag),
    /// A source for an image that is not one of the Solution.
    #[error("`{}` is the source of no image of the Solution", content::printable(.0))]
    Unused(String),
    /// The source of an image has another tag.
    #[error("the image {image} comes from `{}`, which has another tag", content::printable(source_text))]
    OtherTag {
        /// The image.
        image: ImageTag,
        /// The source.
        source_text: String,
    },
}

impl SolutionDraft {
    /// All images, each once.
    fn all_images(&self) -> Vec<&ImageTag> {
        let mut all: Vec<&ImageTag> = self.operator.iter().chain(&self.ui).chain(&self.images).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The manifest, without annotations of a build. The images need not exist.
    #[must_use]
    pub fn manifest(&self) -> SolutionManifest {
        let mut annotations: BTreeMap<String, String> =
            self.annotations.iter().map(|(key, value)| (annotation_key(key), value.clone())).collect();
        if let Some(range) = &self.requirement {
            annotations.insert(manifest::REQUIRE_METALK8S.to_owned(), range.to_string());
        }
        annotations.entry(manifest::DISPLAY_NAME.to_owned()).or_insert_with(|| self.name.as_str().to_owned());
        SolutionManifest {
            name: self.name.as_str().to_ascii_lowercase(),
            version: self.version.as_str().to_owned(),
            annotations,
            labels: BTreeMap::new(),
            images: super::listed(
                self.all_images().into_iter().cloned().collect(),
                self.operator.as_ref(),
                self.ui.as_ref(),
            ),
            operator: self.operator.clone(),
            ui: self.ui.clone(),
        }
    }

    /// The content of the project file for the folder `root`.
    ///
    /// # Errors
    ///
    /// An image has no source, or a source has no image.
    pub fn project_text(&self, root: &Path) -> Result<String, DraftError> {
        let mut unused: BTreeMap<&str, &str> =
            self.sources.iter().map(|(image, source)| (image.as_str(), source.as_str())).collect();
        let (mut pull, mut build) = (String::new(), String::new());
        for image in self.all_images() {
            let ImageTag { name, tag } = image;
            let (as_name, as_tag) = (value(name), value(tag));
            let full = image.to_string();
            let given = self.sources.get(&full).or_else(|| self.sources.get(name));
            unused.remove(full.as_str());
            unused.remove(name.as_str());
            let inner = layout::image_folder(name, tag);
            let folder = format!("{}/{name}", layout::IMAGES);
            if let Some(source) = given {
                // An invalid source is a mistake of the project file.
                let own_tag = match ImageSource::parse(source) {
                    Ok(ImageSource::Registry(reference)) => reference.given_tag().map(str::to_owned),
                    Ok(ImageSource::Engine(engine)) => engine.reference().given_tag().map(str::to_owned),
                    Ok(ImageSource::Local(_)) | Err(_) => None,
                };
                if own_tag.as_ref().is_some_and(|own_tag| own_tag != tag) {
                    return Err(DraftError::OtherTag { image: image.clone(), source_text: source.clone() });
                }
                let has_tag = own_tag.is_some();
                let tag = if has_tag { String::new() } else { format!(", tag: {as_tag}") };
                pull += &format!("      - {{name: {as_name}, source: {}{tag}}}\n", value(source));
            } else if root.join(&inner).join(layout::IMAGE_MANIFEST).is_file() {
                let source = value(&format!("dir:{inner}"));
                pull += &format!("      - {{name: {as_name}, source: {source}, tag: {as_tag}}}\n");
            } else if ["image.yaml", "Containerfile"]
                .iter()
                .any(|file| root.join(&folder).join(file).is_file())
            {
                build += &format!("      - {{folder: {}, name: {as_name}, tag: {as_tag}}}\n", value(&folder));
            } else {
                return Err(DraftError::NoSource(image.clone()));
            }
        }
        if let Some((image, _)) = unused.first_key_value() {
            return Err(DraftError::Unused((*image).to_owned()));
        }
        let mut text = format!(
            "apiVersion: {}\nkind: Solution\nmetadata: {{name: {}, version: {}}}\nspec:\n  images:\n",
            crate::project::file::API_VERSION,
            value(self.name.as_str()),
            value(self.version.as_str())
        );
        for (key, entries) in [("pull", pull), ("build", build)] {
            let form = if entries.is_empty() { " []\n".to_owned() } else { format!("\n{entries}") };
            text += &format!("    {key}:{form}");
        }
        text += "  solution:\n";
        for (key, image) in [("operator", &self.operator), ("ui", &self.ui)] {
            if let Some(image) = image {
                text += &format!("    {key}: {}\n", value(&image.to_string()));
            }
        }
        if let Some(range) = &self.requirement {
            text += &format!("    requireMetalk8s: {}\n", value(&range.to_string()));
        }
        if self.is_2019 {
            text += "    layout: 2019\n";
        }
        let annotations: BTreeMap<&str, &str> =
            self.annotations.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        text += if annotations.is_empty() { "    annotations: {}\n" } else { "    annotations:\n" };
        for (key, annotation) in annotations {
            // Keys are no templates.
            text += &format!("      {}: {}\n", archive::yaml::scalar(key), value(annotation));
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> SolutionDraft {
        SolutionDraft {
            name: ArchiveName::parse("Example").unwrap(),
            version: Version::parse("1.0.0").unwrap(),
            operator: Some("example-operator:1.0.0".parse().unwrap()),
            ui: None,
            images: vec!["base-server:2".parse().unwrap(), "base-server:2".parse().unwrap()],
            sources: BTreeMap::new(),
            annotations: vec![("display-name".into(), "An: {{ example }}".into())],
            requirement: None,
            is_2019: false,
        }
    }

    #[test]
    fn options_become_a_project_file() {
        let root = tempfile::tempdir().unwrap();
        let mut draft = draft();
        let missing = draft.project_text(root.path()).unwrap_err();
        assert_eq!(missing, DraftError::NoSource("base-server:2".parse().unwrap()));
        let saved = root.path().join("images/base-server/2");
        std::fs::create_dir_all(&saved).unwrap();
        std::fs::write(saved.join("manifest.json"), "{}").unwrap();
        draft.sources.insert("example-operator".into(), "docker://quay.io/team/operator:1.0.0".into());
        assert_eq!(
            draft.project_text(root.path()).unwrap(),
            "\
apiVersion: sealift.dev/v1alpha1
kind: Solution
metadata: {name: Example, version: 1.0.0}
spec:
  images:
    pull:
      - {name: base-server, source: dir:images/base-server/2, tag: '2'}
      - {name: example-operator, source: docker://quay.io/team/operator:1.0.0}
    build: []
  solution:
    operator: example-operator:1.0.0
    annotations:
      display-name: 'An: {{ ''{{'' }} example }}'
"
        );
        draft.sources.insert("example-operator:1.0.0".into(), "quay.io/team/operator:2".into());
        assert!(draft.project_text(root.path()).unwrap_err().to_string().contains("which has another tag"));
        draft.sources = BTreeMap::from([("other".into(), "quay.io/a:1".into())]);
        std::fs::create_dir_all(root.path().join("images/example-operator")).unwrap();
        std::fs::write(root.path().join("images/example-operator/image.yaml"), "").unwrap();
        assert_eq!(draft.project_text(root.path()).unwrap_err(), DraftError::Unused("other".into()));
    }

    #[test]
    fn the_manifest_of_options_needs_no_images() {
        let manifest = draft().manifest();
        assert_eq!((manifest.name.as_str(), manifest.display_name()), ("example", "An: {{ example }}"));
        assert_eq!(manifest.images.len(), 2);
        assert_eq!(SolutionManifest::parse(&manifest.render()).unwrap(), manifest);
    }
}
