//! The rules that a set of packages must keep.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use super::architecture::replaces;
use super::normal::{Normal, forbidden, is_complex, required};
use super::providers::Providers;
use super::sat::Literal;
use crate::dependency::{Operator, Relation};
use crate::metadata::{Expression, ExpressionId, PackageId, Text};

/// Names of which several versions can be installed side by side, as dnf has them.
const INSTALL_ONLY: [&str; 6] = [
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
];

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The package requires this.
    Requires(PackageId, ExpressionId),
    /// The package conflicts with this.
    Conflicts(PackageId, ExpressionId),
    /// The package obsoletes the other one.
    Obsoletes(PackageId, PackageId),
    /// Both have one name.
    SameName(PackageId, PackageId),
    /// A package of the same name has a better architecture.
    Inferior(PackageId),
    /// A request, by its number.
    Request(usize),
    /// The best candidates of a request.
    Best(usize),
}

/// A rule: one of its literals must hold.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) literals: Vec<Literal>,
    pub(super) origin: Origin,
}

/// The rules of all packages that requests can lead to.
pub(super) struct Rules<'a, 'p> {
    providers: &'a Providers<'p>,
    pub(super) rules: Vec<Rule>,
    /// Of each package, whether its rules are there.
    pub(super) added: Vec<bool>,
    /// Of each package, whether several versions of it can be installed.
    pub(super) install_only: Vec<bool>,
}

impl<'a, 'p> Rules<'a, 'p> {
    pub(super) fn new(providers: &'a Providers<'p>) -> Self {
        let count = providers.pool.packages.len();
        let mut install_only = vec![false; count];
        for name in INSTALL_ONLY {
            if let Some(name) = providers.pool.texts.find(name) {
                for (package, _) in providers.of_name(name) {
                    if let Some(mark) = install_only.get_mut(package.index()) {
                        *mark = true;
                    }
                }
            }
        }
        Self { providers, rules: Vec::new(), added: vec![false; count], install_only }
    }

    pub(super) fn is_added(&self, package: PackageId) -> bool {
        self.added.get(package.index()).copied().unwrap_or(true)
    }

    fn is_install_only(&self, package: PackageId) -> bool {
        self.install_only.get(package.index()).copied().unwrap_or(false)
    }

    fn push(&mut self, mut literals: Vec<Literal>, origin: Origin) {
        literals.sort_unstable();
        literals.dedup();
        // With a package both there and not there, it always holds.
        if !literals.iter().any(|one| literals.binary_search(&one.not()).is_ok()) {
            self.rules.push(Rule { literals, origin });
        }
    }

    /// Adds the rules of a package and of all that it can lead to.
    pub(super) fn add(&mut self, package: PackageId) {
        let providers = self.providers;
        let pool = providers.pool;
        let mut queue = VecDeque::from([package]);
        while let Some(id) = queue.pop_front() {
            match self.added.get_mut(id.index()) {
                Some(added) if !*added => *added = true,
                _ => continue,
            }
            let package = providers.package(id);
            for required in pool.relations(package, Relation::Requires) {
                self.add_requirement(id, *required, &mut queue);
            }
            for conflict in pool.relations(package, Relation::Conflicts) {
                self.add_conflict(id, *conflict);
            }
            self.add_same_name(id, &mut queue);
            for relation in [Relation::Recommends, Relation::Suggests] {
                for weak in pool.relations(package, relation) {
                    positive(providers, *weak, false, &mut |one| queue.push_back(one));
                }
            }
        }
    }

    fn add_requirement(
        &mut self,
        id: PackageId,
        required_one: ExpressionId,
        queue: &mut VecDeque<PackageId>,
    ) {
        let origin = Origin::Requires(id, required_one);
        let itself = Literal::has(id);
        let blocks = if is_complex(self.providers, required_one) {
            match required(self.providers, required_one) {
                Normal::Always => return,
                Normal::Never => vec![Vec::new()],
                Normal::Blocks(blocks) => blocks,
            }
        } else {
            vec![self.providers.of(required_one).iter().map(|one| Literal::has(*one)).collect()]
        };
        for mut block in blocks {
            if block.contains(&itself) {
                continue;
            }
            queue.extend(block.iter().filter(|one| one.is_positive()).map(|one| one.package()));
            block.push(itself.not());
            self.push(block, origin);
        }
    }

    fn add_conflict(&mut self, id: PackageId, conflict: ExpressionId) {
        let origin = Origin::Conflicts(id, conflict);
        let itself = Literal::has(id);
        if !is_complex(self.providers, conflict) {
            for other in self.providers.of(conflict).iter().filter(|other| **other != id) {
                self.push(vec![itself.not(), Literal::has(*other).not()], origin);
            }
            return;
        }
        let blocks = match forbidden(self.providers, conflict) {
            Normal::Always => return,
            Normal::Never => vec![Vec::new()],
            Normal::Blocks(blocks) => blocks,
        };
        for mut block in blocks {
            // A package does not conflict with itself.
            if block.contains(&itself) || block == [itself.not()] {
                continue;
            }
            block.push(itself.not());
            self.push(block, origin);
        }
    }

    /// What a package obsoletes, and the others of its name.
    fn add_same_name(&mut self, id: PackageId, queue: &mut VecDeque<PackageId>) {
        let providers = self.providers;
        let pool = providers.pool;
        let package = providers.package(id);
        let several = self.is_install_only(id);
        if !several {
            for (other, _) in providers.obsoleted_by(id) {
                let rule = vec![Literal::has(id).not(), Literal::has(other).not()];
                self.push(rule, Origin::Obsoletes(id, other));
            }
        }
        let score = providers.score(id);
        for other in providers.named(package.name) {
            let one = providers.package(other);
            if other == id {
                continue;
            }
            let same_version = (one.evr, one.arch) == (package.evr, package.arch);
            if replaces(pool.text(package.arch), pool.text(one.arch)) && (!several || same_version) {
                let rule = vec![Literal::has(id).not(), Literal::has(other).not()];
                self.push(rule, Origin::SameName(id, other));
            }
            // A package of 32 bits comes with that of 64 bits, so both must be considered.
            let better = providers.score(other);
            if score > 1 && better > 1 && better < score && one.evr == package.evr {
                queue.push_back(other);
            }
        }
    }

    /// Adds packages that supplement or enhance those that are there.
    pub(super) fn add_weak(&mut self) {
        let pool = self.providers.pool;
        let candidates: Vec<PackageId> = pool
            .packages()
            .filter(|(id, package)| {
                self.providers.counts(*id)
                    && !(pool.relations(package, Relation::Supplements).is_empty()
                        && pool.relations(package, Relation::Enhances).is_empty())
            })
            .map(|(id, _)| id)
            .collect();
        loop {
            let mut any = false;
            for id in &candidates {
                let package = self.providers.package(*id);
                let mut lists = [Relation::Supplements, Relation::Enhances]
                    .into_iter()
                    .flat_map(|relation| pool.relations(package, relation));
                if !self.is_added(*id) && lists.any(|one| self.is_possible(*one)) {
                    self.add(*id);
                    any = true;
                }
            }
            if !any {
                return;
            }
        }
    }

    /// Whether a dependency can be met by packages whose rules are there.
    fn is_possible(&self, id: ExpressionId) -> bool {
        if !is_complex(self.providers, id) {
            return self.providers.of(id).iter().any(|one| self.is_added(*one));
        }
        match self.providers.pool.expression(id) {
            Expression::Rich { operator: Operator::And, left, right } => {
                self.is_possible(left) && self.is_possible(right)
            }
            Expression::Rich { operator: Operator::Or, left, right } => {
                self.is_possible(left) || self.is_possible(right)
            }
            _ => true,
        }
    }

    /// Puts the rules of packages into their order, each once.
    pub(super) fn sort(&mut self) {
        self.rules.sort_by(|one, other| {
            let (mut one, mut other) = (one.literals.iter(), other.literals.iter());
            loop {
                // The end of a rule counts as a literal between those that are not there and those that are.
                match (one.next(), other.next()) {
                    (None, None) => return std::cmp::Ordering::Equal,
                    (Some(one), Some(other)) if one == other => {}
                    (Some(one), Some(other)) => return one.cmp(other),
                    (Some(one), None) => return after(*one),
                    (None, Some(other)) => return after(*other).reverse(),
                }
            }
        });
        self.rules.dedup_by(|one, other| one.literals == other.literals);
    }

    /// Rules that forbid packages of a worse architecture than the best one of their name, except together with the package
    /// of the same version that has it. They do not count for the names of `requested` packages: who asks for a package gets
    /// any architecture rather than nothing.
    pub(super) fn inferior(&self, requested: &HashSet<Text>) -> Vec<Rule> {
        let mut rules = Vec::new();
        let providers = self.providers;
        let mut by_name: BTreeMap<PackageId, Vec<PackageId>> = BTreeMap::new();
        let mut first: HashMap<Text, PackageId> = HashMap::new();
        for (id, package) in providers.pool.packages() {
            if self.is_added(id) && providers.counts(id) && !requested.contains(&package.name) {
                let leader = *first.entry(package.name).or_insert(id);
                by_name.entry(leader).or_default().push(id);
            }
        }
        for packages in by_name.into_values() {
            let best = packages.iter().map(|one| providers.score(*one)).filter(|score| *score > 1).min();
            let Some(best) = best else { continue };
            for id in &packages {
                let score = providers.score(*id);
                if score <= 1 || score == best {
                    continue;
                }
                let package = providers.package(*id);
                let mut rule = vec![Literal::has(*id).not()];
                rule.extend(providers.named(package.name).filter_map(|other| {
                    let one = providers.package(other);
                    let score = providers.score(other);
                    let together =
                        one.evr == package.evr && one.arch != package.arch && (score == 1 || score == best);
                    together.then(|| Literal::has(other))
                }));
                rules.push(Rule { literals: rule, origin: Origin::Inferior(*id) });
            }
        }
        rules
    }
}

fn after(literal: Literal) -> std::cmp::Ordering {
    if literal.is_positive() { std::cmp::Ordering::Greater } else { std::cmp::Ordering::Less }
}

/// The packages that a dependency, also a rich one, can bring.
pub(super) fn positive(
    providers: &Providers<'_>,
    id: ExpressionId,
    negated: bool,
    take: &mut dyn FnMut(PackageId),
) {
    if is_complex(providers, id)
        && let Expression::Rich { operator, left, right } = providers.pool.expression(id)
    {
        positive(providers, left, negated, take);
        let right_negated = negated != matches!(operator, Operator::If | Operator::Unless);
        match providers.pool.expression(right) {
            Expression::Rich { operator: Operator::Else, left, right } => {
                positive(providers, left, right_negated, take);
                positive(providers, left, !right_negated, take);
                positive(providers, right, !right_negated, take);
            }
            _ => positive(providers, right, right_negated, take),
        }
    } else if !negated {
        providers.of(id).iter().for_each(|one| take(*one));
    }
}
