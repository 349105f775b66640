//! Running the hooks of a step.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use content::{IoError, Stream, Supervision};

use super::error::Error;
use super::find::{FoundHooks, Hook};

/// What a hook finds in its environment, besides the variables of this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookEnvironment {
    /// The program `sealift`: `SEALIFT`.
    pub program: PathBuf,
    /// The ID of the archive whose version the step is about: `SEALIFT_ARCHIVE_ID`.
    pub archive_id: Option<String>,
    /// Its ISO or folder: `SEALIFT_ARCHIVE`.
    pub archive: Option<PathBuf>,
    /// Its mount point, or the folder: `SEALIFT_ARCHIVE_ROOT`.
    pub archive_root: Option<PathBuf>,
    /// The version that the node serves before the step: `SEALIFT_FROM_VERSION`.
    pub from_version: Option<String>,
    /// The version that the node serves after the step: `SEALIFT_TO_VERSION`.
    pub to_version: Option<String>,
    /// Further variables of a step, with their whole names.
    pub more: Vec<(&'static str, OsString)>,
}

impl HookEnvironment {
    /// The variables, without those of the step.
    fn variables(&self) -> Vec<(&'static str, &OsStr)> {
        let mut variables = vec![("SEALIFT", self.program.as_os_str())];
        let optional = [
            ("SEALIFT_ARCHIVE_ID", self.archive_id.as_deref().map(OsStr::new)),
            ("SEALIFT_ARCHIVE", self.archive.as_deref().map(Path::as_os_str)),
            ("SEALIFT_ARCHIVE_ROOT", self.archive_root.as_deref().map(Path::as_os_str)),
            ("SEALIFT_FROM_VERSION", self.from_version.as_deref().map(OsStr::new)),
            ("SEALIFT_TO_VERSION", self.to_version.as_deref().map(OsStr::new)),
        ];
        variables.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
        variables.extend(self.more.iter().map(|(name, value)| (*name, value.as_os_str())));
        variables
    }
}

/// Hears of hooks while they run.
pub trait HookProgress {
    /// A hook starts.
    fn started(&self, hook: &Hook);
    /// A hook has printed a line.
    fn line(&self, hook: &Hook, stream: Stream, line: &str);
}

/// How hooks are run.
pub struct HookRun<'a> {
    /// How long each hook may take.
    pub limit: Duration,
    /// Whether the command is cancelled: the hook and its children are ended then.
    pub cancelled: &'a dyn Fn() -> bool,
    /// Hears of the hooks.
    pub progress: &'a dyn HookProgress,
    /// A lock that the hooks inherit, so that no other change of the node starts before they have ended.
    pub lock: Option<&'a std::fs::File>,
}

impl std::fmt::Debug for HookRun<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HookRun").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl HookRun<'_> {
    /// Runs the hooks one after the other, each in a process group of its own, in the folder `/`, without input. Processes that
    /// a hook leaves running are ended with it. The step is `SEALIFT_STEP` in their environment.
    ///
    /// # Errors
    ///
    /// [`Error::Failed`], [`Error::TimedOut`], [`Error::Cancelled`] of the first hook that fails, and [`Error::Io`] if one
    /// cannot be started; the hooks after it do not run.
    pub fn run(&self, found: &FoundHooks, environment: &HookEnvironment) -> Result<(), Error> {
        found.hooks.iter().try_for_each(|hook| {
            let mut command = Command::new(&hook.path);
            command.current_dir("/").env("SEALIFT_STEP", found.step.name());
            command.envs(environment.variables());
            self.one(hook, &mut command)
        })
    }

    fn one(&self, hook: &Hook, command: &mut Command) -> Result<(), Error> {
        self.progress.started(hook);
        let began = Instant::now();
        let (is_late, is_cancelled) = (Cell::new(false), Cell::new(false));
        let supervision = Supervision {
            lock: self.lock,
            cancelled: &|| {
                is_late.set(began.elapsed() >= self.limit);
                is_cancelled.set((self.cancelled)());
                is_late.get() || is_cancelled.get()
            },
            line: &|stream, line| self.progress.line(hook, stream, line),
            kept: 0,
        };
        let output = content::supervised(&supervision, command).map_err(IoError::at("run", &hook.path))?;
        let hook = hook.path.clone();
        match output.status {
            status if status.success() => Ok(()),
            _ if is_cancelled.get() => Err(Error::Cancelled { hook }),
            _ if is_late.get() => Err(Error::TimedOut { hook, limit: self.limit }),
            status => Err(Error::Failed { hook, status }),
        }
    }
}
