//! Checks of a file against its JSON Schema: every unknown or missing key, every value of the wrong kind and every invalid
//! name, all at once, each with its line and column.
//!
//! A deserializer stops at the first mistake, and its messages name types. So a file is first checked against the JSON Schema of
//! its type, the one that `sealift schema` prints.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::error::Error;
use super::names;
use super::values::has_expression;

/// Deeper nesting than any schema has.
const DEPTH_MAX: usize = 32;

/// What stands in a file, each value with its place.
type Node = Spanned<Shape>;

enum Shape {
    Nothing,
    Boolean,
    /// `None` if it is not whole.
    Number(Option<i128>),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
}

impl Shape {
    fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Boolean => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "keys with values",
        }
    }

    /// Whether it may be of the schema's `type`. Numbers and truth values may be meant as text.
    fn is(&self, name: &str) -> bool {
        match name {
            "array" => matches!(self, Self::List(_)),
            "boolean" => matches!(self, Self::Boolean),
            "integer" | "number" => matches!(self, Self::Number(_)),
            "null" => matches!(self, Self::Nothing),
            "object" => matches!(self, Self::Map(_)),
            "string" => matches!(self, Self::Text(_) | Self::Number(_) | Self::Boolean),
            _ => true,
        }
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Shape;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Shape, E> {
                Ok(Shape::Nothing)
            }

            fn visit_none<E>(self) -> Result<Shape, E> {
                Ok(Shape::Nothing)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
                Shape::deserialize(deserializer)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
                Ok(Shape::Boolean)
            }

            fn visit_i64<E>(self, number: i64) -> Result<Shape, E> {
                Ok(Shape::Number(Some(number.into())))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Shape, E> {
                Ok(Shape::Number(Some(number.into())))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Shape, E> {
                Ok(Shape::Number(None))
            }

            fn visit_str<E>(self, text: &str) -> Result<Shape, E> {
                Ok(Shape::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Shape::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Shape, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Shape::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

/// The mistakes of a file.
#[derive(Debug, Default)]
pub(super) struct SchemaMistakes {
    /// Keys that are unknown or missing, and values of a wrong kind: such a file cannot be deserialized.
    pub(super) form: Vec<Error>,
    /// Texts that do not have the format that the schema gives them.
    pub(super) names: Vec<Error>,
}

impl SchemaMistakes {
    /// All of them.
    pub(super) fn all(mut self) -> Vec<Error> {
        self.form.append(&mut self.names);
        self.form
    }
}

/// Every way in which `text`, the content of the file `path`, is not what `schema` describes.
pub(super) fn mistakes(path: &Path, text: &str, schema: &Value) -> SchemaMistakes {
    match Document::read(path, text) {
        Err(error) => SchemaMistakes { form: vec![error], names: Vec::new() },
        Ok(document) => document.mistakes(path, schema),
    }
}

/// A file that was parsed, with the places of its values.
pub(super) struct Document(Node);

impl Document {
    /// Parses `text`, the content of the file `path`.
    pub(super) fn read(path: &Path, text: &str) -> Result<Self, Error> {
        serde_saphyr::from_str(text).map(Self).map_err(|error| Error::yaml(path, &error))
    }

    /// Every way in which the file, whose path is `path`, is not what `schema` describes.
    pub(super) fn mistakes(&self, path: &Path, schema: &Value) -> SchemaMistakes {
        let mut check = Check { path, root: schema, found: SchemaMistakes::default() };
        check.node(schema, &self.0, 0);
        check.found
    }

    /// Each text under `keys`, through lists, with its place. `*` stands for every key.
    pub(super) fn texts<const N: usize>(&self, keys: [&str; N]) -> Vec<(&str, Location)> {
        fn collect<'a>(node: &'a Node, keys: &[&str], found: &mut Vec<(&'a str, Location)>) {
            match (&node.value, keys) {
                (Shape::Text(text), []) => found.push((text, node.referenced)),
                (Shape::List(items), _) => items.iter().for_each(|item| collect(item, keys, found)),
                (Shape::Map(entries), [key, rest @ ..]) => {
                    for (name, value) in entries {
                        if *key == "*" || name.value == *key {
                            collect(value, rest, found);
                        }
                    }
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        collect(&self.0, &keys, &mut found);
        found
    }

    /// The place of the value at `path`, such as `files[2].to`, or of the nearest value above it that exists.
    pub(super) fn place(&self, path: &str) -> Location {
        let mut node = &self.0;
        for part in path.split(['.', '[']) {
            let index = part.strip_suffix(']').and_then(|index| index.parse::<usize>().ok());
            let next = match (&node.value, index) {
                (Shape::List(items), Some(index)) => items.get(index),
                (Shape::Map(entries), None) => {
                    entries.iter().find(|(key, _)| key.value == part).map(|(_, value)| value)
                }
                _ => None,
            };
            let Some(next) = next else { break };
            node = next;
        }
        node.referenced
    }
}

struct Check<'a> {
    path: &'a Path,
    root: &'a Value,
    found: SchemaMistakes,
}

impl Check<'_> {
    fn wrong(&mut self, place: Location, message: String) {
        self.found.form.push(Error::at(self.path, place, message));
    }

    /// Checks a text against the format that `schema` gives it.
    fn name(&mut self, schema: &Value, text: &str, place: Location) {
        // What its expressions stand for is not known here.
        if has_expression(text) {
            return;
        }
        let checker = schema.get("format").and_then(Value::as_str).and_then(names::checker);
        if let Some(Err(message)) = checker.map(|check| check(text)) {
            self.found.names.push(Error::at(self.path, place, message));
        }
    }

    fn node(&mut self, schema: &Value, node: &Node, depth: usize) {
        if depth > DEPTH_MAX {
            return;
        }
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let root = self.root;
            if let Some(target) = name.strip_prefix('#').and_then(|pointer| root.pointer(pointer)) {
                self.node(target, node, depth + 1);
            }
            return;
        }
        if let Some(choices) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
            self.choice(choices, node, depth);
            return;
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(name)) => vec![name],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !types.is_empty() && !types.iter().any(|name| node.value.is(name)) {
            let expected = types.iter().find(|name| **name != "null").map_or("nothing", |name| plain(name));
            self.wrong(node.referenced, format!("expected {expected}, found {}", node.value.kind()));
            return;
        }
        if let (Some(Value::Array(words)), Shape::Text(text)) = (schema.get("enum"), &node.value) {
            self.word(&words.iter().filter_map(Value::as_str).collect::<Vec<_>>(), text, node.referenced);
        }
        if let Some(word) = schema.get("const").and_then(Value::as_str) {
            match &node.value {
                Shape::Text(text) => self.word(&[word], text, node.referenced),
                other => {
                    self.wrong(node.referenced, format!("expected `{word}`, found {}", other.kind()));
                }
            }
        }
        match &node.value {
            Shape::List(items) => {
                for (item, schema) in items.iter().zip(schema.get("items").into_iter().cycle()) {
                    self.node(schema, item, depth + 1);
                }
            }
            Shape::Map(entries) => self.entries(schema, entries, node.referenced, depth),
            Shape::Text(text) => self.name(schema, text, node.referenced),
            Shape::Number(number) if types.contains(&"integer") => {
                self.whole(schema, *number, node.referenced);
            }
            _ => {}
        }
    }

    /// Checks a whole number against the range that `schema` gives it.
    fn whole(&mut self, schema: &Value, number: Option<i128>, place: Location) {
        let most = match schema.get("format").and_then(Value::as_str) {
            Some("uint32") => u32::MAX.into(),
            Some("uint64") => u64::MAX.into(),
            _ => i128::MAX,
        };
        let least = schema.get("minimum").and_then(Value::as_i64).map_or(i128::MIN, Into::into);
        if !number.is_some_and(|number| (least..=most).contains(&number)) {
            self.wrong(place, format!("expected a whole number from {least} to {most}"));
        }
    }

    /// One of several forms: an optional value, or a word.
    fn choice(&mut self, choices: &[Value], node: &Node, depth: usize) {
        let is_null = |choice: &&Value| choice.get("type").is_some_and(|name| name == "null");
        if matches!(node.value, Shape::Nothing) && choices.iter().any(|choice| is_null(&choice)) {
            return;
        }
        let rest: Vec<&Value> = choices.iter().filter(|choice| !is_null(choice)).collect();
        let words: Vec<&str> = rest.iter().filter_map(|choice| choice.get("const")?.as_str()).collect();
        match (rest.as_slice(), &node.value) {
            ([only], _) => self.node(only, node, depth + 1),
            (_, Shape::Text(text)) if words.len() == rest.len() => self.word(&words, text, node.referenced),
            (forms, value) => {
                let types: Vec<&str> = forms.iter().filter_map(|form| self.type_of(form)).collect();
                let fitting: Vec<&&Value> = forms
                    .iter()
                    .filter(|form| self.type_of(form).is_none_or(|name| value.is(name)))
                    .collect();
                match fitting.as_slice() {
                    [] => {
                        let types: Vec<&str> = types.into_iter().map(plain).collect();
                        let message = format!("expected {}, found {}", types.join(" or "), value.kind());
                        self.wrong(node.referenced, message);
                    }
                    [only] => self.node(only, node, depth + 1),
                    // What has several forms of one type is left to its own parser.
                    _ => {}
                }
            }
        }
    }

    /// The type that `schema`, or what it refers to, asks for, if it is one.
    fn type_of<'a>(&'a self, schema: &'a Value) -> Option<&'a str> {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
        let schema = target.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema);
        schema.get("type").and_then(Value::as_str)
    }

    fn word(&mut self, words: &[&str], text: &str, place: Location) {
        if !words.contains(&text) {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            self.wrong(place, format!("expected {}, found `{text}`", words.join(" or ")));
        }
    }

    fn entries(
        &mut self,
        schema: &Value,
        entries: &[(Spanned<String>, Node)],
        place: Location,
        depth: usize,
    ) {
        let known = schema.get("properties").and_then(Value::as_object);
        let other = schema.get("additionalProperties");
        if let Some(names) = schema.get("propertyNames") {
            entries.iter().for_each(|(key, _)| self.name(names, &key.value, key.referenced));
        }
        for (key, value) in entries {
            if let Some(schema) = known.and_then(|known| known.get(&key.value)) {
                self.node(schema, value, depth + 1);
            } else if other == Some(&Value::Bool(false)) {
                let names = known.into_iter().flat_map(|known| known.keys()).map(String::as_str);
                let near =
                    content::nearest(&key.value, names).map(|near| format!("; did you mean `{near}`?"));
                self.wrong(
                    key.referenced,
                    format!("unknown key `{}`{}", key.value, near.unwrap_or_default()),
                );
            } else if let Some(schema) = other {
                self.node(schema, value, depth + 1);
            }
        }
        let required = schema.get("required").and_then(Value::as_array);
        for name in required.into_iter().flatten().filter_map(Value::as_str) {
            if !entries.iter().any(|(key, _)| key.value == name) {
                self.wrong(place, format!("missing key `{name}`"));
            }
        }
    }
}

/// A type of JSON in plain words.
fn plain(name: &str) -> &'static str {
    match name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" | "number" => "a number",
        "object" => "keys with values",
        _ => "text",
    }
}
