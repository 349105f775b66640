//! Waiting for somebody to edit what the build reads.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::model::graph::Graph;
use crate::model::selection::Selection;
use crate::record::files::LookError;
use crate::record::survey::{self, Stamp};

/// The files that the selected tasks read and that no task makes, and others that decide what the tasks are, as they were
/// when the watch began.
///
/// Begun before a run, it also sees what is edited while that goes on. The files are looked at, not listened to: that works
/// on every file system, for any number of files, and misses nothing. Their content is not read.
pub struct Watch<'a> {
    graph: &'a Graph,
    selection: &'a Selection,
    others: &'a dyn Fn() -> Vec<PathBuf>,
    own: &'a [PathBuf],
    before: BTreeMap<PathBuf, Stamp>,
}

impl<'a> Watch<'a> {
    /// Begins to watch. `others` names what is watched whether a task reads it or not, and whether it exists or not; it is
    /// asked at each look. `own` are files and folders outside the build root that runs write to, such as reports and
    /// caches: they are not watched.
    ///
    /// # Errors
    ///
    /// If a folder cannot be listed.
    pub fn begin(
        graph: &'a Graph,
        selection: &'a Selection,
        others: &'a dyn Fn() -> Vec<PathBuf>,
        own: &'a [PathBuf],
    ) -> Result<Self, LookError> {
        let before = survey::sources(graph, selection, &others(), own)?;
        Ok(Self { graph, selection, others, own, before })
    }

    /// Waits until a file is another than when the watch began; then until nothing has changed for one `interval`.
    /// What has changed by then; empty if `cancel` turned true.
    ///
    /// # Errors
    ///
    /// If a folder cannot be listed.
    pub fn wait(self, interval: Duration, cancel: &AtomicBool) -> Result<Vec<PathBuf>, LookError> {
        let Self { graph, selection, others, own, before } = self;
        let mut last = before.clone();
        loop {
            thread::sleep(interval);
            if cancel.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            let now = survey::sources(graph, selection, &others(), own)?;
            // An editor saves, a checkout takes, in several steps.
            if now == last && now != before {
                let differs = |(path, stamp): &(&PathBuf, &Stamp)| before.get(*path) != Some(*stamp);
                let changed = now.iter().filter(differs).map(|(path, _)| path.clone());
                let gone = before.keys().filter(|path| !now.contains_key(*path)).cloned();
                return Ok(changed.chain(gone).collect());
            }
            last = now;
        }
    }
}
