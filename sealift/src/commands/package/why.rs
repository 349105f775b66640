//! `sealift package why`.

use std::collections::BTreeMap;

use buildchain::project::{LockedPackage, Nevra, Project, RepositoryDefinition, Upstream};
use clap::Args;

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
    let all: Vec<Found<'_>> = found(&project, |_| true);
    let matches = |one: &Found<'_>, name: &str| {
        let full = one.name.name();
        one.name.as_str() == name
            || full == name
            || full.rsplit_once('.').is_some_and(|(short, _)| short == name)
    };
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
    for repository in project.repositories.iter().filter(|one| is_unlocked(one)) {
        let (name, release) = (&repository.name, &repository.release);
        output::note(&format!(
            "the packages of {name} for release {release} are not locked: run `sealift lock`"
        ));
    }
    Ok(arguments.output.report(|| chosen.iter().cloned().collect::<List<_>>(), text)?)
}

fn is_unlocked(repository: &RepositoryDefinition) -> bool {
    repository.upstream.as_ref().is_some_and(|upstream| upstream.unlocked().next().is_some())
}

/// A locked package.
struct Found<'a> {
    repository: &'a RepositoryDefinition,
    name: &'a Nevra,
    package: &'a LockedPackage,
}

/// The packages of a repository, each with its reasons.
pub(crate) fn of_repository(project: &Project, repository: &RepositoryDefinition) -> Vec<PackageReason> {
    let all = found(project, |other| other.release == repository.release);
    let own = all.iter().filter(|one| std::ptr::eq(one.repository, repository));
    own.map(|one| reason(one, &all)).collect()
}

fn found(project: &Project, counts: impl Fn(&RepositoryDefinition) -> bool) -> Vec<Found<'_>> {
    let mut all = Vec::new();
    for repository in project.repositories.iter().filter(|one| counts(one)) {
        let packages = repository.upstream.iter().flat_map(Upstream::packages);
        all.extend(packages.map(|(name, (_, package))| Found { repository, name, package }));
    }
    all
}

/// The reason of a package, and those of the packages that need it, up to a request.
fn reason(one: &Found<'_>, all: &[Found<'_>]) -> PackageReason {
    let release = &one.repository.release;
    let of_release = all.iter().filter(|other| other.repository.release == *release);
    let by_name: BTreeMap<&str, &Found<'_>> = of_release.map(|other| (other.name.as_str(), other)).collect();
    let mut because = Vec::new();
    let mut next = Some(one);
    // No package needs itself through more packages than there are.
    while let Some(current) = next.filter(|_| because.len() <= all.len()) {
        because.push(current.package.why.to_string());
        next = by_name.get(current.package.why.by.as_str()).copied();
    }
    PackageReason {
        release: release.to_string(),
        repository: one.repository.name.to_string(),
        package: one.name.to_string(),
        digest: one.package.digest.to_string(),
        size: one.package.size,
        because,
    }
}
