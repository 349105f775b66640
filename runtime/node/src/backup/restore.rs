//! Restoring a backup.

use std::path::{Path, PathBuf};

use content::IoError;

use super::archive_digest::{self, ArchiveProblem};
use super::error::Error;
use super::manifest::{Manifest, SavedArchive};
use super::read::Unpacked;
use crate::archives::{self, ImportOptions, Machine, NodeChange};
use crate::care::{CareLayout, Interrupted};
use crate::change_version::{salt, versions};
use crate::site_config::{ConfigurationKind, NodeConfiguration};
use crate::transaction::{Transaction, Wanted};

/// Options of [`restore`].
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// How archives are mounted, and whether unverifiable ones are accepted. Requirements and Solutions were checked when the
    /// archives were imported.
    pub import: ImportOptions,
    /// Whether to return what would change, without changing it.
    pub dry_run: bool,
}

/// A restoration.
#[derive(Debug)]
pub struct Restoration {
    /// What the backup has.
    pub manifest: Manifest,
    /// The files that changed, or would change.
    pub changed: Vec<PathBuf>,
    /// The number of files that were as in the backup.
    pub unchanged: usize,
    /// The archives that were imported; empty after a dry run.
    pub imported: Vec<NodeChange>,
    /// Whether an interrupted restoration was undone first.
    pub resumed: bool,
}

/// Restores a backup, whole or not at all. An interrupted restoration is undone first. `verifying` is called with each archive
/// before it is verified, and `run_hooks` with the folder of what hooks had added, after everything else.
///
/// # Errors
///
/// [`Error::Missing`] with all archives that are not here as in the backup; [`Error::RolledBack`] if something fails after the
/// first change: the former files are back then. Else nothing has changed.
pub fn restore(
    layout: &CareLayout,
    backup: &Path,
    options: &RestoreOptions,
    machine: &dyn Machine,
    verifying: &mut dyn FnMut(&Path) -> Box<dyn iso::ByteProgress>,
    run_hooks: &mut dyn FnMut(&Path) -> Result<(), Error>,
) -> Result<Restoration, Error> {
    let resumed = match Transaction::<Interrupted>::open(&layout.change())? {
        Some(found) if matches!(found.operation(), Interrupted::Restoration { .. }) => {
            if !options.dry_run {
                undo(layout, found, machine)?;
            }
            true
        }
        Some(other) => return Err(Error::Interrupted(other.operation().clone())),
        None => false,
    };
    let mut run = |scratch: &Path| {
        Unpacked::of(backup, scratch).and_then(|unpacked| {
            apply(layout, backup, &unpacked, options, machine, verifying, run_hooks)
                .map(|restoration| Restoration { manifest: unpacked.manifest, resumed, ..restoration })
        })
    };
    if options.dry_run {
        // Without the lock, the scratch folder of the node may belong to a command that runs.
        let temporary =
            tempfile::tempdir().map_err(IoError::at("create a folder in", &std::env::temp_dir()))?;
        return run(&temporary.path().join("backup"));
    }
    let scratch = layout.scratch();
    let outcome = run(&scratch);
    // It has private keys. The next command removes what is left.
    let _ = content::remove(&scratch);
    outcome
}

fn apply(
    layout: &CareLayout,
    backup: &Path,
    unpacked: &Unpacked,
    options: &RestoreOptions,
    machine: &dyn Machine,
    verifying: &mut dyn FnMut(&Path) -> Box<dyn iso::ByteProgress>,
    run_hooks: &mut dyn FnMut(&Path) -> Result<(), Error>,
) -> Result<Restoration, Error> {
    let mut wanted = unpacked.wanted(layout)?;
    wanted.extend(environments(layout, &unpacked.manifest)?);
    let listed = listed(layout, &wanted)?;
    let problems = problems(&listed, &unpacked.manifest.archives);
    if !problems.is_empty() {
        return Err(Error::Missing(problems));
    }
    let import = ImportOptions {
        verify: true,
        check: false,
        ignore_requires: true,
        dry_run: false,
        ..options.import.clone()
    };
    let (changed, unchanged) = different(&wanted);
    let mut restoration = Restoration {
        manifest: unpacked.manifest.clone(),
        changed,
        unchanged,
        imported: Vec::new(),
        resumed: false,
    };
    if options.dry_run {
        return Ok(restoration);
    }
    // Before anything changes: this takes minutes, and finds damage.
    let mut verified = Vec::new();
    for archive in &listed {
        let progress = verifying(archive);
        verified.push(archives::verify_archive(&layout.node, archive, import.unverified, &*progress)?);
    }
    let ids = unpacked.manifest.archives.iter().filter_map(|archive| archive.id.clone()).collect();
    let operation = Interrupted::Restoration { backup: backup.to_path_buf(), archives: ids };
    let transaction = Transaction::begin(&layout.change(), operation, &wanted)?;
    let mut changes = || -> Result<(), Error> {
        transaction.apply()?;
        for archive in &verified {
            let done = archives::import_verified(&layout.node, archive, &import, machine)?;
            restoration.imported.push(done);
        }
        machine.reload_units().map_err(IoError::at("reload", &layout.node.units))?;
        run_hooks(&unpacked.added())
    };
    let changed = changes();
    match changed {
        Ok(()) => {
            transaction.end()?;
            Ok(restoration)
        }
        Err(error) => {
            for done in restoration.imported.iter().rev() {
                // What cannot be undone is found by the next import or deletion.
                let _ = archives::revert(done, machine);
            }
            transaction.undo()?;
            transaction.end()?;
            Err(Error::RolledBack(Box::new(error)))
        }
    }
}

/// Undoes an interrupted restoration.
///
/// # Errors
///
/// [`Error::NotInterrupted`]; [`Error::Interrupted`] if another change was interrupted; [`Error::Transaction`].
pub fn abort(layout: &CareLayout, machine: &dyn Machine) -> Result<Vec<PathBuf>, Error> {
    match Transaction::<Interrupted>::open(&layout.change())? {
        Some(found) if matches!(found.operation(), Interrupted::Restoration { .. }) => {
            let paths = found.paths().map(Path::to_path_buf).collect();
            undo(layout, found, machine)?;
            Ok(paths)
        }
        Some(other) => Err(Error::Interrupted(other.operation().clone())),
        None => Err(Error::NotInterrupted),
    }
}

fn undo(layout: &CareLayout, found: Transaction<Interrupted>, machine: &dyn Machine) -> Result<(), Error> {
    let ids = match found.operation() {
        Interrupted::Restoration { archives, .. } => archives.clone(),
        Interrupted::Version { .. } => Vec::new(),
    };
    found.undo()?;
    // Archives that it has mounted, and that the former configuration does not list.
    let listed = archives::configured(&layout.node).unwrap_or_default();
    let kept: Vec<String> =
        listed.iter().filter_map(|path| Some(archives::described(path).ok()?.0.id().to_string())).collect();
    for id in ids.iter().filter(|id| !kept.contains(id)) {
        let options = archives::DeleteOptions { force: true, ..archives::DeleteOptions::default() };
        // One that it had not mounted yet is unknown.
        let _ = archives::delete(&layout.node, id, &options, machine);
    }
    Ok(found.end()?)
}

/// The archives that the restored configurations list.
fn listed(layout: &CareLayout, wanted: &[(PathBuf, Wanted)]) -> Result<Vec<PathBuf>, Error> {
    let files = [
        (ConfigurationKind::Bootstrap, &layout.node.bootstrap),
        (ConfigurationKind::Solutions, &layout.node.solutions),
        (ConfigurationKind::Archives, &layout.node.archives),
    ];
    let mut listed: Vec<PathBuf> = Vec::new();
    for (kind, file) in files {
        let found = wanted.iter().find(|(path, _)| path == file);
        let Some((_, Wanted::File { bytes, .. })) = found else { continue };
        let text = String::from_utf8_lossy(bytes).into_owned();
        let configuration = NodeConfiguration::parse(file, kind, text)?;
        let new = configuration.archives().iter().filter(|path| !listed.contains(path)).cloned();
        listed.extend(new.collect::<Vec<_>>());
    }
    Ok(listed)
}

/// The files of Salt on this node that name the versions it runs, with those of the backup in their place.
fn environments(layout: &CareLayout, manifest: &Manifest) -> Result<Vec<(PathBuf, Wanted)>, Error> {
    let mut changes = Vec::new();
    for (name, from) in versions(layout)? {
        if let Some(to) = manifest.versions.get(&name).filter(|to| **to != from) {
            changes.extend(salt::changes(&layout.salt, &format!("{name}-{from}"), &format!("{name}-{to}")));
        }
    }
    Ok(changes)
}

/// All archives that are not here as the backup has them.
fn problems(listed: &[PathBuf], saved: &[SavedArchive]) -> Vec<ArchiveProblem> {
    let of = |path: &PathBuf| {
        let known = saved.iter().find(|archive| Path::new(&archive.path) == path).cloned();
        let unknown =
            SavedArchive { path: path.to_string_lossy().into_owned(), id: None, bytes: None, digest: None };
        archive_digest::problem(&known.unwrap_or(unknown))
    };
    listed.iter().filter_map(of).collect()
}

/// The files that differ from what is wanted, and the number of those that do not.
fn different(wanted: &[(PathBuf, Wanted)]) -> (Vec<PathBuf>, usize) {
    let files = wanted.iter().filter(|(_, wanted)| !matches!(wanted, Wanted::Folder { .. }));
    let (same, changed): (Vec<_>, Vec<_>) = files.partition(|(path, wanted)| wanted.is_at(path));
    (changed.into_iter().map(|(path, _)| path.clone()).collect(), same.len())
}
