//! Doing an upgrade or downgrade, finishing it after an interruption, and undoing it.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::plan::{PlannedChange, root_of};
use super::rules::Direction;
use crate::archives::{ImportOptions, Machine, import};
use crate::backup::{self, Backup, BackupReason};
use crate::care::{CareLayout, Interrupted};
use crate::hooks::{self, HookEnvironment, HookFolders, HookRun, HookStep};
use crate::transaction::Transaction;

/// How hooks run, and what they find.
#[derive(Debug)]
pub struct HookContext<'a> {
    /// How they run.
    pub run: HookRun<'a>,
    /// The program `sealift`.
    pub program: PathBuf,
}

/// Hears of a change, and makes the backups of it.
pub trait ChangeProgress {
    /// A part of the change begins.
    fn step(&self, text: &str);
    /// An archive is verified.
    fn verifying(&self, archive: &Path) -> Box<dyn iso::ByteProgress>;
    /// Makes a backup.
    ///
    /// # Errors
    ///
    /// Those of [`backup::create`].
    fn backup(&self, reason: BackupReason) -> Result<Backup, backup::Error>;
}

/// A change that was done.
#[derive(Debug)]
pub struct ChangeOutcome {
    /// The files that changed.
    pub files: Vec<PathBuf>,
    /// The backups before and after it.
    pub backups: Vec<PathBuf>,
    /// What failed after the change was complete: hooks of the last step, the last backup.
    pub failed: Vec<String>,
}

/// Does what was planned. If it is killed, the next run finishes it.
///
/// # Errors
///
/// [`Error::RolledBack`] if something fails after the first change: the node is as before. Other errors: nothing has changed.
pub fn run(
    layout: &CareLayout,
    planned: &PlannedChange,
    machine: &dyn Machine,
    context: &HookContext<'_>,
    progress: &dyn ChangeProgress,
) -> Result<ChangeOutcome, Error> {
    let [before, during, after] = planned.steps();
    for archive in [&planned.from, &planned.to] {
        progress.step(&format!("verifying {}", archive.id));
        // Requirements were checked, and the node has accepted the archive before.
        let options =
            ImportOptions { ignore_requires: true, mounting: planned.mounting, ..ImportOptions::default() };
        import(&layout.node, &archive.path, &options, machine, &*progress.verifying(&archive.path))?;
    }
    let mut backups = Vec::new();
    let mut transaction = match &planned.resumed {
        Some(interrupted) => {
            progress.step(&format!("resuming {interrupted}"));
            Transaction::open(&layout.change())?.ok_or(Error::NotInterrupted)?
        }
        None => {
            run_hooks(layout, planned, before, context, &[])?;
            progress.step("backing up the node");
            let made = progress.backup(BackupReason::BeforeChange);
            backups.push(made.map_err(|error| Error::Backup(Box::new(error)))?.path);
            Transaction::begin(&layout.change(), operation(planned, false), &planned.wanted)?
        }
    };
    let done = change(layout, planned, during, context, progress, &backups, &mut transaction);
    if let Err(error) = done {
        progress.step(&format!("the {} failed; restoring the former state", planned.direction));
        transaction.undo()?;
        transaction.end()?;
        return Err(Error::RolledBack {
            direction: planned.direction,
            from: planned.from.id.to_string(),
            source: Box::new(error),
        });
    }
    let files = transaction.paths().map(Path::to_path_buf).collect();
    transaction.end()?;
    let mut failed = Vec::new();
    if let Err(error) = run_hooks(layout, planned, after, context, &backups) {
        failed.push(format!("the hooks of {after}: {error}"));
    }
    progress.step("backing up the node");
    match progress.backup(BackupReason::AfterChange) {
        Ok(made) => backups.push(made.path),
        Err(error) => failed.push(format!("the backup after the {}: {error}", planned.direction)),
    }
    Ok(ChangeOutcome { files, backups, failed })
}

/// Changes the files and runs the hooks: in an upgrade the files first, so that the hooks find the new version; in a downgrade
/// the hooks first, since the newer version does the downgrade.
fn change(
    layout: &CareLayout,
    planned: &PlannedChange,
    step: HookStep,
    context: &HookContext<'_>,
    progress: &dyn ChangeProgress,
    backups: &[PathBuf],
    transaction: &mut Transaction<Interrupted>,
) -> Result<(), Error> {
    let switch = |transaction: &mut Transaction<Interrupted>| -> Result<(), Error> {
        progress.step(&format!("changing the node to {}", planned.to.id));
        transaction.set_operation(operation(planned, false))?;
        Ok(transaction.apply()?)
    };
    let hooks = |transaction: &mut Transaction<Interrupted>| -> Result<(), Error> {
        transaction.set_operation(operation(planned, true))?;
        run_hooks(layout, planned, step, context, backups)
    };
    match planned.direction {
        Direction::Upgrade => switch(transaction).and_then(|()| hooks(transaction)),
        Direction::Downgrade => hooks(transaction).and_then(|()| switch(transaction)),
    }
}

fn operation(planned: &PlannedChange, hooks: bool) -> Interrupted {
    Interrupted::Version {
        direction: planned.direction,
        name: planned.name.clone(),
        from: planned.from.version.clone(),
        to: planned.to.version.clone(),
        hooks,
    }
}

fn run_hooks(
    layout: &CareLayout,
    planned: &PlannedChange,
    step: HookStep,
    context: &HookContext<'_>,
    backups: &[PathBuf],
) -> Result<(), Error> {
    let archive = planned.hooking();
    let root = root_of(layout, archive);
    let folders = HookFolders { site: layout.hooks.clone(), archive: root.clone() };
    let found = hooks::find(step, &folders)?;
    let environment = HookEnvironment {
        program: context.program.clone(),
        archive_id: Some(planned.to.id.to_string()),
        archive: Some(planned.to.path.clone()),
        archive_root: root_of(layout, &planned.to),
        from_version: Some(planned.from.version.clone()),
        to_version: Some(planned.to.version.clone()),
        more: backups.last().map(|path| ("SEALIFT_BACKUP_FILE", path.clone().into())).into_iter().collect(),
    };
    Ok(context.run.run(&found, &environment)?)
}

/// Undoes an interrupted change: the node is as before it. Returns what was undone and the files that were restored.
///
/// # Errors
///
/// [`Error::NotInterrupted`]; [`Error::Interrupted`] if another change than an upgrade or downgrade was interrupted;
/// [`Error::Transaction`].
pub fn abort(layout: &CareLayout) -> Result<(Interrupted, Vec<PathBuf>), Error> {
    let found = Transaction::<Interrupted>::open(&layout.change())?.ok_or(Error::NotInterrupted)?;
    let operation = found.operation().clone();
    if !matches!(operation, Interrupted::Version { .. }) {
        return Err(Error::Interrupted(operation));
    }
    found.undo()?;
    let files = found.paths().map(Path::to_path_buf).collect();
    found.end()?;
    Ok((operation, files))
}
