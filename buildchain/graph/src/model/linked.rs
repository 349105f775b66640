//! A task and its place in the graph.

use std::path::PathBuf;

use crate::model::task::Task;
use crate::model::tree::InputTree;

/// The index of a task in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(u32);

impl TaskId {
    /// The ID of the task at `index`. Graphs hold fewer than 2³² tasks: their names alone would not fit into memory.
    pub(crate) fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A task with its links to others.
#[derive(Debug)]
pub(crate) struct LinkedTask {
    pub(crate) task: Task,
    /// The folder and glob inputs of the task, compiled; in the order of `task.inputs`.
    pub(crate) trees: Vec<InputTree>,
    /// The inputs that other tasks produce, with their producers.
    pub(crate) sources: Vec<(PathBuf, TaskId)>,
    /// The indices of the file and folder inputs that no task produces: these must exist.
    pub(crate) unproduced: Vec<usize>,
    /// The tasks that must run before, each once.
    pub(crate) needs: Vec<TaskId>,
    /// The tasks that need this one, each once.
    pub(crate) dependents: Vec<TaskId>,
    /// The index of its pool.
    pub(crate) pool: Option<usize>,
}
