//! `clean`: removing the outputs of tasks.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use content::IoError;

use crate::engine::outputs;
use crate::engine::prune::stale_outputs;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::paths;
use crate::model::selection::SelectedTasks;
use crate::model::task::TaskOutput;
use crate::query::forget::forget;
use crate::record::journal::JournalEntry;
use crate::record::state::{ProjectState, StateError};

/// A path that `clean` removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The task that produced it; `None` for folders that become empty, and for files that no task produces.
    pub task: Option<String>,
    /// The path, relative to the root.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// The line of doit: `X - removing file 'p'`.
impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = &self.task {
            write!(f, "{task} - ")?;
        }
        let kind = if self.is_folder { "dir" } else { "file" };
        write!(f, "removing {kind} '{}'", content::printable_path(&self.path))
    }
}

/// Why outputs cannot be removed: exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// A path cannot be read or removed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The paths that [`clean`] removes for the selected tasks (for groups: their members). `stale` are files and folders that
/// no task produces and that are removed too, folders with all below them.
///
/// Stale outputs of these tasks are removed; if all tasks are selected, also the outputs of tasks that the graph no longer
/// has. Outputs outside of the build root are kept. Folders that become empty are removed, also the build root.
///
/// # Errors
///
/// A folder cannot be listed.
pub fn plan_clean(
    graph: &Graph,
    selection: &SelectedTasks,
    stale: &[PathBuf],
    state: &ProjectState,
) -> Result<Vec<Cleaned>, CleanError> {
    let mut cleaned = Vec::new();
    let mut removed: BTreeSet<PathBuf> = BTreeSet::new();
    let members = graph.members(selection);
    let earlier = earlier_tasks(graph, &members, state);
    // In reverse order of the run.
    for id in members.tasks.iter().rev() {
        let task = graph.task(*id);
        for output in &task.outputs {
            let path = output.path();
            if !paths::is_within(path, &graph.build_root) || outputs::is_behind_link(graph, path) {
                continue;
            }
            if graph.root.join(path).symlink_metadata().is_ok() && removed.insert(path.clone()) {
                let is_folder = matches!(output, TaskOutput::Folder(_));
                cleaned.push(Cleaned { task: Some(task.name.clone()), path: path.clone(), is_folder });
            }
        }
    }
    let mut remove = |task: Option<String>, path: PathBuf| {
        let Ok(metadata) = graph.root.join(&path).symlink_metadata() else { return };
        if removed.insert(path.clone()) {
            cleaned.push(Cleaned { task, path, is_folder: metadata.is_dir() });
        }
    };
    for name in members.tasks.iter().map(|id| &graph.task(*id).name).chain(&earlier) {
        for path in stale_outputs(graph, state, name) {
            remove(Some(name.clone()), path);
        }
    }
    let stale = stale.iter().map(|path| paths::normal(&graph.root, path));
    // Outputs that a killed run moved aside are not needed.
    for path in stale.chain([outputs::aside(graph)]) {
        remove(None, path);
    }
    let count = cleaned.len();
    for index in 0..count {
        let Some(path) = cleaned.get(index).map(|cleaned| cleaned.path.clone()) else { break };
        for folder in
            paths::upwards(&path).skip(1).take_while(|folder| paths::is_within(folder, &graph.build_root))
        {
            if removed.contains(folder) || !would_be_empty(graph, folder, &removed)? {
                continue;
            }
            removed.insert(folder.to_owned());
            cleaned.push(Cleaned { task: None, path: folder.to_owned(), is_folder: true });
        }
    }
    // The deepest folders first.
    if let Some(folders) = cleaned.get_mut(count..) {
        folders.sort_by(|a, b| paths::order(&b.path, &a.path));
    }
    Ok(cleaned)
}

/// The recorded tasks that the graph no longer has, if all tasks are selected.
fn earlier_tasks(graph: &Graph, members: &SelectedTasks, state: &ProjectState) -> Vec<String> {
    let selected: BTreeSet<TaskId> = members.tasks.iter().copied().collect();
    let all = graph.tasks().all(|(id, task)| task.is_group() || selected.contains(&id));
    let mut names: Vec<String> =
        state.records.keys().filter(|name| all && graph.find(name).is_none()).cloned().collect();
    names.sort();
    names
}

fn would_be_empty(graph: &Graph, folder: &Path, removed: &BTreeSet<PathBuf>) -> Result<bool, CleanError> {
    for entry in fs::read_dir(graph.root.join(folder)).map_err(IoError::at("list", folder))? {
        let entry = entry.map_err(IoError::at("list", folder))?;
        if !removed.contains(&folder.join(entry.file_name())) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes the outputs of the selected tasks (for groups: of their members), and then their records: in this order, it works
/// on a full disk. `notify` is called before each removal.
///
/// # Errors
///
/// A path cannot be removed. Then all records are kept; the outputs that were removed are built again anyway.
pub fn clean(
    graph: &Graph,
    selection: &SelectedTasks,
    stale: &[PathBuf],
    state: &mut ProjectState,
    notify: &mut dyn FnMut(&Cleaned),
) -> Result<(), CleanError> {
    let cleaned = plan_clean(graph, selection, stale, state)?;
    let whole: BTreeSet<PathBuf> =
        stale.iter().map(|path| paths::normal(&graph.root, path)).chain([outputs::aside(graph)]).collect();
    for item in &cleaned {
        notify(item);
        let path = graph.root.join(&item.path);
        // A folder that should be empty may have new files, which are not ours.
        let emptied = item.task.is_none() && item.is_folder && !whole.contains(&item.path);
        let removed = if emptied { fs::remove_dir(&path) } else { outputs::remove(&path) };
        removed.map_err(IoError::at("remove", &item.path))?;
    }
    let earlier = earlier_tasks(graph, &graph.members(selection), state);
    let entries: Vec<_> = earlier.iter().map(|name| JournalEntry::Forget { name }).collect();
    if !entries.is_empty() {
        state.write(&entries)?;
    }
    forget(graph, selection, state)?;
    Ok(())
}
