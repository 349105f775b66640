//! Variables, as `spec.variables` defines them.

use std::fmt;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::project::field::Field;
use crate::project::names::{InnerPath, Text};

/// A variable: its text, or where its value comes from.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum VariableEntry {
    /// A text, which can name other variables: `{{ major }}.{{ minor }}`.
    Text(Field<Text>),
    /// Where the value comes from.
    Source(Box<VariableSource>),
    /// A number or a truth value, which stands for its text.
    #[schemars(skip)]
    Scalar,
}

/// Where the value of a variable comes from. Exactly one of `value`, `file`, `textOf`, `git` and `env` is
/// required.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VariableSource {
    /// A value of any form, such as a table of versions. Its texts can name other variables.
    #[serde(default)]
    pub value: Option<serde_json::Value>,
    /// A file of the project: TOML, JSON or YAML by its ending, else lines `KEY=value`.
    #[serde(default)]
    pub file: Option<Field<InnerPath>>,
    /// A file of the project whose whole text is the value.
    #[serde(default)]
    pub text_of: Option<Field<InnerPath>>,
    /// The key in the file, such as `package.version`. Without one, the value is all of a TOML, JSON or YAML file, and the first
    /// line of any other.
    #[serde(default)]
    pub key: Option<Field<Text>>,
    /// A fact about the commit that is checked out.
    #[serde(default)]
    pub git: Option<GitValue>,
    /// The name of an environment variable. `.env` counts, too.
    #[serde(default)]
    pub env: Option<Field<Text>>,
    /// The text if the environment variable is not set, or if git has no such value.
    #[serde(default)]
    pub default: Option<Field<Text>>,
}

/// A fact about the commit that is checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum GitValue {
    /// Its hash.
    Commit,
    /// The latest tag before it, the number of commits since, and its hash: `2.11.0-3-gHASH`.
    Describe,
    /// The tag of the commit itself.
    Tag,
    /// Its date: `2026-01-31T00:00:00Z`.
    Date,
    /// Whether files that git tracks differ from it: true or false.
    Dirty,
}

impl<'de> Deserialize<'de> for VariableEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = VariableEntry;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("text in quotes, or keys with values")
            }

            fn visit_str<E>(self, text: &str) -> Result<VariableEntry, E> {
                // The place is that of the entry.
                let (referenced, defined) = (Location::UNKNOWN, Location::UNKNOWN);
                Ok(VariableEntry::Text(Field::new(Spanned { value: text.to_owned(), referenced, defined })))
            }

            fn visit_bool<E>(self, _: bool) -> Result<VariableEntry, E> {
                Ok(VariableEntry::Scalar)
            }

            fn visit_i64<E>(self, _: i64) -> Result<VariableEntry, E> {
                Ok(VariableEntry::Scalar)
            }

            fn visit_u64<E>(self, _: u64) -> Result<VariableEntry, E> {
                Ok(VariableEntry::Scalar)
            }

            fn visit_f64<E>(self, _: f64) -> Result<VariableEntry, E> {
                Ok(VariableEntry::Scalar)
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<VariableEntry, A::Error> {
                let source = VariableSource::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(VariableEntry::Source(Box::new(source)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
