//! The graph: tasks checked as a whole, with the edges that their paths and names make.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::model::error::GraphError;
use crate::model::linked::{LinkedTask, TaskId};
use crate::model::links::{self, Links};
use crate::model::paths;
use crate::model::task::{Pool, Task};

/// All tasks of a project, without the mistakes that [`GraphError`] names.
#[derive(Debug)]
pub struct Graph {
    pub(crate) root: PathBuf,
    pub(crate) build_root: PathBuf,
    pub(crate) tasks: Vec<LinkedTask>,
    names: HashMap<String, TaskId>,
    /// The producer of each output.
    producers: HashMap<OsString, TaskId>,
    pub(crate) pools: Vec<Pool>,
}

impl Graph {
    /// Checks the tasks as a whole and links them.
    ///
    /// All relative paths start from `root`, an absolute folder. Outputs are in `build_root`, below `root` or elsewhere. Outside
    /// of it, only files that a task itself created in one of its output folders are ever removed, be it by `clean`, by pruning
    /// or before a task runs.
    ///
    /// # Errors
    ///
    /// All mistakes at once, each a [`GraphError`].
    pub fn new(
        root: PathBuf,
        build_root: PathBuf,
        tasks: Vec<Task>,
        pools: Vec<Pool>,
    ) -> Result<Self, Vec<GraphError>> {
        let build_root = paths::normal(&root, &build_root);
        if !root.is_absolute() || build_root.as_os_str().is_empty() || root.starts_with(&build_root) {
            return Err(vec![GraphError::Roots { root, build_root }]);
        }
        let Links { tasks, names, producers } = links::link(&root, &build_root, tasks, &pools)?;
        Ok(Self { root, build_root, tasks, names, producers, pools })
    }

    /// The folder that all relative paths start from.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the outputs, relative to the root where it is below it.
    #[must_use]
    pub fn build_root(&self) -> &Path {
        &self.build_root
    }

    /// The task with this ID.
    #[must_use]
    pub fn task(&self, id: TaskId) -> &Task {
        &self.linked(id).task
    }

    /// The task with this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TaskId> {
        self.names.get(name).copied()
    }

    /// All tasks, in the order they were given.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = (TaskId, &Task)> {
        self.tasks.iter().enumerate().map(|(index, linked)| (TaskId::at(index), &linked.task))
    }

    /// The tasks that must run before a task: the producers of its inputs, and those that it names in [`Task::after`].
    #[must_use]
    pub fn needs(&self, id: TaskId) -> &[TaskId] {
        &self.linked(id).needs
    }

    /// The task that produces `path`: as an output, or below one.
    #[must_use]
    pub fn producer(&self, path: &Path) -> Option<TaskId> {
        let path = paths::normal(&self.root, path);
        paths::upwards(&path).find_map(|path| self.producers.get(path.as_os_str()).copied())
    }

    /// All that a task needs, directly or not.
    pub(crate) fn all_needs(&self, linked: &LinkedTask) -> HashSet<TaskId> {
        let mut all = HashSet::new();
        let mut open: Vec<TaskId> = linked.needs.clone();
        while let Some(id) = open.pop() {
            if all.insert(id) {
                open.extend(self.needs(id));
            }
        }
        all
    }

    #[expect(clippy::indexing_slicing, reason = "IDs are only made for the tasks of this graph")]
    pub(crate) fn linked(&self, id: TaskId) -> &LinkedTask {
        &self.tasks[id.index()]
    }
}
