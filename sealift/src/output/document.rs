//! The documents that programs read: one envelope for all, in JSON or YAML.
//!
//! A document names its version and kind: `{"apiVersion": "sealift.dev/v1", "kind": "ArchiveList", "items": […]}`. Keys are camelCase,
//! words among the values are kebab-case. Keys may be added; none is removed and none changes its meaning within a version.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of all documents, in the group of the project file.
pub(crate) const API_VERSION: &str = "sealift.dev/v1";

/// The content of a document, without its version and kind.
pub(crate) trait Document: Serialize + JsonSchema {
    /// The kind: `ArchiveVerification`. That of a list ends in `List`.
    const KIND: &'static str;
}

/// A list of reports of one kind.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct List<T> {
    /// The reports of the list, in order.
    pub(crate) items: Vec<T>,
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self { items: items.into_iter().collect() }
    }
}

/// A document with its version and kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Envelope<'a, D> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    content: &'a D,
}

impl<'a, D: Document> Envelope<'a, D> {
    /// Wraps `content`.
    pub(super) fn new(content: &'a D) -> Self {
        Self { api_version: API_VERSION, kind: D::KIND, content }
    }
}

/// The JSON Schema of a document.
pub(crate) fn schema<D: Document>() -> Value {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<D>();
    schema.insert("title".to_owned(), D::KIND.into());
    let fixed = [("apiVersion", API_VERSION), ("kind", D::KIND)];
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        let content = std::mem::take(properties);
        properties.extend(fixed.map(|(name, value)| (name.to_owned(), json!({"const": value}))));
        properties.extend(content);
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.splice(0..0, fixed.map(|(name, _)| Value::from(name)));
    }
    schema.to_value()
}
