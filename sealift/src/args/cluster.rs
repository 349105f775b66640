//! The options of commands that read or change a cluster.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;
use node::environments::Kubectl;

use crate::output;

/// The credentials of the administrator on a node of the control plane.
const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// How the cluster is reached.
#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Reach the cluster with FILE [default: $KUBECONFIG, else /etc/kubernetes/admin.conf if it exists]
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// Run PROGRAM as kubectl
    #[arg(long, value_name = "PROGRAM", default_value = "kubectl", help_heading = "Cluster")]
    kubectl: OsString,
}

/// How objects are applied to the cluster.
#[derive(Debug, Args)]
pub(crate) struct ApplyArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArguments,
    /// Take over fields of objects that other programs manage
    #[arg(long, help_heading = "Cluster")]
    force_conflicts: bool,
}

impl ApplyArguments {
    /// The `kubectl` that these options name.
    pub(crate) fn kubectl(&self) -> Kubectl {
        Kubectl { force_conflicts: self.force_conflicts, ..self.cluster.kubectl() }
    }
}

impl ClusterArguments {
    /// The `kubectl` that these options name.
    pub(crate) fn kubectl(&self) -> Kubectl {
        let admin = || (!is_set() && Path::new(ADMIN).exists()).then(|| PathBuf::from(ADMIN));
        Kubectl {
            program: self.kubectl.clone(),
            kubeconfig: self.kubeconfig.clone().or_else(admin),
            force_conflicts: false,
            running: output::running,
            warn: output::warn,
        }
    }

    /// Whether a cluster is configured for this node or user.
    pub(crate) fn is_configured(&self) -> bool {
        self.kubeconfig.is_some() || is_set() || Path::new(ADMIN).exists()
    }
}

/// Whether the environment names a file for `kubectl`.
fn is_set() -> bool {
    std::env::var_os("KUBECONFIG").is_some_and(|value| !value.is_empty())
}
