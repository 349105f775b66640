//! The graph: tasks checked as a whole, with the edges their paths and names make.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::model::links::{self, GraphError};
use crate::model::paths;
use crate::model::task::{Pool, Task};
use crate::model::tree::Tree;

/// The index of a task in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(pub(crate) u32);

impl TaskId {
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// All tasks of a project, known to be free of the mistakes [`GraphError`] names.
#[derive(Debug)]
pub struct Graph {
    pub(crate) root: PathBuf,
    pub(crate) build_root: PathBuf,
    pub(crate) nodes: Vec<Node>,
    pub(crate) names: HashMap<String, TaskId>,
    /// The task that makes a path.
    pub(crate) makers: HashMap<OsString, TaskId>,
    pub(crate) pools: Vec<Pool>,
}

/// A task and its place in the graph.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) task: Task,
    /// The folder and glob inputs of the task, compiled; in the order they stand in `task.inputs`.
    pub(crate) trees: Vec<Tree>,
    /// The inputs that other tasks make, and who makes them.
    pub(crate) sources: Vec<(PathBuf, TaskId)>,
    /// Which of its inputs are files and folders that no task makes: these must be there.
    pub(crate) unmade: Vec<usize>,
    /// What must be done before, each once.
    pub(crate) needs: Vec<TaskId>,
    /// What waits for it, each once.
    pub(crate) feeds: Vec<TaskId>,
    /// The index of its pool.
    pub(crate) pool: Option<usize>,
}

impl Graph {
    /// Checks the tasks as a whole and links them.
    ///
    /// `root` is the absolute folder all relative paths start from. `build_root` is where results live, below `root` or
    /// elsewhere: nothing outside it is ever removed, be it by `clean`, by pruning or before a task runs.
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
        links::link(root, build_root, tasks, pools)
    }

    /// The folder all relative paths start from.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder results live in, relative to the root where it lies below it.
    #[must_use]
    pub fn build_root(&self) -> &Path {
        &self.build_root
    }

    /// The task of this id.
    #[must_use]
    pub fn task(&self, id: TaskId) -> &Task {
        &self.node(id).task
    }

    /// The task of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<TaskId> {
        self.names.get(name).copied()
    }

    /// All tasks, in the order they were given.
    pub fn tasks(&self) -> impl ExactSizeIterator<Item = (TaskId, &Task)> {
        self.nodes.iter().enumerate().map(|(index, node)| (id_of(index), &node.task))
    }

    /// What must be done before a task: makers of its inputs and what it names in [`Task::after`].
    #[must_use]
    pub fn needs(&self, id: TaskId) -> &[TaskId] {
        &self.node(id).needs
    }

    /// The task that makes `path`, be it an output or below one.
    #[must_use]
    pub fn maker(&self, path: &Path) -> Option<TaskId> {
        let path = paths::normal(&self.root, path);
        paths::upwards(&path).find_map(|path| self.makers.get(path.as_os_str()).copied())
    }

    /// What a task needs, directly or not.
    pub(crate) fn all_needs(&self, node: &Node) -> HashSet<TaskId> {
        let mut all = HashSet::new();
        let mut open: Vec<TaskId> = node.needs.clone();
        while let Some(id) = open.pop() {
            if all.insert(id) {
                open.extend(self.needs(id));
            }
        }
        all
    }

    #[expect(clippy::indexing_slicing, reason = "ids are only made by this graph, for its own nodes")]
    pub(crate) fn node(&self, id: TaskId) -> &Node {
        &self.nodes[id.index()]
    }
}

/// The id of the task at `index`. Graphs hold fewer than 2³² tasks: their names alone would not fit into
/// memory.
pub(crate) fn id_of(index: usize) -> TaskId {
    TaskId(u32::try_from(index).unwrap_or(u32::MAX))
}
