//! Locked packages and requests for other tools.

use ::packages::exchange::{InputPackage, ListedPackage, ListedRepository, PackageInput, PackageList};
use ::packages::metadata::{Checksum, ChecksumKind};

use super::fetch::bases;
use crate::locking::joined;
use crate::project::{Project, Release, RepositoryName, Upstream, UpstreamLocation, UpstreamPart};

/// The upstream repositories of a release.
pub(super) fn upstreams<'a>(
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
                place: None,
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
