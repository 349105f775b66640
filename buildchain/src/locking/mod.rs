//! `sealift lock` and `sealift update`: no other command asks a registry for the digest of a tag.

mod debs;
mod engines;
mod fetch;
mod packages;
mod signatures;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use content::{Digest, parallel};
use images::pull::TransferProgress;
use images::source::EngineImage;
use images::{Platform, Reference, RegistrySession};

use self::fetch::Fetcher;
pub(crate) use self::fetch::{DOWNLOADS, FetchError, WantedFile, joined, local};
pub use self::packages::{
    ImportError, ImportProblem, PackageChange, SameName, export_packages, export_requests, import_packages,
};
pub(crate) use self::packages::{bases, check as check_package, keys_of_packages, read_keys, wanted};
pub use self::sources::{LockedSource, SourceChange};
use crate::project::{
    Error as ProjectError, LockFile, LockedReferrers, Origin, ParsedName as _, Project, PullDefinition,
    RemoteError, SelectedTags, Subject, Tag,
};

/// Which tags to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that the lock file lacks.
    Missing,
    /// All of them.
    All,
}

/// What to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookUp {
    /// Which tags, sources and packages.
    pub scope: Scope,
    /// Keys of package repositories must be valid at this time, in seconds since 1970.
    pub now: i64,
    /// Whether to read the changelogs of packages that moved.
    pub changelogs: bool,
}

/// An entry of the lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedEntry {
    /// The digest of a tag.
    Tag(Reference),
    /// The ID of an image of a container engine.
    Engine(EngineImage),
    /// The digest of a list of referrers.
    Referrers {
        /// The image.
        reference: Reference,
        /// What the list is of, if not the image itself: a manifest of its index.
        subject: Option<Subject>,
    },
    /// The manifest with a signature of an image.
    Signature(Reference),
}

impl fmt::Display for LockedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(reference) => reference.fmt(f),
            Self::Engine(image) => image.fmt(f),
            Self::Signature(reference) => write!(f, "{reference} (signature)"),
            Self::Referrers { reference, subject: None } => write!(f, "{reference} (referrers)"),
            Self::Referrers { reference, subject: Some(subject) } => {
                write!(f, "{reference}@{subject} (referrers)")
            }
        }
    }
}

/// An entry that was looked up, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryChange {
    /// The entry.
    pub entry: LockedEntry,
    /// The digest in the lock file.
    pub old: Option<Digest>,
    /// The digest in the registry; `None` if the project no longer has the image.
    pub new: Option<Digest>,
    /// The platforms of an index whose manifests differ. Empty if the lock file had no platforms of the index.
    pub platforms: Vec<PlatformChange>,
}

/// A platform for which an index lists another manifest than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformChange {
    /// The platform.
    pub platform: Platform,
    /// The digest in the lock file; `None` if the index did not have the platform.
    pub old: Option<Digest>,
    /// The digest now; `None` if the index no longer has the platform.
    pub new: Option<Digest>,
}

/// The tags that a pattern or a range stands for, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectionChange {
    /// The repository: `docker.io/library/redis`.
    pub repository: String,
    /// The pattern or the range, as the lock file names it: `latest 2 of semver >=7.2 <8`.
    pub selection: String,
    /// The tags in the lock file, the oldest first.
    pub old: Option<Vec<Tag>>,
    /// The tags in the registry; `None` if the project no longer has the selection.
    pub new: Option<Vec<Tag>>,
}

impl SelectionChange {
    /// Whether the tags differ.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.old != self.new
    }
}

impl fmt::Display for SelectionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.repository, content::printable(&self.selection))
    }
}

/// What differs between two indexes.
fn moved_platforms(
    old: &BTreeMap<Platform, Digest>,
    new: &BTreeMap<Platform, Digest>,
) -> Vec<PlatformChange> {
    if old.is_empty() {
        return Vec::new();
    }
    let all: BTreeSet<&Platform> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter(|platform| old.get(*platform) != new.get(*platform))
        .map(|platform| PlatformChange {
            platform: platform.clone(),
            old: old.get(platform).copied(),
            new: new.get(platform).copied(),
        })
        .collect()
}

impl EntryChange {
    /// Whether the digests differ.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.old != self.new
    }
}

/// Tags could not be looked up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The lock file cannot be read or written.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// A registry does not respond, or its answer is invalid.
    #[error("{}", named(.reference, .source))]
    Resolve {
        /// The reference with its tag.
        reference: String,
        /// What went wrong.
        source: images::pull::Error,
    },
    /// A rule requires a signature of an image, and none counts.
    #[error("{reference} ({}) has no good signature: {problem}", .image.short())]
    Unsigned {
        /// The reference with its tag.
        reference: String,
        /// The digest of the image.
        image: Digest,
        /// What was found, and why it does not count.
        problem: String,
    },
    /// A repository has no tag that a pattern or a range stands for.
    #[error("{origin}: none of the {listed} tags of {repository} fits `{}`", content::printable(selection))]
    NoTag {
        /// The entry of the project.
        origin: Origin,
        /// The repository.
        repository: String,
        /// The pattern or the range.
        selection: String,
        /// How many tags the registry lists.
        listed: usize,
    },
    /// A file of `spec.sources` cannot be fetched.
    #[error(transparent)]
    Download(images::pull::Error),
    /// A git repository cannot be reached, or lacks a tag or branch.
    #[error(transparent)]
    Git(RemoteError),
    /// An upstream repository of packages cannot be read, or its signature or content is wrong.
    #[error("repository {repository} of release {release}: {reason}")]
    Repository {
        /// The release of the distribution.
        release: String,
        /// The repository.
        repository: String,
        /// What is wrong.
        reason: String,
    },
    /// An upstream package cannot be fetched, or its content or signature is wrong.
    #[error("repository {repository} of release {release}: {reason}")]
    Package {
        /// The release of the distribution.
        release: String,
        /// The repository.
        repository: String,
        /// What is wrong, with the package.
        reason: String,
    },
    /// There is no set of packages that meets the project.
    #[error("the packages of release {release}: {problem}")]
    Packages {
        /// The release of the distribution.
        release: String,
        /// Why not.
        problem: String,
    },
    /// A file of another tool does not fit the project.
    #[error("{0}")]
    Imported(ImportError),
    /// A package of the project cannot be read.
    #[error(transparent)]
    OwnPackages(::packages::Error),
    /// No container engine gives an image.
    #[error(transparent)]
    Engine(images::Error),
    /// The content store cannot be used.
    #[error(transparent)]
    Store(images::Error),
}

/// The error with the reference in it, once.
fn named(reference: &str, error: &images::pull::Error) -> String {
    let text = error.to_string();
    if text.starts_with(reference) { text } else { format!("{reference}: {text}") }
}

/// The result of looking up tags.
#[derive(Debug, Default)]
pub struct LockUpdate {
    /// The lock file with the new digests. Entries that could not be looked up are unchanged; if an image lacks a good signature, all
    /// are.
    pub lock: LockFile,
    /// The selections of tags that were looked up.
    pub selections: Vec<SelectionChange>,
    /// The entries that were looked up.
    pub resolved: Vec<EntryChange>,
    /// The sources outside the project that were looked up.
    pub sources: Vec<SourceChange>,
    /// The packages of upstream repositories that were looked up.
    pub packages: Vec<PackageChange>,
    /// The sets of packages that were locked for other requests or sources than those of the project now, as a noun each.
    pub stale: Vec<String>,
    /// Why the others could not be looked up, in the order of the project.
    pub failures: Vec<Error>,
}

/// How many tags are looked up at the same time. A look-up waits for the network, so the number of cores does not matter.
const LOOKUPS: usize = 8;

/// Looks up the tags without a digest in the project itself. `projects` are the forms of one project, each with other profiles
/// ([`Project::load_all`]); the lock file has the images of all of them. Nothing is written. Warnings go to `progress`, from
/// several threads.
///
/// # Errors
///
/// If the lock file cannot be read. A registry that cannot be reached is one of the failures of the result.
pub fn resolve(
    projects: &[Project],
    look_up: LookUp,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> Result<LockUpdate, Error> {
    let LookUp { scope, .. } = look_up;
    let mut lock = match projects.first() {
        Some(project) => LockFile::read(&project.root)?,
        None => LockFile::default(),
    };
    let before = lock.clone();
    let (selections, mut failures) = select_tags(projects, scope, registries, progress, &mut lock);
    let mut known = BTreeSet::new();
    let wanted: Vec<Reference> = projects.iter().flat_map(|project| project.tags(&lock)).collect();
    let wanted: Vec<Reference> =
        wanted.into_iter().filter(|reference| known.insert(reference.clone())).collect();
    let mut resolved = Vec::new();
    let unknown: Vec<&Reference> =
        wanted.iter().filter(|reference| scope == Scope::All || lock.digest(reference).is_none()).collect();
    let found = parallel::map(LOOKUPS, &unknown, |reference| {
        let failed = |source| Error::Resolve { reference: reference.to_string(), source };
        images::pull::resolve(reference, registries, progress).map_err(failed)
    });
    for (reference, found) in unknown.into_iter().zip(found) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        // The lock file has the names of Go.
        let named =
            |(platform, digest): (Platform, Digest)| Some((platform.to_string().parse().ok()?, digest));
        let new: BTreeMap<Platform, Digest> = found.platforms.into_iter().filter_map(named).collect();
        let old = lock.set(reference.clone(), found.digest);
        let platforms = moved_platforms(&lock.set_platforms(reference, new.clone()), &new);
        let entry = LockedEntry::Tag(reference.clone());
        resolved.push(EntryChange { entry, old, new: Some(found.digest), platforms });
    }
    let (signatures, failed) = signatures::resolve(projects, scope, &mut lock, registries, progress);
    let is_unsigned = failed.iter().any(|error| matches!(error, Error::Unsigned { .. }));
    failures.extend(failed);
    if is_unsigned {
        return Ok(LockUpdate { lock: before, failures, ..LockUpdate::default() });
    }
    let with_referrers = with_referrers(projects, &lock);
    let unknown: Vec<(&PullDefinition, &Reference, Digest)> = with_referrers
        .iter()
        .filter(|(reference, _)| scope == Scope::All || lock.referrers(reference).is_none())
        .filter_map(|(reference, pull)| {
            let own = pull.digest.filter(|_| pull.is_pinned);
            Some((pull, reference, own.or_else(|| lock.digest(reference))?))
        })
        .collect();
    let found = parallel::map(LOOKUPS, &unknown, |(pull, reference, image)| {
        let failed = |source| Error::Resolve { reference: reference.to_string(), source };
        images::pull::referrers(reference, image, &pull.platforms, registries, progress).map_err(failed)
    });
    for ((_, reference, image), found) in unknown.iter().zip(found) {
        match found {
            Ok(lists) => {
                let named = |(key, list): (String, Digest)| Some((Subject::parse(&key).ok()?, list));
                let lists = lists.into_iter().filter_map(named).collect();
                resolved.extend(lock_referrers(reference, image, lists, &mut lock));
            }
            Err(error) => failures.push(error),
        }
    }
    lock.retain_referrers(|known| with_referrers.contains_key(known));
    let old = lock.clone();
    for reference in lock.retain(|reference| known.contains(reference)) {
        let old = old.digest(&reference);
        let entry = LockedEntry::Tag(reference);
        resolved.push(EntryChange { entry, old, new: None, platforms: Vec::new() });
    }
    resolved.extend(signatures);
    let (engines, failed) = engines::resolve(projects, scope, &mut lock);
    resolved.extend(engines);
    failures.extend(failed);
    let (sources, failed) = sources::resolve(projects, scope, &mut lock, registries, progress);
    failures.extend(failed);
    let mut stale: Vec<String> = packages::stale(projects, &lock).into_iter().collect();
    stale.extend(debs::stale(projects, &lock));
    let (mut packages, failed) = packages::resolve(projects, look_up, &mut lock, registries, progress);
    failures.extend(failed);
    let (debs, failed) = debs::resolve(projects, look_up, &mut lock, registries, progress);
    packages.extend(debs);
    failures.extend(failed);
    Ok(LockUpdate { lock, selections, resolved, sources, packages, stale, failures })
}

/// The images whose referrers are pulled. One that several projects pull keeps the platforms of all of them.
fn with_referrers(projects: &[Project], lock: &LockFile) -> BTreeMap<Reference, PullDefinition> {
    let mut found: BTreeMap<Reference, PullDefinition> = BTreeMap::new();
    let pulls = projects.iter().flat_map(|project| project.pulls(lock));
    for pull in pulls.filter(|pull| pull.with_referrers) {
        let Some(reference) = pull.reference().cloned() else { continue };
        match found.get_mut(&reference) {
            None => drop(found.insert(reference, pull)),
            // Without a list, all platforms are kept.
            Some(known) if known.platforms.is_empty() || pull.platforms.is_empty() => known.platforms.clear(),
            Some(known) => {
                for platform in pull.platforms {
                    if !known.platforms.contains(&platform) {
                        known.platforms.push(platform);
                    }
                }
            }
        }
    }
    found
}

/// Lists the tags of the repositories from which the project selects some, and locks those that are meant. Returns what was looked
/// up, and why the rest was not: that stays as it is in the lock file.
fn select_tags(
    projects: &[Project],
    scope: Scope,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
    lock: &mut LockFile,
) -> (Vec<SelectionChange>, Vec<Error>) {
    let key = |selected: &SelectedTags| (selected.repository.name(), selected.selection.to_string());
    let mut wanted: BTreeMap<(String, String), &SelectedTags> = BTreeMap::new();
    for selected in projects.iter().flat_map(|project| &project.selections) {
        wanted.entry(key(selected)).or_insert(selected);
    }
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    let gone = lock.retain_tags(|repository, selection| {
        wanted.contains_key(&(repository.to_owned(), selection.to_owned()))
    });
    let unknown = || {
        let is_wanted = |(repository, selection): &(String, String)| {
            scope == Scope::All || lock.tags(repository, selection).is_none()
        };
        wanted.iter().filter(move |(key, _)| is_wanted(key))
    };
    // The list of a repository is read once for all selections of it.
    let mut repositories: BTreeMap<String, Vec<&SelectedTags>> = BTreeMap::new();
    for ((repository, _), selected) in unknown() {
        repositories.entry(repository.clone()).or_default().push(selected);
    }
    let repositories: Vec<(String, Vec<&SelectedTags>)> = repositories.into_iter().collect();
    let lists = parallel::map(LOOKUPS, &repositories, |(_, selections)| {
        let one = selections.first().map(|selected| &selected.repository);
        one.map_or(Ok(Vec::new()), |repository| images::pull::tags(repository, registries, progress))
    });
    for ((repository, selections), list) in repositories.into_iter().zip(lists) {
        let list = match list {
            Ok(list) => list,
            Err(source) => {
                failures.push(Error::Resolve { reference: repository, source });
                continue;
            }
        };
        for selected in selections {
            let (repository, selection) = key(selected);
            match selected.selection.choose(&list) {
                Ok(tags) if !tags.is_empty() => {
                    let old = lock.set_tags(repository.clone(), selection.clone(), tags.clone());
                    let Some(clash) = projects.iter().find_map(|project| project.check_places(lock).err())
                    else {
                        changes.push(SelectionChange { repository, selection, old, new: Some(tags) });
                        continue;
                    };
                    failures.push(clash.into());
                    match old {
                        Some(old) => drop(lock.set_tags(repository, selection, old)),
                        None => {
                            lock.retain_tags(|one, other| (one, other) != (&*repository, &*selection));
                        }
                    }
                }
                _ => failures.push(Error::NoTag {
                    origin: selected.origin().clone(),
                    repository,
                    selection,
                    listed: list.len(),
                }),
            }
        }
    }
    changes.extend(gone.into_iter().map(|(repository, selection, tags)| SelectionChange {
        repository,
        selection,
        old: Some(tags),
        new: None,
    }));
    (changes, failures)
}

/// Locks the lists of referrers of an image, and returns the change of each.
fn lock_referrers(
    reference: &Reference,
    image: &Digest,
    new: BTreeMap<Subject, Digest>,
    lock: &mut LockFile,
) -> Vec<EntryChange> {
    let old = lock.set_referrers(reference.clone(), new.clone());
    let mut subjects: BTreeSet<Subject> = new.keys().cloned().collect();
    if let Some(LockedReferrers::Each(lists)) = &old {
        subjects.extend(lists.keys().cloned());
    }
    // An empty list is locked, but not reported.
    let empty = Digest::of(&images::pull::no_referrers());
    let shown = |list: Option<Digest>| list.filter(|list| *list != empty);
    let resolved = subjects.into_iter().map(|subject| EntryChange {
        old: shown(old.as_ref().and_then(|old| old.list(&subject, image))),
        new: shown(new.get(&subject).copied()),
        platforms: Vec::new(),
        entry: LockedEntry::Referrers {
            reference: reference.clone(),
            subject: Some(subject).filter(|subject| *subject != Subject::from(*image)),
        },
    });
    resolved.collect()
}
