//! `forget`, `ignore` and `reset-dep`: changing what the state has on tasks.

use std::fmt;

use content::Digest;

use crate::engine::error::RunError;
use crate::model::error::{FileError, chain};
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::selection::SelectedTasks;
use crate::record::files::{KnownFiles, NEVER};
use crate::record::journal::{JournalEntry, TaskRecord};
use crate::record::key::{ItemValue, items};
use crate::record::state::{ProjectState, StateError};
use crate::record::survey;

/// Removes the records of the selected tasks (for groups: of their members), and stops ignoring them. Returns their names.
///
/// # Errors
///
/// The state cannot be written.
pub fn forget(
    graph: &Graph,
    selection: &SelectedTasks,
    state: &mut ProjectState,
) -> Result<Vec<String>, StateError> {
    let names: Vec<String> =
        graph.members(selection).tasks.iter().map(|id| graph.task(*id).name.clone()).collect();
    let recorded: Vec<_> = names
        .iter()
        .filter(|name| state.records.contains_key(*name) || state.ignored.contains(*name))
        .cloned()
        .collect();
    let entries: Vec<_> = recorded.iter().map(|name| JournalEntry::Forget { name }).collect();
    if !entries.is_empty() {
        state.write(&entries)?;
    }
    Ok(names)
}

/// Ignores the selected tasks (for groups: their members), and with them all that depend on them, until they are forgotten.
/// Returns their names.
///
/// # Errors
///
/// The state cannot be written.
pub fn ignore(
    graph: &Graph,
    selection: &SelectedTasks,
    state: &mut ProjectState,
) -> Result<Vec<String>, StateError> {
    let names: Vec<String> =
        graph.members(selection).tasks.iter().map(|id| graph.task(*id).name.clone()).collect();
    let entries: Vec<_> = names.iter().map(|name| JournalEntry::Ignore { name }).collect();
    state.write(&entries)?;
    Ok(names)
}

/// What `reset-dep` did with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetTask {
    /// It was up to date: `skip X`.
    Skipped(String),
    /// The existing outputs were recorded as the result of a successful run: `processed X`.
    Processed(String),
    /// An input or an output is missing: `failed X (…)`.
    Failed(String, String),
}

/// The line of doit.
impl fmt::Display for ResetTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(name) => write!(f, "skip {name}"),
            Self::Processed(name) => write!(f, "processed {name}"),
            Self::Failed(name, reason) => write!(f, "failed {name} ({})", content::printable(reason)),
        }
    }
}

/// Records the existing outputs of the selected tasks (for groups: of their members) as the results of successful runs.
///
/// # Errors
///
/// The root cannot be opened, or the state cannot be written.
pub fn reset_dep(
    graph: &Graph,
    selection: &SelectedTasks,
    state: &mut ProjectState,
) -> Result<Vec<ResetTask>, RunError> {
    let files = KnownFiles::new(&graph.root, None, state.digests.clone(), 1)?;
    let mut resets = Vec::new();
    for id in graph.members(selection).tasks {
        let name = &graph.task(id).name;
        resets.push(match reset(graph, id, &files, state)? {
            Ok(true) => ResetTask::Processed(name.clone()),
            Ok(false) => ResetTask::Skipped(name.clone()),
            Err(reason) => ResetTask::Failed(name.clone(), reason),
        });
    }
    Ok(resets)
}

/// Whether there was anything to record; or why it cannot be recorded.
fn reset(
    graph: &Graph,
    id: TaskId,
    files: &KnownFiles,
    state: &mut ProjectState,
) -> Result<Result<bool, String>, StateError> {
    let linked = graph.linked(id);
    let (mut manifest, mut outputs, mut listings) = (Vec::new(), Vec::new(), Vec::new());
    let surveyed = survey::inputs(graph, linked, files, &NEVER, &mut listings, &mut manifest)
        .map_err(|error| chain(&error))
        .and_then(|()| {
            survey::outputs(&graph.root, linked, files, &NEVER, &mut listings, &mut outputs)
                .map_err(|error: FileError| chain(&error))
        });
    if let Err(reason) = surveyed {
        return Ok(Err(reason));
    }
    if let Some(missing) = items(&outputs).find(|item| item.value == ItemValue::Nothing) {
        return Ok(Err(format!("output {} is missing", content::printable_path(missing.path()))));
    }
    let key = Digest::of(&manifest);
    let name = &linked.task.name;
    let same = |record: &TaskRecord| record.key == key && *record.outputs == *outputs;
    if state.records.get(name).is_some_and(same) {
        return Ok(Ok(false));
    }
    let mut entries: Vec<_> =
        listings.iter().map(|(digest, bytes)| JournalEntry::Listing { digest: *digest, bytes }).collect();
    entries.push(JournalEntry::Task { name, key, manifest: &manifest, outputs: &outputs, millis: 0 });
    state.write(&entries)?;
    Ok(Ok(true))
}
