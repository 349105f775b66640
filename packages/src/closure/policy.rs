//! Which of several candidates is better, by the rules of libsolv.

use std::cmp::Ordering;

use super::providers::Providers;
use super::solver::Solver;
use crate::dependency::{Relation, VersionComparison};
use crate::metadata::{Evr, Expression, PackageId, Pool, Text};

/// What candidates are chosen for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To decide, the best first.
    Choose,
    /// To see whether there is a choice.
    Narrow,
    /// To find the best ones of several recommendations at once.
    Recommend,
    /// To put supplements into an order.
    Supplement,
}

/// Leaves the best candidates, the best one first.
pub(super) fn narrow(solver: &mut Solver<'_, '_>, candidates: &mut Vec<PackageId>, purpose: Purpose) {
    let providers = solver.providers;
    if purpose == Purpose::Supplement {
        newest_first(providers, candidates);
        by_provided_version(providers, candidates);
        solver.suggested_first(candidates);
        return;
    }
    narrow_alone(providers, candidates);
    if candidates.len() > 1 && matches!(purpose, Purpose::Choose | Purpose::Narrow) {
        solver.keep_recommended(candidates);
        if candidates.len() > 1 && purpose == Purpose::Choose {
            newest_first(providers, candidates);
            by_provided_version(providers, candidates);
            solver.suggested_first(candidates);
        }
    }
}

/// Leaves the best candidates by priority, architecture and version alone.
pub(super) fn narrow_alone(providers: &Providers<'_>, candidates: &mut Vec<PackageId>) {
    best_priority(providers, candidates);
    best_architecture(providers, candidates);
    best_version(providers, candidates);
}

fn best_priority(providers: &Providers<'_>, candidates: &mut Vec<PackageId>) {
    if let Some(best) = candidates.iter().map(|one| providers.priority(*one)).min() {
        candidates.retain(|one| providers.priority(*one) == best);
    }
}

fn best_architecture(providers: &Providers<'_>, candidates: &mut Vec<PackageId>) {
    let best = candidates.iter().map(|one| providers.score(*one)).filter(|score| *score > 1).min();
    if let Some(best) = best {
        candidates.retain(|one| matches!(providers.score(*one), 1) || providers.score(*one) == best);
    }
}

/// Leaves the newest package of each name, and none that another candidate obsoletes.
fn best_version(providers: &Providers<'_>, candidates: &mut Vec<PackageId>) {
    if candidates.len() < 2 {
        return;
    }
    let pool = providers.pool;
    candidates.sort_by(|one, other| {
        let (a, b) = (providers.package(*one), providers.package(*other));
        let (score, other_score) = (providers.score(*one), providers.score(*other));
        let names = match a.name == b.name {
            true => Ordering::Equal,
            false => pool.text(a.name).as_bytes().cmp(pool.text(b.name).as_bytes()),
        };
        let scores = if score > 1 && other_score > 1 { score.cmp(&other_score) } else { Ordering::Equal };
        names.then(scores).then(one.cmp(other))
    });
    let mut best: Vec<PackageId> = Vec::new();
    for one in candidates.iter() {
        match best.last_mut() {
            Some(last) if providers.package(*last).name == providers.package(*one).name => {
                if pool.compare(providers.package(*one).evr, providers.package(*last).evr).is_gt() {
                    *last = *one;
                }
            }
            _ => best.push(*one),
        }
    }
    *candidates = best;
    leave_out_obsoleted(providers, candidates);
}

/// Leaves out candidates that others obsolete, unless they obsolete each other.
fn leave_out_obsoleted(providers: &Providers<'_>, candidates: &mut Vec<PackageId>) {
    if candidates.len() < 2 {
        return;
    }
    let edges: Vec<Vec<usize>> = candidates
        .iter()
        .map(|one| {
            let name = providers.package(*one).name;
            let obsoleted = providers.obsoleted_by(*one);
            let others = obsoleted.filter(|(other, _)| providers.package(*other).name != name);
            others.filter_map(|(other, _)| candidates.iter().position(|known| *known == other)).collect()
        })
        .collect();
    if edges.iter().all(Vec::is_empty) {
        return;
    }
    let reached = |from: usize| {
        let mut seen = vec![false; edges.len()];
        let mut rest = vec![from];
        while let Some(node) = rest.pop() {
            for next in edges.get(node).into_iter().flatten() {
                if let Some(mark) = seen.get_mut(*next)
                    && !std::mem::replace(mark, true)
                {
                    rest.push(*next);
                }
            }
        }
        seen
    };
    let all: Vec<Vec<bool>> = (0..edges.len()).map(reached).collect();
    let reaches =
        |from: usize, to: usize| all.get(from).and_then(|one| one.get(to)).copied().unwrap_or(false);
    let mut place = 0;
    candidates.retain(|_| {
        let this = place;
        place += 1;
        !(0..edges.len()).any(|other| other != this && reaches(other, this) && !reaches(this, other))
    });
}

/// Puts candidates of which a newer version exists behind the others.
fn newest_first(providers: &Providers<'_>, candidates: &mut [PackageId]) {
    let is_old = |id: &PackageId| {
        let package = providers.package(*id);
        let priority = providers.priority(*id);
        providers.named(package.name).any(|other| {
            let one = providers.package(other);
            other != *id
                && one.arch == package.arch
                && match priority.cmp(&providers.priority(other)) {
                    Ordering::Less => false,
                    Ordering::Greater => true,
                    Ordering::Equal => providers.pool.compare(one.evr, package.evr).is_gt(),
                }
        })
    };
    candidates.sort_by_cached_key(|one| is_old(one));
}

/// Puts candidates that provide a newer version of what several of them provide before the others.
fn by_provided_version(providers: &Providers<'_>, candidates: &mut [PackageId]) {
    let pool = providers.pool;
    // The candidate, the name, the version, and whether it is what comes before that version.
    let mut provided: Vec<(usize, Text, Evr, bool)> = Vec::new();
    for (place, id) in candidates.iter().enumerate() {
        let package = providers.package(*id);
        provided.push((place, package.name, package.evr, false));
        for provide in pool.relations(package, Relation::Provides) {
            let Expression::Capability { name, version: Some((comparison, evr)) } = pool.expression(*provide)
            else {
                continue;
            };
            let before = match comparison {
                VersionComparison::Equal if is_hash(pool, evr) => continue,
                VersionComparison::Equal | VersionComparison::LessOrEqual => false,
                VersionComparison::Less => true,
                _ => continue,
            };
            provided.push((place, name, evr, before));
        }
    }
    let newest_first = |one: &(usize, Text, Evr, bool), other: &(usize, Text, Evr, bool)| {
        pool.compare(other.2, one.2).then_with(|| one.3.cmp(&other.3))
    };
    provided.sort_by(|one, other| one.1.cmp(&other.1).then_with(|| newest_first(one, other)));
    let mut badness = vec![0_usize; candidates.len()];
    let (mut bad, mut last) = (0, None::<(usize, Text, Evr, bool)>);
    for one in provided {
        match last.filter(|last| last.1 == one.1) {
            Some(last) if last.0 != one.0 && newest_first(&last, &one).is_lt() => bad += 1,
            Some(_) => {}
            None => bad = 0,
        }
        if let Some(sum) = badness.get_mut(one.0) {
            *sum += bad;
        }
        last = Some(one);
    }
    let mut order: Vec<(usize, PackageId)> = candidates
        .iter()
        .enumerate()
        .map(|(place, id)| (badness.get(place).copied().unwrap_or(0), *id))
        .collect();
    order.sort_by_key(|(badness, _)| *badness);
    for (place, (_, id)) in candidates.iter_mut().zip(order) {
        *place = id;
    }
}

/// Whether a version looks like a hash, which is neither older nor newer than another.
fn is_hash(pool: &Pool, evr: Evr) -> bool {
    let text = pool.evr_text(evr);
    text.len() >= 4 && text.bytes().all(|byte| matches!(byte, b'a'..=b'f' | b'0'..=b'9'))
}
