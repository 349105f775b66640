//! `clean`: removing the outputs of tasks.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use content::IoError;

use crate::engine::outputs;
use crate::engine::project::{self, Recovered};
use crate::engine::prune::stale_outputs;
use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::paths;
use crate::model::selection::SelectedTasks;
use crate::model::task::TaskOutput;
use crate::query::forget::forget;
use crate::record::files::KnownFiles;
use crate::record::journal::JournalEntry;
use crate::record::own::{self, OwnState};
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
    /// Why it is not removed.
    pub kept: Option<KeptFile>,
}

/// Why a file in an output folder of the project is not removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptFile {
    /// The user edited it after the task created it.
    Edited,
    /// It came to the folder when a run was killed, and may be half an output or a file of the user: it is moved to this folder.
    Moved(PathBuf),
}

/// The line of doit: `X - removing file 'p'`.
impl fmt::Display for Cleaned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(task) = &self.task {
            write!(f, "{task} - ")?;
        }
        let path = content::printable_path(&self.path);
        let kind = if self.is_folder { "dir" } else { "file" };
        match &self.kept {
            None => write!(f, "removing {kind} '{path}'"),
            Some(KeptFile::Edited) => write!(f, "keeping {kind} '{path}', which was edited"),
            Some(KeptFile::Moved(to)) => {
                write!(f, "moving {kind} '{path}' of a killed run to '{}'", content::printable_path(to))
            }
        }
    }
}

/// Why outputs cannot be removed: exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CleanError {
    /// A path cannot be read or removed.
    #[error(transparent)]
    Io(#[from] IoError),
    /// A file cannot be compared with what the task created.
    #[error(transparent)]
    File(#[from] FileError),
    /// The state cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The paths that [`clean`] removes for the selected tasks (for groups: their members). `stale` are files and folders that
/// no task produces and that are removed too, folders with all below them.
///
/// Stale outputs of these tasks are removed; if all tasks are selected, also the outputs of tasks that the graph no longer
/// has. Outside of the build root, what a task created in its output folders is removed, unless it was edited; all else is kept.
/// Folders that become empty are removed, also the build root.
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
                cleaned.push(Cleaned {
                    task: Some(task.name.clone()),
                    path: path.clone(),
                    is_folder,
                    kept: None,
                });
            }
        }
    }
    let files = KnownFiles::new(&graph.root, None, state.digests.clone(), 1)?;
    let mut own_folders = BTreeSet::new();
    for name in members.tasks.iter().map(|id| &graph.task(*id).name).chain(&earlier) {
        for file in state.own.get(name).map(|own| own::parse(own)).unwrap_or_default() {
            match file.state(&files) {
                OwnState::Gone => {}
                OwnState::Same if file.is_folder() => drop(own_folders.insert(file.path)),
                state => {
                    let kept = (state == OwnState::Edited).then_some(KeptFile::Edited);
                    if kept.is_none() {
                        removed.insert(file.path.clone());
                    }
                    let task = Some(name.clone());
                    cleaned.push(Cleaned { task, path: file.path, is_folder: false, kept });
                }
            }
        }
    }
    let mut remove = |task: Option<String>, path: PathBuf| {
        let Ok(metadata) = graph.root.join(&path).symlink_metadata() else { return };
        if removed.insert(path.clone()) {
            cleaned.push(Cleaned { task, path, is_folder: metadata.is_dir(), kept: None });
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
    // The deepest first.
    for folder in own_folders.into_iter().rev() {
        if would_be_empty(graph, &folder, &removed)? && removed.insert(folder.clone()) {
            cleaned.push(Cleaned { task: None, path: folder, is_folder: true, kept: None });
        }
    }
    for index in 0..count {
        let Some(path) = cleaned.get(index).map(|cleaned| cleaned.path.clone()) else { break };
        for folder in
            paths::upwards(&path).skip(1).take_while(|folder| paths::is_within(folder, &graph.build_root))
        {
            if removed.contains(folder) || !would_be_empty(graph, folder, &removed)? {
                continue;
            }
            removed.insert(folder.to_owned());
            cleaned.push(Cleaned { task: None, path: folder.to_owned(), is_folder: true, kept: None });
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
    let recorded: BTreeSet<&String> = state.records.keys().chain(state.own.keys()).collect();
    recorded.into_iter().filter(|name| all && graph.find(name).is_none()).cloned().collect()
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
    let files = KnownFiles::new(&graph.root, None, state.digests.clone(), 1)?;
    // What a killed run did is undone first.
    for Recovered { task, unknown, kept } in project::recover(graph, &files, &state.own)? {
        for path in unknown {
            let (task, kept) = (Some(task.clone()), Some(KeptFile::Moved(kept.clone())));
            notify(&Cleaned { task, path, is_folder: false, kept });
        }
    }
    let cleaned = plan_clean(graph, selection, stale, state)?;
    let whole: BTreeSet<PathBuf> =
        stale.iter().map(|path| paths::normal(&graph.root, path)).chain([outputs::aside(graph)]).collect();
    for item in &cleaned {
        notify(item);
        if item.kept.is_some() {
            continue;
        }
        let path = graph.root.join(&item.path);
        // A folder that should be empty may have new files, which are not ours.
        let emptied = item.task.is_none() && item.is_folder && !whole.contains(&item.path);
        let removed = if emptied { fs::remove_dir(&path) } else { outputs::remove(&path) };
        removed.map_err(IoError::at("remove", &item.path))?;
    }
    let members = graph.members(selection);
    let earlier = earlier_tasks(graph, &members, state);
    let selected = members.tasks.iter().map(|id| &graph.task(*id).name).chain(&earlier);
    let own = selected.filter(|name| state.own.contains_key(*name));
    let entries: Vec<_> = earlier
        .iter()
        .map(|name| JournalEntry::Forget { name })
        .chain(own.map(|name| JournalEntry::Own { name, files: &[] }))
        .collect();
    if !entries.is_empty() {
        state.write(&entries)?;
    }
    forget(graph, selection, state)?;
    Ok(())
}
