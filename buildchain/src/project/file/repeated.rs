//! Conditions and loops of entries.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

use crate::project::field::Field;
use crate::project::names::Text;

/// The values that names have, one after the other. With several names, each combination counts.
pub type ForEach = BTreeMap<String, LoopValues>;

/// The values of a name in a loop.
#[derive(Debug, Clone)]
pub struct LoopValues {
    /// Where they are in the file.
    pub(in crate::project) place: Location,
    /// What they are.
    pub(in crate::project) list: LoopList,
}

/// What the values of a name in a loop are.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum LoopList {
    /// Texts.
    Texts(Vec<Field<Text>>),
    /// An expression whose value is a list, such as the name of a variable.
    Expression(String),
}

impl<'de> Deserialize<'de> for LoopValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { place: referenced, list: value })
    }
}

impl<'de> Deserialize<'de> for LoopList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = LoopList;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list, or an expression")
            }

            fn visit_str<E>(self, text: &str) -> Result<LoopList, E> {
                Ok(LoopList::Expression(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<LoopList, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(LoopList::Texts(texts))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for LoopValues {
    fn schema_name() -> Cow<'static, str> {
        "LoopValues".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        LoopList::json_schema(generator)
    }
}

/// An entry that can have a condition and be repeated.
pub trait Repeated {
    /// The condition.
    fn when(&self) -> Option<&Field<Text>>;
    /// The loop.
    fn for_each(&self) -> &ForEach;
}

/// Makes types with the keys `when` and `forEach` [`Repeated`].
macro_rules! repeated {
    ($($entry:ident),*) => {$(
        impl Repeated for $entry {
            fn when(&self) -> Option<&Field<Text>> {
                self.when.as_ref()
            }

            fn for_each(&self) -> &ForEach {
                &self.for_each
            }
        }
    )*};
}

pub(super) use repeated;
