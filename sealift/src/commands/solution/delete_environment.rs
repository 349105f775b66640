//! `sealift solution delete-environment`.

use clap::Args;
use node::environments::Environments;

use super::environment::report;
use crate::args::cluster::ClusterArguments;
use crate::failure::CommandResult;
use crate::output::{self, ReportOutput};
use crate::remedies::environments::explained;

use super::environment::PlaceArguments;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: PlaceArguments,
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
    let (environment, namespace) = (arguments.place.environment()?, arguments.place.namespace()?);
    let kubectl = arguments.cluster.kubectl();
    let environments = Environments { kubectl: &kubectl, dry_run: arguments.dry_run };
    if !arguments.dry_run {
        output::note("waiting until the cluster has deleted everything in the namespaces");
    }
    let change = environments.delete(&environment, namespace.as_ref(), arguments.force).map_err(explained)?;
    report(environment.as_str(), &change, arguments.dry_run, arguments.output)
}
