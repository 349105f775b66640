//! `sealift image check`.

use std::path::{Path, PathBuf};

use images::check;
use images::store::DamagedBlob;

use super::content_store::{existing, open};
use crate::failure::{CommandResult, Failure};
use crate::output::documents::images::{ContentStoreCheck, DamagedContent, ImageCheck};
use crate::output::{ReportOutput, count, documents, size};
use crate::remedies;

/// Checks a folder of images.
pub(super) fn folder(folder: &Path, output: ReportOutput) -> CommandResult {
    let threads = content::parallel::processors();
    let report = check::check(folder, threads)?;
    if report.images.is_empty() && report.problems.is_empty() {
        return Err(remedies::images::none(folder));
    }
    let document = || ImageCheck {
        images: report.images.len(),
        problems: report.problems.iter().map(Into::into).collect(),
    };
    let text = || {
        let mut text: String = report.problems.iter().map(|problem| format!("{problem}\n")).collect();
        let (images, problems) =
            (count(report.images.len(), "image"), count(report.problems.len(), "problem"));
        text.push_str(&format!("{images}, {problems}\n"));
        text
    };
    output.report(document, text)?;
    if report.problems.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}

/// Checks the content store.
pub(super) fn store(given: Option<PathBuf>, output: ReportOutput) -> CommandResult {
    let root = existing(given)?;
    let threads = content::parallel::processors();
    let checked = open(&root)?.check(threads)?;
    let damaged = |damaged: &DamagedBlob| DamagedContent {
        path: documents::text(&damaged.path),
        found: damaged.found.map(|digest| digest.to_string()),
        linked: damaged.linked,
    };
    let document = || ContentStoreCheck {
        store: documents::text(&root),
        files: checked.files,
        bytes: checked.bytes,
        damaged: checked.damaged.iter().map(damaged).collect(),
    };
    let text = || {
        let mut text = String::new();
        for damaged in &checked.damaged {
            let found = damaged
                .found
                .map_or_else(|| "not a regular file".to_owned(), |found| format!("found {found}"));
            let linked = match damaged.linked {
                0 => String::new(),
                1 => "; 1 folder shares the file".to_owned(),
                folders => format!("; {folders} folders share the file"),
            };
            text.push_str(&format!("{}: removed, {found}{linked}\n", content::printable_path(&damaged.path)));
        }
        let (files, bytes) = (count(checked.files, "file"), size(checked.bytes));
        text.push_str(&format!("{files}, {bytes}; {} damaged\n", checked.damaged.len()));
        text
    };
    output.report(document, text)?;
    if checked.damaged.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}
