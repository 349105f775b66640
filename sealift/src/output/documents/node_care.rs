//! Bootstrap, upgrade, downgrade, backup and restoration of a node, and their hooks.

use std::path::{Path, PathBuf};

use node::backup::{Backup, Manifest, Restoration, SavedArchive};
use node::care::Interrupted;
use node::change_version::{ChangeOutcome, PlannedChange};
use node::hooks::FoundHooks;
use schemars::JsonSchema;
use serde::Serialize;

use super::archive_diff::{ChangedImage, ChangedPackage};
use super::text;
use crate::output::document::{Document, List};

/// A program that does the cluster's part of a step.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Hook")]
pub(crate) struct HookDocument {
    /// The step: `pre-upgrade`, for example.
    step: String,
    /// `archive` or `site`.
    origin: String,
    /// The file.
    path: String,
}

impl Document for List<HookDocument> {
    const KIND: &'static str = "HookList";
}

impl HookDocument {
    /// The hooks of a step, in order.
    pub(crate) fn all(found: &FoundHooks) -> impl Iterator<Item = Self> {
        found.hooks.iter().map(|hook| Self {
            step: found.step.to_string(),
            origin: hook.origin.to_string(),
            path: text(&hook.path),
        })
    }
}

/// A backup of a node.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Backup")]
pub(crate) struct BackupDocument {
    /// The file.
    path: String,
    /// Its size; null after a dry run.
    bytes: Option<u64>,
    /// Its SHA-256; null after a dry run.
    sha256: Option<String>,
    /// When it was made (RFC 3339).
    created: String,
    /// The number of files in it.
    files: usize,
    /// The archives that a restoration needs.
    archives: Vec<NeededArchive>,
    /// Older backups that were removed.
    removed: Vec<String>,
}

/// An archive that a restoration needs.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct NeededArchive {
    /// The ISO or folder.
    path: String,
    /// Name and version; null if the archive could not be read.
    id: Option<String>,
    /// The size of the ISO.
    bytes: Option<u64>,
    /// What identifies its content: `SHA-256 of SHA256SUMS …` or `implanted MD5 …`; null if nothing does.
    digest: Option<String>,
}

impl Document for BackupDocument {
    const KIND: &'static str = "NodeBackup";
}

impl From<&Backup> for BackupDocument {
    fn from(made: &Backup) -> Self {
        Self {
            path: text(&made.path),
            bytes: made.bytes,
            sha256: made.sha256.map(|digest| digest.hex().to_string()),
            created: made.manifest.created.clone(),
            files: made.files,
            archives: needed(&made.manifest),
            removed: made.removed.iter().map(text).collect(),
        }
    }
}

fn needed(manifest: &Manifest) -> Vec<NeededArchive> {
    let one = |archive: &SavedArchive| NeededArchive {
        path: archive.path.clone(),
        id: archive.id.clone(),
        bytes: archive.bytes,
        digest: archive.digest.as_ref().map(ToString::to_string),
    };
    manifest.archives.iter().map(one).collect()
}

/// A restoration of a node, or what it would do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "Restoration")]
pub(crate) struct RestorationDocument {
    /// Whether an interrupted restoration was undone, and nothing else was done.
    aborted: bool,
    /// Whether an interrupted restoration was undone first.
    resumed: bool,
    /// The date of the backup.
    created: Option<String>,
    /// The files that changed, or would change.
    changed: Vec<String>,
    /// The number of files that were as in the backup.
    unchanged: usize,
    /// The archives of the backup.
    archives: Vec<NeededArchive>,
    /// The backup that was made at the end.
    backup: Option<String>,
}

impl Document for RestorationDocument {
    const KIND: &'static str = "NodeRestoration";
}

impl RestorationDocument {
    /// A restoration, and the backup at its end.
    pub(crate) fn new(done: &Restoration, backup: Option<&Path>) -> Self {
        Self {
            aborted: false,
            resumed: done.resumed,
            created: Some(done.manifest.created.clone()),
            changed: done.changed.iter().map(text).collect(),
            unchanged: done.unchanged,
            archives: needed(&done.manifest),
            backup: backup.map(text),
        }
    }

    /// An interrupted restoration that was undone.
    pub(crate) fn aborted(files: &[PathBuf]) -> Self {
        Self {
            aborted: true,
            resumed: false,
            created: None,
            changed: files.iter().map(text).collect(),
            unchanged: 0,
            archives: Vec::new(),
            backup: None,
        }
    }
}

/// An upgrade or downgrade, or what it would do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "VersionChange")]
pub(crate) struct VersionChangeDocument {
    /// `upgrade` or `downgrade`.
    direction: String,
    /// The name of the archives.
    name: String,
    /// The former version.
    from: String,
    /// The new version.
    to: String,
    /// Whether the change was done.
    done: bool,
    /// Whether an interrupted change was undone.
    aborted: bool,
    /// The interrupted change that is finished.
    resumed: Option<String>,
    /// The files that changed, or would change; after an abortion, those that were restored.
    files: Vec<String>,
    /// The hooks that run before, during and after the change.
    hooks: Vec<HookDocument>,
    /// The images that differ between the archives.
    images: Vec<ChangedImage>,
    /// The packages that differ between the archives.
    packages: Vec<ChangedPackage>,
    /// The backups before and after it.
    backups: Vec<String>,
    /// What failed after the change was complete.
    failed: Vec<String>,
}

impl Document for VersionChangeDocument {
    const KIND: &'static str = "NodeVersionChange";
}

impl VersionChangeDocument {
    /// A change that was done, or only planned.
    pub(crate) fn new(planned: &PlannedChange, outcome: Option<&ChangeOutcome>) -> Self {
        Self {
            direction: planned.direction.to_string(),
            name: planned.name.clone(),
            from: planned.from.version.clone(),
            to: planned.to.version.clone(),
            done: outcome.is_some(),
            aborted: false,
            resumed: planned.resumed.as_ref().map(ToString::to_string),
            files: outcome.map_or(&planned.files, |outcome| &outcome.files).iter().map(text).collect(),
            hooks: planned.hooks.iter().flat_map(HookDocument::all).collect(),
            images: planned.diff.images.iter().map(Into::into).collect(),
            packages: planned.diff.packages.iter().map(Into::into).collect(),
            backups: outcome.map_or(&[][..], |outcome| &outcome.backups).iter().map(text).collect(),
            failed: outcome.map_or_else(Vec::new, |outcome| outcome.failed.clone()),
        }
    }

    /// An interrupted change that was undone.
    pub(crate) fn aborted(operation: &Interrupted, files: &[PathBuf]) -> Self {
        let (direction, name, from, to) = match operation {
            Interrupted::Version { direction, name, from, to, .. } => {
                (direction.to_string(), name.clone(), from.clone(), to.clone())
            }
            _ => Default::default(),
        };
        Self {
            direction,
            name,
            from,
            to,
            done: false,
            aborted: true,
            resumed: None,
            files: files.iter().map(text).collect(),
            hooks: Vec::new(),
            images: Vec::new(),
            packages: Vec::new(),
            backups: Vec::new(),
            failed: Vec::new(),
        }
    }
}
