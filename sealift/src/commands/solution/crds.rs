//! The custom resource definitions of the active version of a Solution.

use clap::{Args, ValueEnum};
use node::archives::{LATEST, NodeLayout};
use node::environments::{self, ImportedSolution, ObjectName};

use crate::args::cluster::ApplyArguments;
use crate::failure::Failure;
use crate::remedies::environments::explained;

/// Whether an activation deploys the definitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum DeployCrds {
    /// If a cluster is configured: by --kubeconfig, KUBECONFIG or /etc/kubernetes/admin.conf
    #[default]
    Auto,
    /// Fail without a cluster
    Always,
    /// Only record the active version
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct CrdArguments {
    /// Deploy the custom resource definitions of the version
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    crds: DeployCrds,
    #[command(flatten)]
    cluster: ApplyArguments,
}

impl CrdArguments {
    /// Whether they are to be deployed.
    pub(super) fn are_deployed(&self) -> bool {
        match self.crds {
            DeployCrds::Auto => self.cluster.cluster.is_configured(),
            DeployCrds::Always => true,
            DeployCrds::Never => false,
        }
    }

    /// Deploys the definitions of the version; with `dry_run` only checks that the cluster can take them.
    pub(super) fn deploy(
        &self,
        version: &ImportedSolution,
        dry_run: bool,
    ) -> Result<Vec<ObjectName>, Failure> {
        environments::deploy_crds(&self.cluster.kubectl(), version, dry_run).map_err(explained)
    }
}

/// The imported version that a user means by `version`.
pub(super) fn imported(layout: &NodeLayout, name: &str, version: &str) -> Result<ImportedSolution, Failure> {
    let mut imported = environments::imported(layout, name).map_err(explained)?;
    if version == LATEST
        && let Some(newest) = imported.pop()
    {
        return Ok(newest);
    }
    environments::version(&imported, name, version).map_err(explained).cloned()
}
