//! What the lock file has of sources.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use content::Digest;

use crate::project::field::{ByName, Named};
use crate::project::file::LockedDownloadEntry;
use crate::project::names::{CommitHash, FileUrl, GitLocation, GitRef};

/// A file that is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockedDownload {
    /// Its SHA-256.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

impl std::fmt::Display for LockedDownload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} bytes)", self.digest, self.size)
    }
}

/// The digests of files by URL, and the commits of tags and branches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockedSources {
    downloads: BTreeMap<FileUrl, LockedDownload>,
    git: BTreeMap<GitLocation, BTreeMap<GitRef, CommitHash>>,
}

impl LockedSources {
    pub(in crate::project) fn new(
        downloads: ByName<FileUrl, LockedDownloadEntry>,
        git: ByName<GitLocation, ByName<GitRef, Named<CommitHash>>>,
    ) -> Self {
        let downloads = downloads.0.into_iter().map(|(url, entry)| {
            let LockedDownloadEntry { digest, size } = entry;
            (url, LockedDownload { digest: digest.0, size })
        });
        let plain = |commits: ByName<GitRef, Named<CommitHash>>| {
            commits.0.into_iter().map(|(reference, commit)| (reference, commit.0)).collect()
        };
        let git = git.0.into_iter().map(|(location, commits)| (location, plain(commits)));
        Self { downloads: downloads.collect(), git: git.collect() }
    }

    /// What the file at `url` is locked to.
    #[must_use]
    pub fn download(&self, url: &FileUrl) -> Option<LockedDownload> {
        self.downloads.get(url).copied()
    }

    /// Locks the file at `url`; returns what it was locked to before.
    pub fn set_download(&mut self, url: FileUrl, file: LockedDownload) -> Option<LockedDownload> {
        self.downloads.insert(url, file)
    }

    /// The commit of `reference` in the repository at `location`.
    #[must_use]
    pub fn commit(&self, location: &GitLocation, reference: &GitRef) -> Option<&CommitHash> {
        self.git.get(location)?.get(reference)
    }

    /// Locks a tag or branch; returns what it was locked to before.
    pub fn set_commit(
        &mut self,
        location: GitLocation,
        reference: GitRef,
        commit: CommitHash,
    ) -> Option<CommitHash> {
        self.git.entry(location).or_default().insert(reference, commit)
    }

    /// Removes the files that `keep` refuses; returns those.
    pub fn retain_downloads(&mut self, keep: impl Fn(&FileUrl) -> bool) -> Vec<(FileUrl, LockedDownload)> {
        self.downloads.extract_if(.., |url, _| !keep(url)).collect()
    }

    /// Removes the tags and branches that `keep` refuses; returns those.
    pub fn retain_commits(
        &mut self,
        keep: impl Fn(&GitLocation, &GitRef) -> bool,
    ) -> Vec<(GitLocation, GitRef, CommitHash)> {
        let mut gone = Vec::new();
        for (location, commits) in &mut self.git {
            let removed = commits.extract_if(.., |reference, _| !keep(location, reference));
            gone.extend(removed.map(|(reference, commit)| (location.clone(), reference, commit)));
        }
        self.git.retain(|_, commits| !commits.is_empty());
        gone
    }

    /// Appends the sections of the lock file.
    pub(in crate::project) fn render(&self, text: &mut String) {
        // A JSON string is one of YAML. Writing to a string cannot fail.
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        if !self.downloads.is_empty() {
            text.push_str("downloads:\n");
        }
        for (url, file) in &self.downloads {
            let _ = writeln!(text, "  {}:", quoted(url.as_str()));
            let _ = writeln!(text, "    digest: {}\n    size: {}", file.digest, file.size);
        }
        if !self.git.is_empty() {
            text.push_str("git:\n");
        }
        for (location, commits) in &self.git {
            let _ = writeln!(text, "  {}:", quoted(location.as_str()));
            for (reference, commit) in commits {
                // In quotes: digits alone would be a number.
                let _ = writeln!(text, "    {}: {}", quoted(reference.as_str()), quoted(commit.as_str()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::project::LockFile;
    use crate::project::names::ParsedName as _;

    use super::*;

    fn commit(digit: &str) -> CommitHash {
        CommitHash::parse(&digit.repeat(40)).unwrap()
    }

    #[test]
    fn locked_sources_read_back_the_same_whatever_their_names_look_like() {
        let root = tempfile::tempdir().unwrap();
        let mut lock = LockFile::default();
        let url = |text: &str| FileUrl::parse(text).unwrap();
        let (plain, odd) = (
            url("https://a.example/x.tgz"),
            url("https://a.example/?a=%22&b=[x]:{y}#z".replace(['[', ']', '{', '}', '#'], "+").as_str()),
        );
        let file = LockedDownload { digest: Digest::of(b"x"), size: 1 };
        for url in [&plain, &odd] {
            assert_eq!(lock.sources_mut().set_download(url.clone(), file), None);
        }
        let location = |text: &str| GitLocation::parse(text).unwrap();
        let reference = |text: &str| GitRef::parse(text).unwrap();
        // A path that YAML would read as something else, a branch that looks like a number, a hash of digits alone.
        let places = [
            (location("~"), "1.10"),
            (location("a/it's \"here\": #1"), "true"),
            (location("https://h/x"), "v1"),
        ];
        for (at, name) in &places {
            assert_eq!(lock.sources_mut().set_commit(at.clone(), reference(name), commit("1")), None);
        }
        lock.write(root.path()).unwrap();
        let mut lock = LockFile::read(root.path()).unwrap();
        assert_eq!(lock.sources().download(&odd), Some(file));
        for (at, name) in &places {
            assert_eq!(lock.sources().commit(at, &reference(name)), Some(&commit("1")));
        }
        assert_eq!(lock.sources_mut().set_download(plain.clone(), file), Some(file));
        assert_eq!(lock.sources_mut().retain_downloads(|url| *url == plain), [(odd, file)]);
        let gone = lock.sources_mut().retain_commits(|location, _| location.as_str() == "~");
        assert_eq!(gone.len(), 2);
        lock.write(root.path()).unwrap();
        assert_eq!(LockFile::read(root.path()).unwrap(), lock);
    }
}
