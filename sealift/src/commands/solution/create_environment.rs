//! `sealift solution create-environment`.

use clap::Args;
use node::environments::{self, Environments};

use super::environment::{PlaceArguments, print_objects, report};
use crate::args::cluster::ApplyArguments;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::remedies::environments::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: PlaceArguments,
    /// Describe the environment for people
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Report what would change, without changing it; with -o yaml or json print the objects
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    cluster: ApplyArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let place = arguments.place.place()?;
    let description = arguments.description.as_deref();
    if arguments.dry_run {
        let objects = environments::created(&place, description.unwrap_or_default());
        if print_objects(&objects, arguments.output)? {
            return Ok(());
        }
    }
    let kubectl = arguments.cluster.kubectl();
    let environments = Environments { kubectl: &kubectl, dry_run: arguments.dry_run };
    let change = environments.create(&place, description).map_err(explained)?;
    report(place.environment.as_str(), &change, arguments.dry_run, arguments.output)
}
