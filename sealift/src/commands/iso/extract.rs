//! `sealift iso extract`.

use std::path::Path;

use content::printable;

use crate::failure::{CommandResult, Failure};
use crate::output::documents::iso::{IsoExtraction, SkippedEntry};
use crate::output::documents::text;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;

pub(super) fn run(image: &Path, into: &Path, preserve: bool, output: ReportOutput) -> CommandResult {
    let opened = ::iso::IsoImage::open(image)?;
    let modes = if preserve { ::iso::ExtractedModes::All } else { ::iso::ExtractedModes::Permissions };
    let extracted = {
        let bar = Bar::bytes("extracting", opened.size());
        opened.extract(into, modes, &bar)?
    };
    if let [first, rest @ ..] = extracted.without_special.as_slice() {
        let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        output::note(&format!(
            "dropped the set-user-ID, set-group-ID or sticky bit of {}{others}; keep it with --preserve-permissions",
            printable(first)
        ));
    }
    let skipped = |one: &::iso::Skipped| SkippedEntry { path: one.path.clone(), reason: one.reason.clone() };
    let document = || IsoExtraction {
        folder: text(into),
        skipped: extracted.skipped.iter().map(skipped).collect(),
        dropped_special_bits: extracted.without_special.clone(),
    };
    output.report(document, String::new)?;
    for skipped in &extracted.skipped {
        output::warn(&format!("skipped {}: {}", printable(&skipped.path), printable(&skipped.reason)));
    }
    if extracted.skipped.is_empty() { Ok(()) } else { Err(Failure::Failed(None)) }
}
