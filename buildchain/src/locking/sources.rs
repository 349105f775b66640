//! Sources outside the project: the digests of files, and the commits of tags and branches.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use content::parallel;
use images::pull::{Download, TransferProgress};
use images::{RegistrySession, Store};

use super::{DOWNLOADS, Error, LOOKUPS, Scope};
use crate::project::{
    CommitHash, FileUrl, GitLocation, GitRef, LockFile, LockedDownload, Project, RemoteGit, SourceContent,
};
use crate::tasks::{shown_url, wanted, wanted_by_spec};

/// A source that was looked up, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceChange {
    /// The URL of a file, or a tag or branch of a repository.
    pub source: String,
    /// What the lock file has.
    pub old: Option<LockedSource>,
    /// What it is now; `None` if the project no longer has the source.
    pub new: Option<LockedSource>,
}

/// What a source is locked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedSource {
    /// A file.
    File(LockedDownload),
    /// A tag or branch.
    Commit(CommitHash),
}

impl LockedSource {
    /// The digest of the file, or the commit.
    #[must_use]
    pub fn hash(&self) -> String {
        match self {
            Self::File(file) => file.digest.to_string(),
            Self::Commit(commit) => commit.to_string(),
        }
    }
}

impl fmt::Display for LockedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.fmt(f),
            Self::Commit(commit) => commit.fmt(f),
        }
    }
}

impl SourceChange {
    /// Whether the two differ.
    #[must_use]
    pub fn moved(&self) -> bool {
        self.old != self.new
    }
}

/// Looks up the sources that no project itself pins, and adds what was found to `lock`. Files are fetched into the store, so that a
/// build need not fetch them.
pub(super) fn resolve(
    projects: &[Project],
    scope: Scope,
    lock: &mut LockFile,
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> (Vec<SourceChange>, Vec<Error>) {
    let (mut files, mut references) = (BTreeMap::new(), BTreeSet::new());
    for source in projects.iter().flat_map(|project| &project.external_sources) {
        match &source.content {
            SourceContent::File(file) if !file.is_pinned => {
                files.entry(file.url.clone()).or_insert_with(|| wanted(source, file, None));
            }
            SourceContent::Git(repository) => {
                let reference = repository.reference.clone();
                references.extend(reference.map(|reference| (repository.location.clone(), reference)));
            }
            SourceContent::File(_) => {}
        }
    }
    for spec in projects.iter().flat_map(|project| &project.repositories).flat_map(|one| &one.specs) {
        for download in &spec.downloads {
            let wanted = || wanted_by_spec(spec, download, None);
            files.entry(download.url.clone()).or_insert_with(wanted);
        }
    }
    let (mut changes, mut failures) = (Vec::new(), Vec::new());
    let Some(project) = projects.first() else { return (changes, failures) };
    let unknown: Vec<(&FileUrl, &Download)> = files
        .iter()
        .filter(|(url, _)| scope == Scope::All || lock.sources().download(url).is_none())
        .collect();
    for ((url, _), found) in unknown.iter().zip(fetch(project, &unknown, registries, progress)) {
        match found {
            Ok(found) => {
                let is_known = lock.sources().download(url) == Some(found);
                if !is_known && url.as_str().starts_with("http://") {
                    let url = shown_url(url.as_str());
                    progress.warn(&format!("{url} was fetched without TLS: compare the digest in sealift.lock with that of the publisher"));
                }
                let old = lock.sources_mut().set_download((*url).clone(), found);
                changes.push(SourceChange {
                    source: shown_url(url.as_str()),
                    old: old.map(LockedSource::File),
                    new: Some(LockedSource::File(found)),
                });
            }
            Err(error) => failures.push(error),
        }
    }
    let unknown: Vec<&(GitLocation, GitRef)> = references
        .iter()
        .filter(|(location, reference)| {
            scope == Scope::All || lock.sources().commit(location, reference).is_none()
        })
        .collect();
    let found = parallel::map(LOOKUPS, &unknown, |(location, reference)| {
        RemoteGit::new(&project.settings, &project.root, location).resolve(reference)
    });
    for ((location, reference), found) in unknown.into_iter().zip(found) {
        match found {
            Ok(commit) => {
                let new = Some(LockedSource::Commit(commit.clone()));
                let old = lock.sources_mut().set_commit(location.clone(), reference.clone(), commit);
                let old = old.map(LockedSource::Commit);
                changes.push(SourceChange { source: format!("{location} {reference}"), old, new });
            }
            Err(error) => failures.push(Error::Git(error)),
        }
    }
    for (url, old) in lock.sources_mut().retain_downloads(|url| files.contains_key(url)) {
        let (source, old) = (shown_url(url.as_str()), Some(LockedSource::File(old)));
        changes.push(SourceChange { source, old, new: None });
    }
    let wanted = |location: &GitLocation, reference: &GitRef| {
        references.contains(&(location.clone(), reference.clone()))
    };
    for (location, reference, old) in lock.sources_mut().retain_commits(wanted) {
        let (source, old) = (format!("{location} {reference}"), Some(LockedSource::Commit(old)));
        changes.push(SourceChange { source, old, new: None });
    }
    (changes, failures)
}

/// Fetches files whose digests are not known; what each is to be locked to.
fn fetch(
    project: &Project,
    files: &[(&FileUrl, &Download)],
    registries: &RegistrySession,
    progress: &(dyn TransferProgress + Sync),
) -> Vec<Result<LockedDownload, Error>> {
    if files.is_empty() {
        return Vec::new();
    }
    let store = match Store::open(&project.settings.cache) {
        Ok(store) => store,
        Err(error) => return vec![Err(Error::Store(error))],
    };
    parallel::map(DOWNLOADS, files, |(_, download)| {
        let digest =
            images::pull::download(download, &store, registries, progress).map_err(Error::Download)?;
        let size = store.size(&digest).map_err(Error::Store)?;
        size.map(|size| LockedDownload { digest, size })
            .ok_or_else(|| Error::Store(images::Error::NotInStore { digest, store: store.root().to_owned() }))
    })
}
