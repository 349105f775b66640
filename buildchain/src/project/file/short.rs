//! Entries with a short form: one text instead of keys with values.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::ForEach;
use super::repeated::Repeated;
use crate::project::field::Field;
use crate::project::names::{ParsedName, Text};

/// An entry that can be written as one text.
pub trait HasShortForm {
    /// What the text is.
    type Main: ParsedName;
    /// What the text is, in a message: "a folder".
    const MAIN: &'static str;

    /// The entry that the text stands for: every other key has its default.
    fn of(main: Field<Self::Main>) -> Self;
}

/// An entry, whichever form it was written in.
#[derive(Debug, Clone)]
pub struct Short<T>(pub T);

/// What is in the file.
enum Written<T> {
    Text(String),
    Keys(T),
}

impl<'de, T: HasShortForm + Deserialize<'de>> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: HasShortForm + Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Written<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}, or keys with values", T::MAIN)
            }

            fn visit_str<E>(self, text: &str) -> Result<Written<T>, E> {
                Ok(Written::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Written<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(entries)).map(Written::Keys)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

impl<'de, T: HasShortForm + Deserialize<'de>> Deserialize<'de> for Short<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, defined } = Spanned::deserialize(deserializer)?;
        Ok(Self(match value {
            Written::Keys(entry) => entry,
            Written::Text(value) => T::of(Field::new(Spanned { value, referenced, defined })),
        }))
    }
}

impl<T: HasShortForm + JsonSchema> JsonSchema for Short<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("short-{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let (main, keys) = (generator.subschema_for::<Field<T::Main>>(), generator.subschema_for::<T>());
        schemars::json_schema!({ "anyOf": [main, keys] })
    }
}

impl<T: Repeated> Repeated for Short<T> {
    fn when(&self) -> Option<&Field<Text>> {
        self.0.when()
    }

    fn for_each(&self) -> &ForEach {
        self.0.for_each()
    }
}
