//! `sealift iso cat`.

use std::path::Path;

use super::find;
use crate::failure::CommandResult;

pub(super) fn run(image: &Path, path: &str) -> CommandResult {
    use std::io::Write as _;

    let opened = ::iso::IsoImage::open(image)?;
    let entry = find(&opened, image, path)?;
    let mut buffer = vec![0; 256 * 1024];
    let mut offset = 0;
    // The bytes of the file are written as they are, without a filter for terminals.
    let mut out = std::io::stdout().lock();
    loop {
        let count = opened.read_at(&entry, offset, &mut buffer)?;
        if count == 0 {
            break;
        }
        out.write_all(&buffer[..count])?;
        offset += count as u64;
    }
    out.flush()?;
    Ok(())
}
