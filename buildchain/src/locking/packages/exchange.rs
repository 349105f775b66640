//! Locked packages as other tools have them.

use std::collections::BTreeMap;

use ::packages::exchange::{InputPackage, ListedPackage, ListedRepository, PackageInput, PackageList};
use ::packages::metadata::{Checksum, ChecksumKind};
use content::Digest;
use images::RegistrySession;
use images::pull::TransferProgress;

use super::fetch::bases;
use super::{PackageChange, Step, differences, keys_of_packages};
use crate::locking::Error;
use crate::locking::joined;
use crate::project::{
    LockFile, LockedOrigin, LockedPackage, LockedPath, LockedRepository, LockedSet, LockedWhy, Nevra,
    ParsedName as _, Project, Release, RepositoryName, Upstream, UpstreamLocation, UpstreamPart,
};

/// The upstream repositories of a release.
fn upstreams<'a>(
    project: &'a Project,
    release: &'a Release,
) -> impl Iterator<Item = (&'a RepositoryName, &'a Upstream)> {
    project.repositories_of(release).filter_map(|one| Some((&one.name, one.upstream.as_ref()?)))
}

/// One text for all architectures, in which `variable` stands for each: without any, that of the first.
fn template<'a>(
    parts: &'a [UpstreamPart],
    variable: &str,
    text: impl Fn(&'a UpstreamLocation) -> Option<&'a str>,
) -> Option<String> {
    let texts: Vec<(&str, &str)> =
        parts.iter().filter_map(|part| Some((part.architecture.as_str(), text(&part.location)?))).collect();
    let (architecture, first) = texts.first()?;
    let general = first.replace(architecture, variable);
    let fits = |(architecture, text): &(&str, &str)| general.replace(variable, architecture) == **text;
    Some(if texts.len() > 1 && texts.iter().all(fits) { general } else { (*first).to_owned() })
}

fn listed(name: &RepositoryName, upstream: &Upstream, variable: &str) -> ListedRepository {
    let of = |text: fn(&UpstreamLocation) -> Option<&str>| template(&upstream.parts, variable, text);
    ListedRepository {
        id: name.to_string(),
        url: of(|location| match location {
            UpstreamLocation::Urls(urls) => urls.first().map(String::as_str),
            _ => None,
        }),
        metalink: of(|location| match location {
            UpstreamLocation::Metalink(url) => Some(url),
            _ => None,
        }),
        mirrorlist: of(|location| match location {
            UpstreamLocation::Mirrorlist(url) => Some(url),
            _ => None,
        }),
    }
}

/// The locked packages of a release. With `urls`, their locations are URLs, else paths in their repositories. `None` if the lock file
/// lacks some.
#[must_use]
pub fn export_packages(project: &Project, release: &Release, urls: bool) -> Option<PackageList> {
    let mut list = PackageList::default();
    for (name, upstream) in upstreams(project, release).filter(|(_, upstream)| !upstream.on_nodes) {
        if upstream.unlocked().next().is_some() {
            return None;
        }
        list.repositories.push(listed(name, upstream, "$arch"));
        for (nevra, (part, package)) in upstream.packages() {
            let has = |part: &&UpstreamPart| {
                part.locked.as_ref().is_some_and(|locked| locked.packages.contains_key(nevra))
            };
            let machines = upstream.parts.iter().filter(has).map(|part| part.architecture.clone());
            let base = part.locked.as_ref().and_then(|locked| bases(&part.location, locked).first());
            let path = package.path.as_str();
            let location = match base {
                Some(base) if urls => joined(base, path),
                _ => path.to_owned(),
            };
            let full = nevra.name();
            list.packages.push(ListedPackage {
                name: full.rsplit_once('.').map_or(full.as_str(), |(name, _)| name).to_owned(),
                evr: nevra.evr().to_owned(),
                arch: nevra.arch().to_owned(),
                machines: machines.collect(),
                repository: name.to_string(),
                location,
                checksum: Checksum { kind: ChecksumKind::Sha256, hex: package.digest.hex().to_owned() },
                size: package.size,
            });
        }
    }
    Some(list)
}

/// What the project asks for, of a release.
#[must_use]
pub fn export_requests(project: &Project, release: &Release) -> PackageInput {
    let distribution = project.distribution(release);
    let named = |name: &String| InputPackage { name: name.clone(), ..InputPackage::default() };
    PackageInput {
        repositories: upstreams(project, release)
            .map(|(name, upstream)| listed(name, upstream, "$basearch"))
            .collect(),
        packages: upstreams(project, release)
            .flat_map(|(_, one)| &one.requests)
            .chain(&distribution.requests)
            .map(named)
            .collect(),
        modules: distribution.modules.iter().map(named).collect(),
        weak_dependencies: distribution.weak_dependencies,
        architectures: distribution.architectures,
        left_out: Vec::new(),
    }
}

/// Locks the packages of `list`, which is in the file `file`, for a release of a project. All are fetched and checked as those that
/// [`resolve`](crate::locking::resolve) finds. Nothing is written.
///
/// # Errors
///
/// A package of a repository that the project does not have, one without a SHA-256 or a location; a package that cannot be fetched, or
/// whose content or signature is wrong.
pub fn import_packages(
    project: &Project,
    release: &Release,
    (file, list): (&str, &PackageList),
    lock: &mut LockFile,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> Result<Vec<PackageChange>, Error> {
    let mut changes = Vec::new();
    for architecture in project.distribution(release).architectures {
        let step = Step { project, release, architecture: &architecture, now: 0, registries, progress };
        let inputs = project.package_inputs(release, &architecture);
        let set = step.imported(inputs, file, list)?;
        let old = lock.packages().nearest(release, &architecture, &inputs);
        for change in differences(release, old, Some(&set)) {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        lock.packages_mut().insert(release.clone(), set);
    }
    Ok(changes)
}

impl Step<'_> {
    fn imported(&self, inputs: Digest, file: &str, list: &PackageList) -> Result<LockedSet, Error> {
        let wrong = |problem: String| Error::Packages { release: self.release.to_string(), problem };
        let mut repositories: BTreeMap<RepositoryName, LockedRepository> =
            upstreams(self.project, self.release)
                .filter(|(_, upstream)| !upstream.on_nodes)
                .map(|(name, _)| (name.clone(), LockedRepository::default()))
                .collect();
        let mut count = 0;
        for package in list.packages.iter().filter(|one| self.is_for(one)) {
            let (name, part, requests) = self.place_of(package).map_err(wrong)?;
            let Some(locked) = repositories.get_mut(name) else { continue };
            let (nevra, entry, mirror) = locked_package(package, part, requests, file).map_err(wrong)?;
            locked.packages.insert(nevra, entry);
            if let Some(mirror) = mirror.filter(|mirror| !locked.mirrors.contains(mirror)) {
                locked.mirrors.push(mirror);
            }
            count += 1;
        }
        if count == 0 {
            let file = content::printable(file);
            return Err(wrong(format!("{file} has no package for {}", self.architecture)));
        }
        let mut set = LockedSet { inputs, architecture: self.architecture.to_owned(), repositories };
        // The newest date, which is that of the metadata, is in the packages alone.
        for (name, upstream) in upstreams(self.project, self.release) {
            let Some(locked) = set.repositories.get(name) else { continue };
            let keys = keys_of_packages(upstream).map_err(|reason| self.of_package(name, reason))?;
            let all: Vec<(&Nevra, &LockedPackage)> = locked.packages.iter().collect();
            let newest = self.checked(name, upstream, locked, &all, keys.as_ref())?;
            if let Some(locked) = set.repositories.get_mut(name) {
                locked.date = newest;
            }
        }
        Ok(set)
    }

    fn is_for(&self, package: &ListedPackage) -> bool {
        package.machines.is_empty() || package.machines.iter().any(|one| one == self.architecture)
    }

    /// The repository of the project that has a package, for the architecture of this step, and its requests.
    fn place_of(
        &self,
        package: &ListedPackage,
    ) -> Result<(&RepositoryName, &UpstreamPart, &[String]), String> {
        let found =
            upstreams(self.project, self.release).find(|(name, _)| name.as_str() == package.repository);
        let part = found.and_then(|(name, upstream)| {
            Some((name, upstream.part(self.architecture)?, upstream.requests.as_slice()))
        });
        part.ok_or_else(|| {
            format!(
                "{} is of the repository `{}`, which the project does not have",
                content::printable(&package.name),
                content::printable(&package.repository)
            )
        })
    }
}

/// A package as the lock file has it, and the folder that has it, if the project has no URL of its repository.
fn locked_package(
    package: &ListedPackage,
    part: &UpstreamPart,
    requests: &[String],
    file: &str,
) -> Result<(Nevra, LockedPackage, Option<String>), String> {
    let ListedPackage { name, evr, arch, location, checksum, size, .. } = package;
    let wrong = |reason: &str| format!("{}: {reason}", content::printable(name));
    let nevra = Nevra::parse(&format!("{name}-{evr}.{arch}"))?;
    let digest = (checksum.kind == ChecksumKind::Sha256)
        .then(|| format!("sha256:{}", checksum.hex).parse::<Digest>().ok())
        .flatten()
        .ok_or_else(|| wrong("expected a SHA-256 as the checksum"))?;
    if location.is_empty() {
        return Err(wrong("the list does not say where the package is"));
    }
    let urls: &[String] = match &part.location {
        UpstreamLocation::Urls(urls) => urls,
        _ => &[],
    };
    let inside = |url: &String| location.strip_prefix(url.trim_end_matches('/'))?.strip_prefix('/');
    let path = urls.iter().find_map(inside).unwrap_or(location);
    let mirror = match (urls.is_empty(), location.contains("://")) {
        (false, _) => None,
        (true, true) => location.rsplit_once('/').map(|(folder, _)| format!("{folder}/")),
        (true, false) => return Err(wrong("the project needs the `url` of its repository")),
    };
    let path = LockedPath::parse(path).map_err(|reason| wrong(&reason))?;
    let why = if requests.iter().any(|request| request == name) {
        LockedOrigin { why: LockedWhy::Requested, by: name.clone(), needs: String::new() }
    } else {
        LockedOrigin { why: LockedWhy::Imported, by: file.to_owned(), needs: String::new() }
    };
    Ok((nevra, LockedPackage { path, digest, size: *size, why }, mirror))
}
