//! The order in which packages are decided, by the steps of libsolv: requests, then dependencies without a choice, then those
//! with one, then recommendations; last, choices that turned out to be unneeded are taken back.

use super::normal::{Normal, is_complex, required};
use super::policy::{self, Purpose};
use super::providers::Providers;
use super::rules::{Origin, Rule, Rules};
use super::sat::{Branch, Failure, Literal, Sat};
use crate::dependency::{Operator, Relation};
use crate::metadata::{Expression, ExpressionId, PackageId};

/// Steps that take back unneeded choices.
const MAX_MINIMIZING: usize = 1000;

/// A problem that is being solved.
pub(super) struct Solver<'a, 'p> {
    pub(super) providers: &'a Providers<'p>,
    sat: Sat,
    origins: Vec<Origin>,
    install_only: Vec<bool>,
    /// The rules of requests.
    requests: std::ops::Range<usize>,
    /// Packages that decided ones recommend and suggest, and how many decisions were looked at.
    recommended: Vec<bool>,
    suggested: Vec<bool>,
    looked_at: usize,
    /// Recommendations and suggestions whose conditions are open.
    open: Vec<(ExpressionId, bool)>,
}

/// What went wrong: rules that contradict each other.
#[derive(Debug)]
pub(super) enum Unsolvable {
    /// Where the rules come from.
    Because(Vec<Origin>),
    /// It would take too long.
    TooHard,
}

impl<'a, 'p> Solver<'a, 'p> {
    /// `rules` are those of packages, in their order; then come `requests`, then `rest`.
    pub(super) fn new(
        providers: &'a Providers<'p>,
        rules: Rules<'a, 'p>,
        requests: Vec<Rule>,
        rest: Vec<Rule>,
    ) -> Self {
        let count = providers.pool.packages.len();
        let mut sat = Sat::new(count);
        let start = rules.rules.len();
        let range = start..start + requests.len();
        let mut origins = Vec::new();
        for rule in rules.rules.into_iter().chain(requests).chain(rest) {
            sat.add(&rule.literals);
            origins.push(rule.origin);
        }
        Self {
            providers,
            sat,
            origins,
            install_only: rules.install_only,
            requests: range,
            recommended: vec![false; count],
            suggested: vec![false; count],
            looked_at: 0,
            open: Vec::new(),
        }
    }

    /// Solves the problem; the packages that are there, in the order in which they were decided.
    pub(super) fn solve(mut self, weak: bool) -> Result<Vec<PackageId>, Unsolvable> {
        match self.run(weak) {
            Ok(()) => {
                let decided = self.sat.decisions().iter();
                Ok(decided.filter(|one| one.is_positive()).map(|one| one.package()).collect())
            }
            Err(Failure::TooHard) => Err(Unsolvable::TooHard),
            Err(Failure::Contradiction(rules)) => Err(Unsolvable::Because(
                rules.iter().filter_map(|rule| self.origins.get(*rule).copied()).collect(),
            )),
        }
    }

    fn run(&mut self, weak: bool) -> Result<(), Failure> {
        let mut level = self.sat.start()?;
        let mut steady = level + 1;
        let mut minimized = 0;
        loop {
            if level < steady {
                let before = level;
                level = self.decide_requests(level)?;
                if level < before {
                    continue;
                }
                steady = level + 1;
            }
            if level < steady {
                steady = level;
            }
            let before = level;
            level = self.decide_dependencies(level)?;
            if level < before {
                continue;
            }
            if weak {
                let (reached, again) = self.decide_weak(level)?;
                level = reached;
                if again {
                    continue;
                }
            }
            match self.unneeded_choice() {
                Some((branch, candidate)) if minimized < MAX_MINIMIZING => {
                    minimized += 1;
                    level = self.sat.take_branch(branch, candidate)?;
                }
                _ => return Ok(()),
            }
        }
    }

    fn is_there(&self, package: PackageId) -> bool {
        self.sat.level(package) > 0
    }

    /// The open candidates of a rule that does not hold yet.
    fn open_candidates(&self, rule: usize, into: &mut Vec<PackageId>) -> bool {
        into.clear();
        for literal in self.sat.rule(rule) {
            let level = self.sat.level(literal.package());
            match literal.is_positive() {
                true if level > 0 => return false,
                true if level == 0 => into.push(literal.package()),
                true => {}
                false if level <= 0 => return false,
                false => {}
            }
        }
        !into.is_empty()
    }

    fn decide_requests(&mut self, mut level: i32) -> Result<i32, Failure> {
        let start = level;
        let mut candidates = Vec::new();
        let mut rule = self.requests.start;
        while rule < self.requests.end {
            if !self.open_candidates(rule, &mut candidates) {
                rule += 1;
                continue;
            }
            let before = level;
            level = self.select(level, &mut candidates)?;
            if level == before {
                continue;
            }
            if level < start {
                return Ok(level);
            }
            rule = if level < before { self.requests.start } else { rule + 1 };
        }
        Ok(level)
    }

    /// Decides rules that have one candidate left; rules with a choice only after all others.
    fn decide_dependencies(&mut self, mut level: i32) -> Result<i32, Failure> {
        let start = level;
        let mut candidates = Vec::new();
        let mut postponed = None;
        let mut second_pass = false;
        let (mut rule, mut looked_at) = (0, 0);
        loop {
            if looked_at >= self.sat.len() {
                match postponed.take() {
                    Some(first) if !second_pass => (rule, looked_at, second_pass) = (first, 0, true),
                    _ => return Ok(level),
                }
            }
            if rule >= self.sat.len() {
                rule = 0;
            }
            let current = rule;
            (rule, looked_at) = (rule + 1, looked_at + 1);
            if !self.open_candidates(current, &mut candidates) {
                continue;
            }
            if candidates.len() > 1 && !second_pass {
                policy::narrow(self, &mut candidates, Purpose::Narrow);
                if candidates.len() > 1 {
                    postponed.get_or_insert(current);
                    continue;
                }
            }
            level = self.select(level, &mut candidates)?;
            if level < start {
                return Ok(level);
            }
            looked_at = 0;
        }
    }

    /// Installs the best candidate.
    fn select(&mut self, level: i32, candidates: &mut Vec<PackageId>) -> Result<i32, Failure> {
        if candidates.len() > 1 {
            policy::narrow(self, candidates, Purpose::Choose);
        }
        self.branch_and_choose(level, candidates)
    }

    fn branch_and_choose(&mut self, level: i32, candidates: &[PackageId]) -> Result<i32, Failure> {
        let Some(best) = candidates.first().copied() else { return Ok(level) };
        if candidates.len() > 1 {
            let mut all: Vec<(PackageId, bool)> = candidates.iter().map(|one| (*one, false)).collect();
            if let Some(first) = all.first_mut() {
                first.1 = true;
            }
            self.sat.branches.push(Branch { candidates: all, level });
        }
        self.sat.choose(level, Literal::has(best))
    }

    /// A candidate of a branch that is there anyway, or that is recommended in place of one that is not: with it the choice was
    /// not needed.
    fn unneeded_choice(&mut self) -> Option<(usize, usize)> {
        self.look_at_decisions();
        let mut found = None;
        for (number, branch) in self.sat.branches.iter().enumerate().rev() {
            let mut recommended = None;
            let mut taken = false;
            for (place, (package, tried)) in branch.candidates.iter().enumerate() {
                if *tried {
                    continue;
                }
                if self.sat.level(*package) > branch.level {
                    found = Some((number, place));
                    taken = true;
                    break;
                }
                if recommended.is_none() && self.is_recommended(*package) {
                    recommended = Some(place);
                }
            }
            if let Some(place) = recommended.filter(|_| !taken) {
                let chosen = branch.candidates.iter().find(|(package, tried)| {
                    *tried && self.sat.level(*package) == branch.level + 1 && !self.is_recommended(*package)
                });
                if chosen.is_some() {
                    found = Some((number, place));
                }
            }
        }
        found
    }

    fn is_recommended(&self, package: PackageId) -> bool {
        self.recommended.get(package.index()) == Some(&true) || self.is_weakly(package, Relation::Supplements)
    }

    /// Whether a package supplements or enhances packages that are there.
    fn is_weakly(&self, package: PackageId, relation: Relation) -> bool {
        let pool = self.providers.pool;
        pool.relations(self.providers.package(package), relation).iter().any(|one| self.is_met(*one))
    }

    /// Whether packages that are there meet a dependency.
    fn is_met(&self, id: ExpressionId) -> bool {
        is_met(self.providers, id, &|one| self.is_there(one))
    }

    /// Notes what decided packages recommend and suggest.
    fn look_at_decisions(&mut self) {
        if self.sat.take_reverted() {
            self.recommended.fill(false);
            self.suggested.fill(false);
            self.open.clear();
            self.looked_at = 0;
        }
        let pool = self.providers.pool;
        while let Some(decided) = self.sat.decisions().get(self.looked_at).copied() {
            self.looked_at += 1;
            if !decided.is_positive() {
                continue;
            }
            let package = self.providers.package(decided.package());
            for (relation, suggests) in [(Relation::Recommends, false), (Relation::Suggests, true)] {
                for one in pool.relations(package, relation) {
                    if is_complex(self.providers, *one) {
                        self.open.push((*one, suggests));
                        continue;
                    }
                    let marks = if suggests { &mut self.suggested } else { &mut self.recommended };
                    for provider in self.providers.of(*one).iter() {
                        if let Some(mark) = marks.get_mut(provider.index()) {
                            *mark = true;
                        }
                    }
                }
            }
        }
        for (one, suggests) in self.open.clone() {
            let Normal::Blocks(blocks) = required(self.providers, one) else { continue };
            for block in blocks {
                if block.iter().all(|literal| literal.is_positive() || self.is_there(literal.package())) {
                    let marks = if suggests { &mut self.suggested } else { &mut self.recommended };
                    for literal in block.iter().filter(|literal| literal.is_positive()) {
                        if let Some(mark) = marks.get_mut(literal.package().index()) {
                            *mark = true;
                        }
                    }
                }
            }
        }
    }

    /// Leaves those that are recommended, or all where none is.
    pub(super) fn keep_recommended(&mut self, candidates: &mut Vec<PackageId>) {
        if candidates.len() < 2 {
            return;
        }
        self.look_at_decisions();
        let kept: Vec<PackageId> =
            candidates.iter().copied().filter(|one| self.is_recommended(*one)).collect();
        if !kept.is_empty() {
            *candidates = kept;
        }
    }

    /// Puts those that are suggested before the others.
    pub(super) fn suggested_first(&mut self, candidates: &mut [PackageId]) {
        self.look_at_decisions();
        candidates.sort_by_cached_key(|one| {
            self.suggested.get(one.index()) != Some(&true) && !self.is_weakly(*one, Relation::Enhances)
        });
    }

    /// The open packages that a recommendation still asks for; none where it is met.
    fn open_recommended(&self, id: ExpressionId, into: &mut Vec<PackageId>) {
        let mut add = |one: PackageId| {
            if !into.contains(&one) {
                into.push(one);
            }
        };
        if !is_complex(self.providers, id) {
            let found = self.providers.of(id);
            if !found.iter().any(|one| self.is_there(*one)) {
                found.iter().copied().filter(|one| self.sat.level(*one) == 0).for_each(&mut add);
            }
            return;
        }
        let Normal::Blocks(blocks) = required(self.providers, id) else { return };
        for block in blocks {
            let holds = block.iter().any(|literal| {
                let level = self.sat.level(literal.package());
                if literal.is_positive() { level > 0 } else { level <= 0 }
            });
            if !holds {
                let open =
                    block.iter().filter(|literal| literal.is_positive()).map(|literal| literal.package());
                open.filter(|one| self.sat.level(*one) == 0).for_each(&mut add);
            }
        }
    }

    /// Installs what is recommended and what supplements; the level, and whether anything was tried.
    fn decide_weak(&mut self, mut level: i32) -> Result<(i32, bool), Failure> {
        let providers = self.providers;
        let pool = providers.pool;
        let (mut recommended, mut supplements) = (Vec::new(), Vec::new());
        for (id, package) in pool.packages() {
            match self.sat.level(id) {
                there if there > 0 => {
                    for one in pool.relations(package, Relation::Recommends) {
                        self.open_recommended(*one, &mut recommended);
                    }
                }
                0 if providers.counts(id) && self.is_weakly(id, Relation::Supplements) => {
                    supplements.push(id)
                }
                _ => {}
            }
        }
        // Another version or architecture that is there is enough.
        supplements.retain(|id| {
            let package = providers.package(*id);
            let several = self.install_only.get(id.index()) == Some(&true);
            !providers.named(package.name).any(|other| {
                self.is_there(other) && (several || providers.package(other).arch != package.arch)
            })
        });
        let mut all = recommended;
        all.extend(supplements.iter().filter(|one| !all.contains(one)).copied().collect::<Vec<_>>());
        if let [one] = all.as_slice() {
            return Ok((self.sat.choose(level, Literal::has(*one))?, true));
        }
        if all.is_empty() {
            return Ok((level, false));
        }
        policy::narrow(self, &mut all, Purpose::Recommend);
        supplements.retain(|one| all.contains(one));
        if supplements.len() > 1 {
            policy::narrow(self, &mut supplements, Purpose::Supplement);
        }
        let decided = self.sat.decisions().len();
        for one in supplements {
            if self.sat.level(one) != 0 {
                continue;
            }
            let before = level;
            level = self.sat.choose(level, Literal::has(one))?;
            if level <= before {
                return Ok((level, true));
            }
        }
        if self.sat.decisions().len() < decided {
            return Ok((level, true));
        }
        for place in 0..decided {
            let Some(literal) = self.sat.decisions().get(place).copied() else { return Ok((level, true)) };
            if !literal.is_positive() {
                continue;
            }
            let package = providers.package(literal.package());
            for one in pool.relations(package, Relation::Recommends) {
                let mut candidates = Vec::new();
                self.open_recommended(*one, &mut candidates);
                candidates.retain(|one| all.contains(one));
                if candidates.is_empty() {
                    continue;
                }
                let before = level;
                level = self.select(level, &mut candidates)?;
                if level <= before || self.sat.decisions().len() < decided {
                    return Ok((level, true));
                }
            }
        }
        Ok((level, true))
    }
}

/// Whether packages that are there meet a dependency.
pub(super) fn is_met(
    providers: &Providers<'_>,
    id: ExpressionId,
    is_there: &dyn Fn(PackageId) -> bool,
) -> bool {
    let met = |id| is_met(providers, id, is_there);
    if let Expression::Rich { operator, left, right } = providers.pool.expression(id)
        && is_complex(providers, id)
    {
        let otherwise = match providers.pool.expression(right) {
            Expression::Rich { operator: Operator::Else, left, right } => Some((left, right)),
            _ => None,
        };
        return match (operator, otherwise) {
            (Operator::And, _) => met(left) && met(right),
            (Operator::If, Some((condition, last))) => {
                if met(condition) {
                    met(left)
                } else {
                    met(last)
                }
            }
            (Operator::If, None) => !met(right) || met(left),
            (Operator::Unless, Some((condition, last))) => {
                if met(condition) {
                    met(last)
                } else {
                    met(left)
                }
            }
            (Operator::Unless, None) => !met(right) && met(left),
            _ => met(left) || met(right),
        };
    }
    providers.of(id).iter().any(|one| is_there(*one))
}
