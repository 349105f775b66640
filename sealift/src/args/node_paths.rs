//! The options that name the files and folders of a node.

use std::path::PathBuf;

use clap::Args;
use node::archives::Paths;

/// Where things are on the node.
#[derive(Debug, Args)]
pub(crate) struct NodePaths {
    /// Read and change the BootstrapConfiguration in FILE
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/metalk8s/bootstrap.yaml",
        help_heading = "Places"
    )]
    bootstrap_config: PathBuf,
    /// Read and change the SolutionsConfiguration in FILE
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/metalk8s/solutions.yaml",
        help_heading = "Places"
    )]
    solutions_config: PathBuf,
    /// Read and change the ArchivesConfiguration in FILE; for nodes without a BootstrapConfiguration
    #[arg(long, value_name = "FILE", default_value = "/etc/sealift/archives.yaml", help_heading = "Places")]
    archives_config: PathBuf,
    /// Mount archives in DIR, as NAME-VERSION
    #[arg(long, value_name = "DIR", default_value = "/srv/scality", help_heading = "Places")]
    mounts: PathBuf,
    /// Use the systemd units in DIR
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system", help_heading = "Places")]
    units: PathBuf,
    /// Read the file systems that are mounted at boot from FILE
    #[arg(long, value_name = "FILE", default_value = "/etc/fstab", help_heading = "Places")]
    fstab: PathBuf,
    /// Lock FILE during changes [default: /run/sealift/archives.lock; in a folder of their own for other users than root]
    #[arg(long, value_name = "FILE", help_heading = "Places")]
    lock_file: Option<PathBuf>,
}

impl NodePaths {
    pub(crate) fn paths(&self) -> Paths {
        Paths {
            bootstrap: self.bootstrap_config.clone(),
            solutions: self.solutions_config.clone(),
            archives: self.archives_config.clone(),
            fstab: self.fstab.clone(),
            mounts: self.mounts.clone(),
            units: self.units.clone(),
            lock: self.lock_file.clone().unwrap_or_else(default_lock),
        }
    }
}

/// The lock of this user: for root, one of the machine's.
fn default_lock() -> PathBuf {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Paths::default().lock;
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let own = own.map(|folder| folder.join("sealift"));
    own.unwrap_or_else(|| std::env::temp_dir().join(format!("sealift-{}", user.as_raw())))
        .join("archives.lock")
}
