//! YAML and JSON documents whose values know their places.
//!
//! The text is untrusted: the parser bounds depth, aliases and the number of nodes, and refuses a key that a map has twice.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned, UserMessageFormatter};

/// A value with its place.
pub type Node = Spanned<Value>;

/// A value of a document.
#[derive(Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, whose text is in the file ([`word_at`]): a tag such as `1.10` is not `1.1`.
    Number,
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys and their values, in the order of the file; each key once.
    Map(Vec<(String, Node)>),
}

impl Value {
    /// The value of a key of a map.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&Node> {
        self.entries().iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The entries of a map; empty for anything else.
    #[must_use]
    pub fn entries(&self) -> &[(String, Node)] {
        if let Self::Map(entries) = self { entries } else { &[] }
    }

    /// The items of a list; empty for anything else.
    #[must_use]
    pub fn items(&self) -> &[Node] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// The text, if it is text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
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
                Ok(Value::Null)
            }

            fn visit_none<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
                Value::deserialize(deserializer)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(Value::Bool(value))
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
                Ok(Value::Null)
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

/// Text that is not YAML.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct YamlError {
    /// The line, from 1, if it is known.
    pub line: Option<u64>,
    /// What is wrong, without the place.
    pub problem: String,
}

/// The documents of a file.
///
/// # Errors
///
/// The text is not YAML, or exceeds the bounds of the parser.
pub fn parse(text: &str) -> Result<Vec<Node>, YamlError> {
    serde_saphyr::from_multiple(text).map_err(|error| {
        let line = error.location().map(|place| place.line()).filter(|line| *line > 0);
        let problem = error.without_snippet().render_with_formatter(&UserMessageFormatter);
        let place =
            error.location().map(|place| format!(" at line {}, column {}", place.line(), place.column()));
        let problem = place.and_then(|place| problem.strip_suffix(&place)).unwrap_or(&problem);
        YamlError { line, problem: problem.chars().take(300).collect() }
    })
}

/// The lines of a file: a place is looked up in them without a search.
#[must_use]
pub fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

/// The line of a place.
#[must_use]
pub fn line_at<'a>(lines: &[&'a str], place: Location) -> Option<&'a str> {
    lines.get(usize::try_from(place.line()).ok()?.checked_sub(1)?).copied()
}

/// The word at a place of a file.
#[must_use]
pub fn word_at(lines: &[&str], place: Location) -> Option<String> {
    let line = line_at(lines, place)?;
    let column = usize::try_from(place.column()).ok()?.checked_sub(1)?;
    let word: String = line
        .chars()
        .skip(column)
        .take_while(|character| !character.is_whitespace() && !",#}]".contains(*character))
        .collect();
    (!word.is_empty()).then_some(word)
}
