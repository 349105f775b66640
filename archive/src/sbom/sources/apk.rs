//! The database of apk: records of lines `LETTER:value`, with an empty line after each.

use super::text;
use crate::sbom::component::{Component, Ecosystem, bounded};

pub(super) fn installed(bytes: &[u8]) -> Vec<Component> {
    let text = text(bytes);
    let mut components = Vec::new();
    let mut record: Vec<(&str, &str)> = Vec::new();
    for line in text.lines().chain([""]) {
        match line.split_once(':') {
            // Files follow with other letters, many of them.
            Some((letter, value)) if "PVALom".contains(letter) && letter.len() == 1 => {
                record.push((letter, value));
            }
            _ if line.is_empty() => components.extend(component(&std::mem::take(&mut record))),
            _ => {}
        }
    }
    components
}

fn component(record: &[(&str, &str)]) -> Option<Component> {
    let field = |letter: &str| record.iter().find(|(known, _)| *known == letter).map(|(_, value)| *value);
    let mut component = Component::new(Ecosystem::Apk, field("P")?, field("V")?);
    component.arch = bounded(field("A").unwrap_or_default());
    component.license = bounded(field("L").unwrap_or_default());
    component.supplier = bounded(field("m").unwrap_or_default());
    component.source = field("o").filter(|source| *source != component.name).map(bounded).unwrap_or_default();
    Some(component).filter(|component| !component.name.is_empty())
}
