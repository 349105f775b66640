//! `sealift solution remove`.

use clap::Args;
use node::environments::{DnsLabel, Environments};

use super::environment::{PlaceArguments, invalid, report};
use crate::args::cluster::ClusterArguments;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::remedies::environments::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// The name of the Solution
    #[arg(long)]
    solution: String,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let place = arguments.place.place()?;
    let name = DnsLabel::of_solution(&arguments.solution).map_err(|error| invalid("the Solution", error))?;
    let kubectl = arguments.cluster.kubectl();
    let environments = Environments { kubectl: &kubectl, dry_run: arguments.dry_run };
    let change = environments.remove(&place, &name).map_err(explained)?;
    report(place.environment.as_str(), &change, arguments.dry_run, arguments.output)
}
