//! The options of the commands that change a whole node.

use std::path::PathBuf;

use clap::Args;
use node::care::CareLayout;

use super::hooks::HookArguments;
use super::node_paths::NodePaths;

/// The files and folders of a whole node, and its hooks.
#[derive(Debug, Args)]
pub(crate) struct CareArguments {
    #[command(flatten)]
    pub(crate) hooks: HookArguments,
    /// Keep backups, and the journal of an interrupted change, in DIR
    #[arg(long, value_name = "DIR", default_value = "/var/lib/metalk8s", help_heading = "Node paths")]
    state: PathBuf,
    /// Read and change the settings of the service in FILE
    #[arg(long, value_name = "FILE", default_value = "/etc/sysconfig/sealift", help_heading = "Node paths")]
    sysconfig: PathBuf,
    /// Read and change the configuration of Salt in DIR
    #[arg(long, value_name = "DIR", default_value = "/etc/salt", help_heading = "Node paths")]
    salt: PathBuf,
    #[command(flatten)]
    paths: NodePaths,
}

impl CareArguments {
    /// The files and folders of the node, with absolute paths: a change may be finished from another folder.
    pub(crate) fn layout(&self) -> std::io::Result<CareLayout> {
        let mut node = self.paths.paths();
        for path in [&mut node.bootstrap, &mut node.solutions, &mut node.archives, &mut node.units] {
            *path = std::path::absolute(&*path)?;
        }
        Ok(CareLayout {
            node,
            state: std::path::absolute(&self.state)?,
            sysconfig: std::path::absolute(&self.sysconfig)?,
            salt: std::path::absolute(&self.salt)?,
            hooks: self.hooks.folder()?,
        })
    }
}
