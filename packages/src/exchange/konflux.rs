//! `rpms.lock.yaml` of rpm-lockfile-prototype and Hermeto, version 1.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{ExchangeFault, ListedPackage, ListedRepository, PackageList, Place, arch_of, checksum, quoted};

#[derive(Deserialize)]
struct Lock {
    arches: Vec<Arch>,
}

#[derive(Deserialize)]
struct Arch {
    arch: String,
    #[serde(default)]
    packages: Vec<Package>,
    #[serde(default)]
    source: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Package {
    url: Spanned<String>,
    repoid: String,
    size: u64,
    #[serde(default)]
    checksum: Option<Spanned<String>>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    evr: Option<String>,
}

pub(super) fn read(text: &str) -> Result<PackageList, ExchangeFault> {
    let Lock { arches } = serde_saphyr::from_str(text).map_err(|error| ExchangeFault::yaml(&error))?;
    let mut list = PackageList::default();
    let mut repositories = BTreeSet::new();
    for Arch { arch: machine, packages, source } in arches {
        list.sources += source.len();
        for Package { url, repoid, size, checksum: sum, name, evr } in packages {
            let place = Place::of(&url);
            let url = url.value;
            let wrong = |what: &str| ExchangeFault::new(place, format!("{url}: {what}"));
            let sum = sum.ok_or_else(|| wrong("the package has no checksum"))?;
            let arch = arch_of(&url).ok_or_else(|| wrong("expected the URL of a file `*.rpm`"))?.to_owned();
            let (name, evr) = match (name, evr) {
                (Some(name), Some(evr)) => (name, evr),
                _ => return Err(wrong("the package has no name or no version")),
            };
            let checksum = checksum(&sum)?;
            repositories.insert(repoid.clone());
            list.packages.push(ListedPackage {
                name,
                evr,
                arch,
                machines: vec![machine.clone()],
                repository: repoid,
                location: url,
                checksum,
                size,
                place: Some(place),
            });
        }
    }
    let repositories = repositories.into_iter();
    list.repositories =
        repositories.map(|id| ListedRepository { id, ..ListedRepository::default() }).collect();
    list.checked()
}

pub(super) fn write(list: &PackageList) -> String {
    let mut by_machine: BTreeMap<&str, Vec<&ListedPackage>> = BTreeMap::new();
    for package in &list.packages {
        for machine in &package.machines {
            by_machine.entry(machine).or_default().push(package);
        }
    }
    let mut out = String::from("---\nlockfileVersion: 1\nlockfileVendor: redhat\n");
    out.push_str(if by_machine.is_empty() { "arches: []\n" } else { "arches:\n" });
    for (machine, mut packages) in by_machine {
        packages.sort_by(|one, other| one.location.cmp(&other.location));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "- arch: {machine}\n  packages:");
        for ListedPackage { name, evr, repository, location, checksum, size, .. } in packages {
            let _ = writeln!(out, "  - url: {}\n    repoid: {}", quoted(location), quoted(repository));
            let _ = writeln!(
                out,
                "    size: {size}\n    checksum: {}:{}\n    name: {}\n    evr: {}",
                checksum.kind.as_str(),
                checksum.hex,
                quoted(name),
                quoted(evr)
            );
        }
        out.push_str("  source: []\n  module_metadata: []\n");
    }
    out
}
