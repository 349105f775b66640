//! What backup, restoration, upgrade and downgrade share: the lock, the log, hooks and backups.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use node::backup::{self, Backup, BackupOptions, BackupReason};
use node::care::CareLayout;
use node::hooks::{self, HookEnvironment, HookFolders, HookRun, HookStep};

use crate::args::care::CareArguments;
use crate::failure::Failure;
use crate::progress::step_log::StepLog;
use crate::remedies;
use crate::signals::Signals;

/// A command that changes the node, from its first change to its last.
pub(super) struct Change {
    pub(super) layout: CareLayout,
    pub(super) log: StepLog,
    pub(super) signals: Signals,
    pub(super) program: PathBuf,
    limit: std::time::Duration,
    lock: File,
}

impl Change {
    /// Takes the lock and opens the log of the command `name`.
    pub(super) fn begin(arguments: &CareArguments, name: &str) -> Result<Self, Failure> {
        let layout = arguments.layout()?;
        let lock = layout.lock().map_err(remedies::node::lock)?;
        let signals = Signals::catch()?;
        let log = StepLog::open(&arguments.hooks.log_file(name))?;
        let (program, limit) = (std::env::current_exe()?, arguments.hooks.limit());
        Ok(Self { layout, log, signals, program, limit, lock })
    }

    /// A command that took the lock and opened the log itself. Each hook may take as long as `limit`.
    pub(super) fn of(
        layout: CareLayout,
        log: StepLog,
        signals: Signals,
        limit: std::time::Duration,
        lock: File,
    ) -> std::io::Result<Self> {
        Ok(Self { layout, log, signals, program: std::env::current_exe()?, limit, lock })
    }

    /// How hooks run. `cancelled` says whether a signal has arrived.
    pub(super) fn hook_run<'a>(&'a self, cancelled: &'a dyn Fn() -> bool) -> HookRun<'a> {
        HookRun { limit: self.limit, cancelled, progress: &self.log, lock: Some(&self.lock) }
    }

    /// Whether a signal has arrived.
    pub(super) fn is_cancelled(&self) -> bool {
        self.signals.caught.load(Ordering::SeqCst)
    }

    /// Runs the hooks of a step.
    pub(super) fn run_hooks(
        &self,
        step: HookStep,
        archive: Option<&Path>,
        more: Vec<(&'static str, std::ffi::OsString)>,
    ) -> Result<(), hooks::Error> {
        let archive_root = archive.map(Path::to_path_buf);
        let folders = HookFolders { site: self.layout.hooks.clone(), archive: archive_root.clone() };
        let found = hooks::find(step, &folders)?;
        let environment = HookEnvironment {
            program: self.program.clone(),
            archive_root,
            more,
            ..HookEnvironment::default()
        };
        self.hook_run(&|| self.is_cancelled()).run(&found, &environment)
    }

    /// Makes a backup, and runs the hooks that add files to it.
    pub(super) fn back_up(
        &self,
        reason: BackupReason,
        archive: Option<&Path>,
        keep: Option<usize>,
    ) -> Result<Backup, backup::Error> {
        let options = options(reason, None, keep, false);
        let made = backup::create(&self.layout, &options, &mut |folder| {
            Ok(self.run_hooks(HookStep::Backup, archive, vec![("SEALIFT_BACKUP_FOLDER", folder.into())])?)
        })?;
        self.log.record(&format!("backup: {}", made.path.display()));
        Ok(made)
    }
}

/// The options of a backup that is made now.
pub(super) fn options(
    reason: BackupReason,
    into: Option<PathBuf>,
    keep: Option<usize>,
    dry_run: bool,
) -> BackupOptions {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    BackupOptions {
        created: now.to_string(),
        seconds: u64::try_from(now.as_second()).unwrap_or_default(),
        reason,
        into,
        keep,
        dry_run,
    }
}
