//! Which packages must be there so that others can be installed: the closure of a set of requests.
//!
//! [`solve`] answers as `dnf install` into an empty system does: the set is solved as a whole, with versions, conflicts,
//! obsoletes, rich dependencies, paths, groups, modules, priorities, architectures and weak dependencies. Where several answers
//! are valid, the choice is dnf's, because the steps and preferences are those of its solver, libsolv. [`check`] says what
//! is missing in a set of repositories.
//!
//! Equal pools, requests and options give the same answer.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::path::Path;
//! use packages::closure::{Options, Request, Why, solve};
//! use packages::metadata::{Pool, Repository};
//!
//! # let package = |name: &str, format: &str| format!(
//! #     r#"<package type="rpm"><name>{name}</name><arch>noarch</arch><version ver="1" rel="1"/>
//! #     <checksum type="md5">{:0>32}</checksum><location href="{name}.rpm"/><format>{format}</format></package>"#,
//! #     name.len());
//! # let primary = format!("<metadata>{}{}</metadata>",
//! #     package("app", r#"<requires><entry name="library"/></requires>"#), package("library", ""));
//! let mut pool = Pool::new();
//! let epel = pool.add_repository(Repository::new("epel"));
//! pool.read_primary(epel, primary.as_bytes(), Path::new("primary.xml"))?;
//! let closure = solve(&pool, &[Request::new("app")], &Options::new("x86_64"))?;
//! let names: Vec<String> =
//!     closure.packages.iter().filter_map(|one| Some(pool.nevra(pool.package(one.package)?))).collect();
//! assert_eq!(names, ["app-1-1.noarch", "library-1-1.noarch"]);
//! assert!(matches!(closure.packages[1].why, Why::Required { .. }));
//! # Ok(())
//! # }
//! ```

mod architecture;
mod check;
mod explain;
mod filter;
mod normal;
mod policy;
mod providers;
mod request;
mod rules;
mod sat;
mod solver;
#[cfg(test)]
mod tests;
mod why;

pub use self::architecture::runs_on;
pub use self::check::{Check, Finding, architectures, check};
pub use self::explain::{Cause, Problem};
use self::providers::Providers;
use self::request::Job;
pub use self::request::names;
use self::rules::{Origin, Rule, Rules};
use self::solver::{Solver, Unsolvable};
pub use self::why::Why;
use crate::metadata::{ExpressionId, PackageId, Pool, RepositoryId};

/// What must be installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it is.
    pub what: Wanted,
    /// The only repository that may have it; what it requires may come from any.
    pub repository: Option<RepositoryId>,
    /// Whether it is left out where it does not exist or cannot be installed.
    pub optional: bool,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What may be written after `dnf install`: a name, `NAME.ARCH`, `NAME-VERSION`, `NAME-[EPOCH:]VERSION-RELEASE[.ARCH]`, each
    /// also as a pattern; a capability (`cap >= 2`), a path, `@GROUP` or `@MODULE[:STREAM][/PROFILE]`.
    Text(String),
    /// This package.
    Package(PackageId),
    /// What meets a dependency that is not a rich one; see [`Pool::add_requirement`].
    Dependency(ExpressionId),
}

impl Request {
    /// A request for a package from any repository.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { what: Wanted::Text(text.into()), repository: None, optional: false }
    }
}

/// How a closure is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The architecture of the nodes: `x86_64`.
    pub architecture: String,
    /// Whether recommended packages are installed where that is possible.
    pub weak_dependencies: bool,
    /// Whether a request must get the newest version, or fail.
    pub best: bool,
    /// Streams of modules that are active instead of the defaults: `nodejs:18`.
    pub modules: Vec<String>,
    /// Patterns of packages to ignore.
    pub exclude: Vec<String>,
}

impl Options {
    /// dnf's defaults on this architecture: recommended packages are installed.
    #[must_use]
    pub fn new(architecture: impl Into<String>) -> Self {
        Self {
            architecture: architecture.into(),
            weak_dependencies: true,
            best: false,
            modules: Vec::new(),
            exclude: Vec::new(),
        }
    }
}

/// A package that must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The package.
    pub package: PackageId,
    /// What it is there for.
    pub why: Why,
}

/// All packages that must be there, sorted by name and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    /// The packages of repositories that are not on the nodes.
    pub packages: Vec<Chosen>,
    /// The packages that are on the nodes already and are needed.
    pub on_nodes: Vec<Chosen>,
    /// The numbers of optional requests that were left out.
    pub left_out: Vec<usize>,
}

/// Finds the packages that must be there for `requests`.
///
/// # Errors
///
/// [`Problem`] in words: unknown requests, or dependencies that cannot be met together.
pub fn solve(pool: &Pool, requests: &[Request], options: &Options) -> Result<Closure, Problem> {
    let mut options = options.clone();
    options.modules.extend(request::modules_of(requests));
    let providers = Providers::new(pool, &options);
    let jobs = match request::jobs(&providers, requests, &options) {
        Ok(jobs) => jobs,
        Err(unknown) => return Err(explain::unknown(&providers, requests, &unknown)),
    };
    let mut left_out: Vec<usize> = Vec::new();
    loop {
        let is_wanted = |job: &&Job| !left_out.contains(&job.request);
        let wanted: Vec<&Job> = jobs.iter().filter(is_wanted).collect();
        match solve_jobs(&providers, &wanted, &options) {
            Ok(packages) => {
                let known: Vec<usize> = jobs.iter().map(|job| job.request).collect();
                left_out.extend((0..requests.len()).filter(|one| !known.contains(one)));
                left_out.sort_unstable();
                let (packages, on_nodes) = why::explained(&providers, &wanted, &packages);
                return Ok(Closure { packages, on_nodes, left_out });
            }
            Err(Unsolvable::TooHard) => return Err(explain::too_hard()),
            Err(Unsolvable::Because(origins)) => {
                // The last optional request that takes part in the contradiction is left out.
                let optional = origins.iter().filter_map(|origin| match origin {
                    Origin::Request(request) => Some(*request),
                    _ => None,
                });
                let optional =
                    optional.filter(|one| requests.get(*one).is_some_and(|one| one.optional)).max();
                match optional {
                    Some(request) => left_out.push(request),
                    None => return Err(explain::contradiction(&providers, requests, &wanted, &origins)),
                }
            }
        }
    }
}

/// Solves jobs, first those without a condition.
fn solve_jobs(
    providers: &Providers<'_>,
    jobs: &[&Job],
    options: &Options,
) -> Result<Vec<PackageId>, Unsolvable> {
    let (conditional, mut wanted): (Vec<&Job>, Vec<&Job>) =
        jobs.iter().partition(|job| job.condition.is_some());
    let mut rest = conditional;
    loop {
        let packages = solve_once(providers, &wanted, options)?;
        let is_there = |job: &&Job| {
            let condition = job.condition.as_deref().unwrap_or_default();
            packages.iter().any(|one| providers.pool.text(providers.package(*one).name) == condition)
        };
        let (now, later): (Vec<&Job>, Vec<&Job>) = rest.into_iter().partition(is_there);
        if now.is_empty() {
            return Ok(packages);
        }
        wanted.extend(now);
        rest = later;
    }
}

fn solve_once(
    providers: &Providers<'_>,
    jobs: &[&Job],
    options: &Options,
) -> Result<Vec<PackageId>, Unsolvable> {
    let mut rules = Rules::new(providers);
    for candidate in jobs.iter().flat_map(|job| &job.candidates) {
        rules.add(*candidate);
    }
    rules.add_weak();
    rules.sort();
    let request_rule = |job: &&Job| Rule {
        literals: job.candidates.iter().map(|one| sat::Literal::has(*one)).collect(),
        origin: Origin::Request(job.request),
    };
    let requests: Vec<Rule> = jobs.iter().map(request_rule).collect();
    let candidates = jobs.iter().flat_map(|job| &job.candidates);
    let requested = candidates.map(|one| providers.package(*one).name).collect();
    let mut rest = rules.inferior(&requested);
    if options.best {
        for job in jobs {
            let mut best = job.candidates.clone();
            policy::narrow_alone(providers, &mut best);
            if best.len() < job.candidates.len() {
                let literals = best.iter().map(|one| sat::Literal::has(*one)).collect();
                rest.push(Rule { literals, origin: Origin::Best(job.request) });
            }
        }
    }
    Solver::new(providers, rules, requests, rest).solve(options.weak_dependencies)
}
