//! The metadata of a Python package: a header like that of a mail.

use super::text;
use crate::sbom::component::{Component, Ecosystem, bounded};

pub(super) fn metadata(bytes: &[u8]) -> Vec<Component> {
    let text = text(bytes);
    let header = || text.lines().take_while(|line| !line.trim().is_empty());
    let field = |name: &str| {
        let mut values = header().filter_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        });
        values.find(|value| !value.is_empty() && *value != "UNKNOWN")
    };
    let (Some(name), Some(version)) = (field("Name"), field("Version")) else { return Vec::new() };
    let mut component = Component::new(Ecosystem::Pypi, name, version);
    let suppliers = ["Maintainer", "Author", "Maintainer-email", "Author-email"];
    component.supplier = bounded(suppliers.into_iter().find_map(field).unwrap_or_default());
    component.license = bounded(field("License-Expression").or_else(|| field("License")).unwrap_or_default());
    vec![component]
}
