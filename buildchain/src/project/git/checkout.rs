//! A commit of a repository in a folder of its own, to build it again.

use std::path::{Path, PathBuf};

use super::{GitRepository, ReleaseTag, find, is_bare};
use crate::project::error::Error;
use crate::project::settings::Settings;

/// A clone with one commit checked out. It has all tags of its repository.
#[derive(Debug)]
pub struct Checkout {
    git: GitRepository,
    /// The repository that was cloned.
    source: GitRepository,
    folder: PathBuf,
    /// The commit, as it was given.
    name: String,
}

impl Checkout {
    /// Clones the repository that `source` is in, or is without a folder of files, into `folder`, which must not exist, and checks out `commit`: a hash, or a tag. The
    /// clone uses the objects of that repository, so it needs it as long as it is used. Files that git ignores, changes that are
    /// not committed, submodules and the content of Git LFS are not in it.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if `source` is in no repository, the repository lacks the commit, or git fails.
    pub fn new(settings: &Settings, source: &Path, commit: &str, folder: &Path) -> Result<Self, Error> {
        let missing = |message: &str, help: String| Error::Repository {
            path: source.to_owned(),
            message: message.to_owned(),
            help,
        };
        match std::fs::metadata(source) {
            Ok(found) if found.is_dir() => {}
            found => {
                let message = if found.is_ok() { "it is not a folder" } else { "the folder does not exist" };
                return Err(missing(message, "name the folder of a clone of the project".to_owned()));
            }
        }
        let place = if is_bare(source) { Some(source.to_owned()) } else { find(source) };
        let Some(place) = place else {
            let help = "name the folder of a clone of the project".to_owned();
            return Err(missing("the folder is in no git repository", help));
        };
        let repository = GitRepository::open_at(settings, source, &place)?;
        // A name that begins with a dash would be an option.
        let name = format!("{commit}^{{commit}}");
        let known = repository.run(&["rev-parse", "--quiet", "--verify", "--end-of-options", &name])?;
        if !known.status.success() {
            let message = format!("it has no commit {}", content::printable(commit));
            return Err(missing(&message, repository.fetching().to_owned()));
        }
        let hash = repository.printed(known)?;
        let hash = String::from_utf8_lossy(hash.trim_ascii()).into_owned();
        let mut command = repository.command();
        command.args(["clone", "--quiet", "--shared", "--no-checkout", "--"]).arg(&place).arg(folder);
        let cloned = command.output().map_err(|error| repository.wrong(error.to_string()))?;
        repository.printed(cloned)?;
        let source = repository.clone();
        let mut git = GitRepository { root: folder.to_owned(), prefix: Vec::new(), ..repository };
        git.trusted.push(place.to_string_lossy().into_owned());
        let checked_out = git.run(&["checkout", "--quiet", "--detach", &hash])?;
        git.printed(checked_out)?;
        Ok(Self { git, source, folder: folder.to_owned(), name: commit.to_owned() })
    }

    /// The name of the commit, as it was given: a hash, or a tag.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of the clone.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder in the clone that is for the one which `source` names in its repository.
    #[must_use]
    pub fn project(&self) -> PathBuf {
        self.folder.join(self.source.folder())
    }

    /// Lets the tags of the clone say that the commit has `version`: removes the tags of other releases and candidates from it, and
    /// gives it one if none has that version. For a version of another form, nothing changes.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git fails.
    pub fn set_version(&self, version: &str) -> Result<(), Error> {
        if ReleaseTag::parse(version).is_none() {
            return Ok(());
        }
        let commit = self.commit()?;
        let mut is_tagged = false;
        for tag in self.git.tags()?.into_iter().filter(|tag| tag.commit == commit) {
            match ReleaseTag::parse(&tag.name) {
                Some(found) if found.version() == version => is_tagged = true,
                Some(_) => {
                    let removed = self.git.run(&["tag", "--delete", "--", &tag.name])?;
                    self.git.printed(removed)?;
                }
                None => {}
            }
        }
        if is_tagged { Ok(()) } else { self.tag(version).map(drop) }
    }

    /// A candidate of the same release that is newer than the one with the tag `candidate`.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git fails.
    pub fn newer_candidate(&self, candidate: &str) -> Result<Option<String>, Error> {
        let Some(own) = ReleaseTag::parse(candidate) else { return Ok(None) };
        let tags = self.git.tags()?;
        let tags = tags.iter().filter_map(|tag| ReleaseTag::parse(&tag.name));
        let newer =
            tags.filter(|tag| tag.candidate().is_some() && tag.release() == own.release() && *tag > own);
        Ok(newer.max().map(|tag| tag.to_string()))
    }

    /// The hash of the commit.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git fails.
    pub fn commit(&self) -> Result<String, Error> {
        Ok(self.git.commit()?.map(|commit| commit.hash).unwrap_or_default())
    }

    /// Gives the commit an annotated tag, in the clone only. Returns whether it had no tag of that name.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git fails, or if the tag names another commit already.
    pub fn tag(&self, name: &str) -> Result<bool, Error> {
        if self.is_tagged(&self.git, name)? {
            return Ok(false);
        }
        let person = ["-c", "user.name=sealift", "-c", "user.email=sealift@localhost"];
        let sign = ["-c", "tag.gpgSign=false"];
        let tag = ["tag", "--annotate", "--message", name, "--end-of-options", name];
        let tagged = self.git.run(&[&person[..], &sign[..], &tag[..]].concat())?;
        self.git.printed(tagged).map(|_| true)
    }

    /// Whether the commit has the tag in a repository.
    fn is_tagged(&self, repository: &GitRepository, name: &str) -> Result<bool, Error> {
        let Some(known) = repository.tags()?.into_iter().find(|known| known.name == name) else {
            return Ok(false);
        };
        if known.commit == self.commit()? {
            return Ok(true);
        }
        Err(Error::Repository {
            path: self.source.shown.clone(),
            message: format!("the tag {} names another commit", content::printable(name)),
            help: format!("tag this commit, or use the next version; `git show {name}` shows it"),
        })
    }

    /// Checks that git can create an annotated tag in the repository that was cloned: it knows who the user is.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if it does not.
    pub fn check_tagger(&self) -> Result<(), Error> {
        let output = self.source.configured().args(["var", "GIT_COMMITTER_IDENT"]).output();
        if output.map_err(|error| self.source.wrong(error.to_string()))?.status.success() {
            return Ok(());
        }
        Err(Error::Repository {
            path: self.source.shown.clone(),
            message: "git does not know who creates the tag".to_owned(),
            help: "set your name and address: git config user.name NAME; git config user.email ADDRESS"
                .to_owned(),
        })
    }

    /// Gives the commit an annotated tag in the repository that was cloned, with the configuration of the user, who may sign tags.
    /// Returns whether it had no tag of that name. Nothing is pushed.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git fails, or if the tag names another commit already.
    pub fn tag_source(&self, name: &str, message: &str) -> Result<bool, Error> {
        if self.is_tagged(&self.source, name)? {
            return Ok(false);
        }
        let mut command = self.source.configured();
        command.args(["tag", "--annotate", "--message", message, "--end-of-options", name]);
        let tagged = command.arg(self.commit()?).output();
        let tagged = tagged.map_err(|error| self.source.wrong(error.to_string()))?;
        self.source.printed(tagged).map(|_| true)
    }
}
