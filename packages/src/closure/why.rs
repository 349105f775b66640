//! What each package of a closure is there for.

use std::collections::{HashMap, HashSet, VecDeque};

use super::Chosen;
use super::providers::Providers;
use super::request::Job;
use super::rules::positive;
use super::solver::is_met;
use crate::dependency::Relation;
use crate::metadata::{ExpressionId, PackageId};

/// What a package is there for. The packages that require each other lead to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// A request asks for it, by its number.
    Requested(usize),
    /// Another package requires it.
    Required {
        /// That package.
        by: PackageId,
        /// What it requires.
        what: ExpressionId,
    },
    /// Another package recommends it.
    Recommended {
        /// That package.
        by: PackageId,
        /// What it recommends.
        what: ExpressionId,
    },
    /// It supplements packages that are there.
    Supplements(ExpressionId),
    /// Only with it packages of another architecture can be installed.
    Accompanies(PackageId),
    /// It allows a conditional dependency or conflict to hold.
    Allows,
}

/// The packages with their reasons, those of other repositories and those on the nodes, each sorted by name and version.
pub(super) fn explained(
    providers: &Providers<'_>,
    jobs: &[&Job],
    packages: &[PackageId],
) -> (Vec<Chosen>, Vec<Chosen>) {
    let pool = providers.pool;
    let there: HashSet<PackageId> = packages.iter().copied().collect();
    let mut reasons: HashMap<PackageId, Why> = HashMap::new();
    let mut queue = VecDeque::new();
    for job in jobs {
        for one in job.candidates.iter().filter(|one| there.contains(one)) {
            reasons.entry(*one).or_insert_with(|| {
                queue.push_back(*one);
                Why::Requested(job.request)
            });
        }
    }
    let mut open: VecDeque<PackageId> = packages.iter().copied().collect();
    loop {
        while let Some(by) = queue.pop_front() {
            for (relation, why) in [(Relation::Requires, true), (Relation::Recommends, false)] {
                for what in pool.relations(providers.package(by), relation) {
                    positive(providers, *what, false, &mut |one| {
                        if there.contains(&one) {
                            reasons.entry(one).or_insert_with(|| {
                                queue.push_back(one);
                                if why {
                                    Why::Required { by, what: *what }
                                } else {
                                    Why::Recommended { by, what: *what }
                                }
                            });
                        }
                    });
                }
            }
        }
        // What nothing asks for supplements something, comes along, or allows something.
        let Some(one) = open.pop_front() else { break };
        if reasons.contains_key(&one) {
            continue;
        }
        let package = providers.package(one);
        let supplements = pool.relations(package, Relation::Supplements);
        let met = supplements.iter().find(|what| is_met(providers, **what, &|other| there.contains(&other)));
        let other = providers.named(package.name).find(|other| *other != one && there.contains(other));
        let why = match (met, other) {
            (Some(what), _) => Why::Supplements(*what),
            (None, Some(other)) => Why::Accompanies(other),
            (None, None) => Why::Allows,
        };
        reasons.insert(one, why);
        queue.push_back(one);
    }
    let mut sorted = packages.to_vec();
    sorted.sort_by(|one, other| {
        let (a, b) = (providers.package(*one), providers.package(*other));
        let names = pool.text(a.name).cmp(pool.text(b.name));
        names.then_with(|| pool.compare(a.evr, b.evr)).then_with(|| pool.text(a.arch).cmp(pool.text(b.arch)))
    });
    let chosen = sorted
        .into_iter()
        .map(|package| Chosen { package, why: reasons.get(&package).copied().unwrap_or(Why::Allows) });
    chosen.partition(|one| {
        let repository = pool.repository(providers.package(one.package).repository);
        !repository.is_some_and(|one| one.on_nodes)
    })
}
