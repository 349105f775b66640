//! Locked packages from other tools.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ::packages::closure;
use ::packages::exchange::{ListedPackage, PackageList, Place, without_architecture};
use ::packages::metadata::ChecksumKind;
use content::{Digest, printable, printable_path};
use images::RegistrySession;
use images::pull::TransferProgress;

use super::export::upstreams;
use super::{PackageChange, Step, differences, keys_of_packages};
use crate::locking::Error;
use crate::project::{
    LockFile, LockedOrigin, LockedPackage, LockedPath, LockedRepository, LockedSet, LockedWhy, Nevra,
    ParsedName as _, Project, Release, RepositoryName, Upstream, UpstreamLocation, UpstreamPart,
};

/// A file of another tool does not fit the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// The file.
    pub file: PathBuf,
    /// Where it is in the file; `None` if the file lacks something.
    pub place: Option<Place>,
    /// What is wrong.
    pub problem: ImportProblem,
}

/// What is wrong with a package of a file of another tool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportProblem {
    /// The project has no such repository for the release.
    #[error(
        "the project has no repository `{}` for the package {}",
        printable(repository),
        printable(package)
    )]
    Repository {
        /// The package.
        package: String,
        /// The repository.
        repository: String,
    },
    /// The file has no package for an architecture of the project.
    #[error("the file has no package for {0}")]
    Architecture(String),
    /// The checksum is of another kind.
    #[error("{}: expected a SHA-256 as the checksum", printable(.0))]
    Checksum(String),
    /// The file does not say where the package is.
    #[error("{}: the list does not say where the package is", printable(.0))]
    Location(String),
    /// The file has a path from the URL of the repository, which the project does not have.
    #[error("{}: the project needs the `url` of the repository `{repository}`", printable(package))]
    Url {
        /// The package.
        package: String,
        /// The repository.
        repository: String,
    },
    /// The name of the package, or its path, is invalid.
    #[error("{}", printable(.0))]
    Name(String),
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        printable_path(&self.file).fmt(f)?;
        if let Some(place) = self.place {
            write!(f, ":{place}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

/// Locks the packages of `list`, which was read from `file`, for a release of a project. All are fetched and checked as those that
/// [`resolve`](crate::locking::resolve) finds. Nothing is written.
///
/// # Errors
///
/// A package of a repository that the project does not have, one without a SHA-256 or a location; a package that cannot be fetched, or
/// whose content or signature is wrong.
pub fn import_packages(
    project: &Project,
    release: &Release,
    (file, list): (&Path, &PackageList),
    lock: &mut LockFile,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> Result<Vec<PackageChange>, Error> {
    let mut changes = Vec::new();
    let mut sets: Vec<LockedSet> = Vec::new();
    for architecture in project.distribution(release).architectures {
        let step = Step { project, release, architecture: &architecture, now: 0, registries, progress };
        let inputs = project.package_inputs(release, &architecture);
        let set = step.imported(inputs, file, list)?;
        step.check_others(&set, sets.iter())?;
        let old = lock.packages().nearest(release, &architecture, &inputs);
        for change in differences(release, old, Some(&set)) {
            if !changes.contains(&change) {
                changes.push(change);
            }
        }
        lock.packages_mut().insert(release.clone(), set.clone());
        sets.push(set);
    }
    Ok(changes)
}

impl Step<'_> {
    fn imported(&self, inputs: Digest, file: &Path, list: &PackageList) -> Result<LockedSet, Error> {
        let wrong = |place: Option<Place>| {
            move |problem| Error::Imported(ImportError { file: file.to_owned(), place, problem })
        };
        let mut repositories: BTreeMap<RepositoryName, LockedRepository> =
            upstreams(self.project, self.release)
                .filter(|(_, upstream)| !upstream.on_nodes)
                .map(|(name, _)| (name.clone(), LockedRepository::default()))
                .collect();
        let mut count = 0;
        for package in list.packages.iter().filter(|one| self.is_for(one)) {
            let (name, upstream, part) = self.place_of(package).map_err(wrong(package.place))?;
            let Some(locked) = repositories.get_mut(name) else { continue };
            let found = self.locked_package(package, name, (upstream, part), file);
            let (nevra, entry, mirror) = found.map_err(wrong(package.place))?;
            locked.packages.insert(nevra, entry);
            if let Some(mirror) = mirror.filter(|mirror| !locked.mirrors.contains(mirror)) {
                locked.mirrors.push(mirror);
            }
            count += 1;
        }
        if count == 0 {
            return Err(wrong(None)(ImportProblem::Architecture(self.architecture.to_owned())));
        }
        let mut set = LockedSet { inputs, architecture: self.architecture.to_owned(), repositories };
        // The newest date, which is that of the metadata, is in the packages alone.
        for (name, upstream) in upstreams(self.project, self.release) {
            let Some(locked) = set.repositories.get(name) else { continue };
            let keys = keys_of_packages(upstream).map_err(|reason| self.of_package(name, reason))?;
            let all: Vec<(&Nevra, &LockedPackage)> = locked.packages.iter().collect();
            let newest = self.checked(name, upstream, locked, &all, keys.as_ref())?;
            if let Some(locked) = set.repositories.get_mut(name) {
                locked.date = newest;
            }
        }
        Ok(set)
    }

    fn is_for(&self, package: &ListedPackage) -> bool {
        package.machines.is_empty() || package.machines.iter().any(|one| one == self.architecture)
    }

    /// The repository of the project that has a package, and where it is for the architecture of this step. Other tools have
    /// repositories with the architecture in their names.
    fn place_of(
        &self,
        package: &ListedPackage,
    ) -> Result<(&RepositoryName, &Upstream, &UpstreamPart), ImportProblem> {
        let general = without_architecture(&package.repository, self.architecture);
        let named =
            |wanted: &str| upstreams(self.project, self.release).find(|(name, _)| name.as_str() == wanted);
        let found = named(&package.repository).or_else(|| named(&general));
        let part =
            found.and_then(|(name, upstream)| Some((name, upstream, upstream.part(self.architecture)?)));
        part.ok_or_else(|| ImportProblem::Repository {
            package: package.name.clone(),
            repository: package.repository.clone(),
        })
    }

    /// A package as the lock file has it, and the folder that has it, if the project has no URL of its repository.
    fn locked_package(
        &self,
        package: &ListedPackage,
        repository: &RepositoryName,
        (upstream, part): (&Upstream, &UpstreamPart),
        file: &Path,
    ) -> Result<(Nevra, LockedPackage, Option<String>), ImportProblem> {
        let ListedPackage { name, evr, arch, location, checksum, size, .. } = package;
        let nevra = Nevra::parse(&format!("{name}-{evr}.{arch}")).map_err(ImportProblem::Name)?;
        let digest = (checksum.kind == ChecksumKind::Sha256)
            .then(|| format!("sha256:{}", checksum.hex).parse::<Digest>().ok())
            .flatten()
            .ok_or_else(|| ImportProblem::Checksum(name.clone()))?;
        if location.is_empty() {
            return Err(ImportProblem::Location(name.clone()));
        }
        let urls: &[String] = match &part.location {
            UpstreamLocation::Urls(urls) => urls,
            _ => &[],
        };
        let inside = |url: &String| location.strip_prefix(url.trim_end_matches('/'))?.strip_prefix('/');
        let path = urls.iter().find_map(inside).unwrap_or(location);
        let mirror = match (urls.is_empty(), location.contains("://")) {
            (false, _) => None,
            (true, true) => location.rsplit_once('/').map(|(folder, _)| format!("{folder}/")),
            (true, false) => {
                let (package, repository) = (name.clone(), repository.to_string());
                return Err(ImportProblem::Url { package, repository });
            }
        };
        let path =
            LockedPath::parse(path).map_err(|reason| ImportProblem::Name(format!("{name}: {reason}")))?;
        let distribution = self.project.distribution(self.release);
        let mut requests = upstream.requests.iter().chain(&distribution.requests);
        let (why, by) = match requests.find(|request| closure::names(request, name, evr, arch)) {
            Some(request) => (LockedWhy::Requested, request.clone()),
            None => {
                let file = file.file_name().unwrap_or_default();
                (LockedWhy::Imported, file.to_string_lossy().into_owned())
            }
        };
        let why = LockedOrigin { why, by, needs: String::new() };
        Ok((nevra, LockedPackage { path, digest, size: *size, why }, mirror))
    }
}
