//! The options that name the files and folders of a node.

use std::path::PathBuf;

use clap::Args;
use node::archives::NodeLayout;

/// The files and folders of a node.
#[derive(Debug, Args)]
pub(crate) struct NodePaths {
    /// Read and change the BootstrapConfiguration in FILE
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/metalk8s/bootstrap.yaml",
        help_heading = "Node paths"
    )]
    bootstrap_config: PathBuf,
    /// Read and change the SolutionsConfiguration in FILE
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/metalk8s/solutions.yaml",
        help_heading = "Node paths"
    )]
    solutions_config: PathBuf,
    /// Read and change the ArchivesConfiguration in FILE; for nodes without a BootstrapConfiguration
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/sealift/archives.yaml",
        help_heading = "Node paths"
    )]
    archives_config: PathBuf,
    /// Obey the policy in FILE, which says which archives must be signed [default: /etc/sealift/trust.yaml, if it exists]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    trust_config: Option<PathBuf>,
    /// Mount archives in DIR, as NAME-VERSION
    #[arg(long, value_name = "DIR", default_value = "/srv/scality", help_heading = "Node paths")]
    mounts: PathBuf,
    /// Use the systemd units in DIR
    #[arg(long, value_name = "DIR", default_value = "/etc/systemd/system", help_heading = "Node paths")]
    units: PathBuf,
    /// Read the file systems mounted at boot from FILE
    #[arg(long, value_name = "FILE", default_value = "/etc/fstab", help_heading = "Node paths")]
    fstab: PathBuf,
    /// Lock FILE during changes [default: /run/sealift/archives.lock, for other users a file of their own]
    #[arg(long, value_name = "FILE", help_heading = "Node paths")]
    lock_file: Option<PathBuf>,
}

impl NodePaths {
    pub(crate) fn paths(&self) -> NodeLayout {
        NodeLayout {
            bootstrap: self.bootstrap_config.clone(),
            solutions: self.solutions_config.clone(),
            archives: self.archives_config.clone(),
            trust: self.trust_config.clone().unwrap_or_else(|| NodeLayout::default().trust),
            trust_must_exist: self.trust_config.is_some(),
            fstab: self.fstab.clone(),
            mounts: self.mounts.clone(),
            units: self.units.clone(),
            lock: self.lock_file.clone().unwrap_or_else(default_lock),
        }
    }
}

/// The lock file of this user; root has that of the machine.
fn default_lock() -> PathBuf {
    let user = rustix::process::geteuid();
    if user.is_root() {
        return NodeLayout::default().lock;
    }
    let own = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_absolute());
    let own = own.map(|folder| folder.join("sealift"));
    own.unwrap_or_else(|| std::env::temp_dir().join(format!("sealift-{}", user.as_raw())))
        .join("archives.lock")
}
