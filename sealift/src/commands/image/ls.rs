//! `sealift image ls`.

use std::path::Path;

use images::dir_layout::{self, ImagePlace};

use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::images::ImageDocument;
use crate::output::{ReportOutput, size};

pub(super) fn run(folder: &Path, output: ReportOutput) -> CommandResult {
    report(dir_layout::list(folder)?, output)
}

/// Reports the images in `places`.
pub(super) fn report(places: Vec<ImagePlace>, output: ReportOutput) -> CommandResult {
    let mut images = Vec::new();
    let mut text = String::new();
    for place in places {
        let image = dir_layout::read(&place.folder)?;
        let bytes: u64 = image.blobs.iter().map(|blob| blob.size).sum();
        text.push_str(&format!("{}:{}  {}  {}\n", place.name, place.tag, size(bytes), image.digest));
        images.push(ImageDocument {
            name: place.name,
            tag: place.tag,
            digest: image.digest.to_string(),
            media_type: image.kind.media_type().to_owned(),
            bytes,
        });
    }
    Ok(output.report(|| images.into_iter().collect::<List<_>>(), || text)?)
}
