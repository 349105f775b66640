//! `sealift package why`.

use std::collections::BTreeMap;

use buildchain::project::{
    DebRepositoryDefinition, LockedPackage, Project, Release, RepositoryDefinition, RepositoryName, Upstream,
};
use clap::Args;
use content::Digest;

use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::packages::PackageReason;
use crate::output::{self, ReportOutput};
use crate::session::Selector;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// Names, such as `socat` or `socat-1.7.4-1.el8.x86_64` [default: all packages]
    packages: Vec<String>,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let project = arguments.selector.load()?;
    let mut all = rpms(&project, |_| true);
    all.extend(debs(&project));
    let matches =
        |one: &Found<'_>, name: &str| one.name == name || one.short.0 == name || one.short.1 == name;
    for name in &arguments.packages {
        if !all.iter().any(|one| matches(one, name)) {
            let name = content::printable(name);
            return Err(Failure::usage(format!("sealift.lock has no package `{name}` for this project"))
                .remedy("list all packages: `sealift package why`"));
        }
    }
    let asked = &arguments.packages;
    let chosen: Vec<PackageReason> = all
        .iter()
        .filter(|one| asked.is_empty() || asked.iter().any(|name| matches(one, name)))
        .map(|one| reason(one, &all))
        .collect();
    let text = || chosen.iter().map(ToString::to_string).collect::<String>();
    let text = || match text() {
        empty if empty.is_empty() => "no package is locked\n".to_owned(),
        text => text,
    };
    for (name, release) in unlocked(&project) {
        output::note(&format!(
            "the packages of {name} for release {release} are not locked: run `sealift lock`"
        ));
    }
    Ok(arguments.output.report(|| chosen.iter().cloned().collect::<List<_>>(), text)?)
}

/// The repositories whose packages are not locked, each with its release.
fn unlocked(project: &Project) -> Vec<(&RepositoryName, &Release)> {
    let rpms = project.repositories.iter().filter(|repository| {
        repository.upstream.as_ref().is_some_and(|upstream| upstream.unlocked().next().is_some())
    });
    let debs = project.deb_repositories.iter().filter(|repository| {
        repository.downloads.as_ref().is_some_and(|downloads| downloads.locked.is_none())
    });
    let rpms = rpms.map(|repository| (&repository.name, &repository.release));
    rpms.chain(debs.map(|repository| (&repository.name, &repository.release))).collect()
}

/// A locked package.
struct Found<'a> {
    release: &'a Release,
    repository: &'a RepositoryName,
    /// Name, version and architecture.
    name: &'a str,
    /// The name with the architecture, and the name alone.
    short: (String, String),
    digest: Digest,
    size: u64,
    why: String,
    /// The package that needs it, if any does.
    by: &'a str,
}

/// The packages of a repository, each with its reasons.
pub(crate) fn of_repository(
    project: &Project,
    name: &RepositoryName,
    release: &Release,
) -> Vec<PackageReason> {
    let mut all = rpms(project, |other| other.release == *release);
    all.extend(debs(project));
    let own = all.iter().filter(|one| one.repository == name && one.release == release);
    own.map(|one| reason(one, &all)).collect()
}

fn rpms(project: &Project, counts: impl Fn(&RepositoryDefinition) -> bool) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    for repository in project.repositories.iter().filter(|one| counts(one)) {
        for (nevra, (_, package)) in repository.upstream.iter().flat_map(Upstream::packages) {
            let full = nevra.name();
            let name = full.rsplit_once('.').map_or_else(|| full.clone(), |(name, _)| name.to_owned());
            let (name, short) = (nevra.as_str(), (full, name));
            let LockedPackage { digest, size, why, .. } = package;
            let (digest, size, by, why) = (*digest, *size, why.by.as_str(), why.to_string());
            let (release, repository) = (&repository.release, &repository.name);
            all.push(Found { release, repository, name, short, digest, size, why, by });
        }
    }
    all
}

fn debs(project: &Project) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    for DebRepositoryDefinition { name: repository, release, downloads, .. } in &project.deb_repositories {
        let locked = downloads.as_ref().and_then(|downloads| downloads.locked.as_ref());
        for (deb, package) in locked.iter().flat_map(|locked| &locked.packages) {
            let full = deb.name();
            let name = full.split_once(':').map_or_else(|| full.clone(), |(name, _)| name.to_owned());
            let (name, short) = (deb.as_str(), (full, name));
            let why = format!("requested as {}", package.by);
            let (digest, size) = (package.digest, package.size);
            all.push(Found { release, repository, name, short, digest, size, why, by: "" });
        }
    }
    all
}

/// The reason of a package, and those of the packages that need it, up to a request.
fn reason(one: &Found<'_>, all: &[Found<'_>]) -> PackageReason {
    let of_release = all.iter().filter(|other| other.release == one.release);
    let by_name: BTreeMap<&str, &Found<'_>> = of_release.map(|other| (other.name, other)).collect();
    let mut because = Vec::new();
    let mut next = Some(one);
    // No package needs itself through more packages than there are.
    while let Some(current) = next.filter(|_| because.len() <= all.len()) {
        because.push(current.why.clone());
        next = by_name.get(current.by).copied();
    }
    PackageReason {
        release: one.release.to_string(),
        repository: one.repository.to_string(),
        package: one.name.to_owned(),
        digest: one.digest.to_string(),
        size: one.size,
        because,
    }
}
