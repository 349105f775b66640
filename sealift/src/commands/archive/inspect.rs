//! `sealift archive inspect`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use archive::inspect::Inspection;
use archive::sbom::{FoundPackages, PackageQuery, PackageSearch};
use clap::Args;
use content::printable;

use super::without_metadata;
use crate::failure::CommandResult;
use crate::output::documents::archives::ArchiveInspection;
use crate::output::documents::sboms::ArchivePackages;
use crate::output::{self, ReportOutput, count, size};
use crate::progress::Bar;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: an ISO, a mount point or a folder
    archive: PathBuf,
    /// List the packages in images and repositories: all, or those that QUERY names
    ///
    /// QUERY is NAME, or NAME < VERSION with one of <, <=, =, !=, >=, >. A name can have `*` for any text, and a source package stands
    /// for all packages that were built from it. The SBOMs of the archive are used; an image without one is read.
    #[arg(long, value_name = "QUERY", num_args = 0..=1, default_missing_value = "")]
    packages: Option<PackageQuery>,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let Arguments { archive, packages, output } = arguments;
    match packages {
        Some(query) => search(archive, query, *output),
        None => inspect(archive, *output),
    }
}

fn search(path: &Path, query: &PackageQuery, output: ReportOutput) -> CommandResult {
    let search = PackageSearch::open(path)?;
    let found = {
        let bar = Bar::bytes("reading", search.bytes());
        search.run(query, &std::env::temp_dir(), &bar)?
    };
    Ok(output.report(|| ArchivePackages::new(path, query, &found), || listed(query, &found))?)
}

/// The packages for people.
fn listed(query: &PackageQuery, found: &FoundPackages) -> String {
    let mut text = String::new();
    for (holder, component) in &found.packages {
        let shown = |before: &str, text: &str| match text {
            "" => String::new(),
            text => format!(", {before}{}", printable(text)),
        };
        let (arch, source) = (shown("", &component.arch), shown("from ", &component.source));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{holder}: {} {} ({}{arch}{source})",
            printable(&component.name),
            printable(&component.version),
            component.ecosystem.name()
        );
    }
    for (holder, note) in &found.notes {
        let _ = writeln!(text, "note: {holder}: {}", printable(note));
    }
    let query = query.to_string();
    let asked = if query.is_empty() { String::new() } else { format!(" for `{}`", printable(&query)) };
    let _ = writeln!(text, "{}{asked}", count(found.packages.len() as u64, "package"));
    text
}

fn inspect(path: &Path, output: ReportOutput) -> CommandResult {
    let inspection = archive::inspect::inspect(path)?;
    Ok(output.report(|| ArchiveInspection::from(&inspection), || contents(&inspection))?)
}

pub(super) fn contents(inspection: &Inspection) -> String {
    let mut text = String::new();
    if let Some(product) = &inspection.product {
        let _ = writeln!(text, "{} {}", printable(&product.name), printable(&product.version));
        if let Some(date) = &product.build_timestamp {
            let _ = match &product.git {
                Some(commit) => writeln!(text, "commit {} of {}", printable(commit), printable(date)),
                None => writeln!(text, "built without a commit, dated {}", printable(date)),
            };
        }
    }
    for requirement in &inspection.requires {
        let images = requirement.images.iter().map(|image| format!("image {image}"));
        let packages = requirement.packages.iter().map(|package| format!("package {package}"));
        let uses: Vec<String> = images.chain(packages).collect();
        let uses = if uses.is_empty() { String::new() } else { format!(" with {}", uses.join(", ")) };
        let _ = writeln!(text, "requires {requirement}{}", printable(&uses));
    }
    let _ = write!(text, "{}, {}", count(inspection.files, "file"), size(inspection.bytes));
    if let Some(bytes) = inspection.image_bytes {
        let _ = write!(text, "; the ISO is {}", size(bytes));
    }
    text.push('\n');
    for image in &inspection.images {
        let digest = image.digest.as_deref().unwrap_or("no readable manifest");
        let _ = writeln!(
            text,
            "image    {}:{}  {}  {}  {digest}",
            printable(&image.name),
            printable(&image.tag),
            size(image.bytes),
            printable(&image.platforms.join(","))
        );
        if let Some(problem) = &image.problem {
            let _ = writeln!(text, "         cannot be served: {}", printable(&problem.to_string()));
        }
    }
    for repository in &inspection.repositories {
        for package in &repository.packages {
            let _ = writeln!(text, "package  {}  in {}", printable(package), printable(&repository.folder));
        }
    }
    for line in output::bounded(&without_metadata(&inspection.unindexed), "repositories without metadata") {
        let _ = writeln!(text, "warning: {line}");
    }
    text
}
