//! Values of any form, as `data` has them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use serde_saphyr::{Location, Spanned};

use crate::project::field::Field;
use crate::project::names::Text;

/// The format of a file of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DataFormat {
    /// JSON.
    Json,
    /// One YAML document.
    Yaml,
    /// A list whose items are YAML documents.
    YamlDocuments,
    /// TOML.
    Toml,
    /// Lines `KEY=value`, quoted for a shell where they need it.
    Env,
}

/// A value with its place.
#[derive(Debug, Clone)]
pub struct DataTree {
    /// Where it is in the file.
    pub(in crate::project) place: Location,
    /// What it is.
    pub(in crate::project) shape: DataShape,
}

/// What a value is.
#[derive(Debug, Clone)]
pub(in crate::project) enum DataShape {
    Null,
    Boolean(bool),
    Number(Number),
    Text(String),
    List(Vec<DataTree>),
    /// In the order in which the keys are written.
    Map(Vec<(Field<Text>, DataTree)>),
}

impl<'de> Deserialize<'de> for DataTree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { place: referenced, shape: value })
    }
}

impl<'de> Deserialize<'de> for DataShape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = DataShape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<DataShape, E> {
                Ok(DataShape::Null)
            }

            fn visit_none<E>(self) -> Result<DataShape, E> {
                Ok(DataShape::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<DataShape, D::Error> {
                DataShape::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<DataShape, E> {
                Ok(DataShape::Boolean(value))
            }

            fn visit_i64<E>(self, number: i64) -> Result<DataShape, E> {
                Ok(DataShape::Number(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<DataShape, E> {
                Ok(DataShape::Number(number.into()))
            }

            fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<DataShape, E> {
                let number = Number::from_f64(number);
                number.map(DataShape::Number).ok_or_else(|| E::custom("expected a finite number"))
            }

            fn visit_str<E>(self, text: &str) -> Result<DataShape, E> {
                Ok(DataShape::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<DataShape, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(DataShape::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<DataShape, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(DataShape::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

impl JsonSchema for DataTree {
    fn schema_name() -> Cow<'static, str> {
        "DataTree".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({"type": ["object", "array"]})
    }
}
