//! `sealift iso implant`.

use std::path::Path;

use super::file_size;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::output::documents::iso::IsoSum;
use crate::output::documents::text;
use crate::progress::Bar;
use crate::remedies;

pub(super) fn run(image: &Path, force: bool, output: ReportOutput) -> CommandResult {
    let bar = Bar::bytes("implanting", file_size(image)?);
    let md5 = ::iso::md5::implant(image, force, &bar).map_err(remedies::iso::implant)?;
    drop(bar);
    let md5 = hex::encode(md5);
    let document = || IsoSum { image: text(image), md5: md5.clone() };
    Ok(output.report(document, || format!("{md5}  {}\n", content::printable_path(image)))?)
}
