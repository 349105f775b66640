//! `sealift package index`.

use std::path::Path;

use packages::repository::Options;

use crate::failure::Outcome;
use crate::output::documents::packages::PackageIndex;
use crate::output::{self, Output, documents};
use crate::remedies;

pub(super) fn run(folder: &Path, options: &Options, output: Output) -> Outcome {
    let index = packages::repository::index_with(folder, options).map_err(remedies::packages::index)?;
    index.warnings.iter().for_each(|warning| output::warn(warning));
    if !index.dropped.is_empty() {
        output::warn(&format!(
            "the metadata no longer have: {} (--keep-all-metadata keeps them)",
            content::printable(&index.dropped.join(", "))
        ));
    }
    let document = || PackageIndex {
        repomd: documents::text(&index.repomd),
        packages: index.packages,
        warnings: index.warnings.clone(),
        dropped: index.dropped.clone(),
    };
    let text = || format!("{}: {} packages\n", content::printable_path(&index.repomd), index.packages);
    Ok(output.report(document, text)?)
}
