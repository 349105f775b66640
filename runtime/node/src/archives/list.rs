//! The archives of a node, as far as they are seen without reading all of them.

use std::path::{Path, PathBuf};

use archive::tree::Entry;
use archive::{Product, Tree, layout, sums};
use content::Digest;
use serde::Serialize;

use super::describe::described;
use super::places::read_if_there;
use super::solutions::active;
use super::{Error, Machine, Paths, Way, unit};
use crate::site_config::Kind;

/// An archive of the node.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// The ISO file or folder.
    pub path: PathBuf,
    /// `platform` or `solution`; `unknown` if it cannot be read, and no configuration tells.
    pub kind: &'static str,
    /// What it says of itself; null if it cannot be read.
    pub product: Option<Product>,
    /// Name and version.
    pub id: Option<String>,
    /// Whether nothing is there any more.
    pub missing: bool,
    /// The bytes of the ISO file.
    pub bytes: Option<u64>,
    /// Its images; null if they cannot be listed.
    pub images: Option<ImageCount>,
    /// A digest of what it serves: that of its `SHA256SUMS`, or, of an archive without, of the paths and sizes of its files.
    /// Null if it cannot be read.
    pub contents: Option<String>,
    /// Where it is mounted.
    pub mounted: Option<PathBuf>,
    /// How it is mounted.
    pub mounted_by: Option<Way>,
    /// Whether the mount is dead: the program that showed the archive has ended.
    pub mount_broken: bool,
    /// Whether a Solution is active in this version.
    pub active: bool,
    /// What is wrong with it, as far as that is seen without reading all of it.
    pub problem: Option<String>,
    /// What is probably not meant: packages that clients cannot find.
    pub warnings: Vec<String>,
}

/// The images of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ImageCount {
    /// All of them.
    pub total: usize,
    /// Those of which every blob that their manifest names is there in its size. Content is not read.
    pub whole: usize,
}

/// The archives of this node.
///
/// # Errors
///
/// [`Error::Configuration`]. An archive that cannot be read is listed with the reason.
pub fn get(paths: &Paths, machine: &dyn Machine) -> Result<Vec<Listed>, Error> {
    let paths = &paths.real();
    let mut listed: Vec<Listed> = Vec::new();
    for kind in Kind::ALL {
        let Some(configuration) = read_if_there(paths, kind)? else { continue };
        let active = active(&configuration);
        for path in configuration.archives() {
            if !listed.iter().any(|known| known.path == *path) {
                listed.push(seen(paths, path, kind, &active, machine));
            }
        }
    }
    Ok(listed)
}

/// What is seen of an archive that a configuration of `kind` lists, without reading all of it.
fn seen(paths: &Paths, path: &Path, kind: Kind, active: &[String], machine: &dyn Machine) -> Listed {
    let described = described(path);
    let data = std::fs::metadata(path);
    let missing = matches!(&data, Err(error) if error.kind() == std::io::ErrorKind::NotFound);
    let (images, problem, warnings) = match &described {
        Ok(_) => look(path),
        Err(_) if missing => (None, Some("it does not exist".to_owned()), Vec::new()),
        Err(error) => (None, Some(error.to_string()), Vec::new()),
    };
    let id = described.as_ref().ok().map(|(product, _)| product.id());
    // One that is missing has left its unit behind, under the name it had.
    let mount = id.clone().or_else(|| unit::of_archive(paths, path)).map(|id| paths.mounts.join(id));
    let mount = mount.filter(|mount| matches!(machine.mounted(mount), Ok(Some(_))));
    let mount_broken = mount.as_deref().is_some_and(|mount| machine.is_broken(mount));
    let dead = || {
        let mount = mount.as_deref().unwrap_or(Path::new("")).display().to_string();
        format!("the mount at {mount} is dead: the program that showed the archive has ended")
    };
    Listed {
        path: path.to_path_buf(),
        kind: match (kind, &described) {
            (Kind::Bootstrap, _) | (Kind::Archives, Ok((_, Kind::Bootstrap))) => "platform",
            (Kind::Solutions, _) | (Kind::Archives, Ok(_)) => "solution",
            (Kind::Archives, Err(_)) => "unknown",
        },
        missing,
        bytes: data.ok().filter(std::fs::Metadata::is_file).map(|data| data.len()),
        images,
        contents: contents(path).ok().map(|digest| digest.to_string()),
        mounted_by: mount.as_deref().and_then(|mount| machine.mounted(mount).ok().flatten()),
        mounted: mount.clone(),
        mount_broken,
        active: id.as_ref().is_some_and(|id| active.contains(id)),
        product: described.ok().map(|(product, _)| product),
        id,
        problem: problem.or_else(|| mount_broken.then(dead)),
        warnings,
    }
}

/// A digest of what an archive serves, without reading all of it.
fn contents(archive: &Path) -> Result<Digest, archive::Error> {
    let tree = Tree::open(archive)?;
    if tree.entry(layout::SUMS)?.is_some() {
        return Ok(Digest::of(&tree.read(layout::SUMS, sums::LIMIT)?));
    }
    let line = |(path, entry): (String, Entry)| format!("{path}\0{}\n", entry.size);
    Ok(Digest::of(tree.walk()?.into_iter().map(line).collect::<String>().as_bytes()))
}

/// The images of an archive, what is wrong with them, and what is probably not meant, as far as that is seen without reading
/// all of it.
fn look(archive: &Path) -> (Option<ImageCount>, Option<String>, Vec<String>) {
    let (images, unindexed) = match archive::inspect::inspect(archive) {
        Ok(inspection) => (inspection.images, inspection.unindexed),
        Err(error) => return (None, Some(error.to_string()), Vec::new()),
    };
    let broken: Vec<String> = images
        .iter()
        .filter_map(|image| Some(format!("{}:{}: {}", image.name, image.tag, image.problem.as_ref()?)))
        .collect();
    let count = ImageCount { total: images.len(), whole: images.len() - broken.len() };
    let problem = broken.first().map(|first| {
        format!("{} of {} images cannot be served, the first: {first}", broken.len(), images.len())
    });
    (Some(count), problem, unindexed.iter().map(ToString::to_string).collect())
}
