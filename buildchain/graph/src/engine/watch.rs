//! Waiting until a user edits a file that the build reads.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use globset::GlobSet;

use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::paths;
use crate::model::selection::SelectedTasks;
use crate::model::task::TaskInput;
use crate::model::tree::InputTree;
use crate::record::survey::discovered;
use crate::record::walk::walk;

/// The files that the selected tasks read and no task produces, and others that define the tasks, as they were when the
/// watch began.
///
/// A watch that begins before a run also detects edits during the run. It polls the metadata of all files: that works on
/// every file system, for any number of files, and misses no edit. Their content is not read.
pub struct Watch<'a> {
    graph: &'a Graph,
    selection: &'a SelectedTasks,
    others: &'a dyn Fn() -> Vec<PathBuf>,
    own: &'a [PathBuf],
    before: Stamps,
}

/// The metadata of each file, which changes with its content.
type Stamps = BTreeMap<PathBuf, (u64, u64, u64, i64, i64, u32)>;

impl<'a> Watch<'a> {
    /// Begins to watch. `others` returns further paths to watch, whether a task reads them or not, and whether they exist or
    /// not; it is called at each poll. `own` are files and folders outside of the build root that runs write to, such as
    /// reports and caches: they are not watched.
    ///
    /// # Errors
    ///
    /// A folder cannot be listed.
    pub fn begin(
        graph: &'a Graph,
        selection: &'a SelectedTasks,
        others: &'a dyn Fn() -> Vec<PathBuf>,
        own: &'a [PathBuf],
    ) -> Result<Self, FileError> {
        let before = stamps(graph, selection, &others(), own)?;
        Ok(Self { graph, selection, others, own, before })
    }

    /// Waits until a file differs from when the watch began, and then until nothing has changed for one `interval`.
    /// Returns the changed files; none if `cancel` is true.
    ///
    /// # Errors
    ///
    /// A folder cannot be listed.
    pub fn wait(self, interval: Duration, cancel: &AtomicBool) -> Result<Vec<PathBuf>, FileError> {
        let Self { graph, selection, others, own, before } = self;
        let mut last = before.clone();
        loop {
            thread::sleep(interval);
            if cancel.load(Ordering::Relaxed) {
                return Ok(Vec::new());
            }
            let now = stamps(graph, selection, &others(), own)?;
            // Editors and checkouts write in several steps.
            if now == last && now != before {
                let changed = now
                    .iter()
                    .filter(|(path, stamp)| before.get(*path) != Some(*stamp))
                    .map(|(path, _)| path.clone());
                let removed = before.keys().filter(|path| !now.contains_key(*path)).cloned();
                return Ok(changed.chain(removed).collect());
            }
            last = now;
        }
    }
}

/// The stamps of all files that the selected tasks and their dependencies read and no task produces, and of `others`:
/// folders with all below them. Files below the build root or one of `own` are left out, since runs write them.
fn stamps(
    graph: &Graph,
    selection: &SelectedTasks,
    others: &[PathBuf],
    own: &[PathBuf],
) -> Result<Stamps, FileError> {
    let own: Vec<PathBuf> = own.iter().map(|path| paths::normal(&graph.root, path)).collect();
    let mut paths = sources(graph, selection, others)?;
    paths.retain(|path| {
        let folders = own.iter().chain([&graph.build_root]);
        !folders.into_iter().any(|folder| paths::is_within(path, folder)) && graph.producer(path).is_none()
    });
    let mut stamps = BTreeMap::new();
    for path in paths {
        if let Ok(metadata) = fs::metadata(graph.root.join(&path)) {
            // The files of a folder are listed themselves; its times also change when a run writes into it.
            let (size, seconds, nanoseconds) = if metadata.is_dir() {
                (0, 0, 0)
            } else {
                (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
            };
            let stamp = (metadata.dev(), metadata.ino(), size, seconds, nanoseconds, metadata.mode());
            stamps.insert(path, stamp);
        }
    }
    Ok(stamps)
}

/// All inputs of the selected tasks and their dependencies, and `others`.
fn sources(graph: &Graph, selection: &SelectedTasks, others: &[PathBuf]) -> Result<Vec<PathBuf>, FileError> {
    let mut paths = Vec::new();
    let add_trees = |paths: &mut Vec<PathBuf>, trees: &[InputTree]| -> Result<(), FileError> {
        for tree in trees {
            let found = walk(&graph.root, &graph.build_root, tree)?.unwrap_or_default();
            paths.extend(found.into_iter().map(|path| tree.root.join(path)));
        }
        Ok(())
    };
    let add_files = |paths: &mut Vec<PathBuf>, inputs: &[TaskInput]| {
        paths.extend(inputs.iter().filter_map(|input| match input {
            TaskInput::File(path) | TaskInput::Named { path, .. } => Some(path.clone()),
            _ => None,
        }));
    };
    for other in others {
        let path = paths::normal(&graph.root, other);
        if graph.root.join(&path).is_dir() {
            add_trees(&mut paths, &[InputTree { root: path, only: None, exclude: GlobSet::empty() }])?;
        } else {
            paths.push(path);
        }
    }
    for id in graph.cone(selection) {
        let linked = graph.linked(id);
        add_trees(&mut paths, &linked.trees)?;
        add_files(&mut paths, &linked.task.inputs);
        // If discovering fails, the run reports it.
        if let Some(Ok((inputs, trees))) =
            linked.task.discover.as_ref().map(|discover| discovered(graph, linked, discover))
        {
            add_trees(&mut paths, &trees)?;
            add_files(&mut paths, &inputs);
        }
    }
    Ok(paths)
}
