//! The entry of the project that each task is for, so that mistakes of the graph have a place in a file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use graph::{Graph, GraphError, Task};

use super::{Error, pools};
use crate::project::{self, FILE_NAME, Origin, Project};

/// The entries by the names of their tasks; several if they clash. A task without an entry is for the project as a whole.
#[derive(Debug, Default)]
pub struct Origins(HashMap<String, Vec<TaskOrigin>>);

#[derive(Debug, Clone)]
/// The entry of a task.
struct TaskOrigin {
    origin: Origin,
    /// The thing in words: `the image app:1`, a path.
    what: String,
}

/// One side of a clash.
struct Side {
    origin: Option<Origin>,
    what: String,
}

/// A clash: the later entry, the earlier entry, and the name of the built-in output if an entry is missing.
type Pair = (Option<Origin>, Option<Origin>, String);

impl Origins {
    pub(super) fn add(&mut self, task: &Task, origin: Origin, what: String) {
        self.0.entry(task.name.clone()).or_default().push(TaskOrigin { origin, what });
    }

    /// The entry of `task`; if several tasks have the name, that of the one at `position`.
    fn side(&self, task: &str, position: usize) -> Side {
        match self.0.get(task).and_then(|entries| entries.get(position)) {
            Some(TaskOrigin { origin, what }) => Side { origin: Some(origin.clone()), what: what.clone() },
            None => Side { origin: None, what: format!("the task `{task}`") },
        }
    }
}

/// Links the tasks of `project`.
///
/// # Errors
///
/// [`Error::Graph`] with every mistake, each with the place of the entry of its task, if there is one.
pub fn graph(project: &Project, tasks: Vec<Task>, origins: &Origins) -> Result<Graph, Error> {
    let build_root = project.settings.build_root.clone();
    Graph::new(project.root.clone(), build_root, tasks, pools(project))
        .map_err(|errors| Error::Graph(placed(project, errors, origins)))
}

/// A line for each mistake. If two entries put files in the same places, there is one line for both, not one for each file:
/// an entry may have thousands.
fn placed(project: &Project, errors: Vec<GraphError>, origins: &Origins) -> Vec<String> {
    let mut lines = Vec::new();
    let mut clashes: BTreeMap<Pair, (String, usize)> = BTreeMap::new();
    let produces_one_path = |name: &str| {
        let same = |error: &GraphError| matches!(error, GraphError::Overlap { first, second, .. } if first == name && second == name);
        errors.iter().any(same)
    };
    for error in &errors {
        match error {
            GraphError::Overlap { first, second, second_path, .. } => {
                let position = usize::from(first == second);
                let (mut one, mut other) = (origins.side(first, 0), origins.side(second, position));
                if one.origin > other.origin {
                    std::mem::swap(&mut one, &mut other);
                }
                let named = if one.origin.is_none() { one.what.clone() } else { String::new() };
                let message = || {
                    format!(
                        "two sources for `{}`: {}{} and {}",
                        content::printable_path(inside(project, second_path)),
                        content::printable(&one.what),
                        one.origin.as_ref().map(|origin| line(project, origin)).unwrap_or_default(),
                        content::printable(&other.what)
                    )
                };
                let key = (other.origin.clone(), one.origin.clone(), named);
                clashes.entry(key).or_insert_with(|| (message(), 0)).1 += 1;
            }
            // Two tasks that produce one path are reported as such.
            GraphError::DuplicateName { name } if produces_one_path(name) => {}
            _ => {
                let entry = error.task().and_then(|task| origins.0.get(task)?.last());
                lines.push(at(entry.map(|entry| &entry.origin), error.to_string()));
            }
        }
    }
    let clashes = clashes
        .into_iter()
        .map(|((origin, ..), (message, count))| at(origin.as_ref(), message + &more_places(count)));
    lines.extend(clashes);
    lines
}

/// `message` with the place, if there is one.
fn at(origin: Option<&Origin>, message: String) -> String {
    match origin {
        Some(origin) => project::Error::of(origin, message).to_string(),
        None => message,
    }
}

/// ` (line 8)`, or ` (images.yaml:8)` for another file than the project file.
fn line(project: &Project, origin: &Origin) -> String {
    let file = origin.path.strip_prefix(&project.root).unwrap_or(&origin.path);
    if file == Path::new(FILE_NAME) {
        format!(" (line {})", origin.line)
    } else {
        format!(" ({}:{})", content::printable_path(file), origin.line)
    }
}

/// A path of the tree relative to it; other paths unchanged.
fn inside<'a>(project: &Project, path: &'a Path) -> &'a Path {
    let tree = project.tree();
    let tree = tree.strip_prefix(&project.root).unwrap_or(&tree);
    path.strip_prefix(tree).unwrap_or(path)
}

/// What follows a message about the first of `count` places.
pub(super) fn more_places(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        2 => ", and 1 more place".to_owned(),
        count => format!(", and {} more places", count - 1),
    }
}
