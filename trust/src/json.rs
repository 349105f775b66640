//! JSON that all parsers read alike.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::Fault;

/// The most levels of lists and objects. serde_json itself stops at 128.
const DEPTH_MAX: usize = 64;

/// What marks errors of ours among those of the parser.
const DEPTH: &str = "trust: depth";
const DUPLICATE: &str = "trust: duplicate ";

/// Parses a document, in which no object has a key twice. `what` names it in errors.
///
/// # Errors
///
/// [`Fault`]: those about JSON.
pub(crate) fn parse(bytes: &[u8], what: &'static str) -> Result<Value, Fault> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Fault::ByteOrderMark(what));
    }
    let mut parser = serde_json::Deserializer::from_slice(bytes);
    let value = Level(0).deserialize(&mut parser).map_err(|error| {
        let reason = error.to_string();
        if reason.starts_with(DEPTH) {
            return Fault::TooDeep { what, limit: DEPTH_MAX };
        }
        match reason.strip_prefix(DUPLICATE).and_then(|rest| rest.rsplit_once(" at line ")) {
            Some((key, _)) => Fault::DuplicateKey { what, key: key.to_owned() },
            None => Fault::NotJson { what, reason },
        }
    })?;
    parser.end().map_err(|_| Fault::TrailingData(what))?;
    Ok(value)
}

/// Reads a value at a level.
#[derive(Clone, Copy)]
struct Level(usize);

impl Level {
    fn below<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.0 >= DEPTH_MAX { Err(E::custom(DEPTH)) } else { Ok(Self(self.0 + 1)) }
    }
}

impl<'de> DeserializeSeed<'de> for Level {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Level {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let level = self.below()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(level)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let level = self.below()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{DUPLICATE}{key}")));
            }
            let value = entries.next_value_seed(level)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// The fields of an object, each taken once; those that are left are unknown.
pub(crate) struct Fields {
    place: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The fields of `value`, which `place` names in errors.
    pub(crate) fn of(value: Value, place: impl Into<String>) -> Result<Self, Fault> {
        let place = place.into();
        match value {
            Value::Object(map) => Ok(Self { place, map }),
            _ => Err(Fault::WrongType { place, expected: "an object" }),
        }
    }

    pub(crate) fn optional(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name)
    }

    pub(crate) fn required(&mut self, name: &'static str) -> Result<Value, Fault> {
        self.optional(name).ok_or_else(|| Fault::MissingField { place: self.place.clone(), name })
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Result<Self, Fault> {
        let value = self.required(name)?;
        Self::of(value, format!("`{name}`"))
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, Fault> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            _ => Err(Fault::WrongType { place: format!("`{name}`"), expected: "text" }),
        }
    }

    /// A number without a sign and a fraction.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<u64, Fault> {
        let wrong = || Fault::WrongType { place: format!("`{name}`"), expected: "a number" };
        self.required(name)?.as_u64().ok_or_else(wrong)
    }

    /// The text of an optional field.
    pub(crate) fn optional_text(&mut self, name: &'static str) -> Result<Option<String>, Fault> {
        match self.map.contains_key(name) {
            true => self.text(name).map(Some),
            false => Ok(None),
        }
    }

    pub(crate) fn list(&mut self, name: &'static str) -> Result<Vec<Value>, Fault> {
        match self.required(name)? {
            Value::Array(items) => Ok(items),
            _ => Err(Fault::WrongType { place: format!("`{name}`"), expected: "a list" }),
        }
    }

    pub(crate) fn optional_list(&mut self, name: &'static str) -> Result<Vec<Value>, Fault> {
        match self.map.contains_key(name) {
            true => self.list(name),
            false => Ok(Vec::new()),
        }
    }

    /// Refuses the object if fields are left.
    pub(crate) fn end(self) -> Result<(), Fault> {
        match self.map.into_iter().next() {
            Some((name, _)) => Err(Fault::UnknownField { place: self.place, name }),
            None => Ok(()),
        }
    }

    /// The fields that are left.
    pub(crate) fn rest(self) -> Map<String, Value> {
        self.map
    }
}
