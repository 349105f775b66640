//! The page of documents, and their JSON Schemas.

use std::io;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::escaped;
use crate::output::document::API_VERSION;
use crate::output::documents::KINDS;
use crate::output::json;

/// The JSON Schema of each document.
pub(super) fn schemas() -> io::Result<Vec<(PathBuf, String)>> {
    KINDS
        .iter()
        .map(|kind| Ok((format!("schemas/{}.json", kind.name).into(), json(&(kind.schema)())?)))
        .collect()
}

/// All documents with their keys.
pub(super) fn page() -> String {
    let mut page = format!(
        "# JSON and YAML reports\n\n\
         With `-o json` or `-o yaml`, a command writes its report to standard output as one document. Each document names its \
         version and kind:\n\n\
         ```json\n{{\"apiVersion\": \"{API_VERSION}\", \"kind\": \"ArchiveList\", \"items\": []}}\n```\n\n\
         - Keys are camelCase. Values from a fixed set are kebab-case, such as `would-run`. Sizes are in bytes.\n\
         - A list is a document too: its kind ends in `List`, and its elements are in `items`.\n\
         - Within a version, keys may be added, but none is removed or changes its meaning. Ignore keys that you do not know.\n\
         - `sealift schema KIND` prints the JSON Schema of a kind; the schemas are also in this folder.\n\n\
         ## Errors\n\n\
         Standard output contains only reports, so you can pipe it into `jq`. A command that fails writes a document of kind `Error` \
         to standard error: with `-o json` as the last line, with `-o yaml` after a line `---`. Warnings can come before it, as text. \
         If the report itself shows what is wrong, as that of `archive verify` does, there is no error document.\n\n\
         ## Events of a run\n\n\
         `sealift run --reporter json-lines` writes one JSON object per line as tasks start and end. Each has the key `event`: \
         `begun`, `pruned`, `started`, `line`, `retrying`, `warned`, `finished`, `summary` or `ended`. Events have no envelope. \
         All have the key `time`, in RFC 3339 and UTC; those about a task have its `name` and `publicName`. The keys of `finished` \
         are those of a task of [Run](#run); the keys of `summary` are its `started`, `elapsed`, `counts` and `artifacts`.\n\n\
         ## Kinds\n\n\
         | kind | command |\n| --- | --- |\n"
    );
    for kind in KINDS {
        page.push_str(&format!("| [{0}](#{1}) | {2} |\n", kind.name, kind.name.to_lowercase(), kind.source));
    }
    for kind in KINDS {
        let schema = (kind.schema)();
        page.push_str(&format!("\n## {}\n\n", kind.name));
        if let Some(text) = description(&schema) {
            page.push_str(&format!("{text} "));
        }
        page.push_str(&format!("[JSON Schema](schemas/{}.json)\n", kind.name));
        let empty = Map::new();
        let definitions = schema.get("$defs").and_then(Value::as_object).unwrap_or(&empty);
        properties(&mut page, &schema);
        for (name, definition) in definitions {
            if definition.get("properties").is_some() || definition.get("oneOf").is_some() {
                page.push_str(&format!("\n**{name}**"));
                if let Some(text) = description(definition) {
                    page.push_str(&format!(": {text}"));
                }
                page.push('\n');
                properties(&mut page, definition);
            }
        }
    }
    page
}

fn description(schema: &Value) -> Option<String> {
    schema.get("description").and_then(Value::as_str).map(escaped)
}

/// The keys of an object, or the values of an enumeration.
fn properties(page: &mut String, schema: &Value) {
    if let Some(values) = schema.get("oneOf").and_then(Value::as_array) {
        page.push_str("\n| value | |\n| --- | --- |\n");
        for value in values {
            variant(page, value);
        }
        return;
    }
    let Some(keys) = schema.get("properties").and_then(Value::as_object) else { return };
    page.push_str("\n| key | type | |\n| --- | --- | --- |\n");
    for (key, value) in keys {
        let text = description(value).unwrap_or_default();
        page.push_str(&format!("| `{key}` | {} | {text} |\n", type_of(value)));
    }
}

/// One of the values of an enumeration: a word, several words, or an object with a tag.
fn variant(page: &mut String, value: &Value) {
    let text = description(value).unwrap_or_default();
    let words = value.get("enum").and_then(Value::as_array).cloned().unwrap_or_default();
    let words = words.into_iter().chain(value.get("const").cloned());
    let words: Vec<String> = words.filter_map(|word| Some(format!("`{}`", word.as_str()?))).collect();
    if !words.is_empty() {
        page.push_str(&format!("| {} | {text} |\n", words.join(", ")));
        return;
    }
    let keys = value.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let tag =
        keys.iter().find_map(|(key, value)| Some(format!("`{key}: {}`", value.get("const")?.as_str()?)));
    let others: Vec<String> = keys
        .iter()
        .filter(|(_, value)| value.get("const").is_none())
        .map(|(key, value)| format!("`{key}` ({})", type_of(value)))
        .collect();
    let keys = if others.is_empty() { String::new() } else { format!(" Keys: {}.", others.join(", ")) };
    page.push_str(&format!("| {} | {text}{keys} |\n", tag.unwrap_or_default()));
}

/// The type of a value in words.
fn type_of(schema: &Value) -> String {
    if let Some(value) = schema.get("const").and_then(Value::as_str) {
        return format!("`{value}`");
    }
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return name.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        return any.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    if schema.get("type").and_then(Value::as_str) == Some("array") {
        return format!("list of {}", schema.get("items").map_or_else(|| "any".to_owned(), type_of));
    }
    match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "any".to_owned(),
    }
}
