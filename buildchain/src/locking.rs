//! `sealift lock` and `sealift update`: the only ones to ask a registry what a tag means.

use std::collections::{BTreeMap, BTreeSet};

use content::{Digest, parallel};
use images::pull::TransferProgress;
use images::{Platform, Reference, RegistrySession};

use crate::project::{
    Error as ProjectError, LockFile, LockedReferrers, ParsedName as _, Project, PullDefinition, Subject,
};

/// Which tags to look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that the lock file does not hold yet.
    Missing,
    /// All of them.
    All,
}

/// What became of a tag.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagChange {
    /// The reference with its tag.
    pub reference: String,
    /// What the lock file held.
    pub old: Option<String>,
    /// What the registry says now; `None` where the project no longer has the image.
    pub new: Option<String>,
    /// Where an index moved, which of its platforms did. None are told of an index whose old platforms no lock held.
    pub platforms: Vec<MovedPlatform>,
}

/// A platform for which an index lists another manifest than before.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MovedPlatform {
    /// `linux/arm64`
    pub platform: String,
    /// The digest that the lock file held; `None` where the index did not have the platform.
    pub old: Option<String>,
    /// The digest now; `None` where the index no longer has the platform.
    pub new: Option<String>,
}

/// What differs between two indexes.
fn moved_platforms(old: &BTreeMap<Platform, Digest>, new: &BTreeMap<Platform, Digest>) -> Vec<MovedPlatform> {
    if old.is_empty() {
        return Vec::new();
    }
    let all: BTreeSet<&Platform> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter(|platform| old.get(*platform) != new.get(*platform))
        .map(|platform| MovedPlatform {
            platform: platform.to_string(),
            old: old.get(platform).map(ToString::to_string),
            new: new.get(platform).map(ToString::to_string),
        })
        .collect()
}

impl TagChange {
    /// Whether the registry says something else than the lock file did.
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
    /// A registry does not respond, or returns something invalid.
    #[error("{}", named(.reference, .source))]
    Resolve {
        /// The reference with its tag.
        reference: String,
        /// What went wrong.
        source: images::pull::Error,
    },
}

/// The error with the reference in it, once.
fn named(reference: &str, error: &images::pull::Error) -> String {
    let text = error.to_string();
    if text.starts_with(reference) { text } else { format!("{reference}: {text}") }
}

/// What was looked up.
#[derive(Debug)]
pub struct LockUpdate {
    /// The lock with all that could be looked up; the rest is as it was.
    pub lock: LockFile,
    /// What became of each tag that was looked up.
    pub resolved: Vec<TagChange>,
    /// Why the others could not be looked up, in the order of the project.
    pub failures: Vec<Error>,
}

/// How many tags are looked up at the same time: a look-up waits for the network, whatever the number of processors.
const LOOKUPS: usize = 8;

/// Looks up the tags of `project` that no digest in the project itself pins. Nothing is written. Warnings go to `progress`,
/// from several threads.
///
/// # Errors
///
/// If the lock file cannot be read. A registry that cannot be asked is one of the answer's failures.
pub fn resolve(
    project: &Project,
    scope: Scope,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> Result<LockUpdate, Error> {
    let mut lock = LockFile::read(&project.root)?;
    let wanted = project.tags();
    let (mut resolved, mut failures) = (Vec::new(), Vec::new());
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
        // As the lock file has them: with the names of Go.
        let named =
            |(platform, digest): (Platform, Digest)| Some((platform.to_string().parse().ok()?, digest));
        let new: BTreeMap<Platform, Digest> = found.platforms.into_iter().filter_map(named).collect();
        let old = lock.set(reference.clone(), found.digest).map(|digest| digest.to_string());
        let platforms = moved_platforms(&lock.set_platforms(reference, new.clone()), &new);
        let new = Some(found.digest.to_string());
        resolved.push(TagChange { reference: reference.to_string(), old, new, platforms });
    }
    let with_referrers = || {
        let pulls = project.pull.iter().filter(|pull| pull.with_referrers);
        pulls.filter_map(|pull| Some((pull, pull.reference()?)))
    };
    let unknown: Vec<(&PullDefinition, &Reference, Digest)> = with_referrers()
        .filter(|(_, reference)| scope == Scope::All || lock.referrers(reference).is_none())
        .filter_map(|(pull, reference)| {
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
    lock.retain_referrers(|known| with_referrers().any(|(_, reference)| reference == known));
    let old = lock.clone();
    for reference in lock.retain(|reference| wanted.contains(reference)) {
        let old = old.digest(&reference).map(|digest| digest.to_string());
        resolved.push(TagChange { reference: reference.to_string(), old, new: None, platforms: Vec::new() });
    }
    Ok(LockUpdate { lock, resolved, failures })
}

/// Locks the lists of referrers of an image; what became of each.
fn lock_referrers(
    reference: &Reference,
    image: &Digest,
    new: BTreeMap<Subject, Digest>,
    lock: &mut LockFile,
) -> Vec<TagChange> {
    let old = lock.set_referrers(reference.clone(), new.clone());
    let mut subjects: BTreeSet<Subject> = new.keys().cloned().collect();
    if let Some(LockedReferrers::Each(lists)) = &old {
        subjects.extend(lists.keys().cloned());
    }
    // An empty list is locked, but not reported.
    let empty = Digest::of(&images::pull::no_referrers());
    let shown = |list: Option<Digest>| list.filter(|list| *list != empty).map(|list| list.to_string());
    let resolved = subjects.into_iter().map(|subject| {
        let of = if subject == Subject::from(*image) { String::new() } else { format!("@{subject}") };
        TagChange {
            reference: format!("{reference}{of} (referrers)"),
            old: shown(old.as_ref().and_then(|old| old.list(&subject, image))),
            new: shown(new.get(&subject).copied()),
            platforms: Vec::new(),
        }
    });
    resolved.collect()
}
