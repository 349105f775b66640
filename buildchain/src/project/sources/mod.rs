//! Sources outside the project: files by URL and git repositories.

mod entry;
mod locked;

use std::path::{Path, PathBuf};

use content::Digest;

pub use self::locked::{LockedDownload, LockedSources};
use super::error::Origin;
use super::names::{CommitHash, FileUrl, GitLocation, GitRef, Pattern, SourceName};

/// An entry of `spec.sources`.
#[derive(Debug, Clone)]
pub struct SourceDefinition {
    /// The place of its name.
    pub origin: Origin,
    /// Its name.
    pub name: SourceName,
    /// What is fetched.
    pub content: SourceContent,
}

impl SourceDefinition {
    /// The folder that it becomes.
    #[must_use]
    pub fn folder(&self, build_root: &Path) -> PathBuf {
        build_root.join("sources").join(self.name.as_str())
    }

    /// Takes from the lock file what the project file does not have.
    pub(in crate::project) fn look_up(&mut self, locked: &LockedSources) {
        match &mut self.content {
            SourceContent::File(file) if !file.is_pinned => {
                file.digest = locked.download(&file.url).map(|file| file.digest);
            }
            SourceContent::Git(RemoteRepository { location, reference: Some(reference), commit, .. }) => {
                *commit = locked.commit(location, reference).cloned();
            }
            _ => {}
        }
    }
}

/// What is fetched.
#[derive(Debug, Clone)]
pub enum SourceContent {
    /// A file or an archive.
    File(RemoteFile),
    /// A git repository.
    Git(RemoteRepository),
}

/// A file by URL.
#[derive(Debug, Clone)]
pub struct RemoteFile {
    /// Where it is; the lock file names it by this URL.
    pub url: FileUrl,
    /// Where else it is, in the order in which that is tried.
    pub mirrors: Vec<FileUrl>,
    /// The digest: that of the project file, else that of the lock file, else none.
    pub digest: Option<Digest>,
    /// Whether the project file has the digest, so that the lock file need not.
    pub is_pinned: bool,
    /// What becomes of it.
    pub form: FileForm,
}

/// What becomes of a file that was fetched.
#[derive(Debug, Clone)]
pub enum FileForm {
    /// A file.
    Plain {
        /// Its name.
        name: String,
        /// Its mode.
        mode: u32,
    },
    /// An archive that is unpacked.
    Archive {
        /// How many leading parts of names are removed.
        strip: usize,
        /// What to unpack; all if it is empty.
        only: Vec<Pattern>,
        /// What to leave out.
        exclude: Vec<Pattern>,
    },
}

/// A git repository at a commit.
#[derive(Debug, Clone)]
pub struct RemoteRepository {
    /// Where it is, as the project file has it.
    pub location: GitLocation,
    /// The tag or branch, if the lock file has the commit.
    pub reference: Option<GitRef>,
    /// The commit: that of the project file, else that of the lock file, else none.
    pub commit: Option<CommitHash>,
    /// The folder of the repository; empty for all of it.
    pub folder: PathBuf,
}

impl RemoteFile {
    /// All URLs, in the order in which they are tried.
    pub fn urls(&self) -> impl Iterator<Item = &FileUrl> {
        std::iter::once(&self.url).chain(&self.mirrors)
    }
}

#[cfg(test)]
mod tests;
