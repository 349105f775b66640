//! `sealift iso check`.

use std::path::Path;

use content::{printable, printable_path};
use iso::md5::Md5Check;

use crate::failure::CommandResult;
use crate::output::documents::iso::IsoCheck;
use crate::output::{self, ReportOutput};
use crate::progress::Bar;
use crate::remedies;

pub(super) fn run(path: &Path, output: ReportOutput) -> CommandResult {
    let image = iso::IsoImage::open(path)?;
    let check = {
        let bar = Bar::bytes("checking", image.size());
        iso::md5::check_source(image.file(), path, &bar)?
    };
    let disagreements = image.disagreements()?;
    if !output.is_text() {
        output.report(|| IsoCheck::new(&check, &disagreements), String::new)?;
    }
    let lines: Vec<String> =
        disagreements.iter().map(|one| printable(&one.to_string()).to_string()).collect();
    output::warn_of(&lines, "findings");
    match &check {
        Md5Check::Intact { md5 } if disagreements.is_empty() => {
            if output.is_text() {
                output::print(&format!("{}: intact, MD5 {}\n", printable_path(path), hex::encode(md5)))?;
            }
            Ok(())
        }
        _ => Err(remedies::iso::check(path, &check, disagreements.len())),
    }
}
