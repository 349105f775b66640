//! Structural schemas: the rules that Kubernetes has for the schemas of custom resources (`apiextensions.k8s.io/v1`).

use images::yaml::{Node, Value};

/// The deepest nesting of schemas that is read.
const DEPTH_MAX: usize = 64;
/// The most problems of one schema that are reported.
const PROBLEMS_MAX: usize = 20;
/// What a schema of a custom resource must not have.
const FORBIDDEN: [&str; 8] = [
    "$ref",
    "$schema",
    "id",
    "definitions",
    "dependencies",
    "deprecated",
    "patternProperties",
    "additionalItems",
];
/// What only the structure may have, not the conditions in `allOf`, `anyOf`, `oneOf` and `not`.
const STRUCTURE_ONLY: [&str; 12] = [
    "title",
    "description",
    "default",
    "nullable",
    "additionalProperties",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-validations",
];
/// The keys whose values are conditions.
const JUNCTORS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";

/// A problem of a schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SchemaProblem {
    /// The line, from 1.
    pub(super) line: u64,
    /// The field of the resource and what is wrong with its schema: `.spec.size: type is missing`.
    pub(super) problem: String,
}

/// What is not structural in the `openAPIV3Schema` of a resource; at most 20 problems.
pub(super) fn problems(schema: &Node) -> Vec<SchemaProblem> {
    let mut check = Check { found: Vec::new() };
    check.structure(schema, "", Level::Root, 0);
    check.found
}

/// Where a schema stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Field,
    Item,
}

struct Check {
    found: Vec<SchemaProblem>,
}

impl Check {
    fn add(&mut self, node: &Node, field: &str, problem: impl AsRef<str>) {
        if self.found.len() < PROBLEMS_MAX {
            let field = if field.is_empty() { "the root" } else { field };
            let problem = format!("{field}: {}", problem.as_ref());
            self.found.push(SchemaProblem { line: node.referenced.line(), problem });
        }
    }

    /// Checks the structure: every field and item has a type, and only what the rules allow.
    fn structure(&mut self, node: &Node, field: &str, level: Level, depth: usize) {
        if depth > DEPTH_MAX {
            self.add(node, field, format!("the schema is nested deeper than {DEPTH_MAX}"));
            return;
        }
        if !matches!(node.value, Value::Map(_)) {
            self.add(node, field, "expected a schema");
            return;
        }
        self.forbidden(node, field);
        self.kind(node, field, level);
        self.extensions(node, field);
        let properties = node.value.key("properties");
        match node.value.key("additionalProperties") {
            Some(both) if properties.is_some() => {
                self.add(both, field, "`properties` and `additionalProperties` exclude each other");
            }
            Some(Node { value: Value::Bool(true), .. }) | None => {}
            Some(closed @ Node { value: Value::Bool(false), .. }) => {
                self.add(closed, field, "`additionalProperties` cannot be false");
            }
            Some(of_all) => self.structure(of_all, &format!("{field}.*"), Level::Field, depth + 1),
        }
        for (name, inner) in properties.map_or(&[][..], |properties| properties.value.entries()) {
            self.structure(inner, &format!("{field}.{name}"), Level::Field, depth + 1);
        }
        match node.value.key("items") {
            Some(items @ Node { value: Value::List(_), .. }) => {
                self.add(items, field, "`items` must be one schema, not a list");
            }
            Some(items) => self.structure(items, &format!("{field}[]"), Level::Item, depth + 1),
            None if is_text(node, "type", "array") => self.add(node, field, "`items` is missing"),
            None => {}
        }
        for key in JUNCTORS {
            for condition in node.value.key(key).map_or(&[][..], |list| list.value.items()) {
                self.condition(condition, node, field, key, depth + 1);
            }
        }
        if let Some(condition) = node.value.key("not") {
            self.condition(condition, node, field, "not", depth + 1);
        }
        if level == Level::Root || is_true(node, EMBEDDED) {
            self.metadata(node, field);
        }
    }

    fn forbidden(&mut self, node: &Node, field: &str) {
        for key in FORBIDDEN {
            if let Some(found) = node.value.key(key) {
                self.add(found, field, format!("`{key}` is not supported"));
            }
        }
        if let Some(unique @ Node { value: Value::Bool(true), .. }) = node.value.key("uniqueItems") {
            self.add(unique, field, "`uniqueItems` cannot be true");
        }
    }

    fn kind(&mut self, node: &Node, field: &str, level: Level) {
        let kind = node.value.key("type");
        let both = is_true(node, INT_OR_STRING);
        match kind.map(|kind| (kind, kind.value.text())) {
            Some((kind, _)) if both => {
                self.add(kind, field, format!("`type` must be left out with `{INT_OR_STRING}`"));
            }
            Some((kind, Some(name))) => {
                let known = ["array", "boolean", "integer", "number", "object", "string"];
                if !known.contains(&name) {
                    let name: String = name.chars().take(60).collect();
                    self.add(kind, field, format!("the type is `{name}`, expected {}", known.join(", ")));
                } else if level == Level::Root && name != "object" {
                    self.add(kind, field, "the type must be `object`");
                }
            }
            Some((kind, None)) => self.add(kind, field, "`type` must be one word"),
            None if both || is_true(node, PRESERVE) && level != Level::Root => {}
            None => self.add(node, field, "`type` is missing"),
        }
        if level == Level::Root && is_true(node, "nullable") {
            self.add(node, field, "`nullable` cannot be true");
        }
    }

    fn extensions(&mut self, node: &Node, field: &str) {
        if let Some(kept) = node.value.key(PRESERVE)
            && !matches!(kept.value, Value::Bool(true))
        {
            self.add(kept, field, format!("`{PRESERVE}` must be true or left out"));
        }
        if is_true(node, EMBEDDED) {
            if !is_text(node, "type", "object") {
                self.add(node, field, format!("`{EMBEDDED}` needs the type `object`"));
            }
            if node.value.key("properties").is_none() && !is_true(node, PRESERVE) {
                self.add(node, field, format!("`{EMBEDDED}` needs `properties` or `{PRESERVE}`"));
            }
        }
        let word = |key: &str| node.value.key(key).map(|word| (word, word.value.text().unwrap_or_default()));
        let keys = node.value.key("x-kubernetes-list-map-keys");
        if let Some((found, kind)) = word("x-kubernetes-list-type") {
            if !["atomic", "set", "map"].contains(&kind) {
                self.add(found, field, "`x-kubernetes-list-type` must be atomic, set or map");
            }
            if !is_text(node, "type", "array") {
                self.add(found, field, "`x-kubernetes-list-type` needs the type `array`");
            }
            if kind == "map" {
                self.list_map(node, found, keys, field);
            }
        } else if let Some(keys) = keys {
            self.add(keys, field, "`x-kubernetes-list-map-keys` needs `x-kubernetes-list-type: map`");
        }
        if let Some((found, kind)) = word("x-kubernetes-map-type") {
            if !["atomic", "granular"].contains(&kind) {
                self.add(found, field, "`x-kubernetes-map-type` must be atomic or granular");
            }
            if !is_text(node, "type", "object") {
                self.add(found, field, "`x-kubernetes-map-type` needs the type `object`");
            }
        }
    }

    fn list_map(&mut self, node: &Node, place: &Node, keys: Option<&Node>, field: &str) {
        let keys = keys.map_or(&[][..], |keys| keys.value.items());
        if keys.is_empty() {
            self.add(place, field, "a list of type `map` needs `x-kubernetes-list-map-keys`");
        }
        let items = node.value.key("items").and_then(|items| items.value.key("properties"));
        for key in keys {
            let name = key.value.text().unwrap_or_default();
            if items.is_none_or(|items| items.value.key(name).is_none()) {
                let name: String = name.chars().take(60).collect();
                self.add(key, field, format!("the key `{name}` is not among the properties of the items"));
            }
        }
    }

    /// Only the name can be restricted in the metadata of an object.
    fn metadata(&mut self, node: &Node, field: &str) {
        let Some(metadata) = node.value.key("properties").and_then(|all| all.value.key("metadata")) else {
            return;
        };
        let field = format!("{field}.metadata");
        if !is_text(metadata, "type", "object") {
            self.add(metadata, &field, "the type must be `object`");
        }
        for (key, value) in metadata.value.entries() {
            match key.as_str() {
                "type" | "description" | "title" => {}
                "properties" => {
                    for (name, _) in value.value.entries() {
                        if !["name", "generateName"].contains(&name.as_str()) {
                            let name: String = name.chars().take(60).collect();
                            self.add(
                                value,
                                &field,
                                format!("`{name}` cannot be restricted, only name and generateName"),
                            );
                        }
                    }
                }
                _ => {
                    let key: String = key.chars().take(60).collect();
                    self.add(value, &field, format!("`{key}` is not supported there"));
                }
            }
        }
    }

    /// Checks a condition: it says nothing about the structure, and names only fields that the structure has.
    fn condition(&mut self, node: &Node, structure: &Node, field: &str, key: &str, depth: usize) {
        if depth > DEPTH_MAX {
            self.add(node, field, format!("the schema is nested deeper than {DEPTH_MAX}"));
            return;
        }
        self.forbidden(node, field);
        // The two patterns for an integer or a string name types.
        let may_have_type = is_true(structure, INT_OR_STRING) && ["anyOf", "allOf"].contains(&key);
        if let Some(kind) = node.value.key("type").filter(|_| !may_have_type) {
            self.add(kind, field, format!("`type` cannot stand in `{key}`"));
        }
        for forbidden in STRUCTURE_ONLY {
            if let Some(found) = node.value.key(forbidden) {
                self.add(found, field, format!("`{forbidden}` cannot stand in `{key}`"));
            }
        }
        let known = structure.value.key("properties");
        for (name, inner) in node.value.key("properties").map_or(&[][..], |all| all.value.entries()) {
            let field = format!("{field}.{name}");
            match known.and_then(|known| known.value.key(name)) {
                Some(structure) => self.condition(inner, structure, &field, key, depth + 1),
                None => self.add(inner, &field, format!("it stands in `{key}` and not in the structure")),
            }
        }
        if let Some(items) = node.value.key("items") {
            match structure.value.key("items") {
                Some(structure) => self.condition(items, structure, &format!("{field}[]"), key, depth + 1),
                None => self.add(items, field, format!("`items` stands in `{key}` and not in the structure")),
            }
        }
        for inner in JUNCTORS {
            for condition in node.value.key(inner).map_or(&[][..], |list| list.value.items()) {
                self.condition(condition, structure, field, inner, depth + 1);
            }
        }
        if let Some(inner) = node.value.key("not") {
            self.condition(inner, structure, field, "not", depth + 1);
        }
    }
}

fn is_true(node: &Node, key: &str) -> bool {
    node.value.key(key).is_some_and(|value| matches!(value.value, Value::Bool(true)))
}

fn is_text(node: &Node, key: &str, expected: &str) -> bool {
    node.value.key(key).and_then(|value| value.value.text()) == Some(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let documents = images::yaml::parse(text).unwrap();
        problems(&documents[0]).iter().map(|found| format!("{} {}", found.line, found.problem)).collect()
    }

    #[test]
    fn structural_schemas_have_no_problem() {
        for text in [
            "type: object\nx-kubernetes-preserve-unknown-fields: true\n",
            "type: object
properties:
  apiVersion: {type: string}
  metadata: {type: object, properties: {name: {type: string, maxLength: 63}}}
  spec:
    type: object
    required: [size]
    properties:
      size: {type: integer, minimum: 1}
      port:
        x-kubernetes-int-or-string: true
        anyOf: [{type: integer}, {type: string}]
      limits:
        type: object
        additionalProperties:
          x-kubernetes-int-or-string: true
          allOf: [{anyOf: [{type: integer}, {type: string}]}, {pattern: '^[0-9]+$'}]
      free: {x-kubernetes-preserve-unknown-fields: true}
      parts:
        type: array
        x-kubernetes-list-type: map
        x-kubernetes-list-map-keys: [name]
        items: {type: object, properties: {name: {type: string}}}
      template: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
    oneOf:
      - required: [size]
      - {required: [port], properties: {size: {maximum: 3}}}
  status: {type: object, nullable: true}
",
        ] {
            assert_eq!(found(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_not_structural_is_named_with_field_and_line() {
        let cases = [
            ("[]", "1 the root: expected a schema"),
            ("properties: {}", "1 the root: `type` is missing"),
            ("type: string", "1 the root: the type must be `object`"),
            ("{type: object, nullable: true}", "1 the root: `nullable` cannot be true"),
            ("type: object\nproperties:\n  a: {}\n", "3 .a: `type` is missing"),
            (
                "type: object\nproperties:\n  a: {type: text}\n",
                "3 .a: the type is `text`, expected array, boolean, integer, number, object, string",
            ),
            ("type: object\nproperties:\n  a: {type: [string]}\n", "3 .a: `type` must be one word"),
            ("type: object\nproperties:\n  a: {type: array}\n", "3 .a: `items` is missing"),
            ("type: object\nproperties:\n  a: {type: array, items: {}}\n", "3 .a[]: `type` is missing"),
            (
                "type: object\nproperties:\n  a: {type: array, items: [{type: string}]}\n",
                "3 .a: `items` must be one schema, not a list",
            ),
            (
                "type: object\nproperties:\n  a: {type: array, items: {type: string}, uniqueItems: true}\n",
                "3 .a: `uniqueItems` cannot be true",
            ),
            (
                "type: object\nadditionalProperties: false\n",
                "2 the root: `additionalProperties` cannot be false",
            ),
            (
                "type: object\nproperties: {}\nadditionalProperties: {type: string}\n",
                "3 the root: `properties` and `additionalProperties` exclude each other",
            ),
            (
                "type: object\nproperties:\n  a: {$ref: '#/definitions/a', type: object}\n",
                "3 .a: `$ref` is not supported",
            ),
            (
                "type: object\nproperties:\n  a: {type: string, x-kubernetes-int-or-string: true}\n",
                "3 .a: `type` must be left out with `x-kubernetes-int-or-string`",
            ),
            (
                "type: object\nproperties:\n  a: {type: object, x-kubernetes-preserve-unknown-fields: false}\n",
                "3 .a: `x-kubernetes-preserve-unknown-fields` must be true or left out",
            ),
            (
                "type: object\nproperties:\n  a: {type: object, x-kubernetes-embedded-resource: true}\n",
                "3 .a: `x-kubernetes-embedded-resource` needs `properties` or `x-kubernetes-preserve-unknown-fields`",
            ),
            (
                "type: object\nproperties:\n  a: {type: array, items: {type: object}, x-kubernetes-list-type: map}\n",
                "3 .a: a list of type `map` needs `x-kubernetes-list-map-keys`",
            ),
            (
                "type: object\nproperties:\n  metadata: {type: object, properties: {labels: {type: object}}}\n",
                "3 .metadata: `labels` cannot be restricted, only name and generateName",
            ),
            (
                "type: object\nanyOf:\n  - {properties: {b: {minimum: 1}}}\n",
                "3 .b: it stands in `anyOf` and not in the structure",
            ),
            (
                "type: object\nproperties:\n  b: {type: integer}\nanyOf:\n  - {properties: {b: {type: integer}}}\n",
                "5 .b: `type` cannot stand in `anyOf`",
            ),
            ("type: object\nnot: {description: x}\n", "2 the root: `description` cannot stand in `not`"),
        ];
        for (text, expected) in cases {
            assert_eq!(found(text), [expected], "{text}");
        }
    }

    #[test]
    fn a_forged_schema_has_no_more_problems_than_are_reported() {
        let fields: String = (0..1000).map(|n| format!("  f{n}: {{}}\n")).collect();
        assert_eq!(found(&format!("type: object\nproperties:\n{fields}")).len(), PROBLEMS_MAX);
    }
}
