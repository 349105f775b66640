//! The metadata of an npm package.

use serde::Deserialize;
use serde_json::Value;

use crate::sbom::component::{Component, Ecosystem, bounded};

#[derive(Deserialize)]
struct Package {
    #[serde(default)]
    name: Value,
    #[serde(default)]
    version: Value,
    #[serde(default)]
    author: Value,
    #[serde(default)]
    license: Value,
}

pub(super) fn package(bytes: &[u8]) -> Result<Vec<Component>, String> {
    let package: Package = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    let text = |value: &Value, key: &str| {
        let text = value.as_str().or_else(|| value.get(key)?.as_str());
        text.map(bounded).unwrap_or_default()
    };
    let (name, version) = (text(&package.name, ""), text(&package.version, ""));
    // A file that only says how modules are loaded.
    if name.is_empty() || version.is_empty() {
        return Ok(Vec::new());
    }
    let mut component = Component::new(Ecosystem::Npm, &name, &version);
    component.supplier = text(&package.author, "name");
    component.license = text(&package.license, "type");
    Ok(vec![component])
}
