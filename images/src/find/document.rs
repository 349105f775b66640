//! YAML and JSON documents: objects of Kubernetes, compose files, values of charts.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use super::lines::{Lines, computed, is_bare};
use super::text::{ImageText, image, is_image_key, references};
use super::{Certainty, FindRule, FoundImage, FoundImages};

/// The keys of a pod whose items have an `image`.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// The deepest nesting that is read.
const DEPTH_MAX: usize = 100;

/// A value with its place.
pub(super) type Node = Spanned<Value>;

/// A value of a document.
#[derive(Debug)]
pub(super) enum Value {
    /// Nothing, or something that names no image.
    Other,
    /// A number, whose text is in the file: a tag such as `1.10` is not `1.1`.
    Number,
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Value {
    pub(super) fn key(&self, name: &str) -> Option<&Node> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
                Ok(Value::Number)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
                Ok(Value::Number)
            }

            fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
                Ok(Value::Number)
            }

            fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
                Ok(Value::Number)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
                Ok(Value::Number)
            }

            fn visit_str<E>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.to_owned()))
            }

            fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
                Ok(Value::Other)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Value::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Value::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// The documents of a file; `None` if it is not YAML.
pub(super) fn parse(text: &str) -> Option<Vec<Node>> {
    serde_saphyr::from_multiple(text).ok()
}

/// The text at `key` of the first document of a file, such as `appVersion` of `Chart.yaml`.
pub(super) fn text_at(text: &str, key: &str) -> Option<String> {
    let documents = parse(text)?;
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

/// The lines of a file: a place is looked up in them without a search.
pub(super) fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

fn line_at<'a>(lines: &[&'a str], place: Location) -> Option<&'a str> {
    lines.get(usize::try_from(place.line()).ok()?.checked_sub(1)?).copied()
}

/// The word at a place of a file.
pub(super) fn word_at(lines: &[&str], place: Location) -> Option<String> {
    let line = line_at(lines, place)?;
    let column = usize::try_from(place.column()).ok()?.checked_sub(1)?;
    let word: String = line
        .chars()
        .skip(column)
        .take_while(|character| !character.is_whitespace() && !",#}]".contains(*character))
        .collect();
    (!word.is_empty()).then_some(word)
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
                    self.node("", item, depth + 1, found);
                }
            }
            Value::Map(entries) => {
                let repository = self.values(key, node, found);
                for (name, value) in entries.iter().filter(|(name, _)| Some(name.as_str()) != repository) {
                    self.node(name, value, depth + 1, found);
                }
            }
            Value::Other | Value::Number => {}
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
