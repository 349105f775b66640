//! The files and folders of a node.

use std::path::{Path, PathBuf};

/// The files and folders of a node. The default is where MetalK8s has them.
#[derive(Clone, Debug)]
pub struct NodeLayout {
    /// The `BootstrapConfiguration`.
    pub bootstrap: PathBuf,
    /// The `SolutionsConfiguration`.
    pub solutions: PathBuf,
    /// The `ArchivesConfiguration`: the archives of a node without MetalK8s, and whether it accepts unverifiable ones.
    pub archives: PathBuf,
    /// The policy: which archives must be signed, and by whom.
    pub trust: PathBuf,
    /// Whether the policy must exist. Without it, a node whose policy does not exist requires checksums.
    pub trust_must_exist: bool,
    /// The folder in which every archive is mounted under its ID.
    pub mounts: PathBuf,
    /// The folder of systemd units.
    pub units: PathBuf,
    /// The table of the file systems that are mounted at each boot.
    pub fstab: PathBuf,
    /// The lock file that serializes imports and deletions. Its folder is created if it does not exist.
    pub lock: PathBuf,
}

impl Default for NodeLayout {
    fn default() -> Self {
        Self {
            bootstrap: "/etc/metalk8s/bootstrap.yaml".into(),
            solutions: "/etc/metalk8s/solutions.yaml".into(),
            archives: "/etc/sealift/archives.yaml".into(),
            trust: "/etc/sealift/trust.yaml".into(),
            trust_must_exist: false,
            mounts: "/srv/scality".into(),
            units: "/etc/systemd/system".into(),
            fstab: "/etc/fstab".into(),
            lock: "/run/sealift/archives.lock".into(),
        }
    }
}

impl NodeLayout {
    /// The same paths, with the folders of mounts and units resolved: the kernel lists mounts by resolved paths, and the
    /// links between units must be valid.
    pub(super) fn resolved(&self) -> Self {
        Self { mounts: real(&self.mounts), units: real(&self.units), ..self.clone() }
    }
}

/// A path without symbolic links in the part of it that exists: as the kernel lists mounts, and systemd requires it.
pub(super) fn real(path: &Path) -> PathBuf {
    match (std::fs::canonicalize(path), path.parent(), path.file_name()) {
        (Ok(found), ..) => found,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}
