//! `packages.manifest.yaml` of libpkgmanifest, schema 0.2.2.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    ExchangeFault, ListedPackage, ListedRepository, PackageList, Place, arch_of, checksum, entry, quoted,
};

/// The version that is written.
const VERSION: &str = "0.2.2";

#[derive(Deserialize)]
struct Manifest {
    version: Spanned<String>,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    repositories: Vec<ListedRepository>,
    packages: BTreeMap<String, Vec<Package>>,
}

#[derive(Deserialize)]
struct Package {
    name: Spanned<String>,
    repo_id: String,
    #[serde(default)]
    location: String,
    checksum: Spanned<String>,
    size: u64,
    evr: String,
    #[serde(default)]
    parent_archs: Vec<String>,
}

pub(super) fn read(text: &str) -> Result<PackageList, ExchangeFault> {
    let Manifest { version, data } =
        serde_saphyr::from_str(text).map_err(|error| ExchangeFault::yaml(&error))?;
    if !version.value.starts_with("0.") {
        let reason = format!("expected version 0.2 of a manifest, found {}", version.value);
        return Err(ExchangeFault::new(Place::of(&version), reason));
    }
    let mut list = PackageList { repositories: data.repositories, ..PackageList::default() };
    for (key, packages) in data.packages {
        if key == "src" {
            list.sources += packages.len();
            continue;
        }
        for Package { name, repo_id, location, checksum: sum, size, evr, parent_archs } in packages {
            // Version 0.2.0 has packages without an architecture under that of the machine.
            let arch = arch_of(&location).filter(|arch| *arch == "noarch").unwrap_or(&key).to_owned();
            let machines = match parent_archs {
                parents if !parents.is_empty() => parents,
                _ if key == "noarch" => Vec::new(),
                _ => vec![key.clone()],
            };
            let checksum = checksum(&sum)?;
            let (place, repository) = (Place::of(&name), repo_id);
            list.packages.push(ListedPackage {
                name: name.value,
                evr,
                arch,
                machines,
                repository,
                location,
                checksum,
                size,
                place: Some(place),
            });
        }
    }
    list.checked()
}

pub(super) fn write(list: &PackageList) -> String {
    let mut out = format!("document: rpm-package-manifest\nversion: {VERSION}\ndata:\n  repositories:\n");
    for repository in &list.repositories {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "    - id: {}", quoted(&repository.id));
        entry(&mut out, "      ", "baseurl", repository.url.as_deref());
        entry(&mut out, "      ", "metalink", repository.metalink.as_deref());
        entry(&mut out, "      ", "mirrorlist", repository.mirrorlist.as_deref());
    }
    let mut by_arch: BTreeMap<&str, Vec<&ListedPackage>> = BTreeMap::new();
    for package in &list.packages {
        by_arch.entry(&package.arch).or_default().push(package);
    }
    out.push_str(if by_arch.is_empty() { "  packages: {}\n" } else { "  packages:\n" });
    for (arch, packages) in by_arch {
        let _ = writeln!(out, "    {arch}:");
        for ListedPackage { name, evr, machines, repository, location, checksum, size, .. } in packages {
            let _ = writeln!(out, "      - name: {}", quoted(name));
            entry(&mut out, "        ", "repo_id", Some(repository));
            entry(&mut out, "        ", "location", Some(location.as_str()).filter(|path| !path.is_empty()));
            let _ = writeln!(out, "        checksum: {}:{}", checksum.kind.as_str(), checksum.hex);
            let _ = writeln!(out, "        size: {size}");
            entry(&mut out, "        ", "evr", Some(evr));
            let parents: Vec<String> =
                machines.iter().filter(|machine| *machine != arch).map(|machine| quoted(machine)).collect();
            if !parents.is_empty() {
                let _ = writeln!(out, "        parent_archs: [{}]", parents.join(", "));
            }
        }
    }
    out
}
