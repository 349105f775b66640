//! The database of dpkg (deb822(5)).

use std::path::Path;

use packages::debian::Stanza;

use crate::sbom::component::{Component, Ecosystem, bounded};

/// The packages of `status` that are installed. Of a package that was removed, configuration files can be left.
pub(super) fn status(bytes: &[u8]) -> Result<Vec<Component>, String> {
    let is_installed = |stanza: &Stanza| {
        stanza.get("Status").is_some_and(|status| status.split_whitespace().next_back() == Some("installed"))
    };
    let stanzas = read(bytes)?;
    Ok(stanzas.iter().filter(|stanza| is_installed(stanza)).filter_map(component).collect())
}

/// The package of a file in `status.d`.
pub(super) fn status_file(bytes: &[u8]) -> Result<Vec<Component>, String> {
    Ok(read(bytes)?.iter().filter_map(component).collect())
}

fn read(bytes: &[u8]) -> Result<Vec<Stanza>, String> {
    Stanza::read_all(bytes, Path::new("")).map_err(|error| match error {
        packages::Error::Metadata { expected, found, .. } => format!("expected {expected}, found {found}"),
        error => error.to_string(),
    })
}

/// What a stanza says about a package.
pub(in crate::sbom) fn component(stanza: &Stanza) -> Option<Component> {
    let field = |name: &str| stanza.get(name).filter(|value| !value.is_empty());
    let mut component = Component::new(Ecosystem::Deb, field("Package")?, field("Version")?);
    component.arch = bounded(field("Architecture").unwrap_or_default());
    component.supplier = bounded(field("Maintainer").unwrap_or_default());
    // `openssl (3.0.11-1)`: the version, if it differs from that of the package.
    let source = field("Source").and_then(|source| source.split_whitespace().next()).unwrap_or_default();
    component.source = if source == component.name { String::new() } else { bounded(source) };
    Some(component)
}
