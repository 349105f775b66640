//! The packages of upstream repositories: each release is solved as a whole.

mod export;
mod fetch;
mod import;
mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ::packages::closure::{self, Chosen, Options, Request, Wanted, Why};
use ::packages::metadata::{
    ChangelogEntry, Changelogs, Package, PackageId, Pool, Repository, RepositoryId, newer_entries,
};
use ::packages::openpgp::Keys;
use ::packages::{Dependency, RpmDefinition};
use content::{Digest, parallel};
use images::pull::TransferProgress;
use images::{RegistrySession, Store};

pub use self::export::{export_packages, export_requests};
pub(crate) use self::fetch::{bases, check, keys_of_packages, wanted};
pub use self::import::{ImportError, ImportProblem, import_packages};
use self::repository::Reader;
pub(crate) use self::repository::read_keys;
use super::{DOWNLOADS, Error, FetchError, LookUp, Scope};
use crate::project::{
    DistributionDefinition, LockFile, LockedOrigin, LockedPackage, LockedPackages, LockedPath,
    LockedRepository, LockedSet, LockedWhy, Nevra, ParsedName as _, Project, Release, RepositoryDefinition,
    RepositoryName, SpecNeeds, Upstream,
};

/// A package of an upstream repository, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// The release of the distribution.
    pub release: String,
    /// The repository.
    pub repository: String,
    /// The name and the architecture: `socat.x86_64`.
    pub package: String,
    /// The packages of this name in the lock file, as `NAME-VERSION-RELEASE.ARCH`.
    pub old: Vec<String>,
    /// Those that are locked now.
    pub new: Vec<String>,
    /// What differs of a package under the same name.
    pub same_name: Option<SameName>,
    /// What its changelog says of the versions since, the newest first. Empty unless it was asked for.
    pub changelog: Vec<ChangelogEntry>,
}

impl PackageChange {
    /// Whether the two differ.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.has_moved_files() || self.same_name.is_some()
    }

    /// Whether a build gets other files: another reason changes none.
    #[must_use]
    pub fn has_moved_files(&self) -> bool {
        self.old != self.new || matches!(self.same_name, Some(SameName::File { .. }))
    }
}

/// What differs of a package that keeps its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameName {
    /// The repository has another file under the name.
    File {
        /// The digest in the lock file.
        old: Digest,
        /// That of the file now.
        new: Digest,
    },
    /// The same file is there for another reason, or at another path of the repository.
    Reason,
}

impl SameName {
    /// What differs between two packages with these digests; `None` if they are the same.
    pub(super) fn of(old: Digest, new: Digest, is_same: bool) -> Option<Self> {
        match (old == new, is_same) {
            (false, _) => Some(Self::File { old, new }),
            (true, false) => Some(Self::Reason),
            (true, true) => None,
        }
    }

    /// The one to report: another file is more than another reason.
    pub(super) fn or(self, other: Option<Self>) -> Self {
        match (self, other) {
            (Self::Reason, Some(other)) => other,
            _ => self,
        }
    }
}

/// The releases whose packages are locked for other requests or repositories than those of the project.
pub(super) fn stale(projects: &[Project], lock: &LockFile) -> BTreeSet<String> {
    let mut stale = BTreeSet::new();
    for project in projects {
        for release in project.upstream_releases() {
            for architecture in project.distribution(release).architectures {
                let inputs = project.package_inputs(release, &architecture);
                let locked = lock.packages();
                if locked.set(release, &inputs).is_none()
                    && locked.nearest(release, &architecture, &inputs).is_some()
                {
                    stale.insert(format!("the packages for release {release}"));
                }
            }
        }
    }
    stale
}

/// Solves the releases of all forms of the project, and locks what was chosen. A release that fails stays as it is.
pub(super) fn resolve(
    projects: &[Project],
    LookUp { scope, now, changelogs }: LookUp,
    lock: &mut LockFile,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> (Vec<PackageChange>, Vec<Error>) {
    let mut wanted: BTreeMap<(Release, Digest), (&Project, String)> = BTreeMap::new();
    for project in projects {
        for release in project.upstream_releases() {
            for architecture in project.distribution(release).architectures {
                let inputs = project.package_inputs(release, &architecture);
                wanted.entry((release.clone(), inputs)).or_insert((project, architecture));
            }
        }
    }
    let (mut changes, mut failures): (Vec<PackageChange>, Vec<Error>) = (Vec::new(), Vec::new());
    let mut solved: Vec<(Release, LockedSet)> = Vec::new();
    for ((release, inputs), (project, architecture)) in &wanted {
        if scope == Scope::Missing && lock.packages().set(release, inputs).is_some() {
            continue;
        }
        let step = Step { project, release, architecture, now, registries, progress };
        let old = lock.packages().nearest(release, architecture, inputs);
        let solved_set = step.solve(*inputs, old.filter(|_| changelogs)).and_then(|(set, changelogs)| {
            let others = solved.iter().filter(|(other, _)| other == release).map(|(_, other)| other);
            step.check_others(&set, others)?;
            step.check(&set, lock.packages())?;
            Ok((set, changelogs))
        });
        match solved_set {
            Ok((set, changelogs)) => {
                for mut change in differences(release, old, Some(&set)) {
                    let key = change.new.last().map(|name| (change.repository.clone(), name.clone()));
                    change.changelog = key.and_then(|key| changelogs.get(&key).cloned()).unwrap_or_default();
                    // Packages without an architecture are in the sets of all of them.
                    if !changes.contains(&change) {
                        changes.push(change);
                    }
                }
                solved.push((release.clone(), set));
            }
            Err(error) => failures.push(error),
        }
    }
    let failed: BTreeSet<&Release> = wanted
        .keys()
        .filter(|(release, inputs)| {
            let is_solved = solved.iter().any(|(other, set)| other == release && set.inputs == *inputs);
            !is_solved && lock.packages().set(release, inputs).is_none()
        })
        .map(|(release, _)| release)
        .collect();
    // What an error is about is not removed: the next run may need it no more, or again.
    let keep = |release: &Release, inputs: &Digest| {
        failed.contains(release) || wanted.contains_key(&(release.clone(), *inputs))
    };
    let mut new = lock.packages().clone();
    for (release, set) in &solved {
        new.insert(release.clone(), set.clone());
    }
    for (release, mut set) in new.retain(keep) {
        // Packages without an architecture stay in the sets of the others.
        for (repository, locked) in &mut set.repositories {
            locked.packages.retain(|name, package| !new.has(&release, repository, name, &package.digest));
        }
        changes.extend(differences(&release, Some(&set), None));
    }
    *lock.packages_mut() = new;
    (changes, failures)
}

/// The packages that differ between two sets.
fn differences(release: &Release, old: Option<&LockedSet>, new: Option<&LockedSet>) -> Vec<PackageChange> {
    type Named<'a> = BTreeMap<&'a Nevra, &'a LockedPackage>;
    let by_name = |set: Option<&'_ LockedSet>| {
        let mut names: BTreeMap<(RepositoryName, String), Vec<(Nevra, LockedPackage)>> = BTreeMap::new();
        for (repository, locked) in set.into_iter().flat_map(|set| &set.repositories) {
            for (nevra, package) in &locked.packages {
                let key = (repository.clone(), nevra.name());
                names.entry(key).or_default().push((nevra.clone(), package.clone()));
            }
        }
        names
    };
    let (old, new) = (by_name(old), by_name(new));
    let keys: BTreeSet<&(RepositoryName, String)> = old.keys().chain(new.keys()).collect();
    let changes = keys.into_iter().map(|key| {
        let of = |map: &'_ BTreeMap<(RepositoryName, String), Vec<(Nevra, LockedPackage)>>| {
            map.get(key).cloned().unwrap_or_default()
        };
        let (before, after) = (of(&old), of(&new));
        let names = |list: &[(Nevra, LockedPackage)]| {
            list.iter().map(|(nevra, _)| nevra.to_string()).collect::<Vec<_>>()
        };
        let known: Named<'_> = before.iter().map(|(nevra, package)| (nevra, package)).collect();
        let same_name = after.iter().fold(None::<SameName>, |found, (nevra, package)| {
            let one =
                known.get(nevra).and_then(|old| SameName::of(old.digest, package.digest, *old == package));
            one.map(|one| one.or(found)).or(found)
        });
        PackageChange {
            release: release.to_string(),
            repository: key.0.to_string(),
            package: key.1.clone(),
            old: names(&before),
            new: names(&after),
            same_name,
            changelog: Vec::new(),
        }
    });
    changes.collect()
}

/// The changelogs of packages that moved, by their repositories and as `NAME-VERSION-RELEASE.ARCH`.
type MovedChangelogs = BTreeMap<(String, String), Vec<ChangelogEntry>>;

/// One release of one form of the project, for one architecture.
struct Step<'a> {
    project: &'a Project,
    release: &'a Release,
    architecture: &'a str,
    now: i64,
    registries: &'a RegistrySession,
    progress: &'a (dyn TransferProgress + Sync),
}

/// A request, and what it is for.
struct Asked {
    request: Request,
    /// How an error and the lock file name it.
    by: String,
}

impl Step<'_> {
    /// The set of packages, and the changelogs of those that are not in `old`.
    fn solve(&self, inputs: Digest, old: Option<&LockedSet>) -> Result<(LockedSet, MovedChangelogs), Error> {
        let Self { project, release, progress, .. } = *self;
        let store = Store::open(&project.settings.cache).map_err(Error::Store)?;
        let scratch = store.scratch().map_err(Error::Store)?;
        let reader = Reader { step: self, store: &store, scratch: scratch.path() };
        let mut pool = Pool::new();
        let (mut readings, mut asked) = (Vec::new(), Vec::new());
        for repository in project.repositories_of(release) {
            let Some(upstream) = &repository.upstream else { continue };
            let mut source = Repository::new(repository.name.as_str());
            (source.priority, source.on_nodes) = (upstream.priority, upstream.on_nodes);
            (source.exclude, source.include) = (upstream.exclude.clone(), upstream.include.clone());
            source.module_hotfixes = upstream.module_hotfixes;
            let id = pool.add_repository(source);
            let reading = reader.read(repository, upstream, &mut pool, id)?;
            asked.extend(upstream.requests.iter().map(|text| Asked {
                request: Request { repository: Some(id), ..Request::new(text) },
                by: text.clone(),
            }));
            readings.push((id, repository, reading));
        }
        let distribution = project.distribution(release);
        let requests = distribution.requests.iter();
        asked.extend(requests.map(|text| Asked { request: Request::new(text), by: text.clone() }));
        let own = self.own_packages(scratch.path(), &mut pool)?;
        asked.extend(self.needs_of_own(&mut pool)?);
        asked.extend(own.iter().flat_map(|id| requests_of(&pool, *id)));
        let texts: Vec<String> = asked.iter().map(|one| one.by.clone()).collect();
        let paths = pool.wanted_paths(texts.iter().map(String::as_str));
        if !paths.is_empty() {
            for (id, repository, reading) in &readings {
                reader.read_paths(repository, reading, &mut pool, *id, &paths)?;
            }
        }
        let DistributionDefinition { weak_dependencies, modules, exclude, .. } = distribution;
        let options = Options { weak_dependencies, modules, exclude, ..Options::new(self.architecture) };
        let requests: Vec<Request> = asked.iter().map(|one| one.request.clone()).collect();
        let solved = closure::solve(&pool, &requests, &options).map_err(|problem| {
            let problem = problem.to_string();
            Error::Packages { release: release.to_string(), problem }
        })?;
        for number in &solved.left_out {
            if let Some(one) = asked.get(*number) {
                progress.warn(&format!(
                    "release {release}: {} is not downloaded: no repository has it, or it cannot be installed",
                    content::printable(&one.by)
                ));
            }
        }
        let mut repositories: BTreeMap<RepositoryName, LockedRepository> = BTreeMap::new();
        let mut changelogs = MovedChangelogs::new();
        for (id, repository, reading) in &readings {
            if repository.upstream.as_ref().is_none_or(|upstream| upstream.on_nodes) {
                continue;
            }
            let mut checksums = Vec::new();
            let mut locked = LockedRepository { mirrors: reading.mirrors(), ..LockedRepository::default() };
            for chosen in &solved.packages {
                let Some(package) = pool.package(chosen.package).filter(|one| one.repository == *id) else {
                    continue;
                };
                let (nevra, entry) =
                    self.locked(&reader, repository, reading, &pool, package, chosen, &asked)?;
                locked.date = locked.date.max(package.build_time);
                checksums.push((nevra.clone(), pool.text(package.checksum).to_owned()));
                locked.packages.insert(nevra, entry);
            }
            if let Some(old) = old.and_then(|old| old.repositories.get(&repository.name)) {
                let found = self.changelogs(&reader, repository, reading, old, &checksums);
                let name = repository.name.as_str();
                changelogs.extend(
                    found.into_iter().map(|(nevra, list)| ((name.to_owned(), nevra.to_string()), list)),
                );
            }
            repositories.insert(repository.name.clone(), locked);
        }
        let architecture = self.architecture.to_owned();
        Ok((LockedSet { inputs, architecture, repositories }, changelogs))
    }

    /// What the changelogs of packages of a repository, each with its checksum, say since the versions in `old`.
    fn changelogs(
        &self,
        reader: &Reader<'_>,
        repository: &RepositoryDefinition,
        reading: &repository::Reading,
        old: &LockedRepository,
        packages: &[(Nevra, String)],
    ) -> Vec<(Nevra, Vec<ChangelogEntry>)> {
        let before: BTreeMap<String, &Nevra> = old.packages.keys().map(|old| (old.name(), old)).collect();
        let moved: Vec<(&Nevra, &str, &Nevra)> = packages
            .iter()
            .filter(|(name, _)| !old.packages.contains_key(name))
            .filter_map(|(name, checksum)| Some((name, checksum.as_str(), *before.get(&name.name())?)))
            .collect();
        let wanted: BTreeSet<String> = moved.iter().map(|(_, checksum, _)| (*checksum).to_owned()).collect();
        if wanted.is_empty() {
            return Vec::new();
        }
        let found = reader.changelogs(repository, reading, &wanted).unwrap_or_else(|reason| {
            self.progress.warn(&format!("{}: the changelogs cannot be read: {reason}", repository.name));
            Changelogs::new()
        });
        let of = |(name, checksum, old): (&Nevra, &str, &Nevra)| {
            let entries = found.get(checksum)?;
            Some((name.clone(), newer_entries(entries, old.evr()).to_vec()))
        };
        moved.into_iter().filter_map(of).collect()
    }

    /// Checks that a package without an architecture is one file on all architectures.
    fn check_others<'b>(
        &self,
        set: &LockedSet,
        others: impl Iterator<Item = &'b LockedSet>,
    ) -> Result<(), Error> {
        for other in others.filter(|other| other.architecture != set.architecture) {
            for (repository, locked) in &set.repositories {
                let Some(other_locked) = other.repositories.get(repository) else { continue };
                let differs = locked.packages.iter().find(|(name, package)| {
                    other_locked.packages.get(name).is_some_and(|other| other.digest != package.digest)
                });
                if let Some((name, _)) = differs {
                    return Err(Error::Package {
                        release: self.release.to_string(),
                        repository: repository.to_string(),
                        reason: format!(
                            "{name} is one file for {} and another for {}",
                            set.architecture, other.architecture
                        ),
                    });
                }
            }
        }
        Ok(())
    }

    /// Fetches the packages that the lock file does not have yet, and checks their signatures. A build that follows need not fetch
    /// them.
    fn check(&self, set: &LockedSet, known: &LockedPackages) -> Result<(), Error> {
        for repository in self.project.repositories_of(self.release) {
            let Some(upstream) = &repository.upstream else { continue };
            let Some(locked) = set.repositories.get(&repository.name) else { continue };
            let keys =
                keys_of_packages(upstream).map_err(|reason| self.of_package(&repository.name, reason))?;
            let Some(keys) = keys else { continue };
            let is_new = |(name, package): &(&Nevra, &LockedPackage)| {
                !known.has(self.release, &repository.name, name, &package.digest)
            };
            let new: Vec<(&Nevra, &LockedPackage)> = locked.packages.iter().filter(is_new).collect();
            self.checked(&repository.name, upstream, locked, &new, Some(&keys))?;
        }
        Ok(())
    }

    /// Fetches and checks packages of a repository; when the newest was built, in seconds since 1970.
    fn checked(
        &self,
        repository: &RepositoryName,
        upstream: &Upstream,
        locked: &LockedRepository,
        packages: &[(&Nevra, &LockedPackage)],
        keys: Option<&Keys>,
    ) -> Result<i64, Error> {
        let store = Store::open(&self.project.settings.cache).map_err(Error::Store)?;
        let Some(part) = upstream.part(self.architecture) else { return Ok(0) };
        let (bases, accounts) = (bases(&part.location, locked), part.location.accounts());
        let checked = parallel::map(DOWNLOADS, packages, |(name, package)| {
            let file = wanted(name, package, bases, &accounts);
            file.fetch(&store, self.registries, self.progress)?;
            check(&file, &store, keys)
        });
        let checked: Result<Vec<i64>, FetchError> = checked.into_iter().collect();
        let dates = checked.map_err(|error| match error {
            FetchError::Download(error) => Error::Download(error),
            FetchError::Store(error) => Error::Store(error),
            other => self.of_package(repository, other.to_string()),
        })?;
        Ok(dates.into_iter().max().unwrap_or_default())
    }

    /// The error for a package of a repository.
    fn of_package(&self, repository: &RepositoryName, reason: String) -> Error {
        Error::Package { release: self.release.to_string(), repository: repository.to_string(), reason }
    }

    /// Adds the packages of `rpms` to the pool, as a repository of their own.
    fn own_packages(&self, scratch: &Path, pool: &mut Pool) -> Result<Vec<PackageId>, Error> {
        let folder = scratch.join("own");
        let rpms = self.project.repositories_of(self.release).flat_map(|repository| &repository.rpms);
        // Those that tasks produce do not exist yet.
        let runs = |arch: &str| closure::runs_on(self.architecture, arch);
        let existing: Vec<_> = rpms.filter(|rpm| rpm.build_time.is_some() && runs(&rpm.arch)).collect();
        if existing.is_empty() {
            return Ok(Vec::new());
        }
        content::create_folder(&folder).map_err(images::Error::from).map_err(Error::Store)?;
        for (number, rpm) in existing.iter().enumerate() {
            let link = folder.join(format!("{number}.rpm"));
            std::os::unix::fs::symlink(&rpm.path, &link)
                .map_err(content::IoError::at("create", &link))
                .map_err(images::Error::from)
                .map_err(Error::Store)?;
        }
        let mut source = Repository::new("rpms of the project");
        source.priority = 1;
        let id = pool.add_repository(source);
        pool.read_repository(id, &folder).map_err(Error::OwnPackages)?;
        let own = pool.packages().filter(|(_, package)| package.repository == id);
        Ok(own.map(|(id, _)| id).collect())
    }

    /// What the packages to build require, except what other packages to build provide.
    fn needs_of_own(&self, pool: &mut Pool) -> Result<Vec<Asked>, Error> {
        let built = || self.project.repositories_of(self.release).flat_map(|repository| &repository.packages);
        let specs = || self.project.repositories_of(self.release).flat_map(|repository| &repository.specs);
        let mut provided: BTreeSet<&str> = BTreeSet::new();
        let mut needs: Vec<(&str, &Dependency)> = Vec::new();
        let definitions = built().map(|package| &package.definition);
        let runs = |definition: &&RpmDefinition| closure::runs_on(self.architecture, &definition.arch);
        for RpmDefinition { name, provides, requires, .. } in definitions.filter(runs) {
            provided.insert(name);
            provided.extend(provides.iter().map(Dependency::name));
            needs.extend(requires.iter().map(|one| (name.as_str(), one)));
        }
        for spec in specs() {
            let SpecNeeds { provides, requires, unknown } = &spec.needs;
            provided.extend(provides.iter().map(String::as_str));
            needs.extend(requires.iter().map(|one| (spec.name.as_str(), one)));
            for fault in unknown {
                let path = content::printable_path(&spec.path);
                self.progress.warn(&format!(
                    "release {}: {path}:{}: what is required is not downloaded: {}",
                    self.release,
                    fault.line,
                    content::printable(&fault.message)
                ));
            }
        }
        let mut asked = Vec::new();
        for (name, one) in needs {
            if provided.contains(one.name()) || one.name().starts_with("rpmlib(") {
                continue;
            }
            let what = pool.add_requirement(one).map_err(Error::OwnPackages)?;
            let request = Request { what: Wanted::Dependency(what), repository: None, optional: true };
            asked.push(Asked { request, by: format!("{one} of {name}") });
        }
        Ok(asked)
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are parts of one step")]
    fn locked(
        &self,
        reader: &Reader<'_>,
        repository: &RepositoryDefinition,
        reading: &repository::Reading,
        pool: &Pool,
        package: &Package,
        chosen: &Chosen,
        asked: &[Asked],
    ) -> Result<(Nevra, LockedPackage), Error> {
        let nevra = pool.nevra(package);
        let wrong = |reason: String| Error::Repository {
            release: self.release.to_string(),
            repository: repository.name.to_string(),
            reason,
        };
        let location = match pool.text(package.base) {
            "" => pool.text(package.location).to_owned(),
            base => format!("{}/{}", base.trim_end_matches('/'), pool.text(package.location)),
        };
        let path = LockedPath::parse(&location)
            .map_err(|reason| wrong(format!("{}: {reason}", content::printable(&nevra))))?;
        let name = Nevra::parse(&nevra).map_err(&wrong)?;
        let (digest, size) = reader.digest(repository, reading, pool, package, &name, &path)?;
        let why = origin(pool, chosen.why, asked);
        Ok((name, LockedPackage { path, digest, size, why }))
    }
}

/// A request for a package of the project, which may have no solution: the packages of `rpms` are not chosen by a repository.
fn requests_of(pool: &Pool, id: PackageId) -> Option<Asked> {
    let package = pool.package(id)?;
    let request = Request { what: Wanted::Package(id), repository: None, optional: true };
    Some(Asked { request, by: pool.nevra(package) })
}

/// What a package is there for, as the lock file has it.
fn origin(pool: &Pool, why: Why, asked: &[Asked]) -> LockedOrigin {
    let nevra = |id: PackageId| pool.package(id).map(|package| pool.nevra(package)).unwrap_or_default();
    let (why, by, needs) = match why {
        Why::Requested(number) => {
            let by = asked.get(number).map(|one| one.by.clone()).unwrap_or_default();
            (LockedWhy::Requested, by, String::new())
        }
        Why::Required { by, what } => (LockedWhy::Required, nevra(by), pool.expression_text(what)),
        Why::Recommended { by, what } => (LockedWhy::Recommended, nevra(by), pool.expression_text(what)),
        Why::Supplements(what) => (LockedWhy::Supplements, String::new(), pool.expression_text(what)),
        Why::Accompanies(other) => (LockedWhy::Accompanies, nevra(other), String::new()),
        Why::Allows => (LockedWhy::Allows, String::new(), String::new()),
    };
    LockedOrigin { why, by, needs }
}

/// The number of a repository, for readers in this folder.
type Id = RepositoryId;
