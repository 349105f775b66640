//! What an upgrade or downgrade would do, and what is in its way.

use std::collections::BTreeSet;
use std::path::PathBuf;

use archive::requires::{self, Base};
use archive::{ArchiveDiff, ArchiveId, Product, Tree};

use super::error::Error;
use super::rules::{self, Direction};
use super::{salt, versions};
use crate::archives::{MountChoice, check_policy, configured, described};
use crate::care::{CareLayout, Interrupted};
use crate::hooks::{self, FoundHooks, HookFolders, HookStep};
use crate::site_config::ConfigurationKind;
use crate::transaction::{Transaction, Wanted, with_folders};

/// What the caller wants.
#[derive(Clone, Debug)]
pub struct ChangeOptions {
    /// Which of the two.
    pub direction: Direction,
    /// The version to change to.
    pub destination: String,
    /// The name of the archives, if several have this version.
    pub name: Option<String>,
    /// The version that runs, if it is not recorded.
    pub from: Option<String>,
    /// Whether archives that the versions require may be missing.
    pub ignore_requires: bool,
    /// How archives that are not mounted are mounted.
    pub mounting: MountChoice,
}

/// An archive of one of the two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionArchive {
    /// Its ID.
    pub id: ArchiveId,
    /// Its version.
    pub version: String,
    /// The ISO or folder.
    pub path: PathBuf,
}

/// An upgrade or downgrade that can be done.
#[derive(Clone, Debug)]
pub struct PlannedChange {
    /// Which of the two.
    pub direction: Direction,
    /// The name of the archives, in lower case.
    pub name: String,
    /// The version that runs.
    pub from: VersionArchive,
    /// The destination.
    pub to: VersionArchive,
    /// What differs between the two archives.
    pub diff: ArchiveDiff,
    /// The hooks before the change, of the change, and after it. Those of an archive that is not mounted are found once it is.
    pub hooks: Vec<FoundHooks>,
    /// The files that change.
    pub files: Vec<PathBuf>,
    /// Whether an interrupted change to this version is finished.
    pub resumed: Option<Interrupted>,
    pub(super) wanted: Vec<(PathBuf, Wanted)>,
    pub(super) mounting: MountChoice,
}

impl PlannedChange {
    /// Whether the node runs the destination already.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.resumed.is_none() && self.files.is_empty() && self.from.id == self.to.id
    }

    /// The steps of the hooks: before, of, and after the change.
    #[must_use]
    pub fn steps(&self) -> [HookStep; 3] {
        match self.direction {
            Direction::Upgrade => [HookStep::PreUpgrade, HookStep::Upgrade, HookStep::PostUpgrade],
            Direction::Downgrade => [HookStep::PreDowngrade, HookStep::Downgrade, HookStep::PostDowngrade],
        }
    }

    /// The archive whose hooks run: that of the newer version, which knows both.
    #[must_use]
    pub fn hooking(&self) -> &VersionArchive {
        match self.direction {
            Direction::Upgrade => &self.to,
            Direction::Downgrade => &self.from,
        }
    }
}

/// Plans a change, and checks all that can be checked without reading whole archives.
///
/// # Errors
///
/// [`Error::Problems`] with all problems; [`Error`] if it is not known what should change.
pub fn plan(layout: &CareLayout, options: &ChangeOptions) -> Result<PlannedChange, Error> {
    let interrupted =
        Transaction::<Interrupted>::open(&layout.change())?.map(|found| found.operation().clone());
    let platforms = platforms(layout)?;
    let to = destination(&platforms, options)?;
    let name = to.1.name.to_lowercase();
    let (recorded, resumed) = match interrupted {
        Some(Interrupted::Version { direction, name: of, from, to: version, hooks })
            if direction == options.direction && of == name && version == to.1.version =>
        {
            let interrupted =
                Interrupted::Version { direction, name: of, from: from.clone(), to: version, hooks };
            (Some(from), Some(interrupted))
        }
        Some(other) => return Err(Error::Interrupted(other)),
        None => (versions(layout)?.remove(&name), None),
    };
    let from = current(&platforms, &name, recorded, options, to)?;
    let mut problems = Vec::new();
    if let Err(refusal) = rules::check(&from.1.version, &to.1.version, options.direction) {
        problems.push(refusal.to_string());
    }
    if !options.ignore_requires {
        problems.extend(unmet(layout, from, to)?);
    }
    for (path, product) in [from, to] {
        if let Err(error) = check_policy(&layout.node, path) {
            problems.push(format!("{}: {error}", product.id()));
        }
    }
    let archive = |(path, product): &(PathBuf, Product)| VersionArchive {
        id: product.id(),
        version: product.version.clone(),
        path: path.clone(),
    };
    let (from, to) = (archive(from), archive(to));
    let wanted = wanted(layout, &name, &from, &to)?;
    let (former, new) = (archive::inspect(&from.path)?, archive::inspect(&to.path)?);
    let mut planned = PlannedChange {
        direction: options.direction,
        name,
        diff: archive::diff(&former, &new),
        hooks: Vec::new(),
        files: wanted
            .iter()
            .filter(|(path, wanted)| !wanted.is_at(path))
            .map(|(path, _)| path.clone())
            .collect(),
        wanted,
        mounting: options.mounting,
        from,
        to,
        resumed,
    };
    let folders = HookFolders { site: layout.hooks.clone(), archive: root_of(layout, planned.hooking()) };
    for step in planned.steps() {
        match hooks::find(step, &folders) {
            Ok(found) => planned.hooks.push(found),
            Err(error) => problems.push(error.to_string()),
        }
    }
    if problems.is_empty() {
        Ok(planned)
    } else {
        Err(Error::Problems { direction: options.direction, problems })
    }
}

/// Where the files of an archive are: the folder itself, or its mount point if it is mounted.
#[must_use]
pub fn root_of(layout: &CareLayout, archive: &VersionArchive) -> Option<PathBuf> {
    if archive.path.is_dir() {
        return Some(archive.path.clone());
    }
    let at = layout.node.mounts.join(&archive.id);
    described(&at).is_ok_and(|(product, _)| product.id() == archive.id).then_some(at)
}

/// The platform archives of the node that can be read.
fn platforms(layout: &CareLayout) -> Result<Vec<(PathBuf, Product)>, Error> {
    let listed = configured(&layout.node)?;
    let platform = |path: PathBuf| match described(&path) {
        Ok((product, ConfigurationKind::Bootstrap)) => Some((path, product)),
        _ => None,
    };
    Ok(listed.into_iter().filter_map(platform).collect())
}

fn ids<'a>(platforms: impl IntoIterator<Item = &'a (PathBuf, Product)>) -> Vec<String> {
    platforms.into_iter().map(|(_, product)| product.id().to_string()).collect()
}

/// The archive with the version that the caller wants.
fn destination<'a>(
    platforms: &'a [(PathBuf, Product)],
    options: &ChangeOptions,
) -> Result<&'a (PathBuf, Product), Error> {
    let version = options.destination.clone();
    let is_wanted = |(_, product): &&(PathBuf, Product)| {
        product.version == version
            && options.name.as_ref().is_none_or(|name| product.name.eq_ignore_ascii_case(name))
    };
    let found: Vec<_> = platforms.iter().filter(is_wanted).collect();
    match found[..] {
        [one] => Ok(one),
        [] => Err(Error::NoDestination { version, available: ids(platforms) }),
        _ => Err(Error::Ambiguous { version, ids: ids(found) }),
    }
}

/// The archive of the version that runs: the recorded one, the one that the caller names, or the only other one.
fn current<'a>(
    platforms: &'a [(PathBuf, Product)],
    name: &str,
    recorded: Option<String>,
    options: &ChangeOptions,
    to: &(PathBuf, Product),
) -> Result<&'a (PathBuf, Product), Error> {
    let same: Vec<_> =
        platforms.iter().filter(|(_, product)| product.name.eq_ignore_ascii_case(name)).collect();
    if let Some(version) = recorded.or_else(|| options.from.clone()) {
        let found = same.iter().find(|(_, product)| product.version == version);
        return found.copied().ok_or_else(|| Error::NoCurrent { id: format!("{name}-{version}") });
    }
    let others: Vec<_> = same.into_iter().filter(|(path, _)| *path != to.0).collect();
    match others[..] {
        [one] => Ok(one),
        _ => Err(Error::UnknownCurrent { name: name.to_owned(), available: ids(others) }),
    }
}

/// Requirements that would not be met: those of the destination, and those of all other archives on the platform that runs.
fn unmet(
    layout: &CareLayout,
    from: &(PathBuf, Product),
    to: &(PathBuf, Product),
) -> Result<Vec<String>, Error> {
    let base = |(path, product): &(PathBuf, Product)| Base { path: path.clone(), product: product.clone() };
    let imported: Vec<(PathBuf, Product)> = configured(&layout.node)?
        .into_iter()
        .filter_map(|path| Some((path.clone(), described(&path).ok()?.0)))
        .collect();
    // The version that ran before no longer counts.
    let remaining: Vec<Base> =
        imported.iter().filter(|one| one.0 != from.0 || from.0 == to.0).map(base).collect();
    let mut problems = BTreeSet::new();
    for (path, product) in imported.iter().filter(|one| one.0 != from.0) {
        let Ok(wanted) = Tree::open(path).and_then(|tree| requires::of(&tree, Some(product))) else {
            continue;
        };
        for unmet in requires::unmet(&wanted, &remaining) {
            problems.insert(format!("{} requires another archive: {unmet}", product.id()));
        }
    }
    Ok(problems.into_iter().collect())
}

/// What the files of the node become.
fn wanted(
    layout: &CareLayout,
    name: &str,
    from: &VersionArchive,
    to: &VersionArchive,
) -> Result<Vec<(PathBuf, Wanted)>, Error> {
    let mut all = versions(layout)?;
    all.insert(name.to_owned(), to.version.clone());
    let record = Wanted::File { bytes: versions::text(&all).into_bytes(), attributes: None };
    let mut wanted = vec![(layout.versions(), record)];
    wanted.extend(salt::changes(&layout.salt, from.id.as_str(), to.id.as_str()));
    Ok(with_folders(wanted))
}
