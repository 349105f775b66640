//! Other repositories: what a tag or branch names, and the content of a commit.
//!
//! Objects are kept in a bare repository for each location, below the content store of the user, so that a second build fetches
//! nothing. Files are read as objects: no filter, attribute or hook changes them. What git fetches it checks against the hash of the
//! commit.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use archive::unpack::{TreeWriter, UnpackError};
use content::{Digest, IoError, printable};
use images::REPOSITORIES;

use super::isolated;
use crate::project::names::{CommitHash, GitLocation, GitRef, ParsedName as _};
use crate::project::settings::Settings;

/// The most bytes of a list of branches and tags, or of a list of files.
const LIST_MAX: u64 = 256 << 20;
/// The most bytes that are read of a message of git.
const REASON_MAX: u64 = 64 << 10;
/// The most bytes of the target of a link.
const TARGET_MAX: u64 = 4096;

/// A repository that cannot be fetched or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// git cannot be started.
    #[error(
        "cannot run `{}`: {source}; install git, or set GIT_BIN to its path",
        content::printable_path(git)
    )]
    Start {
        /// The program.
        git: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// git fails, or the repository lacks what is asked for.
    #[error("git repository {}: {}", printable(location), printable(message))]
    Git {
        /// The repository.
        location: String,
        /// What is wrong.
        message: String,
    },
    /// The content cannot be written.
    #[error("git repository {}: {source}", printable(location))]
    Content {
        /// The repository.
        location: String,
        /// What is wrong.
        source: UnpackError,
    },
    /// The operating system refused an operation.
    #[error(transparent)]
    Io(#[from] IoError),
}

/// A repository outside the project.
#[derive(Debug, Clone)]
pub struct RemoteGit {
    git: PathBuf,
    environment: BTreeMap<String, String>,
    /// As the project has it, for messages.
    location: String,
    /// What git gets: a URL or an absolute path.
    url: OsString,
    /// The bare repository that keeps its objects.
    folder: PathBuf,
}

/// Variables of git that say how to reach a server, and none that change bytes.
const KEPT: [&str; 6] =
    ["GIT_EXEC_PATH", "GIT_SSH", "GIT_SSH_COMMAND", "GIT_SSH_VARIANT", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH"];

/// How ssh is run: it asks nothing, and does not wait for a dead server.
const SSH: &str = "ssh -oBatchMode=yes -oConnectTimeout=30 -oServerAliveInterval=30";

/// The configuration of git.
const SETTINGS: [&str; 6] = [
    "core.hooksPath=/dev/null",
    // What is fetched becomes a pack, which is there whole or not at all.
    "fetch.unpackLimit=1",
    "gc.auto=0",
    // A server that sends less than this for so many seconds is dead.
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
    "maintenance.auto=false",
];

/// As `--depth`: all of the history.
const WHOLE: &str = "--depth=2147483647";

impl RemoteGit {
    /// The repository at `location`, seen from the project at `root`.
    #[must_use]
    pub fn new(settings: &Settings, root: &Path, location: &GitLocation) -> Self {
        let text = location.as_str();
        let url = if text.contains("://") { text.into() } else { root.join(text).into_os_string() };
        let folder = settings.cache.join(REPOSITORIES).join(Digest::of(url.as_encoded_bytes()).hex());
        Self {
            git: settings.git.clone(),
            environment: settings.environment.clone(),
            location: text.to_owned(),
            url,
            folder,
        }
    }

    fn wrong(&self, message: impl Into<String>) -> RemoteError {
        RemoteError::Git { location: self.location.clone(), message: message.into() }
    }

    /// git without configuration, prompts and hooks, and with the transports that are safe.
    fn command(&self) -> Command {
        let mut command = isolated(&self.git, &self.environment, &KEPT);
        command.envs([
            ("GIT_ALLOW_PROTOCOL", "file:http:https:ssh"),
            ("GIT_ASKPASS", "true"),
            ("SSH_ASKPASS_REQUIRE", "never"),
        ]);
        if !KEPT[1..3].iter().any(|name| self.environment.contains_key(*name)) {
            command.env("GIT_SSH_COMMAND", SSH);
        }
        for setting in SETTINGS {
            command.arg("-c").arg(setting);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs git to its end; what it prints, if it succeeds.
    fn run(&self, command: &mut Command) -> Result<Vec<u8>, RemoteError> {
        let broken = |error: io::Error| self.wrong(error.to_string());
        // A file, not a pipe: both are read one after the other.
        let mut errors = tempfile::tempfile().map_err(broken)?;
        command.stdout(Stdio::piped()).stderr(errors.try_clone().map_err(broken)?);
        let mut child = self.spawn(command)?;
        let mut printed = Vec::new();
        let output = child.stdout.take().ok_or_else(|| self.wrong("git prints nothing"))?;
        let read = output.take(LIST_MAX + 1).read_to_end(&mut printed);
        let is_too_long = printed.len() as u64 > LIST_MAX;
        if is_too_long || read.is_err() {
            let _ = child.kill();
        }
        let status = child.wait().map_err(broken)?;
        read.map_err(broken)?;
        if is_too_long {
            return Err(self.wrong(format!("git lists more than {LIST_MAX} bytes")));
        }
        if status.success() {
            return Ok(printed);
        }
        let mut reason = Vec::new();
        io::Seek::rewind(&mut errors).map_err(broken)?;
        (&mut errors).take(REASON_MAX).read_to_end(&mut reason).map_err(broken)?;
        let reason = String::from_utf8_lossy(&reason);
        let lines =
            reason.lines().map(|line| line.trim_start_matches("fatal: ").trim_start_matches("error: "));
        let reason = lines.map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
        Err(self.wrong(if reason.is_empty() { format!("git {}", content::exit(status)) } else { reason }))
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, RemoteError> {
        command.spawn().map_err(|source| RemoteError::Start { git: self.git.clone(), source })
    }

    /// The commit that a tag or branch names now. A tag comes before a branch of the same name.
    ///
    /// # Errors
    ///
    /// The repository cannot be reached or has neither.
    pub fn resolve(&self, reference: &GitRef) -> Result<CommitHash, RemoteError> {
        let name = reference.as_str();
        let tag = format!("refs/tags/{name}");
        let names = [
            format!("{name}^{{}}"),
            name.to_owned(),
            format!("{tag}^{{}}"),
            tag,
            format!("refs/heads/{name}"),
        ];
        // Only a whole name stands for itself: `main` is no file `main` of the repository.
        let names = if name.starts_with("refs/") { &names[..2] } else { &names[2..] };
        let listed = self.run(self.command().args(["ls-remote", "--"]).arg(&self.url).args(names))?;
        let listed = String::from_utf8_lossy(&listed);
        let found: BTreeMap<&str, &str> = listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .map(|(hash, name)| (name, hash))
            .collect();
        let hash = names.iter().find_map(|name| found.get(name.as_str()));
        let hash = hash.ok_or_else(|| self.wrong(format!("it has no tag or branch `{name}`")))?;
        CommitHash::parse(hash).map_err(|reason| self.wrong(reason))
    }

    /// Fetches a commit, unless it is there. Several processes wait for each other. `run` runs the git that fetches.
    ///
    /// # Errors
    ///
    /// The repository cannot be reached or does not have the commit; those of `run`.
    pub fn fetch<E: From<RemoteError>>(
        &self,
        commit: &CommitHash,
        mut run: impl FnMut(&mut Command) -> Result<(), E>,
        stopped: impl Fn() -> bool,
    ) -> Result<(), E> {
        let _lock = self.lock()?;
        if self.has(commit)? {
            return Ok(self.used()?);
        }
        self.start()?;
        match run(&mut self.fetching("--depth=1", &[commit.as_str()])) {
            Ok(()) if self.has(commit)? => return Ok(()),
            Err(error) if stopped() => return Err(error),
            // Some servers give only what a tag or branch names. And what git left when it was killed, or what is damaged, can be
            // in its way.
            Ok(()) | Err(_) => {
                let fresh = Self { folder: self.folder.with_extension("new"), ..self.clone() };
                content::remove(&fresh.folder).map_err(RemoteError::from)?;
                fresh.start()?;
                run(&mut fresh.fetching(WHOLE, &["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]))?;
                content::remove(&self.folder).map_err(RemoteError::from)?;
                let moved = std::fs::rename(&fresh.folder, &self.folder);
                moved.map_err(|source| RemoteError::from(IoError::at("rename", &fresh.folder)(source)))?;
            }
        }
        let hash = commit.as_str();
        if self.has(commit)? { Ok(()) } else { Err(self.wrong(format!("it has no commit {hash}")).into()) }
    }

    /// Waits until no other process fetches the repository. Until the file is closed, none does.
    fn lock(&self) -> Result<File, RemoteError> {
        content::create_folder(self.folder.parent().unwrap_or(&self.folder))?;
        let path = self.folder.with_extension("lock");
        let lock = content::open_or_create(&path, 0o644)?;
        lock.lock().map_err(IoError::at("lock", &path))?;
        Ok(lock)
    }

    /// Removes what is kept of the repository if it is damaged, so that the next fetch replaces it. Returns whether it was.
    ///
    /// # Errors
    ///
    /// git cannot be started, or the repository cannot be removed.
    pub fn remove_damaged(&self) -> Result<bool, RemoteError> {
        let _lock = self.lock()?;
        let mut command = self.inside();
        command.args(["fsck", "--full", "--no-dangling", "--no-progress"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let status = self.spawn(&mut command)?.wait();
        let is_damaged = !status.map_err(|error| self.wrong(error.to_string()))?.success();
        if is_damaged {
            content::remove(&self.folder)?;
        }
        Ok(is_damaged)
    }

    /// Notes that the repository is used: those that are not go first when the store is pruned.
    fn used(&self) -> Result<(), RemoteError> {
        let mode = std::fs::Permissions::from_mode(0o755);
        Ok(std::fs::set_permissions(&self.folder, mode).map_err(IoError::at("change", &self.folder))?)
    }

    /// Makes the bare repository, if it is missing.
    fn start(&self) -> Result<(), RemoteError> {
        let init = ["init", "--quiet", "--bare", "--template=", "--object-format=sha1", "--"];
        self.run(self.command().args(init).arg(&self.folder)).map(drop)
    }

    fn fetching(&self, depth: &str, what: &[&str]) -> Command {
        let mut command = self.inside();
        command.args(["fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"]);
        command.args([depth, "--"]).arg(&self.url).args(what);
        command
    }

    fn inside(&self) -> Command {
        let mut command = self.command();
        command.arg("--git-dir").arg(&self.folder);
        command
    }

    /// Whether the commit is there, with all its files.
    fn has(&self, commit: &CommitHash) -> Result<bool, RemoteError> {
        if !self.folder.join("HEAD").exists() {
            return Ok(false);
        }
        let object = format!("{}^{{commit}}", commit.as_str());
        let mut command = self.inside();
        command.args(["cat-file", "-e", &object]).stderr(Stdio::null());
        let status = self.spawn(&mut command)?.wait();
        Ok(status.map_err(|error| self.wrong(error.to_string()))?.success())
    }

    /// Writes the files and links of `folder` in a commit that was fetched. Submodules are left out.
    ///
    /// # Errors
    ///
    /// The folder does not exist, something breaks the rules of archives, or git fails.
    pub fn export(
        &self,
        commit: &CommitHash,
        folder: &Path,
        writer: &mut TreeWriter,
    ) -> Result<(), RemoteError> {
        self.check_folder(commit, folder)?;
        let tree = format!("{}:{}", commit.as_str(), folder.to_string_lossy());
        let listed = self.run(self.inside().args(["ls-tree", "-r", "-z", "--full-tree", &tree]))?;
        let mut files = Vec::new();
        for line in listed.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
            let line = std::str::from_utf8(line).map_err(|_| {
                self.wrong(format!("`{}`: the name is not UTF-8", String::from_utf8_lossy(line)))
            })?;
            // `100644 blob HASH<tab>path`
            let (fields, path) = line.split_once('\t').unwrap_or_default();
            let mut fields = fields.split(' ');
            if let (Some(mode), Some("blob"), Some(hash)) = (fields.next(), fields.next(), fields.next()) {
                files.push((mode.to_owned(), hash.to_owned(), path.to_owned()));
            }
        }
        // A file, not a pipe: git reads and prints at the same time.
        let mut names = tempfile::tempfile().map_err(|error| self.wrong(error.to_string()))?;
        name_objects(&mut names, &files).map_err(|error| self.wrong(error.to_string()))?;
        let mut command = self.inside();
        command.args(["cat-file", "--batch"]).stdin(names).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = self.spawn(&mut command)?;
        let output = child.stdout.take().ok_or_else(|| self.wrong("git prints nothing"))?;
        let written = self.objects(&files, BufReader::with_capacity(1 << 20, output), writer);
        if written.is_err() {
            let _ = child.kill();
        }
        let _ = child.wait();
        written
    }

    /// Refuses a folder that a commit does not have.
    fn check_folder(&self, commit: &CommitHash, folder: &Path) -> Result<(), RemoteError> {
        if folder.as_os_str().is_empty() {
            return Ok(());
        }
        let mut command = self.inside();
        command.args(["ls-tree", "-z", "--full-tree", commit.as_str(), "--"]).arg(folder);
        // `040000 tree HASH<tab>path`
        let listed = self.run(&mut command)?;
        let (folder, hash) = (folder.display(), commit.as_str());
        match listed.split(|byte| *byte == b' ').nth(1) {
            Some(b"tree") => Ok(()),
            Some(_) => Err(self.wrong(format!("`{folder}` is not a folder in the commit {hash}"))),
            None => Err(self.wrong(format!("the folder `{folder}` does not exist in the commit {hash}"))),
        }
    }

    fn objects(
        &self,
        files: &[(String, String, String)],
        mut output: BufReader<std::process::ChildStdout>,
        writer: &mut TreeWriter,
    ) -> Result<(), RemoteError> {
        let content = |source| RemoteError::Content { location: self.location.clone(), source };
        let broken = |error: io::Error| self.wrong(error.to_string());
        for (mode, hash, path) in files {
            // `HASH blob SIZE`
            let mut head = String::new();
            (&mut output).take(200).read_line(&mut head).map_err(broken)?;
            let size =
                head.trim_end().strip_prefix(hash.as_str()).and_then(|rest| rest.strip_prefix(" blob "));
            let size: u64 = size
                .and_then(|size| size.parse().ok())
                .ok_or_else(|| self.wrong(format!("`{path}` cannot be read: {}", head.trim_end())))?;
            match mode.as_str() {
                "120000" => {
                    let mut target = String::new();
                    if size > TARGET_MAX {
                        return Err(self.wrong(format!("`{path}`: the target of the link is too long")));
                    }
                    (&mut output).take(size).read_to_string(&mut target).map_err(broken)?;
                    writer.link(path, &target).map_err(content)?;
                }
                mode => {
                    writer.file(path, mode == "100755", size, &mut output).map_err(content)?;
                }
            }
            let mut end = [0];
            output.read_exact(&mut end).map_err(broken)?;
        }
        Ok(())
    }
}

/// Writes the hashes of `files`, one on a line.
fn name_objects(file: &mut File, files: &[(String, String, String)]) -> io::Result<()> {
    let mut writer = io::BufWriter::new(&mut *file);
    for (_, hash, _) in files {
        writeln!(writer, "{hash}")?;
    }
    writer.flush()?;
    drop(writer);
    io::Seek::rewind(file)
}

#[cfg(test)]
mod tests;
