//! YAML and JSON documents: objects of Kubernetes, compose files, values of charts.

use std::path::Path;

use serde_saphyr::Location;

use super::lines::{Lines, computed, is_bare};
use super::text::{ImageText, image, is_image_key, references};
use super::{Certainty, FindRule, FoundImage, FoundImages};
use crate::yaml::{Node, Value, line_at, lines, parse, word_at};

/// The keys of a pod whose items have an `image`.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// The deepest nesting that is read.
const DEPTH_MAX: usize = 100;

/// The text at `key` of the first document of a file, such as `appVersion` of `Chart.yaml`.
pub(super) fn text_at(text: &str, key: &str) -> Option<String> {
    let documents = parse(text).ok()?;
    let value = documents.first()?.value.key(key)?;
    match &value.value {
        Value::Text(text) => Some(text.clone()),
        Value::Number => word_at(&lines(text), value.referenced),
        _ => None,
    }
}

/// The names of the dependencies that the text of a `Chart.yaml` lists, at most 1000.
pub(super) fn dependencies(text: &str) -> Vec<String> {
    let documents = parse(text).unwrap_or_default();
    let listed = documents.first().and_then(|document| document.value.key("dependencies"));
    let Some(Value::List(items)) = listed.map(|listed| &listed.value) else { return Vec::new() };
    let name = |item: &Node| match &item.value.key("name")?.value {
        Value::Text(name) => Some(name.clone()),
        _ => None,
    };
    items.iter().take(1000).filter_map(name).collect()
}

/// A document that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document<'a> {
    /// The file.
    pub(super) path: &'a Path,
    /// Its [`lines`].
    pub(super) lines: &'a [&'a str],
    /// The tag of images in the values of a chart that have none.
    pub(super) app_version: Option<&'a str>,
    /// Whether `text` was rendered from the file, so its lines are not those of the file.
    pub(super) is_rendered: bool,
}

impl Document<'_> {
    /// Finds the images of `document`.
    pub(super) fn read(self, document: &Node, found: &mut FoundImages) {
        if let Some(Value::Map(services)) = document.value.key("services").map(|services| &services.value) {
            for (_, service) in services {
                if let Some(image) = service.value.key("image") {
                    self.image(image, FindRule::Service, found);
                }
            }
        }
        self.node("", document, 0, found);
    }

    pub(super) fn line(self, place: Location) -> Option<u64> {
        (!self.is_rendered).then(|| place.line())
    }

    pub(super) fn push(
        self,
        place: Location,
        (reference, is_untagged): (crate::Reference, bool),
        certainty: Certainty,
        rule: FindRule,
        found: &mut FoundImages,
    ) {
        let (path, line) = (self.path.into(), self.line(place));
        let is_app_version = false;
        found.images.push(FoundImage { reference, is_untagged, is_app_version, certainty, rule, path, line });
    }

    /// The value of a key that names an image by the definition of its format.
    fn image(self, node: &Node, rule: FindRule, found: &mut FoundImages) {
        let Value::Text(written) = &node.value else { return };
        match image(written) {
            ImageText::Reference(reference, is_untagged) => {
                self.push(node.referenced, (reference, is_untagged), Certainty::Certain, rule, found);
            }
            ImageText::Computed => {
                found.computed.push(computed(self.path, self.line(node.referenced), written));
            }
            ImageText::Other => {}
        }
    }

    fn node(self, key: &str, node: &Node, depth: usize, found: &mut FoundImages) {
        if depth > DEPTH_MAX {
            return;
        }
        match &node.value {
            Value::Text(text) if is_image_key(key) => self.key(node, text, found),
            Value::Text(text) => self.text(node, text, found),
            Value::List(items) => {
                for item in items {
                    if CONTAINERS.contains(&key)
                        && let Some(image) = item.value.key("image")
                    {
                        self.image(image, FindRule::Container, found);
                    }
                    if key == "volumes" {
                        let image = item.value.key("image").and_then(|image| image.value.key("reference"));
                        if let Some(reference) = image {
                            self.image(reference, FindRule::ImageVolume, found);
                        }
                    }
                    if key == "env" && self.variable(item, found) {
                        continue;
                    }
                    self.node("", item, depth + 1, found);
                }
            }
            Value::Map(entries) => {
                let repository = self.values(key, node, found);
                for (name, value) in entries.iter().filter(|(name, _)| Some(name.as_str()) != repository) {
                    self.node(name, value, depth + 1, found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number => {}
        }
    }

    /// A variable of a container that names an image: `{name: PROXY_IMAGE, value: …}`. Returns whether it is one.
    fn variable(self, variable: &Node, found: &mut FoundImages) -> bool {
        let text = |key| variable.value.key(key).and_then(|node| Some((node, node.value.text()?)));
        match text("name").zip(text("value")) {
            Some(((_, name), (node, written))) if is_image_key(name) => {
                self.key(node, written, found);
                true
            }
            _ => false,
        }
    }

    /// The value of a key that usually names an image.
    fn key(self, node: &Node, written: &str, found: &mut FoundImages) {
        match image(written) {
            ImageText::Reference(reference, is_untagged) => {
                let certainty = if is_bare(written) { Certainty::Maybe } else { Certainty::Likely };
                self.push(node.referenced, (reference, is_untagged), certainty, FindRule::Key, found);
            }
            ImageText::Computed => {
                found.computed.push(computed(self.path, self.line(node.referenced), written));
            }
            ImageText::Other => self.text(node, written, found),
        }
    }

    /// Text that is not the value of a key for images.
    fn text(self, node: &Node, text: &str, found: &mut FoundImages) {
        let first = self.line(node.referenced);
        if text.contains('\n') {
            // A file in a ConfigMap, say. A text in quotes stands on one line, with escapes.
            let starts = line_at(self.lines, node.referenced);
            let is_block = starts.map(str::trim) == text.lines().next().map(str::trim);
            let lines = Lines { path: self.path, first, certainty: Certainty::Maybe, with_computed: false };
            if is_block {
                lines.read(text, found);
            } else {
                text.lines().for_each(|line| lines.read(line, found));
            }
            return;
        }
        for reference in references(text) {
            self.push(node.referenced, (reference, false), Certainty::Maybe, FindRule::Text, found);
        }
    }

    /// A map as charts have it in their values: `{registry, repository, tag, digest}`. Returns the key of the repository.
    fn values(self, key: &str, node: &Node, found: &mut FoundImages) -> Option<&'static str> {
        let part = |name: &str| {
            let value = node.value.key(name)?;
            let text = match &value.value {
                Value::Text(text) => text.trim().to_owned(),
                Value::Number => word_at(self.lines, value.referenced)?,
                _ => return None,
            };
            (!text.is_empty()).then_some((text, value.referenced))
        };
        let (registry, tag) = (part("registry"), part("tag"));
        let digest = part("digest").or_else(|| part("sha"));
        let has_version = ["tag", "digest", "sha"].iter().any(|name| node.value.key(name).is_some());
        // ingress-nginx names the repository `image`; others, `name`.
        let names = if registry.is_some() && has_version {
            &["repository", "image", "name"][..]
        } else {
            &["repository"]
        };
        let (name, (repository, place)) = names.iter().find_map(|name| Some((*name, part(name)?)))?;
        // A chart's repository is a URL: `repository: https://charts.example.com`.
        if !(is_image_key(key) || has_version || registry.is_some()) || repository.contains("://") {
            return None;
        }
        let mut written = match &registry {
            Some((registry, _)) => format!("{}/{repository}", registry.trim_end_matches('/')),
            None => repository,
        };
        let version = self.app_version.filter(|_| digest.is_none() && tag.is_none());
        if let Some((tag, _)) = &tag {
            written.push(':');
            written.push_str(tag);
        } else if let Some(version) = version {
            written.push(':');
            written.push_str(version);
        }
        if let Some((digest, _)) = &digest {
            written.push_str(if digest.contains(':') { "@" } else { "@sha256:" });
            written.push_str(digest);
        }
        match image(&written) {
            ImageText::Reference(reference, is_untagged) => {
                self.push(place, (reference, is_untagged), Certainty::Likely, FindRule::Values, found);
                if let Some(image) = found.images.last_mut() {
                    image.is_app_version = version.is_some();
                }
            }
            ImageText::Computed => found.computed.push(computed(self.path, self.line(place), &written)),
            ImageText::Other => {}
        }
        Some(name)
    }
}
