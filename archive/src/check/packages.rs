//! The packages that Salt installs, and what packages require.

use std::collections::BTreeSet;

use super::CheckBases;
use super::finding::{Findings, Place};
use super::table::CheckName;
use super::texts::TextFile;
use crate::closure::{check_set, sets};
use crate::requires::is_package;
use crate::{Result, Tree};

/// The functions that install packages.
const FUNCTIONS: [&str; 2] = ["pkg.installed", "pkg.latest"];

/// Checks that `known` has each package that the Salt states among `texts` install.
pub(super) fn check(texts: &[TextFile], known: &BTreeSet<String>, findings: &mut Findings) {
    for TextFile { path, text } in texts.iter().filter(|file| file.path.ends_with(".sls")) {
        for (line, package) in installed(text) {
            if !known.contains(package) {
                let problem = format!("it installs `{package}`, which no archive has");
                findings.add(CheckName::PackageMissing, Place::line(path.as_str(), line), problem);
            }
        }
    }
}

/// Checks that packages can be installed from the archive, the base archives and the named repositories.
pub(super) fn check_closure(tree: &Tree, bases: &CheckBases, findings: &mut Findings) -> Result<()> {
    if bases.repositories.is_empty() {
        return Ok(());
    }
    let paths = bases.repositories.iter().chain(bases.archives.iter().map(|base| &base.path));
    let trees = paths.map(|path| Tree::open(path)).collect::<Result<Vec<Tree>>>()?;
    for set in sets(std::slice::from_ref(tree), &trees)?.iter().filter(|set| set.release.is_some()) {
        let folder = set.sources.first().map_or("", |source| source.folder.as_str());
        match check_set(set) {
            Err(error) => findings.add(CheckName::PackageUnresolved, Place::file(folder), error.to_string()),
            Ok(checks) => {
                for one in checks.into_iter().flat_map(|check| check.findings) {
                    let problem = format!("{}: {}", one.package, one.reasons.join("; "));
                    findings.add(CheckName::PackageUnresolved, Place::file(one.folder.as_str()), problem);
                }
            }
        }
    }
    Ok(())
}

/// A line of a state: its number, its indentation and its content.
type Line<'a> = (u64, usize, &'a str);

/// The packages that a state installs, with their lines. States are read before they are rendered, so what a template computes
/// is left out.
fn installed(text: &str) -> Vec<(u64, &str)> {
    let lines = (1..).zip(text.lines()).filter_map(|(number, line)| {
        let content = line.trim();
        let is_content = !(content.is_empty() || content.starts_with(['#', '{']));
        is_content.then(|| (number, line.len() - line.trim_start().len(), content))
    });
    let lines: Vec<Line<'_>> = lines.collect();
    let mut found = Vec::new();
    for (at, (_, indent, content)) in lines.iter().enumerate() {
        let function = content.trim_start_matches("- ").trim_end_matches(':');
        if !FUNCTIONS.contains(&function) {
            continue;
        }
        let rest = lines.get(at + 1..).unwrap_or_default();
        let inner: Vec<Line<'_>> = rest.iter().take_while(|(_, inner, _)| inner > indent).copied().collect();
        let before = found.len();
        let has_sources = arguments(&inner, &mut found);
        if found.len() == before && !has_sources && !names_any(&inner) {
            // The ID of the state is the package.
            let id = lines.get(..at).unwrap_or_default().iter().rfind(|(_, outer, _)| outer < indent);
            found.extend(id.and_then(|(number, _, id)| Some((*number, package(id.strip_suffix(':')?)?))));
        }
    }
    found
}

/// Whether the arguments name packages, even if a template computes them.
fn names_any(arguments: &[Line<'_>]) -> bool {
    arguments.iter().any(|(_, _, content)| ["- name:", "- pkgs:"].iter().any(|key| content.starts_with(key)))
}

/// Adds the packages that the arguments of a function name. Returns whether it installs files instead.
fn arguments<'a>(lines: &[Line<'a>], found: &mut Vec<(u64, &'a str)>) -> bool {
    let mut list = None;
    for (number, indent, content) in lines {
        if let Some(name) = content.strip_prefix("- name:") {
            found.extend(package(name).map(|name| (*number, name)));
            list = None;
        } else if *content == "- pkgs:" {
            list = Some(*indent);
        } else if content.starts_with("- sources:") {
            return true;
        } else if let (Some(start), Some(item)) = (list, content.strip_prefix("- ")) {
            if *indent <= start {
                list = None;
                continue;
            }
            // A package can have a version: `- name: 1.0`.
            let name = item.split(": ").next().unwrap_or_default();
            found.extend(package(name.trim_end_matches(':')).map(|name| (*number, name)));
        }
    }
    false
}

/// The name of a package, if it is one before it is rendered.
fn package(text: &str) -> Option<&str> {
    let name = text.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']);
    is_package(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_states() {
        let cases: [(&str, &[(u64, &str)]); 7] = [
            ("install it:\n  pkg.installed:\n    - name: curl\n", &[(3, "curl")]),
            ("curl:\n  pkg.installed\n", &[(1, "curl")]),
            ("curl:\n  pkg.latest:\n    - refresh: true\n", &[(1, "curl")]),
            (
                "all:\n  pkg.installed:\n    - pkgs:\n      - curl\n      - \"jq\" # why\n      - wget: 1.2\n    - version: 3\n",
                &[(4, "curl"), (5, "jq"), (6, "wget")],
            ),
            ("x:\n  pkg.installed:\n    - name: {{ package }}\n", &[]),
            ("x:\n  pkg.installed:\n    - sources:\n      - x: salt://x.rpm\n", &[]),
            ("x:\n  pkg.removed:\n    - name: curl\ny:\n  file.managed:\n    - name: /etc/y\n", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(installed(text), expected, "{text}");
        }
    }
}
