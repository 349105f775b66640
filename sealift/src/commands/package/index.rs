//! `sealift package index`.

use std::path::Path;

use packages::repository::IndexOptions;

use crate::failure::CommandResult;
use crate::output::documents::packages::PackageIndex;
use crate::output::{self, ReportOutput, count, documents};
use crate::remedies;

pub(super) fn run(folder: &Path, options: &IndexOptions, output: ReportOutput) -> CommandResult {
    let index = packages::repository::index_with(folder, options).map_err(remedies::packages::index)?;
    index.warnings.iter().for_each(|warning| output::warn(warning));
    if !index.dropped.is_empty() {
        output::warn(&format!(
            "the new metadata lacks: {}; keep them with --keep-all-metadata",
            content::printable(&index.dropped.join(", "))
        ));
    }
    let document = || PackageIndex {
        repomd: documents::text(&index.repomd),
        packages: index.packages,
        warnings: index.warnings.clone(),
        dropped: index.dropped.clone(),
    };
    let text =
        || format!("{}: {}\n", content::printable_path(&index.repomd), count(index.packages, "package"));
    Ok(output.report(document, text)?)
}
