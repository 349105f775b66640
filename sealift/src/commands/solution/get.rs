//! `sealift solution get`.

use std::fmt::Write as _;

use clap::Args;
use content::{printable, printable_path};
use node::archives::{self, Error, ListedSolution, SolutionHealth};
use node::environments::{self, Environment};

use crate::args::cluster::ClusterArguments;
use crate::args::node_paths::NodePaths;
use crate::commands::archive::get::mounted;
use crate::commands::archive::steps::machine;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::solutions::{SolutionDocument, SolutionUse};
use crate::output::{ReportOutput, size, table};
use crate::remedies;
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Show only the versions of this Solution
    name: Option<String>,
    /// Show only this version
    version: Option<String>,
    /// Also ask the cluster which environments have each version
    #[arg(long)]
    environments: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    cluster: ClusterArguments,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let mut found = archives::solutions(&arguments.paths.paths(), &machine()?).map_err(explained)?;
    if let Some(name) = &arguments.name {
        found.retain(|one| one.name.as_ref() == Some(name));
        if found.is_empty() {
            return Err(explained(Error::NotImported(name.clone())));
        }
        if let Some(version) = &arguments.version {
            let available = found.iter().filter_map(|one| one.version.clone()).collect();
            found.retain(|one| one.version.as_ref() == Some(version));
            if found.is_empty() {
                let (name, version) = (name.clone(), version.clone());
                return Err(explained(Error::NoSolution { name, version, available }));
            }
        }
    }
    let environments = if arguments.environments {
        let known = environments::list(&arguments.cluster.kubectl());
        Some(known.map_err(remedies::environments::explained)?)
    } else {
        None
    };
    let found: Vec<(ListedSolution, Option<Vec<SolutionUse>>)> = found
        .into_iter()
        .map(|one| {
            let uses = environments.as_ref().map(|environments| uses(&one, environments));
            (one, uses)
        })
        .collect();
    let text = || if arguments.name.is_some() { details(&found) } else { overview(&found) };
    let document = || found.iter().map(|(one, uses)| SolutionDocument::new(one, uses)).collect::<List<_>>();
    Ok(arguments.output.report(document, text)?)
}

/// The namespaces of environments that have this version.
fn uses(one: &ListedSolution, environments: &[Environment]) -> Vec<SolutionUse> {
    let (Some(name), Some(version)) = (&one.name, &one.version) else { return Vec::new() };
    let all = environments.iter().flat_map(|environment| {
        environment.namespaces.iter().map(move |(namespace, solutions)| (environment, namespace, solutions))
    });
    all.filter(|(.., solutions)| solutions.get(name) == Some(version))
        .map(|(environment, namespace, _)| SolutionUse {
            environment: environment.name.clone(),
            namespace: namespace.clone(),
        })
        .collect()
}

/// One line for each version, and what is wrong with them.
fn overview(found: &[(ListedSolution, Option<Vec<SolutionUse>>)]) -> String {
    if found.is_empty() {
        return "no Solutions\n".to_owned();
    }
    let heads = ["NAME", "VERSION", "ACTIVE", "HEALTH", "IMAGES", "MOUNTED", "DISPLAY NAME", "ARCHIVE"];
    let rows: Vec<_> = found.iter().map(|(one, _)| row(one)).collect();
    let mut text = table(heads, &rows);
    for (one, uses) in found {
        for used in uses.iter().flatten() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}: in environment {used}", title(one));
        }
        if let Some(problem) = &one.problem {
            let _ = writeln!(text, "{}: {}", title(one), printable(problem));
        }
        let warnings = one.archive.iter().flat_map(|archive| &archive.warnings);
        for warning in warnings {
            let _ = writeln!(text, "warning: {}: {}", title(one), printable(warning));
        }
    }
    text
}

fn row(one: &ListedSolution) -> [String; 8] {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "?".to_owned());
    let archive = one.archive.as_ref();
    [
        known(&one.name),
        known(&one.version),
        if one.active { "yes" } else { "no" }.to_owned(),
        health(one),
        if one.verifiable.is_some() { one.images.len().to_string() } else { "?".to_owned() },
        archive.map_or_else(|| "no".to_owned(), mounted),
        one.display_name.clone().unwrap_or_default(),
        archive.map(|archive| printable_path(&archive.path).to_string()).unwrap_or_default(),
    ]
}

/// All that is known of each version.
fn details(found: &[(ListedSolution, Option<Vec<SolutionUse>>)]) -> String {
    let mut text = String::new();
    for (one, uses) in found {
        let mut lines = Vec::new();
        if let Some(name) = &one.display_name {
            lines.push(("display name", name.clone()));
        }
        lines.push(("active", if one.active { "yes" } else { "no" }.to_owned()));
        lines.push(("health", health(one)));
        if let Some(problem) = &one.problem {
            lines.push(("problem", problem.clone()));
        }
        if let Some(archive) = &one.archive {
            let bytes = archive.bytes.map(|bytes| format!(" ({})", size(bytes))).unwrap_or_default();
            lines.push(("archive", format!("{}{bytes}", archive.path.display())));
            lines.push(("mounted", mounted(archive)));
            lines.extend(archive.requires.iter().map(|requirement| ("requires", requirement.to_string())));
            lines.extend(archive.warnings.iter().map(|warning| ("warning", warning.clone())));
        }
        lines.extend(uses.iter().flatten().map(|used| ("environment", used.to_string())));
        lines.extend(one.operator.iter().map(|image| ("operator", image.to_string())));
        lines.extend(one.ui.iter().map(|image| ("ui", image.to_string())));
        lines.extend(one.images.iter().map(|image| ("image", image.clone())));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", title(one));
        let mut last = "";
        for (key, value) in lines {
            let shown = if key == last { "" } else { key };
            last = key;
            let _ = writeln!(text, "  {shown:<12} {}", printable(&value));
        }
    }
    text
}

/// The name and version, or the path of an archive that cannot be read.
fn title(one: &ListedSolution) -> String {
    match (&one.name, &one.version, &one.archive) {
        (Some(name), Some(version), _) => printable(&format!("{name} {version}")).to_string(),
        (_, _, Some(archive)) => printable_path(&archive.path).to_string(),
        _ => "?".to_owned(),
    }
}

fn health(one: &ListedSolution) -> String {
    let health = match one.health {
        SolutionHealth::Complete => "complete",
        SolutionHealth::Incomplete => "incomplete",
        SolutionHealth::Unreadable => "unreadable",
        SolutionHealth::Missing => "missing",
    };
    if one.verifiable == Some(false) { format!("{health}, unverifiable") } else { health.to_owned() }
}
