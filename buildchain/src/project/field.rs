//! Values of a file that are names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::error::Error;
use super::names::ParsedName;
use super::values::Values;

/// A name in a file: its place and its text, which can have `{{ expressions }}`.
///
/// The text is parsed only when [`Field::value`] is called: expressions are replaced first, and an invalid name does not end the
/// reading of the file, so that all mistakes are reported together.
pub struct Field<T> {
    text: Spanned<String>,
    parsed: PhantomData<fn() -> T>,
}

impl<T> Field<T> {
    pub(super) fn new(text: Spanned<String>) -> Self {
        Self { text, parsed: PhantomData }
    }

    /// The text of the name, with the expressions in it replaced; `file` is the file that it is from.
    ///
    /// # Errors
    ///
    /// If an expression is invalid or names a value that does not exist, with its place.
    pub(super) fn text(&self, file: &Path, values: &Values) -> Result<String, Error> {
        values.render(&self.text.value).map_err(|reason| Error::at(file, self.place(), reason))
    }

    /// A name with this text at the same place.
    pub(super) fn renamed<U>(&self, text: String) -> Field<U> {
        let Spanned { referenced, defined, .. } = self.text;
        Field::new(Spanned { value: text, referenced, defined })
    }

    /// The text as it is written.
    pub(super) fn written(&self) -> &str {
        &self.text.value
    }

    /// Where it is in its file.
    pub(super) fn place(&self) -> Location {
        self.text.referenced
    }
}

impl<T: ParsedName> Field<T> {
    /// What the text means; `file` is the file that it is from.
    ///
    /// # Errors
    ///
    /// If it is invalid, with its place.
    pub(super) fn value(&self, file: &Path, values: &Values) -> Result<T, Error> {
        T::parse(&self.text(file, values)?).map_err(|reason| Error::at(file, self.place(), reason))
    }
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        Self::new(self.text.clone())
    }
}

impl<T> fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.value.fmt(f)
    }
}

impl<'de, T> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self::new)
    }
}

/// The JSON Schema of a name.
pub(super) fn schema_of<T: ParsedName>() -> Schema {
    let mut schema = schemars::json_schema!({"type": "string", "format": T::FORMAT});
    if let Some(pattern) = T::PATTERN {
        schema.insert("pattern".into(), Value::from(pattern));
    }
    if let Some(most) = T::LENGTH_MAX {
        schema.insert("maxLength".into(), Value::from(most));
    }
    schema
}

/// A name that is only valid or not: in files whose mistakes are all found by their schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<T>(pub T);

impl<'de, T: ParsedName> Deserialize<'de> for Named<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::parse(&String::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

/// What the pattern of a name becomes in a file with variables: a text with an expression has any form.
const EXPRESSION: &str = r"\{\{|\{%";

impl<T: ParsedName> JsonSchema for Field<T> {
    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut name = schema_of::<T>();
        if let Some(pattern) = T::PATTERN {
            name.insert("pattern".into(), Value::from(format!("{pattern}|{EXPRESSION}")));
        }
        name
    }
}

impl<T: ParsedName> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        T::FORMAT.into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schema_of::<T>()
    }
}

/// Values by names. Two spellings of one name may not have different values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByName<K, V>(pub BTreeMap<K, V>);

impl<K, V> Default for ByName<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'de, K: ParsedName + Ord, V: Deserialize<'de> + PartialEq> Deserialize<'de> for ByName<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);

        impl<'de, K: ParsedName + Ord, V: Deserialize<'de> + PartialEq> Visitor<'de> for Entries<K, V> {
            type Value = ByName<K, V>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("keys with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ByName<K, V>, A::Error> {
                let mut values = BTreeMap::new();
                while let Some((text, value)) = entries.next_entry::<String, V>()? {
                    match values.entry(K::parse(&text).map_err(A::Error::custom)?) {
                        Entry::Vacant(entry) => drop(entry.insert(value)),
                        Entry::Occupied(entry) if *entry.get() == value => {}
                        Entry::Occupied(_) => {
                            return Err(A::Error::custom(format!("a second value for `{text}`")));
                        }
                    }
                }
                Ok(ByName(values))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<K: ParsedName, V: JsonSchema> JsonSchema for ByName<K, V> {
    fn schema_name() -> Cow<'static, str> {
        format!("by-{}-{}", K::FORMAT, V::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "object",
            "propertyNames": schema_of::<K>(),
            "additionalProperties": generator.subschema_for::<V>(),
        })
    }
}
