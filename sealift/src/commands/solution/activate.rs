//! `sealift solution activate` and `deactivate`.

use clap::Args;
use node::archives::{self, Activation, ActivationOptions};
use node::environments::ObjectName;

use super::crds::{self, CrdArguments};

use crate::args::node_paths::NodePaths;
use crate::failure::CommandResult;
use crate::output::documents::node::SolutionActivation;
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The name of the Solution
    #[arg(long)]
    name: String,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

/// Makes `version` the active one, and deploys its definitions of custom resources where a cluster is configured.
pub(super) fn activate(
    arguments: &Arguments,
    version: &str,
    ignore_requires: bool,
    crds: &CrdArguments,
) -> CommandResult {
    let Arguments { name, dry_run, .. } = arguments;
    let paths = arguments.paths.paths();
    let change = |dry_run| {
        let options = ActivationOptions { ignore_requires, dry_run };
        archives::activate(&paths, name, Some(version), &options).map_err(remedies::archives::explained)
    };
    if !crds.are_deployed() {
        return report(arguments, &change(*dry_run)?, &[]);
    }
    // Whatever the cluster would refuse is found before anything changes.
    let mut activation = change(true)?;
    let chosen = crds::imported(&paths, name, version)?;
    let mut deployed = crds.deploy(&chosen, true)?;
    if !dry_run {
        activation = change(false)?;
        deployed = crds.deploy(&chosen, false)?;
    }
    report(arguments, &activation, &deployed)
}

/// Makes no version the active one.
pub(super) fn deactivate(arguments: &Arguments) -> CommandResult {
    let options = ActivationOptions { ignore_requires: false, dry_run: arguments.dry_run };
    let activation = archives::activate(&arguments.paths.paths(), &arguments.name, None, &options);
    report(arguments, &activation.map_err(remedies::archives::explained)?, &[])
}

fn report(arguments: &Arguments, activation: &Activation, deployed: &[ObjectName]) -> CommandResult {
    activation.notes.iter().for_each(|note| output::warn(note));
    let document = || SolutionActivation::new(activation, deployed);
    let text = || told(activation, arguments.dry_run) + &told_of_crds(deployed, arguments.dry_run);
    Ok(arguments.output.report(document, text)?)
}

fn told_of_crds(deployed: &[ObjectName], dry_run: bool) -> String {
    let verb = if dry_run { "would apply" } else { "applied" };
    deployed.iter().map(|object| format!("{verb} {object}\n")).collect()
}

fn told(activation: &Activation, dry_run: bool) -> String {
    let Activation { solution, version, former, file, .. } = activation;
    let version_or_none = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
    if version == former {
        return format!("{solution}: nothing to do\n");
    }
    format!(
        "{solution}: {}active in {}: {}, before: {}\n",
        if dry_run { "would be " } else { "" },
        content::printable_path(file),
        version_or_none(version),
        version_or_none(former)
    )
}
