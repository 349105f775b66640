//! `manifest.yaml`, and `product.txt` of the older layout.

use content::nearest;
use images::yaml::{self, Node, Value};

use super::finding::{Findings, Place};
use super::operator::is_label;
use super::table::CheckName;
use crate::requires::VersionRange;
use crate::solution::manifest::{DISPLAY_NAME, KIND, REQUIRE_METALK8S};
use crate::solution::{API_VERSION, ImageTag, SolutionManifest};
use crate::{Product, layout};

/// What a Solution says about itself.
#[derive(Debug, Default)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) display_name: Option<String>,
    /// Whether this comes from a `manifest.yaml`.
    pub(super) is_manifest: bool,
    /// `spec.images`; `None` if the manifest does not have the key, and in the older layout.
    pub(super) images: Option<Vec<DeclaredImage>>,
    pub(super) operator: Option<DeclaredImage>,
    pub(super) ui: Option<DeclaredImage>,
}

/// An image, and the place that names it.
#[derive(Debug)]
pub(super) struct DeclaredImage {
    pub(super) image: ImageTag,
    pub(super) place: Place,
}

/// Checks the content of a `manifest.yaml`.
pub(super) fn check(text: &str, findings: &mut Findings) -> Declared {
    let documents = match yaml::parse(text) {
        Ok(documents) => documents,
        Err(error) => {
            let place = Place::line(layout::MANIFEST, error.line.unwrap_or(0));
            findings.add(CheckName::ManifestInvalid, place, format!("not valid YAML: {error}"));
            return Declared::default();
        }
    };
    let lines = yaml::lines(text);
    let mut reader = Reader { lines: &lines, findings, is_invalid: false };
    let [manifest] = documents.as_slice() else {
        reader.invalid(0, format!("it has {} documents, expected one", documents.len()));
        return Declared::default();
    };
    let declared = reader.manifest(manifest);
    let is_invalid = reader.is_invalid;
    // The reader of manifests has the last word.
    if !is_invalid && let Err(error) = SolutionManifest::parse(text) {
        let problem = error.to_string();
        let problem = problem.strip_prefix("manifest.yaml: ").unwrap_or(&problem);
        findings.add(CheckName::ManifestInvalid, Place::file(layout::MANIFEST), problem);
    }
    declared
}

struct Reader<'a> {
    lines: &'a [&'a str],
    findings: &'a mut Findings,
    is_invalid: bool,
}

impl Reader<'_> {
    fn add(&mut self, name: CheckName, line: u64, problem: impl AsRef<str>) {
        self.findings.add(name, Place::line(layout::MANIFEST, line), problem);
    }

    fn invalid(&mut self, line: u64, problem: impl AsRef<str>) {
        self.is_invalid = true;
        self.add(CheckName::ManifestInvalid, line, problem);
    }

    fn manifest(&mut self, manifest: &Node) -> Declared {
        let mut declared = Declared { is_manifest: true, ..Declared::default() };
        if !matches!(manifest.value, Value::Map(_)) {
            self.invalid(manifest.referenced.line(), "expected keys and values");
            return declared;
        }
        self.known(manifest, "", &["apiVersion", "kind", "metadata", "spec"]);
        for (key, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
            if let Some((found, line)) = self.text(manifest, "", key)
                && found != expected
            {
                self.invalid(line, format!("{key} is `{}`, expected {expected}", short(&found)));
            }
        }
        let metadata = self.section(manifest, "metadata");
        let spec = self.section(manifest, "spec");
        if let Some((name, line)) = metadata.and_then(|metadata| self.text(metadata, "metadata.", "name")) {
            if !is_label(&name) {
                self.add(
                    CheckName::ManifestName,
                    line,
                    format!("metadata.name `{}` is not a DNS label", short(&name)),
                );
            }
            declared.name = name;
        }
        if let Some(metadata) = metadata {
            self.annotations(metadata, &mut declared);
        }
        let Some(spec) = spec else { return declared };
        self.known(spec, "spec.", &["images", "operator", "ui", "version", "customApiGroups"]);
        if let Some((version, line)) = self.text(spec, "spec.", "version") {
            if images::tags::version(&version).is_none() {
                let problem =
                    format!("spec.version `{}` does not follow Semantic Versioning", short(&version));
                self.add(CheckName::ManifestVersion, line, problem);
            }
            declared.version = version;
        }
        declared.images = self.images(spec);
        declared.operator = self.component(spec, "operator");
        declared.ui = self.component(spec, "ui");
        declared
    }

    fn annotations(&mut self, metadata: &Node, declared: &mut Declared) {
        let place = metadata.referenced.line();
        let annotations = metadata.value.key("annotations");
        let of = |key: &str| {
            let node = annotations?.value.key(key)?;
            Some((self.word(node).filter(|word| !word.trim().is_empty())?, node.referenced.line()))
        };
        declared.display_name = of(DISPLAY_NAME).map(|(name, _)| name);
        let range = of(REQUIRE_METALK8S);
        if declared.display_name.is_none() {
            let line = annotations.map_or(place, |annotations| annotations.referenced.line());
            self.add(
                CheckName::ManifestDisplayName,
                line,
                format!("the annotation {DISPLAY_NAME} is missing"),
            );
        }
        if let Some((range, line)) = range
            && let Err(error) = range.parse::<VersionRange>()
        {
            self.add(CheckName::RequirementInvalid, line, format!("{REQUIRE_METALK8S}: {error}"));
        }
    }

    fn images(&mut self, spec: &Node) -> Option<Vec<DeclaredImage>> {
        let listed = spec.value.key("images")?;
        if !matches!(listed.value, Value::List(_) | Value::Null) {
            self.invalid(listed.referenced.line(), "spec.images must be a list");
            return None;
        }
        let mut images: Vec<DeclaredImage> = Vec::new();
        for item in listed.value.items() {
            let line = item.referenced.line();
            let image = match self.word(item).map(|text| text.parse::<ImageTag>()) {
                Some(Ok(image)) => image,
                Some(Err(error)) => {
                    self.invalid(line, format!("spec.images: {error}"));
                    continue;
                }
                None => {
                    self.invalid(line, "spec.images must list texts such as `example-operator:1.0.0`");
                    continue;
                }
            };
            images.push(DeclaredImage { image, place: Place::line(layout::MANIFEST, line) });
        }
        let mut seen = std::collections::BTreeSet::new();
        for DeclaredImage { image, place } in &images {
            if !seen.insert(image) {
                let problem = format!("spec.images lists {image} twice");
                self.findings.add(CheckName::ManifestDuplicateImage, place.clone(), problem);
            }
        }
        Some(images)
    }

    /// `spec.operator.image` or `spec.ui.image`.
    fn component(&mut self, spec: &Node, key: &str) -> Option<DeclaredImage> {
        let component = spec.value.key(key).filter(|node| !matches!(node.value, Value::Null))?;
        let path = format!("spec.{key}.");
        self.known(component, &path, &["image"]);
        let image = component.value.key("image").filter(|node| !matches!(node.value, Value::Null))?;
        let path = format!("{path}image.");
        self.known(image, &path, &["name", "tag"]);
        let (name, line) = self.text(image, &path, "name")?;
        let (tag, _) = self.text(image, &path, "tag")?;
        match ImageTag::new(&name, &tag) {
            Ok(image) => Some(DeclaredImage { image, place: Place::line(layout::MANIFEST, line) }),
            Err(error) => {
                self.invalid(line, format!("spec.{key}.image: {error}"));
                None
            }
        }
    }

    fn section<'a>(&mut self, manifest: &'a Node, key: &str) -> Option<&'a Node> {
        match manifest.value.key(key) {
            Some(section @ Node { value: Value::Map(_), .. }) => Some(section),
            Some(other) => {
                self.invalid(other.referenced.line(), format!("{key} must have keys and values"));
                None
            }
            None => {
                self.invalid(manifest.referenced.line(), format!("{key} is missing"));
                None
            }
        }
    }

    /// The text at a key that must have one, and its line.
    fn text(&mut self, parent: &Node, path: &str, key: &str) -> Option<(String, u64)> {
        let Some(node) = parent.value.key(key) else {
            self.invalid(parent.referenced.line(), format!("{path}{key} is missing"));
            return None;
        };
        let line = node.referenced.line();
        match self.word(node).filter(|word| !word.is_empty()) {
            Some(word) => Some((word, line)),
            None => {
                self.invalid(line, format!("{path}{key} must be text"));
                None
            }
        }
    }

    /// Text, or a number as it is written.
    fn word(&self, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number => yaml::word_at(self.lines, node.referenced),
            _ => None,
        }
    }

    fn known(&mut self, node: &Node, path: &str, keys: &[&str]) {
        for (key, value) in node.value.entries() {
            if keys.contains(&key.as_str()) {
                continue;
            }
            let near = nearest(key, keys.iter().copied());
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            let problem = format!("unknown key `{path}{}`{near}", short(key));
            self.add(CheckName::ManifestKey, value.referenced.line(), problem);
        }
    }
}

/// Checks the content of the `product.txt` of a Solution.
pub(super) fn check_product(text: &str, findings: &mut Findings) -> Declared {
    use crate::solution::requirement::{LAYOUT_KEY, LAYOUT_VERSION, PRODUCT_KEY};

    let product = match Product::parse(text) {
        Ok(product) => product,
        Err(error) => {
            let (line, problem) = match error {
                crate::Error::Syntax { line, problem, .. } => (line as u64, problem),
                crate::Error::Content { problem, .. } => (0, problem),
                other => (0, other.to_string()),
            };
            findings.add(CheckName::ProductInvalid, Place::line(layout::PRODUCT, line), problem);
            return Declared::default();
        }
    };
    let line_of = |key: &str| {
        let line =
            text.lines().position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with('=')));
        Place::line(layout::PRODUCT, line.map_or(0, |line| line as u64 + 1))
    };
    for (key, value) in &product.other {
        if key == LAYOUT_KEY && value != LAYOUT_VERSION {
            let problem = format!("{LAYOUT_KEY} is `{}`, expected {LAYOUT_VERSION}", short(value));
            findings.add(CheckName::LayoutVersion, line_of(key), problem);
        }
        if key == PRODUCT_KEY
            && !value.trim().is_empty()
            && let Err(error) = value.parse::<VersionRange>()
        {
            findings.add(CheckName::RequirementInvalid, line_of(key), format!("{PRODUCT_KEY}: {error}"));
        }
    }
    if images::tags::version(&product.version).is_none() {
        let problem = format!("VERSION `{}` does not follow Semantic Versioning", short(&product.version));
        findings.add(CheckName::ManifestVersion, line_of("VERSION"), problem);
    }
    Declared { name: product.name, version: product.version, ..Declared::default() }
}

/// A text of a message.
fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
