//! Importing an archive.

use std::path::Path;

use archive::Product;
use archive::check::CheckName;
use archive::solution::requirement::check_layout;

use super::check::ImportCheck;
use super::describe::{described, product_of};
use super::error::Error;
use super::lists::{configured, list_of, read};
use super::lock::lock;
use super::machine::Machine;
use super::mount_choice::{MountChoice, usable};
use super::mount_mode::MountMode;
use super::node_change::NodeChange;
use super::node_layout::NodeLayout;
use super::only::Only;
use super::open_archive::OpenArchive;
use super::signed::Requirement;
use super::verify::VerifiedArchive;
use super::{apply, check, plan, requires, signed, verify};
use crate::site_config::ConfigurationKind;

/// Options of [`import`].
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The archives that may be imported.
    pub only: Only,
    /// Whether the archive is verified first.
    pub verify: bool,
    /// Whether to import an unverifiable archive even if the node's configuration does not accept it. A damaged one is
    /// always refused.
    pub unverified: bool,
    /// Whether to import it even if the node does not have the archives that it requires.
    pub ignore_requires: bool,
    /// Whether the archive of a Solution is [checked](archive::check). One that the configuration lists was checked when it was
    /// imported.
    pub check: bool,
    /// The checks of Solutions whose errors do not keep an archive from being imported. Damage always does.
    pub allow: Vec<CheckName>,
    /// Whether and how to mount it; [`MountChoice::Auto`] does not use FUSE.
    pub mounting: MountChoice,
    /// Whether to return the steps without doing them.
    pub dry_run: bool,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            only: Only::default(),
            verify: true,
            unverified: false,
            ignore_requires: false,
            check: true,
            allow: Vec::new(),
            mounting: MountChoice::Auto,
            dry_run: false,
        }
    }
}

/// Imports an archive.
///
/// # Errors
///
/// [`Error`]; nothing has changed then.
pub fn import(
    paths: &NodeLayout,
    archive: &Path,
    options: &ImportOptions,
    machine: &dyn Machine,
    progress: &dyn iso::ByteProgress,
) -> Result<NodeChange, Error> {
    import_open(paths, &OpenArchive::open(archive)?, None, options, machine, progress)
}

/// Imports an archive that was verified; it is verified again only if the policy has changed since.
///
/// # Errors
///
/// Those of [`import`]; [`Error::Changed`] if its file was replaced.
pub fn import_verified(
    paths: &NodeLayout,
    archive: &VerifiedArchive,
    options: &ImportOptions,
    machine: &dyn Machine,
) -> Result<NodeChange, Error> {
    import_open(paths, &archive.open, Some(&archive.requirement), options, machine, &())
}

fn import_open(
    paths: &NodeLayout,
    open: &OpenArchive,
    verified: Option<&Requirement>,
    options: &ImportOptions,
    machine: &dyn Machine,
    progress: &dyn iso::ByteProgress,
) -> Result<NodeChange, Error> {
    let archive = open.path().to_path_buf();
    let paths = &paths.resolved();
    let _lock = lock(paths, options.dry_run)?;
    let tree = open.tree()?;
    let (product, kind) = product_of(&tree)?;
    let id = product.id();
    options.only.refuse_other(&archive, kind)?;
    // Also an archive that was verified before, or is not verified at all.
    let requirement = signed::check(paths, &tree, options.unverified)?;
    check_layout(&product)?;
    refuse_second(paths, &archive, &product)?;
    let mut notes = if options.ignore_requires {
        Vec::new()
    } else {
        requires::refuse_unmet(paths, &archive, &tree, &product)?
    };
    drop(tree);
    let is_checked =
        options.check && kind == ConfigurationKind::Solutions && !configured(paths)?.contains(&archive);
    let kind = list_of(paths, &archive, kind)?;
    let way = match options.mounting {
        // An import must survive a reboot, and so must its mount; a FUSE mount does not.
        MountChoice::Auto => usable(MountMode::Kernel, &archive, machine, options.dry_run),
        mounting => mounting.choose(&archive, machine, options.dry_run),
    };
    let at = paths.mounts.join(&id);
    let planned = || {
        if way.is_ok() {
            plan::refuse_other(&archive, &id, &at, machine)?;
        }
        plan::import(paths, &archive, &id, way.as_ref().ok().copied(), machine, &read(paths, kind)?)
    };
    // Also before the verification, which takes minutes: what can be refused is refused now.
    let mut steps = planned()?;
    if options.verify && verified != Some(&requirement) {
        if is_checked {
            let how =
                ImportCheck { allow: &options.allow, requirement: &requirement, dry_run: options.dry_run };
            notes.extend(check::run(paths, open, &how, progress)?);
            steps = planned()?;
        } else if options.dry_run {
            verify::refuse_unverifiable(open, &requirement)?;
        } else {
            verify::run(open, &requirement, progress)?;
            steps = planned()?;
        }
    } else if verified.is_some() {
        open.check()?;
    }
    if !options.dry_run {
        apply::run(&steps, id.as_str(), machine, Some(open))?;
    }
    Ok(NodeChange {
        id: id.into(),
        archive,
        steps,
        not_mounted: way.err().map(|problem| problem.to_string()),
        notes,
    })
}

/// Refuses an archive whose ID or image prefix another archive of the node has.
fn refuse_second(paths: &NodeLayout, archive: &Path, product: &Product) -> Result<(), Error> {
    let (id, prefix) = (product.id(), product.repository_prefix());
    for path in configured(paths)?.into_iter().filter(|path| path != archive) {
        // A missing or damaged archive does not conflict.
        let Ok((other, _)) = described(&path) else { continue };
        if other.id() == id {
            return Err(Error::Present { id, path });
        }
        if other.repository_prefix() == prefix {
            return Err(Error::SamePrefix { id, prefix, path });
        }
    }
    Ok(())
}
