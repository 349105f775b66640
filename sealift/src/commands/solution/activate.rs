//! `sealift solution activate` and `deactivate`.

use clap::Args;
use node::archives::{self, Activation, ActivationOptions};

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

/// Makes `version` the active one, or with `None` no version.
pub(super) fn run(arguments: &Arguments, version: Option<&str>, ignore_requires: bool) -> CommandResult {
    let paths = arguments.paths.paths();
    let options = ActivationOptions { ignore_requires, dry_run: arguments.dry_run };
    let activation = archives::activate(&paths, &arguments.name, version, &options);
    let activation = activation.map_err(remedies::archives::explained)?;
    activation.notes.iter().for_each(|note| output::warn(note));
    Ok(arguments
        .output
        .report(|| SolutionActivation::from(&activation), || told(&activation, arguments.dry_run))?)
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
