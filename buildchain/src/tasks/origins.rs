//! Which entry of the project asks for a task, so that mistakes of the graph have a place in a file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use graph::{Graph, GraphError, Task};

use super::{Error, pools};
use crate::project::{self, FILE_NAME, Origin, Project};

/// The entries that ask for tasks, by the name of the task: several, if they clash. The project itself asks for the others.
#[derive(Debug, Default)]
pub struct Origins(HashMap<String, Vec<Asked>>);

#[derive(Debug, Clone)]
struct Asked {
    origin: Origin,
    /// What people call the thing: `the image app:1`, a path.
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
        self.0.entry(task.name.clone()).or_default().push(Asked { origin, what });
    }

    /// Who asks for `task`; of several of that name, for the one at `position`.
    fn side(&self, task: &str, position: usize) -> Side {
        match self.0.get(task).and_then(|asked| asked.get(position)) {
            Some(Asked { origin, what }) => Side { origin: Some(origin.clone()), what: what.clone() },
            None => Side { origin: None, what: format!("the task `{task}`") },
        }
    }
}

/// Links the tasks of `project`.
///
/// # Errors
///
/// [`Error::Graph`] with every mistake; each at the entry of the project that asks for the task, if one does.
pub fn graph(project: &Project, tasks: Vec<Task>, origins: &Origins) -> Result<Graph, Error> {
    let build_root = project.settings.build_root.clone();
    Graph::new(project.root.clone(), build_root, tasks, pools())
        .map_err(|errors| Error::Graph(placed(project, errors, origins)))
}

/// A line for each mistake. Of files that two entries put in one place there is a line for each two entries, not for each
/// file: an entry may have thousands.
fn placed(project: &Project, errors: Vec<GraphError>, origins: &Origins) -> Vec<String> {
    let mut lines = Vec::new();
    let mut clashes: BTreeMap<Pair, (String, usize)> = BTreeMap::new();
    let makes_one_path = |name: &str| {
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
            // Two that make one path are told as such.
            GraphError::DuplicateName { name } if makes_one_path(name) => {}
            _ => {
                let asked = error.task().and_then(|task| origins.0.get(task)?.last());
                lines.push(at(asked.map(|asked| &asked.origin), error.to_string()));
            }
        }
    }
    let clashes = clashes.into_iter().map(|((origin, ..), (message, count))| {
        let more = if count > 1 { format!(", and {} more places", count - 1) } else { String::new() };
        at(origin.as_ref(), message + &more)
    });
    lines.extend(clashes);
    lines
}

/// `message` at the place, if there is one.
fn at(origin: Option<&Origin>, message: String) -> String {
    match origin {
        Some(origin) => project::Error::of(origin, message).to_string(),
        None => message,
    }
}

/// ` (line 8)`, with the name of the file if that is not the project file.
fn line(project: &Project, origin: &Origin) -> String {
    let file = origin.path.strip_prefix(&project.root).unwrap_or(&origin.path);
    if file == Path::new(FILE_NAME) {
        format!(" (line {})", origin.line)
    } else {
        format!(" ({}:{})", content::printable_path(file), origin.line)
    }
}

/// A path of the archive as the project gives it; another one as it is.
fn inside<'a>(project: &Project, path: &'a Path) -> &'a Path {
    let tree = project.tree();
    let tree = tree.strip_prefix(&project.root).unwrap_or(&tree);
    path.strip_prefix(tree).unwrap_or(path)
}
