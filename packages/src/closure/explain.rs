//! Why a set of requests cannot be installed, in words.

use std::fmt;

use content::printable;

use super::providers::Providers;
use super::request::{Job, Unknown};
use super::rules::Origin;
use super::{Request, Wanted};
use crate::metadata::{ExpressionId, PackageId, Pool};

/// Why there is no closure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The reasons, of which each alone or all together prevent it.
    pub causes: Vec<Cause>,
}

/// A reason why there is no closure. Packages are `NAME-[EPOCH:]VERSION-RELEASE.ARCH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// No repository has what is asked for.
    Unknown {
        /// The request.
        request: String,
        /// What is there instead, as a sentence; empty where nothing is.
        detail: String,
    },
    /// The request allows only these packages.
    Requested {
        /// The request.
        request: String,
        /// The packages.
        packages: Vec<String>,
    },
    /// A package requires what no package provides.
    Missing {
        /// The package.
        package: String,
        /// What it requires.
        requires: String,
        /// Packages that would provide it and do not count, each with the reason.
        left_out: Vec<String>,
    },
    /// A package requires what these packages provide.
    Requires {
        /// The package.
        package: String,
        /// What it requires.
        requires: String,
        /// The packages that provide it.
        providers: Vec<String>,
    },
    /// A package conflicts with others.
    Conflicts {
        /// The package.
        package: String,
        /// What it conflicts with.
        conflicts: String,
        /// The packages that provide it.
        with: Vec<String>,
    },
    /// A package obsoletes another one.
    Obsoletes {
        /// The package.
        package: String,
        /// The other one.
        obsoletes: String,
    },
    /// Only one of two versions can be installed.
    SameName {
        /// One.
        package: String,
        /// The other.
        other: String,
    },
    /// A package has an architecture that is worse than that of another one of its name.
    Inferior {
        /// The package.
        package: String,
    },
    /// The newest version that is asked for cannot be installed.
    NotBest {
        /// The request.
        request: String,
    },
    /// The dependencies are too many or too entangled.
    TooHard,
}

impl fmt::Display for Problem {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, cause) in self.causes.iter().enumerate() {
            if place > 0 {
                to.write_str("; ")?;
            }
            cause.fmt(to)?;
        }
        Ok(())
    }
}

/// How many packages a sentence names.
const NAMED: usize = 3;

fn listed(packages: &[String], last: &str) -> String {
    let shown: Vec<String> = packages.iter().take(NAMED).map(|one| printable(one).to_string()).collect();
    match (packages.len().saturating_sub(NAMED), shown.as_slice()) {
        (0, [one]) => one.clone(),
        (0, [rest @ .., one]) => format!("{} {last} {one}", rest.join(", ")),
        (more, _) => format!("{} {last} {more} more", shown.join(", ")),
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = printable;
        match self {
            Self::Unknown { request, detail } if detail.is_empty() => {
                write!(to, "no repository has `{}`", show(request))
            }
            Self::Unknown { request, detail } => {
                write!(to, "no repository has `{}`: {detail}", show(request))
            }
            Self::Requested { request, packages } if packages.iter().eq([request]) => {
                write!(to, "`{}` is requested", show(request))
            }
            Self::Requested { request, packages } => {
                write!(to, "`{}` is requested, which is {}", show(request), listed(packages, "or"))
            }
            Self::Missing { package, requires, left_out } => {
                write!(to, "{} requires `{}`, which no package provides", show(package), show(requires))?;
                if left_out.is_empty() { Ok(()) } else { write!(to, " ({})", left_out.join(", ")) }
            }
            Self::Requires { package, requires, providers } => write!(
                to,
                "{} requires `{}`, which {} {}",
                show(package),
                show(requires),
                listed(providers, "or"),
                if providers.len() == 1 { "provides" } else { "provide" }
            ),
            Self::Conflicts { package, conflicts, with } if with.is_empty() => {
                write!(to, "{} conflicts with `{}`", show(package), show(conflicts))
            }
            Self::Conflicts { package, conflicts, with } => write!(
                to,
                "{} conflicts with `{}`, which {} {}",
                show(package),
                show(conflicts),
                listed(with, "and"),
                if with.len() == 1 { "provides" } else { "provide" }
            ),
            Self::Obsoletes { package, obsoletes } => {
                write!(to, "{} obsoletes {}", show(package), show(obsoletes))
            }
            Self::SameName { package, other } => {
                write!(to, "only one of {} and {} can be installed", show(package), show(other))
            }
            Self::Inferior { package } => {
                write!(to, "a package of a better architecture exists for {}", show(package))
            }
            Self::NotBest { request } => {
                write!(to, "the newest version of `{}` cannot be installed", show(request))
            }
            Self::TooHard => {
                to.write_str("the dependencies are too entangled; ask for fewer packages at once")
            }
        }
    }
}

fn text(pool: &Pool, providers: &Providers<'_>, request: Option<&Request>) -> String {
    match request.map(|request| &request.what) {
        Some(Wanted::Text(text)) => text.clone(),
        Some(Wanted::Package(id)) => pool.nevra(providers.package(*id)),
        Some(Wanted::Dependency(id)) => pool.expression_text(*id),
        None => String::new(),
    }
}

pub(super) fn too_hard() -> Problem {
    Problem { causes: vec![Cause::TooHard] }
}

/// Requests without a package.
pub(super) fn unknown(
    providers: &Providers<'_>,
    requests: &[Request],
    unknown: &[(usize, Unknown)],
) -> Problem {
    let pool = providers.pool;
    let nevra = |id: PackageId| pool.nevra(providers.package(id));
    let causes = unknown.iter().map(|(number, reason)| {
        let detail = match reason {
            Unknown::Package | Unknown::Group => String::new(),
            Unknown::LeftOut(packages) => {
                let all: Vec<String> = packages
                    .iter()
                    .map(|(id, why)| format!("{} does not count, {why}", printable(&nevra(*id))))
                    .collect();
                all.join("; ")
            }
            Unknown::Elsewhere(packages) => {
                let of = |id: &PackageId| pool.repository(providers.package(*id).repository);
                let mut names: Vec<String> =
                    packages.iter().filter_map(|id| Some(of(id)?.name.clone())).collect();
                names.dedup();
                let wanted = requests.get(*number).and_then(|request| pool.repository(request.repository?));
                let wanted = wanted.map_or("", |one| one.name.as_str());
                let has = if names.len() == 1 { "has" } else { "have" };
                format!(
                    "`{}` is asked for it, and only {} {has} it",
                    printable(wanted),
                    listed(&names, "and")
                )
            }
            Unknown::Module(reason) => printable(reason).to_string(),
        };
        Cause::Unknown { request: text(pool, providers, requests.get(*number)), detail }
    });
    Problem { causes: causes.collect() }
}

/// Rules that contradict each other: requests first, then what is missing, then the rest.
pub(super) fn contradiction(
    providers: &Providers<'_>,
    requests: &[Request],
    jobs: &[&Job],
    origins: &[Origin],
) -> Problem {
    let pool = providers.pool;
    let nevra = |id: PackageId| pool.nevra(providers.package(id));
    let nevras = |ids: &[PackageId]| ids.iter().map(|id| nevra(*id)).collect::<Vec<_>>();
    let request = |number: usize| text(pool, providers, requests.get(number));
    let mut causes: Vec<Cause> = Vec::new();
    for origin in origins {
        let cause = match *origin {
            Origin::Request(number) => {
                let candidates =
                    jobs.iter().filter(|job| job.request == number).flat_map(|job| &job.candidates);
                let packages = candidates.map(|id| nevra(*id)).collect();
                Cause::Requested { request: request(number), packages }
            }
            Origin::Best(number) => Cause::NotBest { request: request(number) },
            Origin::Requires(package, what) => {
                let found = providers.of(what);
                let (package, requires) = (nevra(package), pool.expression_text(what));
                if found.is_empty() && !super::normal::is_complex(providers, what) {
                    Cause::Missing { package, requires, left_out: left_out(providers, what) }
                } else {
                    Cause::Requires { package, requires, providers: nevras(&found) }
                }
            }
            Origin::Conflicts(package, what) => {
                let others: Vec<PackageId> =
                    providers.of(what).iter().copied().filter(|one| *one != package).collect();
                let conflicts = pool.expression_text(what);
                Cause::Conflicts { package: nevra(package), conflicts, with: nevras(&others) }
            }
            Origin::Obsoletes(package, other) => {
                Cause::Obsoletes { package: nevra(package), obsoletes: nevra(other) }
            }
            Origin::SameName(package, other) => {
                Cause::SameName { package: nevra(package), other: nevra(other) }
            }
            Origin::Inferior(package) => Cause::Inferior { package: nevra(package) },
        };
        if !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes.sort_by_key(|cause| match cause {
        Cause::Unknown { .. } | Cause::TooHard => 0,
        Cause::Requested { .. } => 1,
        Cause::NotBest { .. } => 2,
        Cause::Requires { .. } => 3,
        Cause::Missing { .. } => 4,
        Cause::Conflicts { .. } | Cause::Obsoletes { .. } => 5,
        Cause::SameName { .. } | Cause::Inferior { .. } => 6,
    });
    Problem { causes }
}

/// Packages that would meet a dependency and do not count, each with the reason.
pub(super) fn left_out(providers: &Providers<'_>, what: ExpressionId) -> Vec<String> {
    let pool = providers.pool;
    let found = pool.packages().filter_map(|(id, package)| {
        let reason = providers.left_out.get(id.index())?.as_ref()?;
        let meets = providers.is_named(id, what)
            || pool.relations(package, crate::Relation::Provides).contains(&what);
        meets.then(|| format!("{} would: {reason}", printable(&pool.nevra(package))))
    });
    found.take(NAMED).collect()
}
