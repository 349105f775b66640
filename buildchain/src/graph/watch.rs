//! Waiting for somebody to edit what the build reads.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::files::LookError;
use super::model::Graph;
use super::select::Selection;
use super::survey;

/// Waits until a file that the selected tasks read, and that no task makes, is another than when the wait
/// began; then until nothing has changed for one `interval`. What has changed by then; empty if `cancel`
/// turned true.
///
/// The files are looked at, not listened to: that works on every file system, for any number of files, and
/// misses nothing. Their content is not read.
///
/// # Errors
///
/// If a folder cannot be listed.
pub fn watch(
    graph: &Graph,
    selection: &Selection,
    interval: Duration,
    cancel: &AtomicBool,
) -> Result<Vec<PathBuf>, LookError> {
    let before = survey::sources(graph, selection)?;
    let mut last = before.clone();
    loop {
        thread::sleep(interval);
        if cancel.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let now = survey::sources(graph, selection)?;
        // An editor saves, a checkout takes, in several steps.
        if now == last && now != before {
            let differs = |(path, stamp): &(&PathBuf, &survey::Stamp)| before.get(*path) != Some(*stamp);
            let changed = now.iter().filter(differs).map(|(path, _)| path.clone());
            let gone = before.keys().filter(|path| !now.contains_key(*path)).cloned();
            return Ok(changed.chain(gone).collect());
        }
        last = now;
    }
}
