//! `sealift iso mount`.

use std::path::Path;

use super::faults;
use crate::failure::CommandResult;
use crate::output;

/// How often a mount checks for signals and for its end.
const SIGNALS_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

pub(super) fn run(image: &Path, folder: &Path, everybody: bool) -> CommandResult {
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    let mounted = ::iso::IsoImage::open(image)?.mount(folder, everybody)?;
    output::note(&format!(
        "{} is mounted at {}; Ctrl-C unmounts it",
        content::printable_path(image),
        content::printable_path(folder)
    ));
    // The rest can be read, so the mount succeeds.
    let _ = faults(mounted.faults().iter().map(|(path, fault)| (path.as_str(), fault)));
    while signals.pending().next().is_none() {
        if mounted.is_gone() {
            return Ok(());
        }
        std::thread::sleep(SIGNALS_EVERY);
    }
    mounted.unmount()?;
    Ok(())
}
