//! `sealift solution get-environment`.

use std::fmt::Write as _;

use clap::Args;
use content::printable;
use node::environments::{self, Environment, Error};

use crate::args::cluster::ClusterArguments;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::output::document::List;
use crate::output::documents::environments::EnvironmentDocument;
use crate::remedies::environments::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show only this environment
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let mut found = environments::list(&arguments.cluster.kubectl()).map_err(explained)?;
    if let Some(name) = &arguments.name {
        found.retain(|environment| environment.name == *name);
        if found.is_empty() {
            return Err(explained(Error::NoEnvironment(name.clone())));
        }
    }
    let document = || found.iter().map(EnvironmentDocument::from).collect::<List<_>>();
    Ok(arguments.output.report(document, || text(&found))?)
}

fn text(found: &[Environment]) -> String {
    if found.is_empty() {
        return "no environments\n".to_owned();
    }
    let mut text = String::new();
    for Environment { name, description, namespaces } in found {
        let description = description.as_ref().map(|text| format!(": {}", printable(text)));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{}", printable(name), description.unwrap_or_default());
        for (namespace, solutions) in namespaces {
            let solutions: Vec<String> =
                solutions.iter().map(|(name, version)| format!("{name} {version}")).collect();
            let solutions = if solutions.is_empty() { "no Solutions".into() } else { solutions.join(", ") };
            let _ = writeln!(text, "  {}: {}", printable(namespace), printable(&solutions));
        }
    }
    text
}
