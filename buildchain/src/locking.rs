//! `sealift lock` and `sealift update`: the only ones to ask a registry what a tag means.

use std::collections::{BTreeMap, BTreeSet};

use content::{Digest, parallel};
use images::pull::Progress;
use images::{Platform, RegistrySession};

use crate::project::{Attached, Error as ProjectError, Lock, Project, Pull};

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
pub struct Resolved {
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
fn moved_platforms(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<MovedPlatform> {
    if old.is_empty() {
        return Vec::new();
    }
    let all: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter(|platform| old.get(*platform) != new.get(*platform))
        .map(|platform| MovedPlatform {
            platform: platform.clone(),
            old: old.get(platform).cloned(),
            new: new.get(platform).cloned(),
        })
        .collect()
}

impl Resolved {
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
    /// A reference is none.
    #[error(transparent)]
    Reference(#[from] images::reference::ParseError),
    /// A platform is none.
    #[error(transparent)]
    Platform(#[from] images::manifest::PlatformError),
    /// The text of a digest is invalid.
    #[error(transparent)]
    Digest(#[from] content::ParseDigestError),
    /// A registry does not answer, or not as it should.
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
pub struct Answer {
    /// The lock with all that could be looked up; the rest is as it was.
    pub lock: Lock,
    /// What became of each tag that was looked up.
    pub resolved: Vec<Resolved>,
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
    progress: &(dyn Progress + Sync),
) -> Result<Answer, Error> {
    let mut lock = Lock::read(&project.root)?;
    let wanted = project.tags();
    let (mut resolved, mut failures) = (Vec::new(), Vec::new());
    let unknown: Vec<&String> =
        wanted.iter().filter(|reference| scope == Scope::All || lock.digest(reference).is_none()).collect();
    let found = parallel::map(LOOKUPS, &unknown, |reference| {
        let failed = |source| Error::Resolve { reference: (*reference).clone(), source };
        images::pull::resolve(&reference.parse()?, registries, progress).map_err(failed)
    });
    for (reference, found) in unknown.into_iter().zip(found) {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                failures.push(error);
                continue;
            }
        };
        let text = |(platform, digest): (Platform, Digest)| (platform.to_string(), digest.to_string());
        let new: BTreeMap<String, String> = found.platforms.into_iter().map(text).collect();
        let digest = found.digest.to_string();
        let old = lock.set(reference.clone(), digest.clone());
        let platforms = moved_platforms(&lock.set_platforms(reference, new.clone()), &new);
        resolved.push(Resolved { reference: reference.clone(), old, new: Some(digest), platforms });
    }
    let attached = |pull: &&Pull| pull.image.referrers;
    let unknown: Vec<(&Pull, String)> = project
        .pull
        .iter()
        .filter(attached)
        .filter(|pull| scope == Scope::All || lock.referrers(&pull.reference()).is_none())
        .filter_map(|pull| {
            let own = pull.image.digest.as_ref().map(|digest| &*digest.value);
            Some((pull, own.or(lock.digest(&pull.reference()))?.to_owned()))
        })
        .collect();
    let found =
        parallel::map(LOOKUPS, &unknown, |(pull, image)| look_up_attached(pull, image, registries, progress));
    for ((pull, image), found) in unknown.iter().zip(found) {
        match found {
            Ok(lists) => resolved.extend(lock_attached(&pull.reference(), image, lists, &mut lock)),
            Err(error) => failures.push(error),
        }
    }
    lock.retain_referrers(|known| project.pull.iter().filter(attached).any(|pull| pull.reference() == known));
    let old = lock.clone();
    for reference in lock.retain(|reference| wanted.iter().any(|one| one == reference)) {
        let digest = old.digest(&reference).map(str::to_owned);
        resolved.push(Resolved { reference, old: digest, new: None, platforms: Vec::new() });
    }
    Ok(Answer { lock, resolved, failures })
}

/// Looks up what is attached to an image, and to the manifests of an index: the digests of the lists, by the digest of what
/// they are attached to.
fn look_up_attached(
    pull: &Pull,
    image: &str,
    registries: &RegistrySession,
    progress: &dyn Progress,
) -> Result<BTreeMap<String, String>, Error> {
    let reference = pull.reference();
    let failed = |source| Error::Resolve { reference: reference.clone(), source };
    let platforms: Vec<Platform> =
        pull.image.platforms.iter().map(|text| text.value.parse()).collect::<Result<_, _>>()?;
    let found =
        images::pull::referrers(&reference.parse()?, &image.parse()?, &platforms, registries, progress)
            .map_err(failed)?;
    Ok(found.iter().map(|(subject, list)| (subject.to_string(), list.to_string())).collect())
}

/// Locks what is attached to an image; what became of each list.
fn lock_attached(
    reference: &str,
    image: &str,
    new: BTreeMap<String, String>,
    lock: &mut Lock,
) -> Vec<Resolved> {
    let old = lock.set_referrers(reference.to_owned(), new.clone());
    let mut subjects: BTreeSet<&str> = new.keys().map(String::as_str).collect();
    if let Some(Attached::Each(lists)) = &old {
        subjects.extend(lists.keys().map(String::as_str));
    }
    // That nothing is attached is locked, too, and nothing to tell.
    let nothing = Digest::of(&images::pull::no_referrers()).to_string();
    let told = |list: Option<&str>| list.filter(|list| *list != nothing).map(str::to_owned);
    let resolved = subjects.into_iter().map(|subject| {
        let of = if subject == image { String::new() } else { format!("@{subject}") };
        Resolved {
            reference: format!("{reference}{of} (what is attached to it)"),
            old: told(old.as_ref().and_then(|old| old.list(subject, image))),
            new: told(new.get(subject).map(String::as_str)),
            platforms: Vec::new(),
        }
    });
    resolved.collect()
}
