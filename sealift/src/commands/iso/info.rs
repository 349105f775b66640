//! `sealift iso info`.

use std::path::Path;

use iso::md5::StoredMd5;

use super::file_size;
use crate::failure::CommandResult;
use crate::output::documents::iso::IsoInformation;
use crate::output::{self, ReportOutput};

pub(super) fn run(image: &Path, output: ReportOutput) -> CommandResult {
    let opened = ::iso::IsoImage::open(image)?;
    let volume = opened.volume();
    let sums = ::iso::md5::stored(opened.file(), image)?;
    let bytes = file_size(image)?;
    let text = || as_text(volume, bytes, sums.as_ref());
    Ok(output.report(|| IsoInformation::new(volume, bytes, sums.as_ref()), text)?)
}

fn as_text(volume: &::iso::Volume, bytes: u64, sums: Option<&StoredMd5>) -> String {
    let descriptors: Vec<_> = volume.descriptors.iter().map(|kind| kind.word()).collect();
    let names = [("Rock Ridge", volume.rock_ridge), ("Joliet", volume.joliet), ("El Torito", volume.boot)];
    let names: Vec<_> = names.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
    let mut text = String::new();
    for (key, value) in [
        ("descriptors", descriptors.join(", ")),
        ("volume id", volume.volume_id.clone()),
        ("system id", volume.system_id.clone()),
        ("volume set id", volume.volume_set_id.clone()),
        ("publisher", volume.publisher.clone()),
        ("preparer", volume.preparer.clone()),
        ("application", volume.application.clone()),
        ("created", volume.created.and_then(date).unwrap_or_default()),
        ("modified", volume.modified.and_then(date).unwrap_or_default()),
        ("extensions", names.join(", ")),
        ("volume", format!("{} sectors of 2048 bytes", volume.sectors)),
        ("file", format!("{bytes} bytes ({})", output::size(bytes))),
        ("implanted MD5", sums.map_or_else(|| "none".into(), |sums| hex::encode(sums.md5))),
        ("covers", sums.map(covers).unwrap_or_default()),
    ] {
        if !value.is_empty() {
            text.push_str(&format!("{key:<14} {value}\n"));
        }
    }
    text
}

fn covers(sums: &StoredMd5) -> String {
    format!("all but the last {} sectors, in {} fragments", sums.skipped_sectors, sums.fragments)
}

fn date(seconds: i64) -> Option<String> {
    jiff::Timestamp::from_second(seconds).ok().map(|date| date.to_string())
}
