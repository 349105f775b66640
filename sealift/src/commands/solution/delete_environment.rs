//! `sealift solution delete-environment`.

use clap::Args;
use node::environments::Environments;

use super::environment::{environment, namespace, report};
use crate::args::cluster::ClusterArguments;
use crate::failure::CommandResult;
use crate::output::{self, ReportOutput};
use crate::remedies::environments::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the environment
    #[arg(long)]
    name: String,
    /// Delete only this namespace [default: all namespaces of the environment]
    #[arg(long)]
    namespace: Option<String>,
    /// Delete it even if it has Solutions
    #[arg(long)]
    force: bool,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let (environment, namespace) =
        (environment(&arguments.name)?, namespace(arguments.namespace.as_deref())?);
    let kubectl = arguments.cluster.kubectl();
    let environments = Environments { kubectl: &kubectl, dry_run: arguments.dry_run };
    let delete = |environments: Environments<'_>| {
        environments.delete(&environment, namespace.as_ref(), arguments.force).map_err(explained)
    };
    // What is refused is refused before the wait is announced.
    let mut change = delete(Environments { dry_run: true, ..environments })?;
    if !arguments.dry_run {
        output::note("waiting until the cluster has deleted everything in the namespaces");
        change = delete(environments)?;
    }
    report(environment.as_str(), &change, arguments.dry_run, arguments.output)
}
