//! `clean`, `forget`, `ignore` and `reset-dep`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::engine::sweep;
use crate::model::graph::{Graph, TaskId};
use crate::model::paths;
use crate::model::selection::Selection;
use crate::model::task::Output;
use crate::record::digest::Digest;
use crate::record::files::{Files, LookError, NEVER};
use crate::record::journal::Entry;
use crate::record::manifest;
use crate::record::state::{State, StateError};
use crate::record::survey;

/// What `clean` removes, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The task that made it; `None` for a folder that is left empty, and for what no task makes any more.
    pub task: Option<String>,
    /// The path, relative to the root.
    pub path: PathBuf,
    /// It is a folder.
    pub is_folder: bool,
}

/// doit's line: `X - removing file 'p'`.
impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = &self.task {
            write!(f, "{task} - ")?;
        }
        let kind = if self.is_folder { "dir" } else { "file" };
        write!(f, "removing {kind} '{}'", content::printable_path(&self.path))
    }
}

/// Something cannot be cleaned: exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// It cannot be looked at or removed.
    #[error("cannot remove {}", content::printable_path(path))]
    Remove {
        /// The path, relative to the root.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The memory of the build cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// What cleaning the selected tasks (the members, of groups) would remove: exactly what [`clean`] then does.
/// `stale` are files and folders that no task makes and that are removed with them, a folder with all that is in it.
///
/// What the tasks made in earlier runs under other names is removed too; if all tasks are selected, also what tasks made
/// that the graph no longer has. Outputs outside the build root are left alone. Folders that become empty thereby are
/// removed, the build root included.
///
/// # Errors
///
/// If a folder cannot be listed.
pub fn plan_clean(
    graph: &Graph,
    selection: &Selection,
    stale: &[PathBuf],
    state: &State,
) -> Result<Vec<Cleaned>, CleanError> {
    let mut cleaned = Vec::new();
    let mut gone: BTreeSet<PathBuf> = BTreeSet::new();
    let members = graph.members(selection);
    let earlier = earlier_tasks(graph, &members, state);
    // What was made last goes first.
    for id in members.tasks.iter().rev() {
        let task = graph.task(*id);
        for output in &task.outputs {
            let path = output.path();
            if !paths::is_within(path, &graph.build_root) || sweep::is_behind_link(graph, path) {
                continue;
            }
            if graph.root.join(path).symlink_metadata().is_ok() && gone.insert(path.clone()) {
                let is_folder = matches!(output, Output::Folder(_));
                cleaned.push(Cleaned { task: Some(task.name.clone()), path: path.clone(), is_folder });
            }
        }
    }
    let mut remove = |task: Option<String>, path: PathBuf| {
        let Ok(metadata) = graph.root.join(&path).symlink_metadata() else { return };
        if gone.insert(path.clone()) {
            cleaned.push(Cleaned { task, path, is_folder: metadata.is_dir() });
        }
    };
    for name in members.tasks.iter().map(|id| &graph.task(*id).name).chain(&earlier) {
        for path in sweep::outgrown(graph, state, name) {
            remove(Some(name.clone()), path);
        }
    }
    let stale = stale.iter().map(|path| paths::normal(&graph.root, path));
    // What a killed run left there is of no use to anybody.
    for path in stale.chain([sweep::aside(graph)]) {
        remove(None, path);
    }
    let made = cleaned.len();
    for index in 0..made {
        let Some(path) = cleaned.get(index).map(|cleaned| cleaned.path.clone()) else { break };
        for folder in
            paths::upwards(&path).skip(1).take_while(|folder| paths::is_within(folder, &graph.build_root))
        {
            if gone.contains(folder) || !would_be_empty(graph, folder, &gone)? {
                continue;
            }
            gone.insert(folder.to_owned());
            cleaned.push(Cleaned { task: None, path: folder.to_owned(), is_folder: true });
        }
    }
    // Folders nearest to the root last.
    if let Some(folders) = cleaned.get_mut(made..) {
        folders.sort_by(|a, b| paths::order(&b.path, &a.path));
    }
    Ok(cleaned)
}

/// The tasks that are remembered and that the graph no longer has, if all tasks are selected.
fn earlier_tasks(graph: &Graph, members: &Selection, state: &State) -> Vec<String> {
    let selected: BTreeSet<TaskId> = members.tasks.iter().copied().collect();
    let all = graph.tasks().all(|(id, task)| task.is_group() || selected.contains(&id));
    let mut names: Vec<String> =
        state.tasks.keys().filter(|name| all && graph.find(name).is_none()).cloned().collect();
    names.sort();
    names
}

fn would_be_empty(graph: &Graph, folder: &Path, gone: &BTreeSet<PathBuf>) -> Result<bool, CleanError> {
    let failed = |source| CleanError::Remove { path: folder.to_owned(), source };
    for entry in fs::read_dir(graph.root.join(folder)).map_err(failed)? {
        if !gone.contains(&folder.join(entry.map_err(failed)?.file_name())) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what the selected tasks (the members, of groups) made, and forgets that they ran; in this order, so that a full
/// disk is no hindrance. `tell` hears of each removal before it is done.
///
/// # Errors
///
/// At the first path that cannot be removed. Nothing is forgotten then; what is gone is made again all the same.
pub fn clean(
    graph: &Graph,
    selection: &Selection,
    stale: &[PathBuf],
    state: &mut State,
    tell: &mut dyn FnMut(&Cleaned),
) -> Result<(), CleanError> {
    let cleaned = plan_clean(graph, selection, stale, state)?;
    let whole: BTreeSet<PathBuf> =
        stale.iter().map(|path| paths::normal(&graph.root, path)).chain([sweep::aside(graph)]).collect();
    for item in &cleaned {
        tell(item);
        let path = graph.root.join(&item.path);
        // What came meanwhile into a folder that was to be empty is not ours.
        let emptied = item.task.is_none() && item.is_folder && !whole.contains(&item.path);
        let removed = if emptied { fs::remove_dir(&path) } else { sweep::remove(&path) };
        removed.map_err(|source| CleanError::Remove { path: item.path.clone(), source })?;
    }
    let earlier = earlier_tasks(graph, &graph.members(selection), state);
    let entries: Vec<_> = earlier.iter().map(|name| Entry::Forget { name }).collect();
    if !entries.is_empty() {
        state.write(&entries)?;
    }
    forget(graph, selection, state)?;
    Ok(())
}

/// Forgets that the selected tasks (the members, of groups) ever ran, and that they are ignored. Their names,
/// for `forgetting X`.
///
/// # Errors
///
/// If the state cannot be written.
pub fn forget(graph: &Graph, selection: &Selection, state: &mut State) -> Result<Vec<String>, StateError> {
    let names: Vec<String> =
        graph.members(selection).tasks.iter().map(|id| graph.task(*id).name.clone()).collect();
    let known: Vec<_> = names
        .iter()
        .filter(|name| state.tasks.contains_key(*name) || state.ignored.contains(*name))
        .cloned()
        .collect();
    let entries: Vec<_> = known.iter().map(|name| Entry::Forget { name }).collect();
    if !entries.is_empty() {
        state.write(&entries)?;
    }
    Ok(names)
}

/// Ignores the selected tasks (the members, of groups) from now on, until they are forgotten; and thereby all
/// that needs them. Their names, for `ignoring X`.
///
/// # Errors
///
/// If the state cannot be written.
pub fn ignore(graph: &Graph, selection: &Selection, state: &mut State) -> Result<Vec<String>, StateError> {
    let names: Vec<String> =
        graph.members(selection).tasks.iter().map(|id| graph.task(*id).name.clone()).collect();
    let entries: Vec<_> = names.iter().map(|name| Entry::Ignore { name }).collect();
    state.write(&entries)?;
    Ok(names)
}

/// What `reset-dep` did with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reset {
    /// It was up to date: `skip X`.
    Skipped(String),
    /// What is there now is taken for the result of a successful run: `processed X`.
    Processed(String),
    /// An input or an output is missing: `failed X (…)`.
    Failed(String, String),
}

/// doit's line.
impl fmt::Display for Reset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(name) => write!(f, "skip {name}"),
            Self::Processed(name) => write!(f, "processed {name}"),
            Self::Failed(name, reason) => write!(f, "failed {name} ({})", content::printable(reason)),
        }
    }
}

/// Takes what is there now for the results of successful runs of the selected tasks (the members, of groups),
/// on the user's word.
///
/// # Errors
///
/// If the root cannot be opened or the state cannot be written.
pub fn reset_dep(
    graph: &Graph,
    selection: &Selection,
    state: &mut State,
) -> Result<Vec<Reset>, crate::engine::run::RunError> {
    let files = Files::new(&graph.root, None, state.known.clone(), 1)?;
    let mut resets = Vec::new();
    for id in graph.members(selection).tasks {
        let name = &graph.task(id).name;
        resets.push(match reset(graph, id, &files, state)? {
            Ok(true) => Reset::Processed(name.clone()),
            Ok(false) => Reset::Skipped(name.clone()),
            Err(reason) => Reset::Failed(name.clone(), reason),
        });
    }
    Ok(resets)
}

/// Whether there was anything to do; or why it cannot be done.
fn reset(
    graph: &Graph,
    id: TaskId,
    files: &Files,
    state: &mut State,
) -> Result<Result<bool, String>, StateError> {
    let node = graph.node(id);
    let (mut manifest, mut outputs, mut listings) = (Vec::new(), Vec::new(), Vec::new());
    let looked = survey::inputs(graph, node, files, &NEVER, &mut listings, &mut manifest)
        .map_err(|error| crate::model::task::chain(&error))
        .and_then(|()| {
            survey::outputs(&graph.root, node, files, &NEVER, &mut listings, &mut outputs)
                .map_err(|error: LookError| crate::model::task::chain(&error))
        });
    if let Err(reason) = looked {
        return Ok(Err(reason));
    }
    if let Some(missing) = manifest::items(&outputs).find(|item| item.value == manifest::Value::Nothing) {
        return Ok(Err(format!("output {} is missing", content::printable_path(missing.path()))));
    }
    let key = Digest::of(&manifest);
    let name = &node.task.name;
    let same = |record: &crate::record::journal::Record| record.key == key && *record.outputs == *outputs;
    if state.tasks.get(name).is_some_and(same) {
        return Ok(Ok(false));
    }
    let mut entries: Vec<_> =
        listings.iter().map(|(digest, bytes)| Entry::Listing { digest: *digest, bytes }).collect();
    entries.push(Entry::Task { name, key, manifest: &manifest, outputs: &outputs, millis: 0 });
    state.write(&entries)?;
    Ok(Ok(true))
}
