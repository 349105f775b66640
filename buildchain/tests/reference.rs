//! The pages `docs/reference/*.md` that list the keys of each file: generated from the types, and never stale.
#![allow(clippy::disallowed_methods, reason = "tests use folders of their own")]
#![cfg(test)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use buildchain::project::file::{Catalogue, ContainerBuild, LockFileContent, ProjectFile};
use buildchain::project::{Project, Settings, SettingsFlags};
use schemars::schema_for;
use serde_json::Value;

/// What renews the pages.
const COMMAND: &str = "SEALIFT_RENEW=1 cargo test -p buildchain --test reference";

/// A page: its name below `docs/reference/`, what stands above the keys, and the schema.
fn pages() -> Vec<(&'static str, &'static str, Value)> {
    vec![
        ("project-file.md", PROJECT_FILE, schema_for!(ProjectFile).to_value()),
        ("catalogue.md", CATALOGUE, schema_for!(Catalogue).to_value()),
        ("image.md", IMAGE, schema_for!(images::build::DefinedImage).to_value()),
        ("build.md", BUILD, schema_for!(ContainerBuild).to_value()),
        ("package.md", PACKAGE, schema_for!(packages::RpmDefinition).to_value()),
        ("lock.md", LOCK, schema_for!(LockFileContent).to_value()),
    ]
}

const PROJECT_FILE: &str = "# sealift.yaml\n\nThe project file is YAML. Sealift reports every mistake in it with file, line and \
    column before anything runs. `sealift schema` prints its JSON Schema, which many editors can use.\n\nPaths are \
    relative to the folder of the project and must stay in it. Definitions (`image.yaml`, `build.yaml`, `package.yaml`) and \
    files whose name ends in `.in` are templates. They, and every string of this file, can name the \
    [variables](../guide/project-file.md) of the project (`{{ name }}`) and these values:\n\n| value | meaning |\n| --- | --- |\n| `{{ name }}` | the name of the project \
    |\n| `{{ slug }}` | the name in lower case |\n| `{{ version }}` | the version |\n| `{{ short_version }}` | its first two \
    numbers |\n| `{{ architecture }}` | the architecture of this machine, as images name it: `amd64` |\n| `{{ machine }}` | the \
    same, as packages name it: `x86_64` |\n| `{{ build_root }}` | the build root, relative to the project |\n";

const CATALOGUE: &str = "# Catalogues\n\nA catalogue lists images to pull. The project file names it under `spec.images.catalogues`.\n";

const IMAGE: &str = "# image.yaml\n\nThis file defines an image that Sealift builds itself. The file is a template: see [sealift.yaml](project-file.md).\n";

const BUILD: &str = "# build.yaml\n\nThis file, in the same folder as a `Containerfile`, sets how that is built. Every key is \
    optional. The file is a template: see [sealift.yaml](project-file.md).\n";

const PACKAGE: &str = "# package.yaml\n\nThis file defines an RPM. The file is a template: see [sealift.yaml](project-file.md). \
    [Packages](../guide/packages.md) explains dependencies.\n";

const LOCK: &str = "# sealift.lock\n\nThe lock file has the digest of every tag, and what the files and git repositories of `spec.sources` were when they were locked. `sealift lock` and `sealift update` write it; do \
    not edit it. References are sorted, with one digest on each line, so that changes are easy to review.\n";

#[test]
fn pages_are_those_of_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference");
    let mut stale = Vec::new();
    for (name, head, schema) in pages() {
        let path = folder.join(name);
        let page = page(head, &schema);
        if std::env::var_os("SEALIFT_RENEW").is_some() {
            fs::write(&path, &page).unwrap();
        }
        if fs::read_to_string(&path).ok().as_deref() != Some(&page) {
            stale.push(name);
        }
    }
    assert_eq!(stale, [""; 0], "stale; renew them with `{COMMAND}`");
}

#[test]
fn every_key_has_a_meaning() {
    for (name, _, schema) in pages() {
        for (place, key, property) in keys(&schema) {
            assert!(
                property["description"].is_string() || property["$ref"].is_string(),
                "{name}: {place}.{key}"
            );
        }
    }
}

/// All keys of a schema, with the type that has them.
fn keys(schema: &Value) -> Vec<(String, String, Value)> {
    let types = schema["$defs"].as_object().into_iter().flatten().map(|(name, part)| (name.clone(), part));
    let types = std::iter::once((String::new(), schema)).chain(types);
    types
        .flat_map(|(place, part)| {
            let keys = part["properties"].as_object().cloned().unwrap_or_default();
            keys.into_iter().map(move |(key, property)| (place.clone(), key, property))
        })
        .collect()
}

fn page(head: &str, schema: &Value) -> String {
    let mut page = format!("<!-- Generated from the types. Renew it with `{COMMAND}`. -->\n\n{head}");
    let mut seen = BTreeMap::new();
    section(&mut page, schema, schema, "", &mut seen);
    page
}

/// The keys of `part`, which has the path `place` in the file; then those of the objects in it.
fn section(
    page: &mut String,
    schema: &Value,
    part: &Value,
    place: &str,
    seen: &mut BTreeMap<String, String>,
) {
    let Some(properties) = part["properties"].as_object() else { return };
    if place.is_empty() {
        page.push_str("\n## Keys\n");
    } else {
        write!(page, "\n## {place}\n\n{}\n", text(part)).unwrap();
    }
    page.push_str("\n| key | value | meaning |\n| --- | --- | --- |\n");
    let required: Vec<&str> =
        part["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut inner = Vec::new();
    for (key, property) in properties {
        let (shown, object) = value(schema, property);
        let mut meaning = text(property);
        if meaning.is_empty() {
            meaning = object.map(text).unwrap_or_default();
        }
        if required.contains(&key.as_str()) {
            meaning.push_str(" Required.");
        } else if let Some(default) = default(&property["default"]) {
            write!(meaning, " Default: {default}.").unwrap();
        }
        for (choice, what) in choices(schema, property) {
            write!(meaning, " `{choice}`: {what}").unwrap();
        }
        writeln!(page, "| `{key}` | {shown} | {} |", meaning.trim().replace('|', "\\|")).unwrap();
        if let Some(object) = object.filter(|object| object["properties"].is_object()) {
            let place = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            inner.push((place, object));
        }
    }
    for (place, object) in inner {
        match seen.insert(object.to_string(), place.clone()) {
            None => section(page, schema, object, &place, seen),
            Some(first) => write!(page, "\n## {place}\n\nThe same keys as in `{first}`.\n").unwrap(),
        }
    }
}

/// The text of a description, on one line.
fn text(part: &Value) -> String {
    part["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn default(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Array(list) if list.is_empty() => None,
        Value::Object(object) if object.is_empty() => None,
        Value::Object(_) => None,
        other => Some(format!("`{}`", other.as_str().map_or_else(|| other.to_string(), str::to_owned))),
    }
}

/// The kind of a value in plain words, and the object that it is or has, if any.
fn value<'s>(schema: &'s Value, property: &'s Value) -> (String, Option<&'s Value>) {
    if let Some(name) = property["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let named = &schema["$defs"][name];
        return match value(schema, named) {
            (shown, None) => (shown, Some(named)),
            found => found,
        };
    }
    if property["const"].is_string() {
        return (format!("`{}`", property["const"].as_str().unwrap()), None);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(alternatives) = property[several].as_array() {
            if alternatives.iter().all(|one| one["const"].is_string()) {
                let shown: Vec<String> =
                    alternatives.iter().map(|one| format!("`{}`", one["const"].as_str().unwrap())).collect();
                return (shown.join(" or "), None);
            }
            let found: Vec<_> = alternatives
                .iter()
                .filter(|one| one["type"] != "null")
                .map(|one| value(schema, one))
                .collect();
            let object = found.iter().find_map(|(_, object)| *object);
            let shown: Vec<String> = found.into_iter().map(|(shown, _)| shown).collect();
            return (shown.join(" or "), object);
        }
    }
    if let Some(list) = property["enum"].as_array() {
        let shown: Vec<String> =
            list.iter().filter_map(Value::as_str).map(|one| format!("`{one}`")).collect();
        return (shown.join(" or "), None);
    }
    let kinds: Vec<&str> = match &property["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect()
        }
        _ => Vec::new(),
    };
    match kinds.first().copied() {
        Some("object") if kinds.contains(&"array") => ("object or list".into(), None),
        Some("array") => {
            let (shown, object) = value(schema, &property["items"]);
            (format!("list of {}", plural(&shown)), object)
        }
        Some("object") if property["properties"].is_object() => ("object".into(), Some(property)),
        Some("object") => {
            let (shown, object) = value(schema, &property["additionalProperties"]);
            (format!("map of names to {}", plural(&shown)), object)
        }
        Some("string") => ("text".into(), None),
        Some("boolean") => ("`true` or `false`".into(), None),
        Some("integer" | "number") => ("number".into(), None),
        _ => ("text".into(), None),
    }
}

fn plural(shown: &str) -> &str {
    match shown {
        "text" => "texts",
        "number" => "numbers",
        "object" => "objects",
        "text or object" => "texts or objects",
        shown => shown,
    }
}

/// The values that a property may have, with their meanings.
fn choices(schema: &Value, property: &Value) -> Vec<(String, String)> {
    let named = property["$ref"].as_str().and_then(|path| path.rsplit('/').next());
    let part = named.map_or(property, |name| &schema["$defs"][name]);
    let choices = part["oneOf"].as_array().into_iter().flatten();
    choices
        .filter_map(|one| Some((one["const"].as_str()?.to_owned(), text(one))))
        .filter(|(_, meaning)| !meaning.is_empty())
        .collect()
}

/// The project of this repository can be planned: every link of the book leads somewhere. No page of it is forgotten.
#[test]
fn the_book_is_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().canonicalize().unwrap();
    let settings = Settings::gather(&root, &BTreeMap::new(), &SettingsFlags::default()).unwrap();
    let project = Arc::new(Project::load(&root, settings).unwrap_or_else(|error| panic!("{error}")));
    let registries = images::RegistrySession::new(buildchain::tasks::registry_options(&project));
    if let Err(error) = buildchain::tasks::tasks(&project, &std::env::current_exe().unwrap(), &registries) {
        panic!("{error}");
    }
    let chapters: Vec<&Path> = project.documentation.iter().map(|document| document.path.as_path()).collect();
    let mut folders = vec![root.join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&root).unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md")
                && name != Path::new("docs/SUMMARY.md")
            {
                assert!(chapters.contains(&name), "{} is not in docs/SUMMARY.md", name.display());
            }
        }
    }
}
