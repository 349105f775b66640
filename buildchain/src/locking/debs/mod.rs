//! The Debian packages that are downloaded: each request is looked up by itself, and nothing else is chosen.

mod choose;
mod repository;

use std::collections::{BTreeMap, BTreeSet};

use ::packages::debian::DebPackage;
use content::Digest;
use images::pull::{DOWNLOAD_MAX, Download, TransferProgress};
use images::{RegistrySession, Store};

use self::choose::Choice;
use self::repository::Reader;
use super::packages::{PackageChange, SameName};
use super::{Error, LookUp, Scope};
use crate::project::{
    DebDownloads, DebName, DebRepositoryDefinition, DebRequest, LockFile, LockedDeb, LockedDebSet,
    LockedPath, ParsedName as _, Project, Release, RepositoryName,
};

/// A repository, and what the project says about its downloads.
type Key = (Release, RepositoryName, Digest);

/// The Debian repositories whose packages are locked for other requests or another source than those of the project.
pub(super) fn stale(projects: &[Project], lock: &LockFile) -> BTreeSet<String> {
    let repositories = projects.iter().flat_map(|project| &project.deb_repositories);
    let is_stale = |repository: &&DebRepositoryDefinition| {
        let (locked, name, release) = (lock.debs(), &repository.name, &repository.release);
        repository.download_inputs().is_some_and(|inputs| {
            locked.set(release, name, &inputs).is_none() && locked.nearest(release, name, &inputs).is_some()
        })
    };
    let text =
        |one: &DebRepositoryDefinition| format!("the packages of {} for release {}", one.name, one.release);
    repositories.filter(is_stale).map(text).collect()
}

/// Looks up the packages of all forms of the project, and locks them. A repository that fails stays as it is.
pub(super) fn resolve(
    projects: &[Project],
    look_up: LookUp,
    lock: &mut LockFile,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> (Vec<PackageChange>, Vec<Error>) {
    let LookUp { scope, now, .. } = look_up;
    let mut wanted: BTreeMap<Key, (&Project, &DebDownloads)> = BTreeMap::new();
    for project in projects {
        for repository in &project.deb_repositories {
            let (Some(inputs), Some(downloads)) = (repository.download_inputs(), &repository.downloads)
            else {
                continue;
            };
            let key = (repository.release.clone(), repository.name.clone(), inputs);
            wanted.entry(key).or_insert((project, downloads));
        }
    }
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    let mut failed: BTreeSet<(&Release, &RepositoryName)> = BTreeSet::new();
    let mut new = lock.debs().clone();
    for ((release, name, inputs), (project, downloads)) in &wanted {
        if scope == Scope::Missing && lock.debs().set(release, name, inputs).is_some() {
            continue;
        }
        let step = Step { project, release, name, downloads, now, registries, progress };
        match step.look_up(*inputs) {
            Ok(mut set) => {
                let old = lock.debs().nearest(release, name, inputs);
                // The date of the metadata counts only if there is something new in them.
                set.date = old.filter(|old| old.packages == set.packages).map_or(set.date, |old| old.date);
                changes.extend(differences(release, name, old, Some(&set)));
                new.insert(release.clone(), name.clone(), set);
            }
            Err(error) => {
                failed.insert((release, name));
                failures.push(error);
            }
        }
    }
    // What an error is about is not removed: the next run may need it no more, or again.
    let gone = new.retain(|release, name, inputs| {
        failed.contains(&(release, name)) || wanted.contains_key(&(release.clone(), name.clone(), *inputs))
    });
    for (release, name, set) in gone {
        changes.extend(differences(&release, &name, Some(&set), None));
    }
    *lock.debs_mut() = new;
    (changes, failures)
}

/// The packages that differ between two sets, by name and architecture.
fn differences(
    release: &Release,
    name: &RepositoryName,
    old: Option<&LockedDebSet>,
    new: Option<&LockedDebSet>,
) -> Vec<PackageChange> {
    let mut all: BTreeMap<String, PackageChange> = BTreeMap::new();
    for (set, is_new) in [(old, false), (new, true)] {
        for (deb, package) in set.iter().flat_map(|set| &set.packages) {
            let change = all.entry(deb.name()).or_insert_with(|| PackageChange {
                release: release.to_string(),
                repository: name.to_string(),
                package: deb.name(),
                old: Vec::new(),
                new: Vec::new(),
                same_name: None,
                changelog: Vec::new(),
            });
            if is_new {
                let before = old.and_then(|old| old.packages.get(deb));
                change.same_name =
                    before.and_then(|old| SameName::of(old.digest, package.digest, old == package));
                change.new.push(deb.to_string());
            } else {
                change.old.push(deb.to_string());
            }
        }
    }
    all.into_values().collect()
}

/// The downloads of one repository.
struct Step<'a> {
    project: &'a Project,
    release: &'a Release,
    name: &'a RepositoryName,
    downloads: &'a DebDownloads,
    now: i64,
    registries: &'a RegistrySession,
    progress: &'a (dyn TransferProgress + Sync),
}

impl Step<'_> {
    fn wrong(&self, reason: String) -> Error {
        let (release, repository) = (self.release.to_string(), self.name.to_string());
        Error::Repository { release, repository, reason }
    }

    fn look_up(&self, inputs: Digest) -> Result<LockedDebSet, Error> {
        let store = Store::open(&self.project.settings.cache).map_err(Error::Store)?;
        let mut set = LockedDebSet { inputs, date: 0, packages: BTreeMap::new() };
        let mut packages = Vec::new();
        for request in &self.downloads.requests {
            match request {
                DebRequest::File(url) => {
                    let (name, package) = self.file(&store, request, url.as_str())?;
                    self.add(&mut set, name, package)?;
                }
                DebRequest::Package { .. } => packages.push(request),
            }
        }
        let Some(source) = self.downloads.source.as_ref().filter(|_| !packages.is_empty()) else {
            return Ok(set);
        };
        let reader = Reader { step: self, source, store: &store };
        let mut choice = Choice::new(&packages, &source.architectures);
        set.date = reader.read(&mut choice).map_err(|reason| self.wrong(reason))?;
        for (name, package) in choice.end().map_err(|reason| self.wrong(reason))? {
            self.add(&mut set, name, package)?;
        }
        Ok(set)
    }

    /// Adds a package, which other requests may have added.
    fn add(&self, set: &mut LockedDebSet, name: DebName, package: LockedDeb) -> Result<(), Error> {
        // The epoch of a version is not in the name of the file.
        if let Some(other) =
            set.packages.keys().find(|other| **other != name && other.place() == name.place())
        {
            return Err(self.wrong(format!("{other} and {name} have the same file name: remove one of them")));
        }
        match set.packages.get(&name) {
            Some(other) if other.digest != package.digest => Err(self.wrong(format!(
                "`{}` and `{}` are the same package {name} with different content: remove one of them",
                content::printable(&other.by),
                content::printable(&package.by)
            ))),
            Some(_) => Ok(()),
            None => {
                set.packages.insert(name, package);
                Ok(())
            }
        }
    }

    /// The package at a URL.
    fn file(&self, store: &Store, request: &DebRequest, url: &str) -> Result<(DebName, LockedDeb), Error> {
        let name = request.to_string();
        let urls = vec![url.to_owned()];
        let accounts = urls.clone();
        let download = Download { name: name.clone(), urls, digest: None, limit: DOWNLOAD_MAX, accounts };
        let digest = images::pull::download(&download, store, self.registries, self.progress)
            .map_err(Error::Download)?;
        let wrong = |reason: String| self.wrong(format!("{}: {reason}", content::printable(&name)));
        let package =
            DebPackage::open(&store.blob_path(&digest), false).map_err(|error| wrong(error.to_string()))?;
        let deb = DebName::parse(&package.identity.to_string()).map_err(&wrong)?;
        let path = LockedPath::parse(url).map_err(&wrong)?;
        Ok((deb, LockedDeb { path, digest, size: package.size, by: name }))
    }
}
