//! `sealift solution add`.

use clap::Args;
use node::environments::{self, Environments, Options};

use super::environment::{PlaceArguments, print_objects, report};
use super::operator_config::RegistryArguments;
use crate::args::cluster::ApplyArguments;
use crate::args::node_paths::NodePaths;
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
    /// The version; it must be imported
    #[arg(long)]
    version: String,
    /// Mount the Secret SOLUTION-cert at /cert, for operators with a webhook
    #[arg(long)]
    webhook: bool,
    /// Replace a newer version even if this one does not know objects that the cluster stores
    #[arg(long)]
    force: bool,
    /// Report what would change, without changing it; with -o yaml or json print the objects
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    registry: RegistryArguments,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    cluster: ApplyArguments,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let place = arguments.place.place()?;
    let (name, version) = (arguments.solution.as_str(), arguments.version.as_str());
    let options = Options {
        registry: arguments.registry.host().to_owned(),
        webhook: arguments.webhook,
        force: arguments.force,
    };
    let paths = arguments.paths.paths();
    let imported = environments::imported(&paths, name).map_err(explained)?;
    let chosen = environments::version(&imported, name, version).map_err(explained)?;
    node::archives::check_policy(&paths, &chosen.archive).map_err(crate::remedies::archives::explained)?;
    if arguments.dry_run && !arguments.output.is_text() {
        let objects = environments::deployed(&place, chosen, &imported, &options).map_err(explained)?;
        print_objects(&objects, arguments.output)?;
        return Ok(());
    }
    let kubectl = arguments.cluster.kubectl();
    let environments = Environments { kubectl: &kubectl, dry_run: arguments.dry_run };
    let change = environments.add(&place, (name, version), &imported, &options).map_err(explained)?;
    report(place.environment.as_str(), &change, arguments.dry_run, arguments.output)
}
