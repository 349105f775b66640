//! Which tasks need which others, before the graph is made.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::path::Path;

use graph::{Task, TaskInput};

/// The tasks by their names and by the paths of their outputs.
pub(super) struct Needs<'a> {
    names: HashMap<&'a str, &'a Task>,
    producers: BTreeMap<&'a Path, &'a Task>,
}

impl<'a> Needs<'a> {
    pub(super) fn of(tasks: &'a [Task]) -> Self {
        let outputs = |task: &'a Task| task.outputs.iter().map(move |output| (output.path().as_path(), task));
        Self {
            names: tasks.iter().map(|task| (task.name.as_str(), task)).collect(),
            producers: tasks.iter().flat_map(outputs).collect(),
        }
    }

    /// The names of all tasks that a task needs, directly or not, with its own name.
    pub(super) fn all(&self, name: &'a str) -> HashSet<&'a str> {
        let mut all = HashSet::new();
        let mut open = vec![name];
        while let Some(name) = open.pop() {
            if !all.insert(name) {
                continue;
            }
            let Some(task) = self.names.get(name) else { continue };
            open.extend(task.after.iter().map(String::as_str));
            for path in task.inputs.iter().filter_map(TaskInput::path) {
                open.extend(self.producers_of(path).map(|task| task.name.as_str()));
            }
        }
        all
    }

    /// The tasks that produce `path`, a folder with it, or something below it.
    fn producers_of(&self, path: &'a Path) -> impl Iterator<Item = &'a Task> {
        let above = path.ancestors().filter_map(|path| self.producers.get(path).copied());
        let after = (Bound::Excluded(path), Bound::Unbounded);
        let below =
            self.producers.range::<Path, _>(after).take_while(move |(below, _)| below.starts_with(path));
        above.chain(below.map(|(_, task)| *task))
    }
}
