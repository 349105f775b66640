//! Which packages provide what.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use hashbrown::HashMap;

use super::Options;
use super::architecture;
use super::filter;
use crate::dependency::{Operator, Relation, VersionComparison};
use crate::metadata::{Evr, Expression, ExpressionId, Package, PackageId, Pool, Text};
use crate::version;

/// The packages of a pool that count, and what they provide.
pub(super) struct Providers<'p> {
    pub(super) pool: &'p Pool,
    /// Of each package: why it does not count.
    pub(super) left_out: Vec<Option<filter::LeftOut>>,
    /// Of each package: how good its architecture is; see [`architecture::score`].
    scores: Vec<u32>,
    /// Where the provides of each name start in `entries`, by the number of the name's text.
    starts: Vec<u32>,
    /// The package, and the provide; none for the package's own name and version.
    entries: Vec<(PackageId, Option<ExpressionId>)>,
    /// The packages that obsolete others, in their order.
    pub(super) obsoleting: Vec<PackageId>,
    paths: HashMap<(Text, Text), Vec<PackageId>>,
    found: RefCell<HashMap<ExpressionId, Rc<[PackageId]>>>,
}

impl<'p> Providers<'p> {
    pub(super) fn new(pool: &'p Pool, options: &Options) -> Self {
        let scores: Vec<u32> = {
            let mut known: HashMap<Text, u32> = HashMap::new();
            let score = |arch: Text| architecture::score(&options.architecture, pool.text(arch));
            pool.packages
                .iter()
                .map(|one| *known.entry(one.arch).or_insert_with(|| score(one.arch)))
                .collect()
        };
        let left_out = filter::left_out(pool, options, &scores);
        let mut starts = vec![0_u32; pool.texts.len() + 1];
        let mut count = |name: Text| {
            if let Some(start) = starts.get_mut(name.index() + 1) {
                *start += 1;
            }
        };
        let each = |take: &mut dyn FnMut(Text, PackageId, Option<ExpressionId>)| {
            for (id, package) in pool.packages() {
                if left_out.get(id.index()).is_none_or(Option::is_some) {
                    continue;
                }
                take(package.name, id, None);
                for provide in pool.relations(package, Relation::Provides) {
                    if let Expression::Capability { name, .. } = pool.expression(*provide) {
                        take(name, id, Some(*provide));
                    }
                }
            }
        };
        each(&mut |name, _, _| count(name));
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut entries = vec![(PackageId(0), None); sum as usize];
        let mut next = starts.clone();
        each(&mut |name, package, provide| {
            if let Some(place) = next.get_mut(name.index()) {
                if let Some(entry) = entries.get_mut(*place as usize) {
                    *entry = (package, provide);
                }
                *place += 1;
            }
        });
        let counts = |id: &PackageId| left_out.get(id.index()).is_some_and(Option::is_none);
        let obsoletes = |(id, package): (PackageId, &Package)| {
            (!pool.relations(package, Relation::Obsoletes).is_empty()).then_some(id)
        };
        let obsoleting = pool.packages().filter_map(obsoletes).filter(counts).collect();
        let mut providers = Self {
            pool,
            left_out,
            scores,
            starts,
            entries,
            obsoleting,
            paths: HashMap::new(),
            found: RefCell::default(),
        };
        providers.index_paths();
        providers
    }

    /// Keeps the paths that something asks for. A path in the lists of packages whose text is a name somewhere is enough to ask.
    fn index_paths(&mut self) {
        let pool = self.pool;
        let mut wanted: HashMap<(Text, Text), Vec<PackageId>> = HashMap::new();
        // Most paths of a pool end in a name that no wanted path ends in: this spares them the lookup.
        let mut is_last = vec![false; pool.texts.len()];
        for text in pool.texts.paths() {
            let path = pool.text(text);
            let (folder, name) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
            // What ends in a slash is the folder of other paths.
            if name.is_empty() {
                continue;
            }
            if let (Some(folder), Some(name)) = (pool.texts.find(folder), pool.texts.find(name)) {
                wanted.entry((folder, name)).or_default();
                if let Some(mark) = is_last.get_mut(name.index()) {
                    *mark = true;
                }
            }
        }
        for (package, folder, name) in pool.paths() {
            if is_last.get(name.index()) == Some(&true)
                && self.counts(package)
                && let Some(packages) = wanted.get_mut(&(folder, name))
            {
                packages.push(package);
            }
        }
        self.paths = wanted;
    }

    /// Whether a package may be chosen.
    pub(super) fn counts(&self, package: PackageId) -> bool {
        self.left_out.get(package.index()).is_some_and(Option::is_none)
    }

    pub(super) fn score(&self, package: PackageId) -> u32 {
        self.scores.get(package.index()).copied().unwrap_or(0)
    }

    pub(super) fn package(&self, id: PackageId) -> &'p Package {
        self.pool.packages.get(id.index()).unwrap_or(&NOTHING)
    }

    /// How good the repository of a package is; less is better.
    pub(super) fn priority(&self, package: PackageId) -> i64 {
        let repository = self.pool.repository(self.package(package).repository);
        repository.map_or(i64::MAX, |one| if one.on_nodes { i64::MIN } else { one.priority.into() })
    }

    /// What provides a capability, a path, or a rich dependency of `or`, `with` and `without`, in the order of the packages.
    pub(super) fn of(&self, id: ExpressionId) -> Rc<[PackageId]> {
        if let Some(found) = self.found.borrow().get(&id) {
            return Rc::clone(found);
        }
        let mut found = match self.pool.expression(id) {
            Expression::Capability { name, version } => self.of_capability(name, version),
            Expression::Rich { operator, left, right } => {
                let (left, right) = (self.of(left), self.of(right));
                match operator {
                    Operator::With => left.iter().filter(|one| right.contains(one)).copied().collect(),
                    Operator::Without => left.iter().filter(|one| !right.contains(one)).copied().collect(),
                    _ => [&*left, &*right].concat(),
                }
            }
        };
        found.sort_unstable();
        found.dedup();
        let found: Rc<[PackageId]> = found.into();
        self.found.borrow_mut().insert(id, Rc::clone(&found));
        found
    }

    /// What provides a capability, in the order of the packages, each once.
    pub(super) fn of_capability(
        &self,
        name: Text,
        version: Option<(VersionComparison, Evr)>,
    ) -> Vec<PackageId> {
        let mut found: Vec<PackageId> = self
            .of_name(name)
            .iter()
            .filter(|(package, provide)| version.is_none() || self.is_met(*package, *provide, version))
            .map(|(package, _)| *package)
            .collect();
        let path = self.pool.text(name);
        if path.starts_with('/') && version.is_none() {
            let (folder, last) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
            if let (Some(folder), Some(last)) = (self.pool.texts.find(folder), self.pool.texts.find(last)) {
                found.extend(self.paths.get(&(folder, last)).into_iter().flatten());
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// What provides a capability in a version that may be no text of the pool.
    pub(super) fn of_capability_text(
        &self,
        name: Text,
        comparison: VersionComparison,
        wanted: Version<'_>,
    ) -> Vec<PackageId> {
        let pool = self.pool;
        let matches = |package: PackageId, provide: Option<ExpressionId>| {
            let provided = match provide.map(|id| pool.expression(id)) {
                None => Some((VersionComparison::Equal, self.package(package).evr)),
                Some(Expression::Capability { version, .. }) => version,
                Some(Expression::Rich { .. }) => return false,
            };
            provided.is_none_or(|(with, evr)| overlap((with, version_of(pool, evr)), (comparison, wanted)))
        };
        let found = self.of_name(name).iter().filter(|(package, provide)| matches(*package, *provide));
        let mut found: Vec<PackageId> = found.map(|(package, _)| *package).collect();
        found.dedup();
        found
    }

    /// All provides of this name.
    pub(super) fn of_name(&self, name: Text) -> &[(PackageId, Option<ExpressionId>)] {
        let (Some(start), Some(end)) = (self.starts.get(name.index()), self.starts.get(name.index() + 1))
        else {
            return &[];
        };
        self.entries.get(*start as usize..*end as usize).unwrap_or_default()
    }

    /// The packages of this name.
    pub(super) fn named(&self, name: Text) -> impl Iterator<Item = PackageId> + '_ {
        self.of_name(name).iter().filter(|(_, provide)| provide.is_none()).map(|(package, _)| *package)
    }

    fn is_met(
        &self,
        package: PackageId,
        provide: Option<ExpressionId>,
        wanted: Option<(VersionComparison, Evr)>,
    ) -> bool {
        let provided = match provide.map(|id| self.pool.expression(id)) {
            None => Some((VersionComparison::Equal, self.package(package).evr)),
            Some(Expression::Capability { version, .. }) => version,
            Some(Expression::Rich { .. }) => return false,
        };
        match (provided, wanted) {
            // What is provided without a version is provided in all of them.
            (None, _) | (_, None) => true,
            (Some((with, one)), Some((than, other))) => {
                // Most provides are asked for as they stand.
                one == other && same(with) && same(than)
                    || overlap((with, version_of(self.pool, one)), (than, version_of(self.pool, other)))
            }
        }
    }

    /// Whether the package itself, by its name and version, is what an expression names. Obsoletes look at nothing else.
    pub(super) fn is_named(&self, package: PackageId, id: ExpressionId) -> bool {
        match self.pool.expression(id) {
            Expression::Capability { name, version } => {
                let one = self.package(package);
                name == one.name
                    && version.is_none_or(|(than, evr)| {
                        let own = version_of(self.pool, one.evr);
                        overlap((VersionComparison::Equal, own), (than, version_of(self.pool, evr)))
                    })
            }
            Expression::Rich { .. } => false,
        }
    }

    /// The packages that a package obsoletes, by their names.
    pub(super) fn obsoleted_by(
        &self,
        package: PackageId,
    ) -> impl Iterator<Item = (PackageId, ExpressionId)> + '_ {
        let list = self.pool.relations(self.package(package), Relation::Obsoletes);
        list.iter().flat_map(move |id| {
            let found = self.of(*id);
            let named: Vec<PackageId> =
                found.iter().copied().filter(|one| *one != package && self.is_named(*one, *id)).collect();
            named.into_iter().map(|one| (one, *id))
        })
    }
}

/// What a package is that does not exist.
static NOTHING: Package = Package::NOTHING;

/// An epoch, a version and a release; empty where it leaves that open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version<'a> {
    pub(super) epoch: u32,
    pub(super) version: &'a str,
    pub(super) release: &'a str,
}

fn version_of(pool: &Pool, evr: Evr) -> Version<'_> {
    Version { epoch: evr.epoch, version: pool.text(evr.version), release: pool.text(evr.release) }
}

/// Whether two ranges of versions have one in common, by the rule of libsolv: where only one of them names a release, it counts
/// only for `=`.
fn overlap(provided: (VersionComparison, Version<'_>), wanted: (VersionComparison, Version<'_>)) -> bool {
    let ((with, one), (than, other)) = (provided, wanted);
    if less(with) && less(than) || more(with) && more(than) {
        return true;
    }
    let release = || match one.release.is_empty() || other.release.is_empty() {
        true => Ordering::Equal,
        false => version::compare(one.release, other.release),
    };
    let order = one.epoch.cmp(&other.epoch);
    match order.then_with(|| version::compare(one.version, other.version)).then_with(release) {
        Ordering::Less => less(than) || more(with),
        Ordering::Greater => more(than) || less(with),
        Ordering::Equal => match (one.release.is_empty(), other.release.is_empty()) {
            (true, false) => same(with),
            (false, true) => same(than),
            _ => same(with) && same(than),
        },
    }
}

fn less(one: VersionComparison) -> bool {
    matches!(one, VersionComparison::Less | VersionComparison::LessOrEqual)
}

fn same(one: VersionComparison) -> bool {
    matches!(
        one,
        VersionComparison::LessOrEqual | VersionComparison::Equal | VersionComparison::GreaterOrEqual
    )
}

fn more(one: VersionComparison) -> bool {
    matches!(one, VersionComparison::Greater | VersionComparison::GreaterOrEqual)
}
