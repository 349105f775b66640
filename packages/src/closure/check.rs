//! What is missing in a set of repositories: packages that cannot be installed from them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::normal::is_complex;
use super::providers::Providers;
use super::request::Job;
use super::rules::Origin;
use super::solver::Unsolvable;
use super::{Cause, Options, Problem, Request, Wanted, architecture, explain, solve_jobs};
use crate::dependency::Relation;
use crate::metadata::{ExpressionId, PackageId, Pool, RepositoryId, Text};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// How many packages were checked: those that run on the architecture.
    pub packages: usize,
    /// The packages that cannot be installed, sorted by name.
    pub findings: Vec<Finding>,
}

/// A package that cannot be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The package.
    pub package: PackageId,
    /// Why not.
    pub problem: Problem,
}

/// The architectures of the machines that the packages of a pool are for, sorted: not `noarch`, and none whose packages run on
/// another one of them. `noarch` alone where there is no other.
#[must_use]
pub fn architectures(pool: &Pool) -> Vec<String> {
    let all: BTreeSet<&str> = pool.packages().map(|(_, one)| pool.text(one.arch)).collect();
    let all: Vec<&str> =
        all.into_iter().filter(|arch| !matches!(*arch, "noarch" | "src" | "nosrc")).collect();
    let runs_elsewhere =
        |arch: &str| all.iter().any(|other| *other != arch && architecture::score(other, arch) > 0);
    let found: Vec<String> =
        all.iter().filter(|arch| !runs_elsewhere(arch)).map(|arch| (*arch).to_owned()).collect();
    if found.is_empty() { vec!["noarch".to_owned()] } else { found }
}

/// Checks that each package of `repositories` can be installed, with packages of any repository of the pool. Recommendations do
/// not count.
#[must_use]
pub fn check(pool: &Pool, repositories: &[RepositoryId], options: &Options) -> Check {
    let options = Options { weak_dependencies: false, best: false, ..options.clone() };
    let providers = Providers::new(pool, &options);
    let packages: Vec<PackageId> = pool
        .packages()
        .filter(|(id, one)| repositories.contains(&one.repository) && providers.counts(*id))
        .map(|(id, _)| id)
        .collect();
    let job = |id: &PackageId| Job { request: 0, candidates: vec![*id], condition: None };
    let installed = |jobs: &[Job]| solve_jobs(&providers, &jobs.iter().collect::<Vec<_>>(), &options);

    // What is installed together can be installed, so a few solutions answer for most packages.
    let together: Vec<Job> = newest(&providers, &packages).iter().map(job).collect();
    let mut fine: HashSet<PackageId> = installed(&together).unwrap_or_default().into_iter().collect();
    let mut findings = Vec::new();
    for id in &packages {
        if fine.contains(id) {
            continue;
        }
        let jobs = [job(id)];
        match installed(&jobs) {
            Ok(packages) => fine.extend(packages),
            Err(Unsolvable::TooHard) => findings.push(Finding { package: *id, problem: explain::too_hard() }),
            Err(Unsolvable::Because(mut origins)) => {
                // The solver ends with the first contradiction; what no package provides is listed whole.
                origins.extend(missing(&providers, *id));
                let request = Request { what: Wanted::Package(*id), repository: None, optional: false };
                let mut problem = explain::contradiction(&providers, &[request], &[&jobs[0]], &origins);
                problem.causes.retain(|cause| !matches!(cause, Cause::Requested { .. }));
                findings.push(Finding { package: *id, problem });
            }
        }
    }
    findings.sort_by_cached_key(|one| pool.nevra(providers.package(one.package)));
    Check { packages: packages.len(), findings }
}

/// The requirements of a package that no package provides.
fn missing<'a>(providers: &'a Providers<'_>, id: PackageId) -> impl Iterator<Item = Origin> + 'a {
    let required = providers.pool.relations(providers.package(id), Relation::Requires).iter().copied();
    let is_missing = move |one: &ExpressionId| !is_complex(providers, *one) && providers.of(*one).is_empty();
    required.filter(is_missing).map(move |one| Origin::Requires(id, one))
}

/// The newest package of each name and architecture.
fn newest(providers: &Providers<'_>, packages: &[PackageId]) -> Vec<PackageId> {
    let pool = providers.pool;
    let mut newest: BTreeMap<(Text, Text), PackageId> = BTreeMap::new();
    for id in packages {
        let package = providers.package(*id);
        let best = newest.entry((package.name, package.arch)).or_insert(*id);
        if pool.compare(package.evr, providers.package(*best).evr).is_gt() {
            *best = *id;
        }
    }
    newest.into_values().collect()
}
