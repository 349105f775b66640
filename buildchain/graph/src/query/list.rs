//! The `list` of tasks, in the form of doit.

use content::printable;

use crate::engine::options::RunOptions;
use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::selection::SelectedTasks;
use crate::model::task::{Task, TaskInput};
use crate::query::dry_run::plan;
use crate::record::state::ProjectState;
use crate::report::outcome::TaskVerdict;

/// What a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Also sub-tasks.
    pub all: bool,
    /// Also private tasks.
    pub private: bool,
    /// What a run would do with each task.
    pub status: bool,
    /// The files that each task reads.
    pub deps: bool,
}

/// A task in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTask {
    /// The name of the task.
    pub name: String,
    /// Its line of documentation.
    pub doc: String,
    /// `R`: it would run, `U`: it is up to date, `I`: it is ignored, `E`: its inputs cannot be read. `None` if not requested.
    pub status: Option<char>,
    /// The paths that it reads. Empty if not requested.
    pub deps: Vec<String>,
}

/// The tasks of a graph in alphabetical order: all, or the selected ones and their sub-tasks.
///
/// # Errors
///
/// The root of the graph cannot be opened.
pub fn list(
    graph: &Graph,
    selection: Option<&SelectedTasks>,
    options: ListOptions,
    state: &ProjectState,
) -> Result<Vec<ListedTask>, FileError> {
    let shown = |id: TaskId, task: &Task| match selection {
        Some(selection) => selection.tasks().iter().any(|selected| {
            *selected == id
                || task
                    .name
                    .strip_prefix(&graph.task(*selected).name)
                    .is_some_and(|rest| rest.starts_with(':'))
        }),
        None => (options.all || !task.is_sub_task()) && (options.private || !task.is_private()),
    };
    let mut ids: Vec<TaskId> =
        graph.tasks().filter(|(id, task)| shown(*id, task)).map(|(id, _)| id).collect();
    ids.sort_by(|a, b| graph.task(*a).name.cmp(&graph.task(*b).name));
    let mut status = vec![None; graph.tasks().len()];
    if options.status {
        for planned in plan(graph, &SelectedTasks { tasks: ids.clone() }, &RunOptions::default(), state)? {
            if let Some(status) = status.get_mut(planned.task.index()) {
                *status = Some(match planned.verdict {
                    TaskVerdict::UpToDate => 'U',
                    TaskVerdict::Ignored => 'I',
                    TaskVerdict::Broken => 'E',
                    _ => 'R',
                });
            }
        }
    }
    Ok(ids
        .into_iter()
        .map(|id| {
            let task = graph.task(id);
            let deps = if options.deps { paths_of(task).collect() } else { Vec::new() };
            ListedTask {
                name: task.name.clone(),
                doc: task.doc.clone(),
                status: status.get(id.index()).copied().flatten(),
                deps,
            }
        })
        .collect())
}

/// The paths that a task reads.
pub(crate) fn paths_of(task: &Task) -> impl Iterator<Item = String> {
    task.inputs.iter().filter_map(|input| match input {
        TaskInput::File(path) | TaskInput::Named { path, .. } => Some(path.to_string_lossy().into_owned()),
        TaskInput::Folder { path, .. } => Some(format!("{}/", path.to_string_lossy())),
        TaskInput::Glob { root, pattern } => Some(root.join(pattern).to_string_lossy().into_owned()),
        TaskInput::Value { .. } => None,
    })
}

/// The text of a list: status, name and documentation in columns, paths below.
#[must_use]
pub fn render_list(listed: &[ListedTask]) -> String {
    let width = listed.iter().map(|listed| listed.name.len()).max().unwrap_or(0) + 3;
    let mut text = String::new();
    for ListedTask { name, doc, status, deps } in listed {
        let status = status.map(|status| format!("{status} ")).unwrap_or_default();
        text.push_str(format!("{status}{name:<width$}{}", printable(doc)).trim_end());
        text.push('\n');
        for dep in deps {
            text.push_str(&format!(" -  {}\n", printable(dep)));
        }
        if !deps.is_empty() {
            text.push('\n');
        }
    }
    text
}
