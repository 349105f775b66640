//! `sealift lock` and `sealift update`: the only ones to ask a registry what a tag means.

use crate::project::{Error as ProjectError, Lock, Project, Pull};
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
    /// A digest is none.
    #[error(transparent)]
    Digest(#[from] images::digest::ParseError),
    /// A registry does not answer, or not as it should.
    #[error("{reference}: {source}")]
    Resolve {
        /// The reference with its tag.
        reference: String,
        /// What went wrong.
        source: images::pull::Error,
    },
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
        let digest = images::pull::resolve(&reference.parse()?, &options).map_err(failed)?.to_string();
        let old = lock.set(reference.clone(), digest.clone());
        resolved.push(Resolved { reference: reference.clone(), old, new: Some(digest) });
    }
    let attached = |pull: &&Pull| pull.image.referrers;
    for pull in project.pull.iter().filter(attached) {
        let reference = pull.reference();
        if scope == Scope::Missing && lock.referrers(&reference).is_some() {
            continue;
        }
        let Some(digest) =
            pull.image.digest.as_ref().map(|digest| &*digest.value).or(lock.digest(&reference))
        else {
            continue;
        };
        let failed = |source| Error::Resolve { reference: reference.clone(), source };
        let list =
            images::pull::referrers(&reference.parse()?, &digest.parse()?, &options).map_err(failed)?;
        let old = lock.set_referrers(reference.clone(), list.to_string());
        let reference = format!("{reference} (what is attached to it)");
        resolved.push(Resolved { reference, old, new: Some(list.to_string()) });
    }
    lock.retain_referrers(|known| project.pull.iter().filter(attached).any(|pull| pull.reference() == known));
    let old = lock.clone();
    for reference in lock.retain(|reference| wanted.iter().any(|one| one == reference)) {
        let digest = old.digest(&reference).map(str::to_owned);
        resolved.push(Resolved { reference, old: digest, new: None });
    }
    Ok((lock, resolved))
}
