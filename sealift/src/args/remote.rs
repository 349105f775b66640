//! The options of the commands that reach other nodes.

use clap::Args;
use node::remote::RemoteShell;

use crate::output;

/// How other nodes are reached.
#[derive(Debug, Args)]
pub(crate) struct RemoteArguments {
    /// Reach the nodes with COMMAND, which is given a node and the command to run there
    #[arg(long, value_name = "COMMAND", default_value = "ssh", help_heading = "Nodes")]
    remote_shell: String,
    /// Run this program on the nodes
    #[arg(long, value_name = "FILE", default_value = "sealift", help_heading = "Nodes")]
    remote_sealift: String,
}

impl RemoteArguments {
    /// The shell that reaches them.
    pub(crate) fn shell(&self) -> RemoteShell {
        RemoteShell {
            command: self.remote_shell.clone(),
            program: self.remote_sealift.clone(),
            running: output::running,
        }
    }
}
