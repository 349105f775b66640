//! `sealift archive inspect`.

use std::fmt::Write as _;
use std::path::Path;

use archive::inspect::Inspection;
use content::printable;

use super::without_metadata;
use crate::failure::CommandResult;
use crate::output::documents::archives::ArchiveInspection;
use crate::output::{self, ReportOutput, count, size};

pub(super) fn run(path: &Path, output: ReportOutput) -> CommandResult {
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
