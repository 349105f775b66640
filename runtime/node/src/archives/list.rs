//! Listing the archives of a node, without reading their content.

use std::path::{Path, PathBuf};

use archive::requires::{Base, Requirement};
use archive::{ArchiveId, Product, Tree};
use serde::Serialize;

use super::describe::described;
use super::error::Error;
use super::lists::read_if_exists;
use super::machine::Machine;
use super::mount_mode::MountMode;
use super::mount_unit;
use super::node_layout::NodeLayout;
use super::requires;
use super::solutions::active;
use crate::site_config::ConfigurationKind;

/// An archive of the node.
#[derive(Clone, Debug)]
pub struct ListedArchive {
    /// The ISO file or folder.
    pub path: PathBuf,
    /// Its kind.
    pub kind: ListedArchiveKind,
    /// Its product information; null if it cannot be read.
    pub product: Option<Product>,
    /// The archives that it requires.
    pub requires: Vec<Requirement>,
    /// The archive ID; null if it cannot be read.
    pub id: Option<ArchiveId>,
    /// Whether the file or folder is missing.
    pub missing: bool,
    /// The size of the ISO file in bytes.
    pub bytes: Option<u64>,
    /// Its images; null if they cannot be listed.
    pub images: Option<ImageCount>,
    /// A digest of its content: that of its `SHA256SUMS` or, without it, of the paths and sizes of its files. Null if it
    /// cannot be read.
    pub contents: Option<String>,
    /// Its mount point.
    pub mounted: Option<PathBuf>,
    /// The way it is mounted.
    pub mounted_by: Option<MountMode>,
    /// Whether the mount is dead: its FUSE program has ended.
    pub mount_broken: bool,
    /// Whether it is the active version of a Solution.
    pub active: bool,
    /// What is wrong with it, found without reading its content.
    pub problem: Option<String>,
    /// What is probably not intended: packages that clients cannot find.
    pub warnings: Vec<String>,
}

/// The kind of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListedArchiveKind {
    /// A platform archive.
    Platform,
    /// A Solution.
    Solution,
    /// It cannot be read, and its configuration lists both kinds.
    Unknown,
}

impl std::fmt::Display for ListedArchiveKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Platform => "platform",
            Self::Solution => "solution",
            Self::Unknown => "unknown",
        })
    }
}

/// The images of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImageCount {
    /// All of them.
    pub total: usize,
    /// The complete ones: every blob exists with its size. Content is not read.
    pub whole: usize,
}

/// The archives of this node.
///
/// # Errors
///
/// [`Error::Configuration`]. An archive that cannot be read is listed with the reason.
pub fn get(paths: &NodeLayout, machine: &dyn Machine) -> Result<Vec<ListedArchive>, Error> {
    let paths = &paths.resolved();
    let mut found: Vec<ListedArchive> = Vec::new();
    for kind in ConfigurationKind::ALL {
        let Some(configuration) = read_if_exists(paths, kind)? else { continue };
        let active = active(&configuration);
        for path in configuration.archives() {
            if !found.iter().any(|known| known.path == *path) {
                found.push(listed(paths, path, kind, &active, machine));
            }
        }
    }
    warn_of_unmet(&mut found);
    Ok(found)
}

/// Adds a warning for each requirement that no archive of the node meets.
fn warn_of_unmet(listed: &mut [ListedArchive]) {
    let base = |one: &ListedArchive| Some(Base { path: one.path.clone(), product: one.product.clone()? });
    let bases: Vec<Base> = listed.iter().filter_map(base).collect();
    for one in listed {
        let unmet = archive::requires::unmet(&one.requires, &bases);
        let known = unmet.iter().filter(|unmet| !requires::is_unknown(unmet));
        one.warnings.extend(known.map(|unmet| format!("it requires another archive: {unmet}")));
    }
}

/// The archive at `path`, which a configuration of `kind` lists.
fn listed(
    paths: &NodeLayout,
    path: &Path,
    kind: ConfigurationKind,
    active: &[ArchiveId],
    machine: &dyn Machine,
) -> ListedArchive {
    let described = described(path);
    let data = std::fs::metadata(path);
    let missing = matches!(&data, Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    let (images, requires, problem, warnings) = match &described {
        Ok(_) => inspect(path),
        Err(_) if missing => (None, Vec::new(), Some("it does not exist".to_owned()), Vec::new()),
        Err(error) => (None, Vec::new(), Some(error.to_string()), Vec::new()),
    };
    let id = described.as_ref().ok().map(|(product, _)| product.id());
    // The unit of a missing archive still names it.
    let mount = id.clone().or_else(|| mount_unit::of_archive(paths, path)).map(|id| paths.mounts.join(id));
    let mount = mount.filter(|mount| matches!(machine.mounted(mount), Ok(Some(_))));
    let mount_broken = mount.as_deref().is_some_and(|mount| machine.is_broken(mount));
    let dead = || {
        let mount = mount.as_deref().unwrap_or(Path::new("")).display().to_string();
        format!("the mount at {mount} is dead: its FUSE program has ended")
    };
    ListedArchive {
        path: path.to_path_buf(),
        kind: match (kind, &described) {
            (ConfigurationKind::Bootstrap, _)
            | (ConfigurationKind::Archives, Ok((_, ConfigurationKind::Bootstrap))) => {
                ListedArchiveKind::Platform
            }
            (ConfigurationKind::Solutions, _) | (ConfigurationKind::Archives, Ok(_)) => {
                ListedArchiveKind::Solution
            }
            (ConfigurationKind::Archives, Err(_)) => ListedArchiveKind::Unknown,
        },
        missing,
        bytes: data.ok().filter(std::fs::Metadata::is_file).map(|data| data.len()),
        images,
        contents: Tree::open(path)
            .and_then(|tree| archive::contents_digest(&tree))
            .ok()
            .map(|digest| digest.to_string()),
        mounted_by: mount.as_deref().and_then(|mount| machine.mounted(mount).ok().flatten()),
        mounted: mount.clone(),
        mount_broken,
        active: id.as_ref().is_some_and(|id| active.contains(id)),
        product: described.ok().map(|(product, _)| product),
        id,
        requires,
        problem: problem.or_else(|| mount_broken.then(dead)),
        warnings,
    }
}

/// The images of an archive, what it requires, what is wrong with the images, and what is probably not intended, without
/// reading content.
fn inspect(archive: &Path) -> (Option<ImageCount>, Vec<Requirement>, Option<String>, Vec<String>) {
    let (images, requires, unindexed) = match archive::inspect::inspect(archive) {
        Ok(inspection) => (inspection.images, inspection.requires, inspection.unindexed),
        Err(error) => return (None, Vec::new(), Some(error.to_string()), Vec::new()),
    };
    let broken: Vec<String> = images
        .iter()
        .filter_map(|image| Some(format!("{}:{}: {}", image.name, image.tag, image.problem.as_ref()?)))
        .collect();
    let count = ImageCount { total: images.len(), whole: images.len() - broken.len() };
    let problem = broken.first().map(|first| {
        format!("{} of {} images cannot be served, the first: {first}", broken.len(), images.len())
    });
    (Some(count), requires, problem, unindexed.iter().map(ToString::to_string).collect())
}
