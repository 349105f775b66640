//! What a request asks for: a package by any part of its name, a capability, a path, a group, or a module.

use std::collections::BTreeMap;

use globset::{Glob, GlobMatcher};

use super::filter::ActiveModules;
use super::providers::Providers;
use super::{Options, Request, Wanted};
use crate::dependency::{Dependency, Relation};
use crate::metadata::{Evr, Member, MemberKind, PackageId, Pool, RepositoryId, Text};
use crate::version;

/// One thing that must be installed for a request: one of these packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// The request, by its number.
    pub(super) request: usize,
    /// The packages of which one suffices.
    pub(super) candidates: Vec<PackageId>,
    /// The package of which this one is a conditional companion.
    pub(super) condition: Option<String>,
}

/// Why a request has no candidates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// No package has this name or provides this.
    Package,
    /// Packages exist and do not count; here are some, with the reason.
    LeftOut(Vec<(PackageId, String)>),
    /// They exist in other repositories only.
    Elsewhere(Vec<PackageId>),
    /// No repository has this group.
    Group,
    /// No repository has this module or stream, or it has no default stream.
    Module(String),
}

/// The jobs of all requests, or those without candidates.
pub(super) fn jobs(
    providers: &Providers<'_>,
    requests: &[Request],
    options: &Options,
) -> Result<Vec<Job>, Vec<(usize, Unknown)>> {
    let (mut jobs, mut unknown) = (Vec::new(), Vec::new());
    for (number, request) in requests.iter().enumerate() {
        match of_request(providers, request, options) {
            Ok(found) => jobs.extend(found.into_iter().map(|(candidates, condition)| Job {
                request: number,
                candidates,
                condition,
            })),
            Err(_) if request.optional => {}
            Err(reason) => unknown.push((number, reason)),
        }
    }
    if unknown.is_empty() { Ok(jobs) } else { Err(unknown) }
}

type Found = Vec<(Vec<PackageId>, Option<String>)>;

fn of_request(providers: &Providers<'_>, request: &Request, options: &Options) -> Result<Found, Unknown> {
    match &request.what {
        Wanted::Package(id) if providers.counts(*id) => Ok(vec![(vec![*id], None)]),
        Wanted::Package(id) => Err(Unknown::LeftOut(reasons(providers, &[*id]))),
        Wanted::Dependency(id) => {
            let found = providers.of(*id).to_vec();
            if found.is_empty() { Err(Unknown::Package) } else { Ok(vec![(found, None)]) }
        }
        Wanted::Text(text) => match text.strip_prefix('@') {
            Some(name) => of_group(providers, name, request.repository)
                .map_or_else(|| of_module(providers, name, request.repository, options), Ok),
            None => of_text(providers, text, request.repository),
        },
    }
}

fn reasons(providers: &Providers<'_>, packages: &[PackageId]) -> Vec<(PackageId, String)> {
    let reason = |id: &PackageId| Some((*id, providers.left_out.get(id.index())?.as_ref()?.to_string()));
    packages.iter().filter_map(reason).collect()
}

fn of_text(
    providers: &Providers<'_>,
    text: &str,
    repository: Option<RepositoryId>,
) -> Result<Found, Unknown> {
    let pool = providers.pool;
    let (mut found, only_name) = matching(providers, text);
    // Packages that obsolete what is asked for by its name alone are as good.
    if only_name {
        let obsoletes = |id: &PackageId| {
            !found.contains(id) && providers.obsoleted_by(*id).any(|(other, _)| found.contains(&other))
        };
        let obsoleting: Vec<PackageId> = providers.obsoleting.iter().copied().filter(obsoletes).collect();
        if is_pattern(text) {
            return Ok(by_name(providers, &found, &obsoleting, repository));
        }
        found.extend(obsoleting);
    }
    if found.is_empty() {
        return Err(unknown(pool, providers, text));
    }
    let of_repository =
        |one: &PackageId| repository.is_none_or(|id| providers.package(*one).repository == id);
    let kept: Vec<PackageId> = found.iter().copied().filter(of_repository).collect();
    if kept.is_empty() {
        return Err(Unknown::Elsewhere(found));
    }
    if is_pattern(text) {
        return Ok(by_name(providers, &kept, &[], None));
    }
    let mut kept = kept;
    kept.sort_unstable();
    kept.dedup();
    Ok(vec![(kept, None)])
}

/// A pattern asks for a package of each name.
fn by_name(
    providers: &Providers<'_>,
    found: &[PackageId],
    obsoleting: &[PackageId],
    repository: Option<RepositoryId>,
) -> Found {
    let mut names: BTreeMap<&str, Vec<PackageId>> = BTreeMap::new();
    for one in found {
        let package = providers.package(*one);
        if repository.is_none_or(|id| package.repository == id) {
            names.entry(providers.pool.text(package.name)).or_default().push(*one);
        }
    }
    let with_obsoleting = |mut packages: Vec<PackageId>| {
        let obsoletes =
            |one: &&PackageId| providers.obsoleted_by(**one).any(|(other, _)| packages.contains(&other));
        let more: Vec<PackageId> = obsoleting.iter().filter(obsoletes).copied().collect();
        packages.extend(more);
        packages.sort_unstable();
        packages.dedup();
        (packages, None)
    };
    names.into_values().map(with_obsoleting).collect()
}

fn unknown(pool: &Pool, providers: &Providers<'_>, text: &str) -> Unknown {
    let named = pool.packages().filter(|(id, package)| {
        !providers.counts(*id)
            && Form::ALL
                .into_iter()
                .any(|form| form.matches(pool, text, package.name, package.arch, package.evr))
    });
    let named: Vec<PackageId> = named.map(|(id, _)| id).take(3).collect();
    if named.is_empty() { Unknown::Package } else { Unknown::LeftOut(reasons(providers, &named)) }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// The parts of a package that a request can name, from the most to the least.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Nevra,
    NameArch,
    Name,
    Nevr,
    Nev,
}

impl Form {
    const ALL: [Self; 5] = [Self::Nevra, Self::NameArch, Self::Name, Self::Nevr, Self::Nev];

    fn matches(self, pool: &Pool, text: &str, name: Text, arch: Text, evr: Evr) -> bool {
        Parts::of(self, text).is_some_and(|parts| parts.matches(pool, name, arch, evr))
    }
}

/// Whether `request` names the package with this name, `evr` (`[epoch:]version-release`) and architecture: by its name or by more
/// parts of it, as text or pattern. Only the metadata of a repository say more: capabilities, paths, groups.
#[must_use]
pub fn names(request: &str, name: &str, evr: &str, arch: &str) -> bool {
    let (epoch, version, release) = version::split(evr);
    let named = NamedParts {
        name,
        epoch: epoch.parse().unwrap_or_default(),
        version,
        release: release.unwrap_or_default(),
        arch,
    };
    Form::ALL.into_iter().filter_map(|form| Parts::of(form, request)).any(|parts| parts.are_of(&named))
}

/// The parts of the name of a package.
struct NamedParts<'a> {
    name: &'a str,
    epoch: u32,
    version: &'a str,
    release: &'a str,
    arch: &'a str,
}

/// A part of a request: a text or a pattern.
enum Part {
    Exact(String),
    Pattern(GlobMatcher),
}

impl Part {
    fn new(text: &str) -> Self {
        match is_pattern(text).then(|| Glob::new(text)) {
            Some(Ok(glob)) => Self::Pattern(glob.compile_matcher()),
            _ => Self::Exact(text.to_owned()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Pattern(glob) => glob.is_match(text),
        }
    }
}

struct Parts {
    name: Part,
    epoch: Option<u32>,
    version: Option<Part>,
    release: Option<Part>,
    arch: Option<Part>,
}

impl Parts {
    fn of(form: Form, text: &str) -> Option<Self> {
        let (rest, arch) = match form {
            Form::Nevra | Form::NameArch => {
                let (rest, arch) = text.rsplit_once('.')?;
                (rest, Some(Part::new(arch)))
            }
            _ => (text, None),
        };
        let (rest, release) = match form {
            Form::Nevra | Form::Nevr => {
                let (rest, release) = rest.rsplit_once('-')?;
                (rest, Some(Part::new(release)))
            }
            _ => (rest, None),
        };
        let (name, version) = match form {
            Form::Nevra | Form::Nevr | Form::Nev => {
                let (name, version) = rest.rsplit_once('-')?;
                (name, Some(version))
            }
            _ => (rest, None),
        };
        let (epoch, version) = match version.map(|version| version.split_once(':').ok_or(version)) {
            None => (None, None),
            Some(Ok((epoch, version))) => (Some(epoch.parse().ok()?), Some(Part::new(version))),
            Some(Err(version)) => (None, Some(Part::new(version))),
        };
        (!name.is_empty()).then(|| Self { name: Part::new(name), epoch, version, release, arch })
    }

    fn matches(&self, pool: &Pool, name: Text, arch: Text, evr: Evr) -> bool {
        self.are_of(&NamedParts {
            name: pool.text(name),
            epoch: evr.epoch,
            version: pool.text(evr.version),
            release: pool.text(evr.release),
            arch: pool.text(arch),
        })
    }

    fn are_of(&self, named: &NamedParts<'_>) -> bool {
        let part = |part: &Option<Part>, text| part.as_ref().is_none_or(|part| part.matches(text));
        self.name.matches(named.name)
            && self.epoch.is_none_or(|epoch| epoch == named.epoch)
            && part(&self.version, named.version)
            && part(&self.release, named.release)
            && part(&self.arch, named.arch)
    }
}

/// The packages that a text names, and whether it is a name alone.
fn matching(providers: &Providers<'_>, text: &str) -> (Vec<PackageId>, bool) {
    let pool = providers.pool;
    for form in Form::ALL {
        let Some(parts) = Parts::of(form, text) else { continue };
        let matches = |id: &PackageId| {
            let one = providers.package(*id);
            parts.matches(pool, one.name, one.arch, one.evr)
        };
        let found: Vec<PackageId> = match &parts.name {
            Part::Exact(name) => pool
                .texts
                .find(name)
                .into_iter()
                .flat_map(|name| providers.named(name))
                .filter(matches)
                .collect(),
            Part::Pattern(_) => {
                let all = pool.packages().map(|(id, _)| id);
                all.filter(|id| providers.counts(*id) && matches(id)).collect()
            }
        };
        if !found.is_empty() {
            return (found, form == Form::Name);
        }
    }
    (provided(providers, text), false)
}

/// The packages that provide a capability, with or without a version, or have a path.
fn provided(providers: &Providers<'_>, text: &str) -> Vec<PackageId> {
    let pool = providers.pool;
    let mut found = Vec::new();
    if is_pattern(text) {
        let Ok(glob) = Glob::new(text) else { return found };
        let glob = glob.compile_matcher();
        let provides = |id: PackageId| {
            pool.relations(providers.package(id), Relation::Provides).iter().any(|provide| {
                match pool.expression(*provide) {
                    crate::metadata::Expression::Capability { name, .. } => glob.is_match(pool.text(name)),
                    crate::metadata::Expression::Rich { .. } => false,
                }
            })
        };
        found.extend(pool.packages().map(|(id, _)| id).filter(|id| providers.counts(*id) && provides(*id)));
    } else if let Ok(dependencies) = Dependency::list(Relation::Requires, text)
        && let [dependency] = dependencies.as_slice()
        && let Some(name) = pool.texts.find(dependency.name())
    {
        found = match dependency.version() {
            None => providers.of_capability(name, None),
            Some((comparison, text)) => with_version(providers, name, comparison, text),
        };
    }
    if found.is_empty() && text.starts_with('/') {
        let glob = Part::new(text);
        let paths = pool.paths().filter(|(package, folder, name)| {
            providers.counts(*package) && glob.matches(&format!("{}{}", pool.text(*folder), pool.text(*name)))
        });
        found = paths.map(|(package, ..)| package).collect();
        found.sort_unstable();
        found.dedup();
    }
    found
}

/// The packages that provide a capability in a version that may be written nowhere else.
fn with_version(
    providers: &Providers<'_>,
    name: Text,
    comparison: crate::VersionComparison,
    text: &str,
) -> Vec<PackageId> {
    let (epoch, wanted_version, release) = version::split(text);
    let wanted = super::providers::Version {
        epoch: epoch.parse().unwrap_or(u32::MAX),
        version: wanted_version,
        release: release.unwrap_or_default(),
    };
    providers.of_capability_text(name, comparison, wanted)
}

/// The packages of a group or an environment.
fn of_group(providers: &Providers<'_>, name: &str, repository: Option<RepositoryId>) -> Option<Found> {
    let pool = providers.pool;
    let repositories = || {
        let all = pool.repositories().filter(|(id, _)| repository.is_none_or(|wanted| wanted == *id));
        all.map(|(_, one)| &one.groups)
    };
    let environment = repositories().find_map(|one| one.environments.get(name));
    let single = [name.to_owned()];
    let groups: &[String] = environment.map_or(&single, Vec::as_slice);
    let mut members: Vec<&Member> = Vec::new();
    let mut known = environment.is_some();
    for groups_of in repositories() {
        for group in groups.iter().filter_map(|group| groups_of.groups.get(group)) {
            known = true;
            members.extend(&group.members);
        }
    }
    let mut found = Found::new();
    for member in members.into_iter().filter(|one| one.kind != MemberKind::Optional) {
        let packages = pool.texts.find(&member.name).map(|name| providers.named(name).collect::<Vec<_>>());
        let Some(packages) = packages.filter(|packages| !packages.is_empty()) else { continue };
        let condition = member.condition.clone().filter(|_| member.kind == MemberKind::Conditional);
        if !found.iter().any(|(one, other)| *one == packages && *other == condition) {
            found.push((packages, condition));
        }
    }
    known.then_some(found)
}

/// The packages of a profile of a module: `NAME[:STREAM][/PROFILE]`.
fn of_module(
    providers: &Providers<'_>,
    text: &str,
    repository: Option<RepositoryId>,
    options: &Options,
) -> Result<Found, Unknown> {
    let pool = providers.pool;
    let (spec, profile) = match text.split_once('/') {
        Some((spec, profile)) => (spec, Some(profile)),
        None => (text, None),
    };
    let (module, stream) = match spec.split_once(':') {
        Some((module, stream)) => (module, Some(stream)),
        None => (spec, None),
    };
    let modules = || {
        let all = pool.repositories().filter(|(id, _)| repository.is_none_or(|wanted| wanted == *id));
        all.map(|(_, one)| &one.modules)
    };
    if !modules().any(|one| one.streams.iter().any(|one| one.module == module)) {
        return Err(Unknown::Group);
    }
    let active = ActiveModules::new(pool, options);
    let active = active.as_ref().and_then(|one| one.stream(module));
    let stream = match (stream, active) {
        (Some(stream), Some(active)) if stream != active => {
            return Err(Unknown::Module(format!("the stream {active} of the module {module} is active")));
        }
        (Some(stream), _) => stream.to_owned(),
        (None, Some(active)) => active.to_owned(),
        (None, None) => return Err(Unknown::Module(format!("the module {module} has no default stream"))),
    };
    let builds = modules().flat_map(|one| &one.streams);
    let newest =
        builds.filter(|one| one.module == module && one.stream == stream).max_by_key(|one| one.version);
    let Some(newest) = newest else {
        return Err(Unknown::Module(format!("the module {module} has no stream {stream}")));
    };
    let defaults = || modules().find_map(|one| one.defaults.get(module)?.profiles.get(&stream));
    let profiles: Vec<String> = match profile {
        Some(profile) => vec![profile.to_owned()],
        None => defaults().cloned().unwrap_or_default(),
    };
    if profiles.is_empty() {
        let text =
            format!("the stream {module}:{stream} has no default profile; write @{module}:{stream}/PROFILE");
        return Err(Unknown::Module(text));
    }
    let mut found = Found::new();
    for profile in &profiles {
        let Some(names) = newest.profiles.get(profile) else {
            return Err(Unknown::Module(format!("the stream {module}:{stream} has no profile {profile}")));
        };
        for name in names {
            let packages = pool.texts.find(name).map(|name| providers.named(name).collect::<Vec<_>>());
            found.extend(packages.filter(|packages| !packages.is_empty()).map(|packages| (packages, None)));
        }
    }
    Ok(found)
}

/// The modules that requests enable: `@nodejs:18/common` enables `nodejs:18`.
pub(super) fn modules_of(requests: &[Request]) -> Vec<String> {
    let text = |request: &Request| match &request.what {
        Wanted::Text(text) => text.strip_prefix('@').filter(|text| text.contains(':')).map(str::to_owned),
        _ => None,
    };
    requests.iter().filter_map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn a_request_names_a_package_by_any_parts_of_its_name() {
        for (request, expected) in [
            ("lib-tool", true),
            ("lib-tool.x86_64", true),
            ("lib-tool-1.2", true),
            ("lib-tool-1.2-3.el8", true),
            ("lib-tool-1:1.2-3.el8.x86_64", true),
            ("lib-*", true),
            ("lib", false),
            ("lib-tool.i686", false),
            ("lib-tool-1.3", false),
            ("lib-tool-2:1.2-3.el8.x86_64", false),
            ("/usr/bin/lib-tool", false),
            ("@lib-tool", false),
        ] {
            assert_eq!(names(request, "lib-tool", "1:1.2-3.el8", "x86_64"), expected, "{request}");
        }
    }
}
