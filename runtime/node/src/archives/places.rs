//! Where things are on a node, and its configurations.

use std::path::{Path, PathBuf};

use super::Error;
use crate::site_config::{Configuration, Kind};

/// Where things are on the node. The default is where the original has them.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The `BootstrapConfiguration`.
    pub bootstrap: PathBuf,
    /// The `SolutionsConfiguration`.
    pub solutions: PathBuf,
    /// The `ArchivesConfiguration`: the archives where there is no MetalK8s, and what this node accepts.
    pub archives: PathBuf,
    /// The folder in which every archive is mounted as `<name>-<version>`.
    pub mounts: PathBuf,
    /// The folder of systemd's units.
    pub units: PathBuf,
    /// The file systems that the system mounts at each boot.
    pub fstab: PathBuf,
    /// A file that two imports or deletions do not hold at a time. Its folder is created if it does not exist.
    pub lock: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            bootstrap: "/etc/metalk8s/bootstrap.yaml".into(),
            solutions: "/etc/metalk8s/solutions.yaml".into(),
            archives: "/etc/sealift/archives.yaml".into(),
            mounts: "/srv/scality".into(),
            units: "/etc/systemd/system".into(),
            fstab: "/etc/fstab".into(),
            lock: "/run/sealift/archives.lock".into(),
        }
    }
}

impl Paths {
    /// The same places, the folder of mounts as the kernel names it, and the links between units leading somewhere.
    pub(super) fn real(&self) -> Self {
        Self { mounts: real(&self.mounts), units: real(&self.units), ..self.clone() }
    }
}

/// The archives that the configurations list, those of the platform first, each once: what a server on this node serves.
///
/// # Errors
///
/// [`Error::Configuration`].
pub fn configured(paths: &Paths) -> Result<Vec<PathBuf>, Error> {
    still_configured(paths, &[])
}

/// As [`configured`], with files that were `there`. That one of them is gone is no decision to have no archives: editors, and
/// those who copy a file into its place, leave moments without it.
pub(super) fn still_configured(paths: &Paths, there: &[Kind]) -> Result<Vec<PathBuf>, Error> {
    let mut found: Vec<PathBuf> = Vec::new();
    for kind in Kind::ALL {
        match read_if_there(paths, kind)? {
            Some(configuration) => {
                let new = configuration.archives().iter().filter(|path| !found.contains(*path));
                found.extend(new.cloned().collect::<Vec<_>>());
            }
            None if there.contains(&kind) => return Err(Error::Gone(path_of(paths, kind).to_path_buf())),
            None => {}
        }
    }
    Ok(found)
}

pub(super) fn path_of(paths: &Paths, kind: Kind) -> &Path {
    match kind {
        Kind::Bootstrap => &paths.bootstrap,
        Kind::Solutions => &paths.solutions,
        Kind::Archives => &paths.archives,
    }
}

pub(super) fn read(paths: &Paths, kind: Kind) -> Result<Configuration, Error> {
    Ok(Configuration::read(path_of(paths, kind), kind)?)
}

pub(super) fn read_if_there(paths: &Paths, kind: Kind) -> Result<Option<Configuration>, Error> {
    Ok(Configuration::read_if_there(path_of(paths, kind), kind)?)
}

/// Whether the node accepts archives that nothing vouches for, without being told each time.
pub(super) fn accepts_unverified(paths: &Paths) -> Result<bool, Error> {
    let configuration = read_if_there(paths, Kind::Archives)?;
    Ok(configuration.is_some_and(|configuration| configuration.accepts_unverified()))
}

/// The configuration that lists an archive, or is to list it: that of its `kind`, or that of the archives where there is no
/// MetalK8s.
pub(super) fn list_of(paths: &Paths, archive: &Path, kind: Kind) -> Result<Kind, Error> {
    let mut there = Vec::new();
    for kind in Kind::ALL {
        let Some(configuration) = read_if_there(paths, kind)? else { continue };
        if configuration.archives().iter().any(|listed| listed == archive) {
            return Ok(kind);
        }
        there.push(kind);
    }
    let metalk8s = there.contains(&Kind::Bootstrap) || there.contains(&kind);
    Ok(if metalk8s { kind } else { Kind::Archives })
}

/// A path without symbolic links, as far as it exists: as the kernel's list of mounts names it, and systemd wants it.
pub(super) fn real(path: &Path) -> PathBuf {
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(found), ..) => found,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}
