//! Making an archive one of the node's.

use std::path::Path;

use archive::Product;
use archive::verify::{Options as VerifyOptions, Verdict, Work};

use super::describe::{described, product_of};
use super::held::Held;
use super::lock::lock;
use super::mounting::usable;
use super::places::{accepts_unverified, list_of, read};
use super::{Done, Error, Machine, Mounting, Paths, Way, configured, plan};

/// How an import goes about.
#[derive(Clone, Debug)]
pub struct Import {
    /// Whether the archive is verified first.
    pub verify: bool,
    /// Whether an archive that nothing vouches for is imported too, whatever the node's configuration says. A damaged one
    /// never is.
    pub unverified: bool,
    /// Whether and how it is mounted; [`Mounting::Auto`] leaves FUSE out.
    pub mounting: Mounting,
    /// Whether only the steps are told.
    pub dry_run: bool,
}

impl Default for Import {
    fn default() -> Self {
        Self { verify: true, unverified: false, mounting: Mounting::Auto, dry_run: false }
    }
}

/// Makes an archive one of this node's.
///
/// # Errors
///
/// [`Error`]; what was there before is there still.
pub fn import(
    paths: &Paths,
    archive: &Path,
    options: &Import,
    machine: &dyn Machine,
    progress: &dyn iso::Progress,
) -> Result<Done, Error> {
    let held = Held::open(archive)?;
    let archive = held.path().to_path_buf();
    let paths = &paths.real();
    let _lock = lock(paths, options.dry_run)?;
    let (product, kind) = product_of(&held.tree()?)?;
    let id = product.id();
    refuse_second(paths, &archive, &product)?;
    let kind = list_of(paths, &archive, kind)?;
    let way = match options.mounting {
        // An import is to outlast the system, and so is its mount; what FUSE shows does not.
        Mounting::Auto => usable(Way::Kernel, &archive, machine, options.dry_run),
        mounting => mounting.choose(&archive, machine, options.dry_run),
    };
    let at = paths.mounts.join(&id);
    let planned = || {
        if way.is_ok() {
            plan::refuse_other(&archive, &id, &at, machine)?;
        }
        plan::import(paths, &archive, &id, way.as_ref().ok().copied(), machine, &read(paths, kind)?)
    };
    // Before minutes are spent on verifying, too: what is refused then is refused now.
    let mut steps = planned()?;
    if options.verify {
        let unvouched = options.unverified || accepts_unverified(paths)?;
        if options.dry_run {
            refuse_unvouched(&held, unvouched)?;
        } else {
            verified(&held, unvouched, progress)?;
            steps = planned()?;
        }
    }
    if !options.dry_run {
        plan::run(&steps, &id, machine, Some(&held), &|_| {})?;
    }
    Ok(Done { id, archive, steps, not_mounted: way.err(), notes: Vec::new() })
}

/// Refuses, without reading all of it, an archive that [`verified`] would refuse whatever it reads.
pub(super) fn refuse_unvouched(held: &Held, unvouched: bool) -> Result<(), Error> {
    if unvouched || Work::of(held.tree()?, &VerifyOptions::default())?.has_voucher() {
        return Ok(());
    }
    Err(Error::Unvouched(held.path().to_path_buf()))
}

/// Refuses an archive that nothing vouches for, unless the node's configuration accepts such. Nothing but lists is read.
///
/// # Errors
///
/// [`Error::Unvouched`]; [`Error`] if the archive or the configuration cannot be read.
pub fn check_voucher(paths: &Paths, archive: &Path) -> Result<(), Error> {
    refuse_unvouched(&Held::open(archive)?, accepts_unverified(paths)?)
}

/// Makes sure that an archive is what it was when it was made, or that at least nothing is wrong with it where that is
/// enough.
pub(super) fn verified(held: &Held, unvouched: bool, progress: &dyn iso::Progress) -> Result<(), Error> {
    let report = Work::of(held.tree()?, &VerifyOptions::default())?.run(progress);
    match report.verdict() {
        Verdict::Intact => {}
        Verdict::Unvouched if unvouched => {}
        Verdict::Unvouched => return Err(Error::Unvouched(held.path().to_path_buf())),
        Verdict::Damaged => return Err(Error::Damaged(Box::new(report))),
    }
    held.check()
}

/// Refuses an archive whose name and version another one of the node has, or whose images clients would ask for under the
/// same name.
fn refuse_second(paths: &Paths, archive: &Path, product: &Product) -> Result<(), Error> {
    let (id, prefix) = (product.id(), product.repository_prefix());
    for path in configured(paths)?.into_iter().filter(|path| path != archive) {
        // One that is gone or damaged cannot be what stands in the way.
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
