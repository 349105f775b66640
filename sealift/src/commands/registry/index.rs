//! `sealift registry index`.

use std::path::{Path, PathBuf};

use crate::commands::image::content_store;
use crate::failure::CommandResult;
use crate::output::documents::images::RegistryIndex;
use crate::output::documents::text;
use crate::output::{self, ReportOutput};
use crate::remedies;

pub(super) fn run(images: &Path, into: Option<PathBuf>, output: ReportOutput) -> CommandResult {
    let into = into.unwrap_or_else(|| images.parent().unwrap_or(images).join("registry"));
    images::original_names::OriginalNames::forget_missing(images)
        .map_err(remedies::images::original_names)?;
    let mut index = images::registry::RegistryTree::read(images).map_err(remedies::images::original_names)?;
    index.check(content_store::known().as_ref()).map_err(remedies::images::index)?;
    index.write(&into)?;
    let count = index.summary().images;
    if count == 0 {
        output::warn(&format!("{}: the folder contains no image", content::printable_path(images)));
    }
    let document = || RegistryIndex { registry: text(&into), images: count };
    Ok(output.report(document, || format!("{}\n", content::printable_path(&into)))?)
}
