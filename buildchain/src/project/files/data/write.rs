//! JSON, TOML and lines `KEY=value`.

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, PrettyFormatter, Serializer};

use crate::project::names::{ParsedName as _, VariableName};

/// `value` as JSON, each level indented by so many blanks; on one line for 0.
pub(super) fn json(value: &Value, indent: u8) -> Result<String, String> {
    let mut bytes = Vec::new();
    let blanks = " ".repeat(indent.into());
    let written = if indent == 0 {
        value.serialize(&mut Serializer::with_formatter(&mut bytes, CompactFormatter))
    } else {
        let formatter = PrettyFormatter::with_indent(blanks.as_bytes());
        value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))
    };
    written.map_err(|error| error.to_string())?;
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// `value` as TOML.
pub(super) fn toml(value: &Value) -> Result<String, String> {
    if !value.is_object() {
        return Err("TOML has keys with values at its top".into());
    }
    if let Some((path, what)) = no_toml(value) {
        return Err(format!("`{path}` {what}: TOML cannot express that"));
    }
    toml::to_string(value).map_err(|error| error.to_string())
}

/// The path of a value that TOML does not have, and what it is.
fn no_toml(value: &Value) -> Option<(String, &'static str)> {
    let joined = |part: String, value: &Value| {
        let (inner, what) = no_toml(value)?;
        Some((if inner.is_empty() { part } else { format!("{part}.{inner}") }, what))
    };
    match value {
        Value::Null => Some((String::new(), "has no value")),
        Value::Number(number) if number.is_u64() && !number.is_i64() => {
            Some((String::new(), "has more than 63 bits"))
        }
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| joined(index.to_string(), item))
        }
        Value::Object(entries) => entries.iter().find_map(|(key, value)| joined(key.clone(), value)),
        _ => None,
    }
}

/// `value` as lines that a shell reads: each value as it is if it has no special character, else in quotes.
pub(super) fn env(value: &Value) -> Result<String, String> {
    let Value::Object(entries) = value else { return Err("`env` has keys with values".into()) };
    let mut text = String::new();
    for (key, value) in entries {
        VariableName::parse(key)?;
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null => String::new(),
            Value::Array(_) | Value::Object(_) => {
                return Err(format!("`{key}` is not a text: `env` has no nested values"));
            }
        };
        let quoted = if value.is_empty() { Ok("".into()) } else { shlex::try_quote(&value) };
        let quoted = quoted.map_err(|_| format!("`{key}` has a NUL byte"))?;
        text += &format!("{key}={quoted}\n");
    }
    Ok(text)
}
