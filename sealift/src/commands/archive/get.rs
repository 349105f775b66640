//! `sealift archive get`.

use std::fmt::Write as _;
use std::path::Path;

use clap::Args;
use content::{printable, printable_path};
use node::archives::{self, ArchivedImage, Error, ListedArchive};
use node::remote::NodeName;

use super::compare;
use super::steps::machine;
use crate::args::node_paths::NodePaths;
use crate::args::remote::RemoteArguments;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::node::{ArchiveDocument, ArchivedImageDocument};
use crate::output::{self, ReportOutput, size};
use crate::remedies::archives::explained;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// List only these: NAME, NAME-VERSION, path or mount point [default: all]
    #[arg(value_name = "NAME", conflicts_with = "nodes")]
    names: Vec<String>,
    /// List the images, with their digests and original names
    #[arg(long, conflicts_with = "nodes")]
    images: bool,
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
    if arguments.images {
        return images(arguments, &listed);
    }
    listed.retain(|one| arguments.names.is_empty() || arguments.names.iter().any(|name| is_meant(one, name)));
    Ok(arguments
        .output
        .report(|| listed.iter().map(ArchiveDocument::from).collect::<List<_>>(), || table(&listed))?)
}

/// Lists the images. Those of archives that are not listed can hide others, too.
fn images(arguments: &Arguments, listed: &[ListedArchive]) -> CommandResult {
    let (mut images, failed) = archives::images(listed);
    for (path, problem) in &failed {
        output::warn(&output::left_out(path, problem));
    }
    let is_shown = |image: &ArchivedImage| {
        let archive = listed.iter().find(|one| one.path == image.archive);
        let is_meant = |one: &ListedArchive| arguments.names.iter().any(|name| is_meant(one, name));
        arguments.names.is_empty() || archive.is_some_and(is_meant)
    };
    images.retain(is_shown);
    let document = || images.iter().map(ArchivedImageDocument::from).collect::<List<_>>();
    Ok(arguments.output.report(document, || image_table(&images))?)
}

fn image_table(images: &[ArchivedImage]) -> String {
    if images.is_empty() {
        return "no images\n".to_owned();
    }
    let mut rows = Vec::new();
    for image in images {
        let archive =
            image.id.as_ref().map_or_else(|| printable_path(&image.archive).to_string(), ToString::to_string);
        let name = printable(&format!("{}:{}", image.name, image.tag)).to_string();
        let digest = image.digest.map_or_else(|| "?".to_owned(), |digest| digest.short());
        let originals = image.original.iter().map(|original| match &original.hidden_by {
            Some(newer) => format!("{} (hidden by {newer})", original.reference),
            None => original.reference.clone(),
        });
        let originals: Vec<String> = originals.collect();
        let original = if originals.is_empty() { "-".to_owned() } else { originals.join(", ") };
        rows.push([archive, name, digest, original]);
    }
    let mut text = output::table(["ARCHIVE", "IMAGE", "DIGEST", "ORIGINAL NAME"], &rows);
    let problem = |image: &ArchivedImage| {
        let problem = image.problem.as_ref()?;
        Some(output::about(&image.archive, &format!("{}:{}: {problem}", image.name, image.tag)))
    };
    let problems: Vec<String> = images.iter().filter_map(problem).collect();
    for problem in output::bounded(&problems, "images that are not served") {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", printable(&problem));
    }
    text
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
