//! `sealift archive get`.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use content::{printable, printable_path};
use node::archives::{self, Error, ListedArchive};
use node::remote::NodeName;

use super::compare;
use super::steps::machine;
use crate::args::node_paths::NodePaths;
use crate::args::remote::RemoteArguments;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::node::ArchiveDocument;
use crate::output::{self, ReportOutput, size};
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// List only these: NAME, NAME-VERSION, path or mount point [default: all]
    #[arg(value_name = "NAME", conflicts_with = "nodes")]
    names: Vec<String>,
    /// Compare with this node (repeatable)
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<NodeName>,
    #[command(flatten)]
    remote: RemoteArguments,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    paths: NodePaths,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let mut listed = archives::get(&arguments.paths.paths(), &machine()?).map_err(explained)?;
    if !arguments.nodes.is_empty() {
        return compare::run(&listed, &arguments.nodes, &arguments.remote, arguments.output);
    }
    if let Some(name) = arguments.names.iter().find(|name| !listed.iter().any(|one| is_meant(one, name))) {
        return Err(explained(Error::Unknown(name.clone())));
    }
    listed.retain(|one| arguments.names.is_empty() || arguments.names.iter().any(|name| is_meant(one, name)));
    Ok(arguments
        .output
        .report(|| listed.iter().map(ArchiveDocument::from).collect::<List<_>>(), || table(&listed))?)
}

/// Whether a person means this archive by `name`.
fn is_meant(one: &ListedArchive, name: &str) -> bool {
    let path = Path::new(name);
    one.id.as_ref().is_some_and(|id| id == name)
        || one.product.as_ref().is_some_and(|product| product.name.eq_ignore_ascii_case(name))
        || [Some(&one.path), one.mounted.as_ref()].into_iter().flatten().any(|known| known == path)
}

fn table(listed: &[ListedArchive]) -> String {
    if listed.is_empty() {
        return "no archives\n".to_owned();
    }
    let heads = ["NAME", "KIND", "SIZE", "READABLE", "IMAGES", "MOUNTED", "ARCHIVE"];
    let mut text = output::table(heads, &listed.iter().map(row).collect::<Vec<_>>());
    for one in listed {
        if let Some(problem) = &one.problem {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", output::about(&one.path, &printable(problem).to_string()));
        }
        for warning in output::bounded(&one.warnings, "warnings") {
            let _ = writeln!(text, "warning: {}", output::about(&one.path, &warning));
        }
    }
    text
}

/// The columns of an archive. The content of files was not read for them.
fn row(one: &ListedArchive) -> [String; 7] {
    let readable = match (one.missing, &one.product, one.images) {
        (true, ..) => "missing",
        (_, Some(_), Some(_)) => "yes",
        _ => "no",
    };
    let images = one.images.map_or_else(
        || "?".to_owned(),
        |count| match count.total - count.whole {
            0 => format!("{} complete", count.total),
            _ => format!("{} of {} complete", count.whole, count.total),
        },
    );
    let form = if one.missing || one.product.is_none() { "?" } else { "folder" };
    [
        one.id.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string),
        format!("{}{}", one.kind, if one.active { ", active" } else { "" }),
        one.bytes.map_or_else(|| form.to_owned(), size),
        readable.to_owned(),
        images,
        mounted(one),
        printable_path(&one.path).to_string(),
    ]
}

/// Whether and where an archive is mounted.
pub(crate) fn mounted(one: &ListedArchive) -> String {
    match one.mounted.as_ref().zip(one.mounted_by) {
        Some((at, _)) if one.mount_broken => format!("broken at {}", printable_path(at)),
        Some((at, way)) => format!("{way} at {}", printable_path(at)),
        None => "no".to_owned(),
    }
}
