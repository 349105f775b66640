//! Bring-up: makes a machine the bootstrap node that serves an archive.
//!
//! All checks come first, and nothing changes unless they pass. Then each step looks whether its result exists and only else
//! changes something, so a second run changes nothing, and one after a kill or a failure continues. What belongs to the
//! cluster is done by [hooks](crate::hooks).

mod addresses;
mod certificate;
mod checks;
mod error;
mod host;
mod node_state;
mod os_release;
mod package_list;
mod service_settings;
mod source;
mod steps;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use iso::ByteProgress;

use crate::hooks::HookProgress;

pub use addresses::InterfaceAddress;
pub use certificate::SiteAuthority;
pub use checks::CheckFinding;
pub use error::Error;
pub use host::{Host, HostFacts, LinuxHost};
pub use os_release::OsRelease;
pub use package_list::{DEFAULT as DEFAULT_PACKAGES, FILE as PACKAGE_LIST, parse as parse_packages};
pub use source::source;
pub use steps::run;

/// The port that clients of a bootstrap node connect to.
pub const PORT: u16 = 8080;

/// How a node is brought up.
#[derive(Clone, Debug)]
pub struct BootstrapOptions {
    /// The archive: an ISO file or a folder, as [`source`] finds it.
    pub archive: PathBuf,
    /// The folder that shows the archive already, with its hooks; `None` if it is not mounted.
    pub shown: Option<PathBuf>,
    /// The address to listen on; `None` for the node's address in the network of the control plane.
    pub listen: Option<SocketAddr>,
    /// Whether the node serves with TLS.
    pub tls: bool,
    /// The authority of the site; `None` for one of the node's own.
    pub authority: Option<SiteAuthority>,
    /// Whether to import an archive that cannot be verified.
    pub unverified: bool,
    /// Whether to return the changes without making them.
    pub dry_run: bool,
    /// The time of day, as `BUILD_TIMESTAMP` has it: `2026-11-20T10:00:00Z`.
    pub now: String,
    /// The program `sealift`, for hooks.
    pub program: PathBuf,
    /// The hooks of the site.
    pub hooks: PathBuf,
    /// How long each hook may take.
    pub hook_limit: Duration,
    /// The files that are written, besides those of imports.
    pub files: BootstrapFiles,
}

/// The files and folders of a bring-up.
#[derive(Clone, Debug)]
pub struct BootstrapFiles {
    /// The folder below which the repositories are configured: `/`.
    pub root: PathBuf,
    /// The settings of the registry's service.
    pub settings: PathBuf,
    /// The certificates and keys of the node.
    pub pki: PathBuf,
    /// The file that says which archive this node was brought up with.
    pub state: PathBuf,
    /// The folder whose file system stores images and packages.
    pub storage: PathBuf,
}

impl Default for BootstrapFiles {
    fn default() -> Self {
        Self {
            root: "/".into(),
            settings: "/etc/sysconfig/sealift".into(),
            pki: "/etc/sealift/pki".into(),
            state: "/var/lib/sealift/bootstrap".into(),
            storage: "/var/lib".into(),
        }
    }
}

/// Hears of a bring-up while it runs.
pub trait BootstrapProgress: HookProgress {
    /// A change begins, such as `install salt-minion`.
    fn changing(&self, change: &str);
    /// A program has printed this.
    fn printed(&self, program: &str, output: &str);
    /// An archive is about to be verified.
    fn verifying(&self, archive: &Path) -> Box<dyn ByteProgress>;
    /// Whether the command is cancelled: a hook is ended then.
    fn cancelled(&self) -> bool {
        false
    }
    /// A lock that hooks inherit, so that no other change of the node starts before they have ended.
    fn lock(&self) -> Option<&std::fs::File> {
        None
    }
}

/// What a bring-up has done.
#[derive(Clone, Debug)]
pub struct BootstrapReport {
    /// The ID of the archive.
    pub id: String,
    /// The archive.
    pub archive: PathBuf,
    /// The changes in order; empty if the node was brought up already.
    pub changes: Vec<String>,
    /// The warnings of the checks.
    pub findings: Vec<CheckFinding>,
    /// What else the user should know.
    pub notes: Vec<String>,
    /// The address at which clients reach the node: `https://10.0.0.1:8080`.
    pub url: String,
    /// The authority that clients must trust; `None` without TLS.
    pub authority: Option<PathBuf>,
}
