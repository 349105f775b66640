//! `sealift lock` and `sealift update`: the only ones to ask a registry what a tag means.

use std::collections::{BTreeMap, BTreeSet};

use images::pull::Options;
use images::{Digest, Platform};

use crate::project::{Attached, Error as ProjectError, Lock, Project, Pull};
use crate::tasks::pull_options;

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
    /// A digest is none.
    #[error(transparent)]
    Digest(#[from] images::digest::ParseError),
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

/// Looks up the tags of `project` that no digest in the project itself pins, and gives back the lock that holds them, with
/// what became of each. Nothing is written.
///
/// # Errors
///
/// If a registry cannot be asked; what was there stays.
pub fn resolve(project: &Project, scope: Scope) -> Result<(Lock, Vec<Resolved>), Error> {
    let options = pull_options(project);
    let mut lock = Lock::read(&project.root)?;
    let wanted = project.tags();
    let mut resolved = Vec::new();
    for reference in &wanted {
        if scope == Scope::Missing && lock.digest(reference).is_some() {
            continue;
        }
        let failed = |source| Error::Resolve { reference: reference.clone(), source };
        let found = images::pull::resolve(&reference.parse()?, &options).map_err(failed)?;
        let text = |(platform, digest): (Platform, Digest)| (platform.to_string(), digest.to_string());
        let new: BTreeMap<String, String> = found.platforms.into_iter().map(text).collect();
        let digest = found.digest.to_string();
        let old = lock.set(reference.clone(), digest.clone());
        let platforms = moved_platforms(&lock.set_platforms(reference, new.clone()), &new);
        resolved.push(Resolved { reference: reference.clone(), old, new: Some(digest), platforms });
    }
    let attached = |pull: &&Pull| pull.image.referrers;
    for pull in project.pull.iter().filter(attached) {
        let reference = pull.reference();
        if scope == Scope::Missing && lock.referrers(&reference).is_some() {
            continue;
        }
        let own = pull.image.digest.as_ref().map(|digest| &*digest.value);
        let Some(image) = own.or(lock.digest(&reference)).map(str::to_owned) else { continue };
        resolved.extend(resolve_attached(pull, &reference, &image, &options, &mut lock)?);
    }
    lock.retain_referrers(|known| project.pull.iter().filter(attached).any(|pull| pull.reference() == known));
    let old = lock.clone();
    for reference in lock.retain(|reference| wanted.iter().any(|one| one == reference)) {
        let digest = old.digest(&reference).map(str::to_owned);
        resolved.push(Resolved { reference, old: digest, new: None, platforms: Vec::new() });
    }
    Ok((lock, resolved))
}

/// Looks up what is attached to an image, and to the manifests of an index.
fn resolve_attached(
    pull: &Pull,
    reference: &str,
    image: &str,
    options: &Options,
    lock: &mut Lock,
) -> Result<Vec<Resolved>, Error> {
    let failed = |source| Error::Resolve { reference: reference.to_owned(), source };
    let platforms: Vec<Platform> =
        pull.image.platforms.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let found =
        images::pull::referrers(&reference.parse()?, &image.parse()?, &platforms, options).map_err(failed)?;
    let new: BTreeMap<String, String> =
        found.iter().map(|(subject, list)| (subject.to_string(), list.to_string())).collect();
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
    Ok(resolved.collect())
}
