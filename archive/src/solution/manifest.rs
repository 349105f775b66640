//! `manifest.yaml`: what a Solution is called and which images it has.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use content::printable;
use images::reference::{check_repository, check_tag};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{API_VERSION, yaml_scalar};
use crate::{ArchiveId, Error, Product, Result, id, layout};

/// The most bytes of a `manifest.yaml`.
pub const LIMIT: u64 = 1024 * 1024;

/// The kind of a `manifest.yaml`.
pub const KIND: &str = "Solution";

/// The annotation with the name that people read.
pub const DISPLAY_NAME: &str = "solutions.metalk8s.scality.com/display-name";
/// The annotation with the time of the build: `2026-11-20T10:00:00Z`.
pub const BUILD_TIMESTAMP: &str = "solutions.metalk8s.scality.com/build-timestamp";
/// The annotation with the machine that built the archive.
pub const BUILD_HOST: &str = "solutions.metalk8s.scality.com/build-host";
/// The annotation that is `1` for anything but a final release.
pub const DEVELOPMENT_RELEASE: &str = "solutions.metalk8s.scality.com/development-release";
/// The annotation with the commit that was built, as `git describe` names it.
pub const GIT_REVISION: &str = "solutions.metalk8s.scality.com/git-revision";
/// The annotation with the range of versions of MetalK8s; see [`super::requirement`].
pub const REQUIRE_METALK8S: &str = "solutions.metalk8s.scality.com/require-metalk8s";

/// The `manifest.yaml` of a Solution.
///
/// ```
/// use archive::solution::SolutionManifest;
///
/// let manifest = SolutionManifest {
///     name: "example".into(),
///     version: "1.0.0".into(),
///     images: vec!["example-operator:1.0.0".parse()?],
///     operator: Some("example-operator:1.0.0".parse()?),
///     ..Default::default()
/// };
/// assert_eq!(SolutionManifest::parse(&manifest.render())?, manifest);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SolutionManifest {
    /// `metadata.name`: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// `spec.version`: letters, digits, `.`, `_`, `-`, `+`, `~`.
    pub version: String,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec.images`: every image of the archive.
    pub images: Vec<ImageTag>,
    /// `spec.operator.image`: the image of the operator.
    pub operator: Option<ImageTag>,
    /// `spec.ui.image`: the image of the user interface.
    pub ui: Option<ImageTag>,
}

/// An image of an archive: `example-operator:1.0.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageTag {
    /// The name below `images/`.
    pub name: String,
    /// The tag.
    pub tag: String,
}

/// Text that is not an image with its tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not an image of an archive such as `example-operator:1.0.0`: {reason}", printable(text))]
pub struct ImageTagError {
    text: String,
    reason: String,
}

impl ImageTag {
    /// An image of an archive.
    ///
    /// # Errors
    ///
    /// The name cannot be a repository of a registry, or the tag cannot be a tag.
    pub fn new(name: &str, tag: &str) -> Result<Self, ImageTagError> {
        let wrong = |reason: String| ImageTagError { text: format!("{name}:{tag}"), reason };
        check_repository(name).map_err(|reason| wrong(format!("its name {reason}")))?;
        check_tag(tag).map_err(|reason| wrong(format!("its tag {reason}")))?;
        Ok(Self { name: name.to_owned(), tag: tag.to_owned() })
    }
}

impl FromStr for ImageTag {
    type Err = ImageTagError;

    fn from_str(text: &str) -> Result<Self, ImageTagError> {
        let (name, tag) = text
            .rsplit_once(':')
            .ok_or_else(|| ImageTagError { text: text.to_owned(), reason: "it has no tag".into() })?;
        Self::new(name, tag)
    }
}

impl fmt::Display for ImageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.tag)
    }
}

impl Serialize for ImageTag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ImageTag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl SolutionManifest {
    /// Parses the content of a `manifest.yaml`. Unknown keys are ignored, as MetalK8s ignores them.
    ///
    /// # Errors
    ///
    /// [`Error::Limit`]: larger than [`LIMIT`]. [`Error::Content`]: invalid YAML, another `kind`, another group in
    /// `apiVersion`, a name or version unfit for a path, text that is not an image. [`Error::UnknownVersion`]: another version in
    /// `apiVersion`.
    pub fn parse(text: &str) -> Result<Self> {
        if text.len() as u64 > LIMIT {
            let found = text.len() as u64;
            return Err(Error::Limit { what: layout::MANIFEST.into(), limit: LIMIT, found });
        }
        let wrong = |problem: String| Error::Content { file: layout::MANIFEST.into(), problem };
        let file: File =
            serde_saphyr::from_str(text).map_err(|error| wrong(error.without_snippet().to_string()))?;
        if file.kind != KIND || file.api_version != API_VERSION {
            let (version, kind) = (file.api_version, file.kind);
            let problem =
                format!("expected apiVersion {API_VERSION} and kind {KIND}, found {version} and {kind}");
            return Err(match version.split_once('/') {
                Some((group, _))
                    if kind == KIND && API_VERSION.split_once('/').is_some_and(|own| own.0 == group) =>
                {
                    Error::UnknownVersion { file: layout::MANIFEST.into(), problem }
                }
                _ => wrong(problem),
            });
        }
        let component = |key: &str, component: Option<Component>| {
            let image = component.and_then(|component| component.image);
            image
                .map(|image| ImageTag::new(&image.name, &image.tag))
                .transpose()
                .map_err(|error| wrong(format!("spec.{key}.image: {error}")))
        };
        let manifest = Self {
            operator: component("operator", file.spec.operator)?,
            ui: component("ui", file.spec.ui)?,
            name: file.metadata.name,
            version: file.spec.version,
            annotations: file.metadata.annotations.unwrap_or_default(),
            labels: file.metadata.labels.unwrap_or_default(),
            images: file.spec.images.unwrap_or_default(),
        };
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks that name and version are fit to name a folder and a URL.
    ///
    /// # Errors
    ///
    /// [`Error::Content`] naming the key and its value.
    pub fn check(&self) -> Result<()> {
        id::check_part(layout::MANIFEST, "metadata.name", &self.name, id::NAME_SIGNS)?;
        id::check_part(layout::MANIFEST, "spec.version", &self.version, id::VERSION_SIGNS)
    }

    /// The ID, `NAME-VERSION`.
    #[must_use]
    pub fn id(&self) -> ArchiveId {
        ArchiveId::of(&self.name, &self.version)
    }

    /// The first part of the names of its images in a registry; see [`Product::repository_prefix`].
    #[must_use]
    pub fn repository_prefix(&self) -> String {
        self.id().repository_prefix()
    }

    /// The name that people read: the annotation, else the name.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.annotation(DISPLAY_NAME).unwrap_or(&self.name)
    }

    /// The value of an annotation that is not empty.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The product information that the manifest holds. [`Product::other`] has the requirement of MetalK8s.
    #[must_use]
    pub fn product(&self) -> Product {
        let owned = |key| self.annotation(key).map(str::to_owned);
        Product {
            name: self.name.clone(),
            version: self.version.clone(),
            short_version: None,
            git: owned(GIT_REVISION),
            development_release: self.annotation(DEVELOPMENT_RELEASE) == Some("1"),
            build_timestamp: owned(BUILD_TIMESTAMP),
            other: owned(REQUIRE_METALK8S)
                .map(|range| (REQUIRE_METALK8S.to_owned(), range))
                .into_iter()
                .collect(),
        }
    }

    /// The content of `manifest.yaml`: the keys in the order of the documents, annotations and labels in the order of their
    /// names, the images in their order here.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("apiVersion: {API_VERSION}\nkind: {KIND}\nmetadata:\n");
        for (key, entries) in [("annotations", &self.annotations), ("labels", &self.labels)] {
            if entries.is_empty() {
                text += &format!("  {key}: {{}}\n");
                continue;
            }
            text += &format!("  {key}:\n");
            for (name, value) in entries {
                text += &format!("    {}: {}\n", yaml_scalar(name), yaml_scalar(value));
            }
        }
        text += &format!("  name: {}\nspec:\n", yaml_scalar(&self.name));
        if self.images.is_empty() {
            text += "  images: []\n";
        } else {
            text += "  images:\n";
            for image in &self.images {
                text += &format!("    - {}\n", yaml_scalar(&image.to_string()));
            }
        }
        for (key, image) in [("operator", &self.operator), ("ui", &self.ui)] {
            if let Some(ImageTag { name, tag }) = image {
                let (name, tag) = (yaml_scalar(name), yaml_scalar(tag));
                text += &format!("  {key}:\n    image:\n      name: {name}\n      tag: {tag}\n");
            }
        }
        text += &format!("  version: {}\n", yaml_scalar(&self.version));
        text
    }
}

/// What is read of a `manifest.yaml`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    annotations: Option<BTreeMap<String, String>>,
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Spec {
    version: String,
    images: Option<Vec<ImageTag>>,
    operator: Option<Component>,
    ui: Option<Component>,
}

#[derive(Deserialize)]
struct Component {
    image: Option<ComponentImage>,
}

#[derive(Deserialize)]
struct ComponentImage {
    name: String,
    tag: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the guidelines.
    const GUIDELINE: &str = "\
apiVersion: solutions.metalk8s.scality.com/v1alpha1
kind: Solution
metadata:
  annotations:
    solutions.metalk8s.scality.com/display-name: Solution Name
  labels: {}
  name: solution-name
spec:
  images:
    - some-extra-image:2.0.0
    - solution-name-operator:1.0.0
    - solution-name-ui:1.0.0
  operator:
    image:
      name: solution-name-operator
      tag: 1.0.0
  version: 1.0.0
";

    #[test]
    fn the_example_of_the_guidelines_is_read_and_written_as_it_is() {
        let manifest = SolutionManifest::parse(GUIDELINE).unwrap();
        assert_eq!(manifest.display_name(), "Solution Name");
        assert_eq!(manifest.id(), "solution-name-1.0.0");
        assert_eq!(manifest.operator.as_ref().unwrap().to_string(), "solution-name-operator:1.0.0");
        assert_eq!((manifest.images.len(), &manifest.ui), (3, &None));
        assert_eq!(manifest.render(), GUIDELINE);
    }

    #[test]
    fn product_information_comes_from_annotations() {
        let with = |lines: &str| GUIDELINE.replace("  labels", &format!("{lines}  labels"));
        let product = Product::from_manifest(&with(
            "    solutions.metalk8s.scality.com/git-revision: 1.0-3-gabc
    solutions.metalk8s.scality.com/development-release: 1
    solutions.metalk8s.scality.com/build-timestamp: '2026-11-20T10:00:00Z'
    solutions.metalk8s.scality.com/require-metalk8s: '>=2.7'
",
        ))
        .unwrap();
        assert_eq!(product.id(), "solution-name-1.0.0");
        assert_eq!((product.git.as_deref(), product.development_release), (Some("1.0-3-gabc"), true));
        assert_eq!(product.build_timestamp.as_deref(), Some("2026-11-20T10:00:00Z"));
        assert_eq!(product.other, [(REQUIRE_METALK8S.to_owned(), ">=2.7".to_owned())]);
    }

    #[test]
    fn what_is_not_a_manifest_is_refused_with_the_reason() {
        let cases = [
            ("kind: Solution", "kind: Other", "v1alpha1 and Other"),
            ("/v1alpha1", "/v2", "found solutions.metalk8s.scality.com/v2 and Solution"),
            (
                "name: solution-name\n",
                "name: ..\n",
                "metadata.name is \"..\": expected a letter or digit first",
            ),
            ("version: 1.0.0", "version: a/b", "spec.version is \"a/b\""),
            ("kind: Solution", "kind: [", "manifest.yaml: "),
            ("some-extra-image:2.0.0", "some-extra-image", "it has no tag"),
            ("some-extra-image:2.0.0", "../x:1", "its name "),
            ("      tag: 1.0.0", "      tag: a b", "spec.operator.image: `solution-name-operator:a b`"),
        ];
        for (from, to, expected) in cases {
            let error = SolutionManifest::parse(&GUIDELINE.replacen(from, to, 1)).expect_err(to).to_string();
            assert!(error.starts_with("manifest.yaml: ") && error.contains(expected), "{error}");
        }
        let long = "#".repeat(2 << 20);
        assert!(matches!(SolutionManifest::parse(&long), Err(Error::Limit { .. })));
    }

    #[test]
    fn the_smallest_manifest_has_a_name_and_a_version() {
        let text =
            format!("apiVersion: {API_VERSION}\nkind: Solution\nmetadata:\n  name: a\nspec:\n  version: 1\n");
        let manifest = SolutionManifest::parse(&text).unwrap();
        assert_eq!((manifest.version.as_str(), manifest.display_name()), ("1", "a"));
        assert_eq!(SolutionManifest::parse(&manifest.render()).unwrap(), manifest);
    }

    proptest::proptest! {
        #[test]
        fn any_annotation_survives(name in "\\PC{1,30}", value in "\\PC{0,40}") {
            let annotations = BTreeMap::from([(name, value)]);
            let manifest = SolutionManifest {
                name: "a".into(), version: "1.0".into(), annotations, ..Default::default()
            };
            proptest::prop_assert_eq!(SolutionManifest::parse(&manifest.render()).unwrap(), manifest);
        }
    }
}
