//! What git records about the project: the commit, its date, and which files differ from it.
//!
//! Equal commits must give equal archives. So the build uses only what is in the commit itself, and nothing that depends on the
//! clone (its depth, its tags), on the user (configuration) or on the caller (`GIT_DIR` and similar variables). git therefore
//! runs without the configuration of the user and of the system, and without its own variables.

mod checkout;
mod release_tag;
mod remote;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use content::printable;

pub use self::checkout::Checkout;
pub(crate) use self::release_tag::ReleaseTag;
pub use self::remote::{RemoteError, RemoteGit};
use super::error::Error;
use super::settings::Settings;

/// Overrides configuration of the repository that runs programs or changes what git reports about equal files.
const NEUTRAL: [&str; 6] = [
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.ignoreStat=false",
    "core.quotePath=false",
];

/// The variables that make git use another repository than that of the folder.
const PLACES: [&str; 6] =
    ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE"];

/// git without configuration and prompts. Of its own variables it gets only those in `kept`.
fn isolated(git: &Path, environment: &BTreeMap<String, String>, kept: &[&str]) -> Command {
    let mut command = Command::new(git);
    let passed = |name: &str| !name.starts_with("GIT_") || kept.contains(&name);
    command.env_clear().envs(environment.iter().filter(|(name, _)| passed(name)));
    command.envs([
        ("GIT_ATTR_NOSYSTEM", "1"),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_NO_LAZY_FETCH", "1"),
        ("GIT_NO_REPLACE_OBJECTS", "1"),
        ("GIT_TERMINAL_PROMPT", "0"),
        ("LC_ALL", "C"),
    ]);
    command
}

/// The repository that holds a project.
#[derive(Debug, Clone)]
pub(crate) struct GitRepository {
    git: PathBuf,
    environment: BTreeMap<String, String>,
    /// The project's folder.
    root: PathBuf,
    /// The folder that errors name: that of the repository which the user has, also in a clone of it that is removed afterwards.
    shown: PathBuf,
    /// `safe.directory`: folders whose repositories the user trusts although another user owns them.
    trusted: Vec<String>,
    /// The folder of the project in the repository: empty, or with a slash at its end.
    prefix: Vec<u8>,
    /// Whether old commits are missing.
    shallow: bool,
}

/// The commit that is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// When it was committed, in seconds since 1970.
    pub(crate) date: i64,
    /// Its whole hash: the length of a shortened one depends on the clone.
    pub(crate) hash: String,
}

/// A tag of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GitTag {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is an object of its own, with a message.
    pub(crate) is_annotated: bool,
    /// The hash of the commit that it names.
    pub(crate) commit: String,
}

/// How the files of a project differ from its commit. Paths are relative to the project.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Files, and submodules, that differ.
    pub(crate) modified: BTreeSet<PathBuf>,
    /// Files of the commit that are missing in the folder.
    pub(crate) deleted: BTreeSet<PathBuf>,
    /// All files that git tracks.
    pub(crate) tracked: HashSet<PathBuf>,
}

impl Changes {
    /// Whether the commit lacks the file at `path`, or has other content for it.
    pub(crate) fn differs(&self, path: &Path) -> bool {
        // git reports a submodule by its folder.
        !self.tracked.contains(path) || path.ancestors().any(|above| self.modified.contains(above))
    }
}

impl GitRepository {
    /// The repository that holds the project at `root`, or `None` if no repository does.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read it.
    pub(crate) fn open(settings: &Settings, root: &Path) -> Result<Option<Self>, Error> {
        find(root).map(|place| Self::open_at(settings, root, &place)).transpose()
    }

    /// The repository at `place`, which holds the folder `root`, or is `root` itself without a folder of files.
    fn open_at(settings: &Settings, root: &Path, place: &Path) -> Result<Self, Error> {
        let mut repository = Self {
            git: settings.git.clone(),
            environment: settings.environment.clone(),
            root: root.to_owned(),
            shown: root.to_owned(),
            trusted: Vec::new(),
            prefix: Vec::new(),
            shallow: false,
        };
        let wrong =
            |message: String, help: String| Error::Repository { path: place.to_owned(), message, help };
        let arguments = ["rev-parse", "--is-shallow-repository", "--show-prefix"];
        let output = repository.git(&arguments).and_then(|output| {
            if output.status.success() || !is_of_another_owner(&output) {
                return Ok(output);
            }
            repository.trusted = repository.trusted();
            repository.git(&arguments)
        });
        let output = output.map_err(|error| {
            let message = format!("cannot run `{}`: {error}", content::printable_path(&repository.git));
            wrong(message, "install git, or set GIT_BIN to its path".into())
        })?;
        if is_of_another_owner(&output) {
            let help = format!(
                "if you trust it, run: git config --global --add safe.directory {}",
                graph::quoted(&place.to_string_lossy())
            );
            return Err(wrong("it belongs to another user".into(), help));
        }
        let text = repository.printed(output)?;
        let (shallow, rest) =
            text.split_at(text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()));
        repository.shallow = shallow == b"true";
        let prefix = rest.strip_prefix(b"\n").unwrap_or_default();
        repository.prefix = prefix.strip_suffix(b"\n").unwrap_or(prefix).to_owned();
        Ok(repository)
    }

    /// The commit that is checked out; `None` if there is no commit yet.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read it.
    pub(crate) fn commit(&self) -> Result<Option<Commit>, Error> {
        let output = self.run(&["rev-list", "--max-count=1", "--timestamp", "HEAD", "--"])?;
        if !output.status.success() {
            // Before the first commit, HEAD names a branch that does not exist.
            let names_a_branch = self.run(&["symbolic-ref", "--quiet", "HEAD"])?.status.success();
            let exists = self.run(&["rev-parse", "--quiet", "--verify", "HEAD"])?.status.success();
            if names_a_branch && !exists {
                return Ok(None);
            }
        }
        let text = self.printed(output)?;
        let text = String::from_utf8_lossy(&text);
        let found = text.trim().split_once(' ').and_then(|(date, hash)| Some((date.parse().ok()?, hash)));
        let (date, hash) = found.ok_or_else(|| {
            self.wrong(format!("git returned neither a commit nor a date: {}", printable(text.trim())))
        })?;
        Ok(Some(Commit { date, hash: hash.to_owned() }))
    }

    /// The folder of the project in the repository; empty for its root.
    pub(crate) fn folder(&self) -> PathBuf {
        let prefix = self.prefix.strip_suffix(b"/").unwrap_or(&self.prefix);
        PathBuf::from(std::ffi::OsStr::from_bytes(prefix))
    }

    /// Whether old commits are missing.
    pub(crate) fn is_shallow(&self) -> bool {
        self.shallow
    }

    /// How to get the tags of the remote repository, and old commits that are missing.
    pub(crate) fn fetching(&self) -> &'static str {
        if self.shallow {
            "fetch the whole history and the tags: `git fetch --unshallow --tags` (in CI, a fetch depth of 0)"
        } else {
            "fetch the tags: `git fetch --tags`"
        }
    }

    /// The last tag, the number of commits since then, and the whole hash: `2.11.0-3-gHASH`.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if this clone is shallow or has no tag.
    pub(crate) fn describe(&self) -> Result<String, Error> {
        let wrong = |message: &str, help: &str| Error::Repository {
            path: self.root.clone(),
            message: format!("`revision: describe` needs the tags before the commit, and {message}"),
            help: help.to_owned(),
        };
        if self.shallow {
            return Err(wrong("this clone is shallow", self.fetching()));
        }
        let output = self.run(&["describe", "--long", "--tags", "--abbrev=40", "HEAD"])?;
        if !output.status.success() && self.run(&["describe", "--always", "HEAD"])?.status.success() {
            let help = format!("{}, or create one: `git tag`", self.fetching());
            return Err(wrong("this clone has none", &help));
        }
        Ok(String::from_utf8_lossy(self.printed(output)?.trim_ascii()).into_owned())
    }

    /// The tag of the commit itself; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read it.
    pub(crate) fn tag(&self) -> Result<Option<String>, Error> {
        let output = self.run(&["tag", "--points-at", "HEAD", "--sort=-version:refname"])?;
        let text = self.printed(output)?;
        Ok(String::from_utf8_lossy(&text).lines().next().map(str::to_owned))
    }

    /// The tags of a release or a candidate that the commit has, the last one first.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read it.
    pub(crate) fn release_tags(&self) -> Result<Vec<ReleaseTag>, Error> {
        let listed = self.printed(self.run(&["tag", "--points-at", "HEAD"])?)?;
        Ok(release_tags(&listed))
    }

    /// The last tag of a release or a candidate that the commit or one before it has; `None` if this clone has none.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot be run.
    pub(crate) fn last_release_tag(&self) -> Result<Option<ReleaseTag>, Error> {
        // It fails before the first commit.
        let output = self.run(&["tag", "--merged", "HEAD"])?;
        Ok(release_tags(&output.stdout).into_iter().next())
    }

    /// All tags.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read them.
    pub(crate) fn tags(&self) -> Result<Vec<GitTag>, Error> {
        let form = "--format=%(objecttype) %(objectname) %(*objectname) %(refname:strip=2)";
        let listed = self.printed(self.run(&["for-each-ref", form, "refs/tags"])?)?;
        let listed = String::from_utf8_lossy(&listed);
        let tags = listed.lines().filter_map(|line| {
            let mut fields = line.splitn(4, ' ');
            let (kind, own, of_tag, name) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let commit = if of_tag.is_empty() { own } else { of_tag };
            Some(GitTag { name: name.to_owned(), is_annotated: kind == "tag", commit: commit.to_owned() })
        });
        Ok(tags.collect())
    }

    /// The subjects of the commits of `to` that `from` has not, if it is given, the newest first, without merges.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if one of the two tags does not exist, or if git cannot read it.
    pub(crate) fn subjects(&self, from: Option<&str>, to: &str) -> Result<Vec<String>, Error> {
        let from = from.map(|from| format!("refs/tags/{from}..")).unwrap_or_default();
        let range = format!("{from}refs/tags/{to}");
        let listed = self.printed(self.run(&["log", "--no-merges", "--format=%s", &range, "--"])?)?;
        Ok(String::from_utf8_lossy(&listed).lines().map(|line| printable(line).to_string()).collect())
    }

    /// The files of the project that git tracks, relative to it.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read it.
    pub(crate) fn tracked(&self) -> Result<BTreeSet<PathBuf>, Error> {
        let listed = self.printed(self.run(&["ls-files", "-z", "--", "."])?)?;
        let paths = listed.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        Ok(paths.map(|path| PathBuf::from(OsStr::from_bytes(path))).collect())
    }

    /// How the files of the project differ from the commit.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git fails.
    pub(crate) fn changes(&self) -> Result<Changes, Error> {
        let mut changes = Changes::default();
        let status = [
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=no",
            "--no-renames",
            "--ignore-submodules=none",
            "--",
            ".",
        ];
        let status = self.printed(self.run(&status)?)?;
        for entry in status.split(|byte| *byte == 0) {
            // Two letters, a space, and the path relative to the top of the repository.
            let Some((state, path)) = entry.split_at_checked(3) else { continue };
            let Some(path) = path.strip_prefix(self.prefix.as_slice()) else { continue };
            let into = if state.contains(&b'D') { &mut changes.deleted } else { &mut changes.modified };
            into.insert(PathBuf::from(OsStr::from_bytes(path)));
        }
        let listed = ["ls-files", "-z", "-v", "--stage", "--recurse-submodules", "--", "."];
        let listed = self.printed(self.run(&listed)?)?;
        let mut unwatched = Vec::new();
        for entry in listed.split(|byte| *byte == 0) {
            // `H 100644 HASH 0<tab>path`
            let Some(tab) = entry.iter().position(|byte| *byte == b'\t') else { continue };
            let (fields, path) = entry.split_at(tab);
            let path = PathBuf::from(OsStr::from_bytes(path.get(1..).unwrap_or_default()));
            if !fields.starts_with(b"H") {
                let hash = fields.split(|byte| *byte == b' ').nth(2).unwrap_or_default();
                unwatched.push((path.clone(), String::from_utf8_lossy(hash).into_owned()));
            }
            changes.tracked.insert(path);
        }
        self.compare(unwatched, &mut changes)?;
        Ok(changes)
    }

    /// Compares files that git skips: those with `assume-unchanged` or `skip-worktree`, and those outside a sparse checkout.
    fn compare(&self, files: Vec<(PathBuf, String)>, changes: &mut Changes) -> Result<(), Error> {
        for (path, expected) in files {
            let whole = self.root.join(&path);
            if whole.symlink_metadata().is_err() {
                changes.deleted.insert(path);
                continue;
            }
            let mut command = self.command();
            command.args(["hash-object", "--"]).arg(&path);
            let output = command.output().map_err(|error| self.wrong(error.to_string()))?;
            if !output.status.success() || output.stdout.trim_ascii() != expected.as_bytes() {
                changes.modified.insert(path);
            }
        }
        Ok(())
    }

    /// The folders that the user trusts, by any configuration except that of the repository. This is the only configuration of
    /// the user that git gets: the user decides which repositories may be read, and the decision changes no byte. Trusting every
    /// folder would let its owner run programs as this user, through filters in its configuration.
    fn trusted(&self) -> Vec<String> {
        let mut command = Command::new(&self.git);
        command.args(["-C", "/", "config", "--get-all", "-z", "safe.directory"]);
        command.env_clear().envs(&self.environment);
        for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_CONFIG"] {
            command.env_remove(name);
        }
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        let all = output.split(|byte| *byte == 0).map(|one| String::from_utf8_lossy(one).into_owned());
        all.filter(|one| !one.is_empty()).collect()
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.git(arguments).map_err(|error| self.wrong(error.to_string()))
    }

    fn git(&self, arguments: &[&str]) -> std::io::Result<Output> {
        self.command().args(arguments).output()
    }

    /// git as the user runs it in this repository, with all configuration.
    fn configured(&self) -> Command {
        let mut command = Command::new(&self.git);
        command.env_clear().envs(&self.environment).arg("-C").arg(&self.root);
        for name in PLACES {
            command.env_remove(name);
        }
        command
    }

    fn command(&self) -> Command {
        let mut command = isolated(&self.git, &self.environment, &["GIT_EXEC_PATH"]);
        command.env("GIT_OPTIONAL_LOCKS", "0");
        command.arg("-C").arg(&self.root);
        for setting in NEUTRAL {
            command.arg("-c").arg(setting);
        }
        for folder in &self.trusted {
            command.arg("-c").arg(format!("safe.directory={folder}"));
        }
        command
    }

    /// The standard output of git, or the reason why it failed.
    fn printed(&self, output: Output) -> Result<Vec<u8>, Error> {
        if output.status.success() {
            return Ok(output.stdout);
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = reason.lines().next().unwrap_or_default().trim_start_matches("fatal: ");
        Err(self.wrong(match reason {
            "" => format!("git {}", content::exit(output.status)),
            reason => printable(reason).to_string(),
        }))
    }

    fn wrong(&self, message: String) -> Error {
        Error::Repository {
            path: self.shown.clone(),
            message,
            help: format!(
                "`git -C {} fsck` shows what is damaged; a new clone repairs it",
                graph::quoted(&self.shown.to_string_lossy())
            ),
        }
    }
}

/// The tags of releases and candidates in a list of tags, the last one first.
fn release_tags(listed: &[u8]) -> Vec<ReleaseTag> {
    let listed = String::from_utf8_lossy(listed);
    let mut tags: Vec<_> = listed.lines().filter_map(ReleaseTag::parse).collect();
    tags.sort_by(|one, other| other.cmp(one));
    tags
}

/// Every version of git names the option in its message.
fn is_of_another_owner(output: &Output) -> bool {
    !output.status.success() && output.stderr.windows(14).any(|text| text == b"safe.directory")
}

/// The folder of the repository that holds `root`. As for git, this is the nearest one with a `.git` on the same file system.
pub(super) fn find(root: &Path) -> Option<PathBuf> {
    let device = root.metadata().ok()?.dev();
    root.ancestors()
        .take_while(|folder| folder.metadata().is_ok_and(|metadata| metadata.dev() == device))
        .find(|folder| is_repository(&folder.join(".git")))
        .map(Path::to_path_buf)
}

/// Whether `folder` is a repository without a folder of files, as `git clone --bare` makes one.
fn is_bare(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && ["objects", "refs"].iter().all(|name| folder.join(name).is_dir())
}

/// Whether `path` is a repository. In containers an empty folder hides one.
fn is_repository(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| {
        !metadata.is_dir() || std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_some())
    })
}

#[cfg(test)]
mod tests;
