//! What git knows of the project: the commit, its date, and which files differ from it.
//!
//! Equal commits must give equal archives, so only what is in the commit itself may be asked for: not what depends on the
//! clone (its depth, its tags), on the user (configuration) or on the caller (`GIT_DIR` and its kin). git therefore runs
//! without the user's and the system's configuration and without any variable of its own.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use content::printable;

use super::error::Error;
use super::settings::Settings;

/// Configuration of the repository that changes what git reports of equal files, or runs programs.
const NEUTRAL: [&str; 6] = [
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.ignoreStat=false",
    "core.quotePath=false",
];

/// The repository that holds a project.
#[derive(Debug, Clone)]
pub(crate) struct GitRepository {
    git: PathBuf,
    environment: BTreeMap<String, String>,
    /// The project's folder.
    root: PathBuf,
    /// Folders whose repositories the user trusts although they belong to somebody else: `safe.directory`.
    trusted: Vec<String>,
    /// The project's folder in the repository, empty or with a slash at its end.
    prefix: Vec<u8>,
    /// Commits older than some are missing.
    shallow: bool,
}

/// The commit that is checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Commit {
    /// When it was committed, in seconds since 1970.
    pub(crate) date: i64,
    /// Its whole hash: a shortened one grows with the clone.
    pub(crate) hash: String,
}

/// How the files of a project differ from its commit. Paths are relative to the project.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// Files, and submodules, that differ.
    pub(crate) modified: BTreeSet<PathBuf>,
    /// Files that are in the commit and no longer in the folder.
    pub(crate) deleted: BTreeSet<PathBuf>,
    /// All files that git tracks.
    pub(crate) tracked: HashSet<PathBuf>,
}

impl Changes {
    /// Whether the file at `path` is not in the commit, or with other content.
    pub(crate) fn differs(&self, path: &Path) -> bool {
        // A submodule is named by its folder.
        !self.tracked.contains(path) || path.ancestors().any(|above| self.modified.contains(above))
    }
}

impl GitRepository {
    /// The repository that holds the project at `root`, or `None` if no repository does.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if there is one and git cannot read it.
    pub(crate) fn open(settings: &Settings, root: &Path) -> Result<Option<Self>, Error> {
        let Some(place) = find(root) else { return Ok(None) };
        let mut repository = Self {
            git: settings.git.clone(),
            environment: settings.environment.clone(),
            root: root.to_owned(),
            trusted: Vec::new(),
            prefix: Vec::new(),
            shallow: false,
        };
        let wrong = |message: String, help: String| Error::Repository { path: place.clone(), message, help };
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
        let text = repository.said(output)?;
        let (shallow, rest) =
            text.split_at(text.iter().position(|byte| *byte == b'\n').unwrap_or(text.len()));
        repository.shallow = shallow == b"true";
        let prefix = rest.strip_prefix(b"\n").unwrap_or_default();
        repository.prefix = prefix.strip_suffix(b"\n").unwrap_or(prefix).to_owned();
        Ok(Some(repository))
    }

    /// The commit that is checked out; `None` before the first.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot read it.
    pub(crate) fn commit(&self) -> Result<Option<Commit>, Error> {
        let output = self.run(&["rev-list", "--max-count=1", "--timestamp", "HEAD", "--"])?;
        if !output.status.success() {
            // A branch that no commit has been made on: HEAD names it, and it does not exist.
            let names_a_branch = self.run(&["symbolic-ref", "--quiet", "HEAD"])?.status.success();
            let exists = self.run(&["rev-parse", "--quiet", "--verify", "HEAD"])?.status.success();
            if names_a_branch && !exists {
                return Ok(None);
            }
        }
        let text = self.said(output)?;
        let text = String::from_utf8_lossy(&text);
        let found = text.trim().split_once(' ').and_then(|(date, hash)| Some((date.parse().ok()?, hash)));
        let (date, hash) = found
            .ok_or_else(|| self.wrong(format!("git names no commit and date: {}", printable(text.trim()))))?;
        Ok(Some(Commit { date, hash: hash.to_owned() }))
    }

    /// The commit after the tag before it: `2.11.0-3-gHASH`, with the whole hash.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if this clone cannot know: it is shallow, or no tag is there.
    pub(crate) fn describe(&self) -> Result<String, Error> {
        let wrong = |message: &str, help: &str| Error::Repository {
            path: self.root.clone(),
            message: format!("`revision: describe` needs the tags before the commit, and {message}"),
            help: help.to_owned(),
        };
        if self.shallow {
            let help = "fetch the whole history (git fetch --unshallow --tags; in CI, a fetch depth of 0)";
            return Err(wrong("this clone is shallow", help));
        }
        let output = self.run(&["describe", "--long", "--tags", "--abbrev=40", "HEAD"])?;
        if !output.status.success() && self.run(&["describe", "--always", "HEAD"])?.status.success() {
            return Err(wrong(
                "this clone has none",
                "fetch them (git fetch --tags), or create one (git tag)",
            ));
        }
        Ok(String::from_utf8_lossy(self.said(output)?.trim_ascii()).into_owned())
    }

    /// How the files of the project differ from the commit.
    ///
    /// # Errors
    ///
    /// [`Error::Repository`] if git cannot say.
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
        let status = self.said(self.run(&status)?)?;
        for entry in status.split(|byte| *byte == 0) {
            // Two letters, a blank, the path from the top of the repository.
            let Some((state, path)) = entry.split_at_checked(3) else { continue };
            let Some(path) = path.strip_prefix(self.prefix.as_slice()) else { continue };
            let into = if state.contains(&b'D') { &mut changes.deleted } else { &mut changes.modified };
            into.insert(PathBuf::from(OsStr::from_bytes(path)));
        }
        let listed = ["ls-files", "-z", "-v", "--stage", "--recurse-submodules", "--", "."];
        let listed = self.said(self.run(&listed)?)?;
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
        self.look_at(unwatched, &mut changes)?;
        Ok(changes)
    }

    /// Looks at files that git has been told not to: `assume-unchanged`, `skip-worktree` and sparse checkouts.
    fn look_at(&self, files: Vec<(PathBuf, String)>, changes: &mut Changes) -> Result<(), Error> {
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

    /// What the user trusts, in any configuration but the repository's own. It alone of the user's configuration reaches
    /// git: whose repository may be read is the user's to decide and changes no byte of what is read. To trust every
    /// folder by ourselves would let its owner run programs as us: filters of its configuration.
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

    fn command(&self) -> Command {
        let mut command = Command::new(&self.git);
        command.env_clear();
        command.envs(
            self.environment.iter().filter(|(name, _)| !name.starts_with("GIT_") || *name == "GIT_EXEC_PATH"),
        );
        command.envs([
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("LC_ALL", "C"),
        ]);
        command.arg("-C").arg(&self.root);
        for setting in NEUTRAL {
            command.arg("-c").arg(setting);
        }
        for folder in &self.trusted {
            command.arg("-c").arg(format!("safe.directory={folder}"));
        }
        command
    }

    /// What git printed, or the reason that it gave.
    fn said(&self, output: Output) -> Result<Vec<u8>, Error> {
        if output.status.success() {
            return Ok(output.stdout);
        }
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = reason.lines().next().unwrap_or_default().trim_start_matches("fatal: ");
        Err(self.wrong(match reason {
            "" => format!("git ended with {}", output.status),
            reason => printable(reason).to_string(),
        }))
    }

    fn wrong(&self, message: String) -> Error {
        Error::Repository {
            path: self.root.clone(),
            message,
            help: format!(
                "`git -C {} fsck` shows what is damaged; a new clone repairs it",
                graph::quoted(&self.root.to_string_lossy())
            ),
        }
    }
}

/// git names the option in its remedy, in all versions.
fn is_of_another_owner(output: &Output) -> bool {
    !output.status.success() && output.stderr.windows(14).any(|text| text == b"safe.directory")
}

/// The folder of the repository that holds `root`, found as git does: the nearest with a `.git`, on the same file system.
fn find(root: &Path) -> Option<PathBuf> {
    let device = root.metadata().ok()?.dev();
    root.ancestors()
        .take_while(|folder| folder.metadata().is_ok_and(|metadata| metadata.dev() == device))
        .find(|folder| is_repository(&folder.join(".git")))
        .map(Path::to_path_buf)
}

/// An empty folder hides a repository, in containers.
fn is_repository(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| {
        !metadata.is_dir() || std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_some())
    })
}

#[cfg(test)]
mod tests;
