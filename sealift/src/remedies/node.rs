//! Help for errors about changes of a whole node.

use node::archives::Error as ArchivesError;
use node::backup::Error as BackupError;
use node::care::Interrupted;
use node::change_version::{Error as VersionError, RecordError};
use node::hooks::Error as HookError;

use super::archives;
use crate::failure::Failure;
use crate::signals::Signals;

/// Hooks that cannot be run, or have failed.
pub(crate) fn hooks(error: HookError) -> Failure {
    match error {
        HookError::Unsafe { .. } => Failure::usage_by(error)
            .remedy("give them to root and let nobody else write to them: `chown root`, `chmod go-w`"),
        HookError::Failed { .. } => {
            Failure::failed(error).remedy("correct the cause, and run the command again")
        }
        HookError::TimedOut { .. } => Failure::failed(error).remedy("allow it more time with --hook-timeout"),
        error => error.into(),
    }
}

/// The lock of the node cannot be taken.
pub(crate) fn lock(error: ArchivesError) -> Failure {
    let help = match &error {
        ArchivesError::Locked(_) => Some("wait until that command ends, and run this one again"),
        _ if !rustix::process::geteuid().is_root() => Some("run it with `sudo`"),
        _ => None,
    };
    let failure = archives::explained(error);
    match help {
        Some(help) => failure.remedy(help),
        None => failure,
    }
}

/// As [`hooks`]; the signal if that ended a hook.
pub(crate) fn hooks_cancelled(error: HookError, signals: &Signals) -> Failure {
    match (&error, signals.number()) {
        (HookError::Cancelled { .. }, Some(number)) => Failure::Signal(number),
        _ => hooks(error),
    }
}

/// The record of the versions of the node is invalid.
pub(crate) fn record(error: RecordError) -> Failure {
    match error {
        RecordError::Invalid { .. } => Failure::usage_by(error).remedy(
            "correct the file, or remove it and name the version that runs: `sealift node upgrade --from-version`",
        ),
        error => error.into(),
    }
}

/// A backup that cannot be made or restored.
pub(crate) fn backup(error: BackupError) -> Failure {
    match error {
        BackupError::Record(error) => record(error),
        BackupError::Archives(error) => archives::explained(error),
        BackupError::Hooks(error) => hooks(error),
        BackupError::Configuration(error) => archives::explained(error.into()),
        BackupError::Missing(_) => Failure::failed(error)
            .remedy("copy these archives to the paths above, and run the command again; nothing was changed"),
        BackupError::Interrupted(ref interrupted) => {
            let remedy = finish(interrupted);
            Failure::failed(error).remedy(remedy)
        }
        BackupError::Unpack { .. } | BackupError::Manifest(_) | BackupError::Damaged { .. } => {
            Failure::failed(error)
                .remedy("use another backup; `sealift node backup` writes them to /var/lib/metalk8s")
        }
        BackupError::Unsuitable { .. } => {
            Failure::failed(error).remedy("move it out of the folder of the configuration")
        }
        BackupError::RolledBack(_) => {
            Failure::failed(error).remedy("correct the cause, and run the command again")
        }
        BackupError::NotInterrupted => Failure::usage_by(error),
        error => error.into(),
    }
}

/// As [`backup`]; the signal if that ended a hook.
pub(crate) fn backup_cancelled(error: BackupError, signals: &Signals) -> Failure {
    let is_cancelled = match &error {
        BackupError::RolledBack(inner) => matches!(**inner, BackupError::Hooks(HookError::Cancelled { .. })),
        error => matches!(error, BackupError::Hooks(HookError::Cancelled { .. })),
    };
    signals.number().filter(|_| is_cancelled).map_or_else(|| backup(error), Failure::Signal)
}

/// An upgrade or downgrade that is not possible, or failed.
pub(crate) fn version(error: VersionError) -> Failure {
    match error {
        VersionError::Record(error) => record(error),
        VersionError::Archives(error) => archives::explained(error),
        VersionError::Hooks(error) => hooks(error),
        VersionError::NoDestination { .. } | VersionError::NoCurrent { .. } => {
            Failure::usage_by(error).remedy("import it first: `sealift archive import`, or iso-manager.sh -a")
        }
        VersionError::Ambiguous { .. } => Failure::usage_by(error).remedy("choose one with --name"),
        VersionError::UnknownCurrent { .. } => Failure::usage_by(error).remedy("name it with --from-version"),
        VersionError::Problems { .. } => {
            Failure::failed(error).remedy("correct this, and run the command again; nothing was changed")
        }
        VersionError::Interrupted(ref interrupted) => {
            let remedy = finish(interrupted);
            Failure::failed(error).remedy(remedy)
        }
        VersionError::RolledBack { .. } => {
            Failure::failed(error).remedy("correct the cause, and run the command again")
        }
        VersionError::NotInterrupted => Failure::usage_by(error),
        VersionError::Backup(_) => {
            Failure::failed(error).remedy("correct the cause, and run the command again; nothing was changed")
        }
        error => error.into(),
    }
}

/// As [`version`]; the signal if that ended a hook.
pub(crate) fn version_cancelled(error: VersionError, signals: &Signals) -> Failure {
    let is_cancelled = match &error {
        VersionError::RolledBack { source, .. } => {
            matches!(**source, VersionError::Hooks(HookError::Cancelled { .. }))
        }
        error => matches!(error, VersionError::Hooks(HookError::Cancelled { .. })),
    };
    signals.number().filter(|_| is_cancelled).map_or_else(|| version(error), Failure::Signal)
}

/// How an interrupted change is finished or undone.
fn finish(interrupted: &Interrupted) -> String {
    match interrupted {
        Interrupted::Restoration { backup, .. } => format!(
            "finish it with `sealift node restore --backup-file {}`, or undo it with `sealift node restore --abort`",
            backup.display()
        ),
        Interrupted::Version { direction, to, .. } => format!(
            "finish it with `sealift node {direction} --destination-version {to}`, or undo it with `sealift node \
             {direction} --abort`"
        ),
        _ => "run the command that was interrupted again".to_owned(),
    }
}
