//! Building the graph: every mistake is found here, before anything runs.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::graph::{Graph, Node, TaskId, id_of};
use crate::model::lookalike;
use crate::model::paths;
use crate::model::task::{Input, Output, Pool, Task};
use crate::model::tree::Tree;

/// A mistake in the tasks of a project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// The root is not an absolute path, or it lies in the build root.
    #[error(
        "the build root {} holds the root {}, or that is not absolute",
        content::printable_path(build_root),
        content::printable_path(root)
    )]
    Roots {
        /// The root.
        root: PathBuf,
        /// The build root.
        build_root: PathBuf,
    },
    /// A name that cannot be typed: empty, or with a blank, a comma, an equals sign or a wildcard in it.
    #[error(
        "`{}` cannot be the name of a task: expected neither blanks nor `=`, `,`, `*`, `?`, `[`",
        content::printable(name)
    )]
    Name {
        /// The name.
        name: String,
    },
    /// Two tasks of one name.
    #[error("there are two tasks `{}`", content::printable(name))]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// A task waits for one that does not exist.
    #[error("task `{task}` comes after `{name}`, which is no task{}", lookalike::hint(meant))]
    UnknownTask {
        /// The waiting task.
        task: String,
        /// What it names.
        name: String,
        /// Tasks with a similar name.
        meant: Vec<String>,
    },
    /// A task names a pool that does not exist.
    #[error("task `{task}` runs in the pool `{pool}`, which does not exist{}", lookalike::hint(meant))]
    UnknownPool {
        /// The task.
        task: String,
        /// What it names.
        pool: String,
        /// Pools with a similar name.
        meant: Vec<String>,
    },
    /// Two tasks make one path, or one makes something below the folder of another, or a task declares an
    /// output twice.
    #[error(
        "`{first}` makes {} and `{second}` makes {}: one path has one maker",
        content::printable_path(first_path),
        content::printable_path(second_path)
    )]
    Overlap {
        /// The task that makes the outer path.
        first: String,
        /// The outer path.
        first_path: PathBuf,
        /// The task that makes the inner path.
        second: String,
        /// The inner path.
        second_path: PathBuf,
    },
    /// An output that is the root, or above it, or a folder outside of the build root.
    #[error(
        "task `{task}` may not make {}: folders are made below the build root only",
        content::printable_path(path)
    )]
    Forbidden {
        /// The task.
        task: String,
        /// The output.
        path: PathBuf,
    },
    /// A group that has outputs: without an action nothing makes them.
    #[error("task `{task}` has outputs and no action that makes them")]
    GroupWithOutputs {
        /// The task.
        task: String,
    },
    /// An input that is not there and that no task makes.
    #[error(
        "task `{task}` needs {}, which does not exist and which no task makes{}",
        content::printable_path(path),
        lookalike::hint(meant)
    )]
    MissingInput {
        /// The task.
        task: String,
        /// The input.
        path: PathBuf,
        /// Outputs with a similar path.
        meant: Vec<String>,
    },
    /// A glob that is none.
    #[error("task `{task}` has a wrong glob")]
    Glob {
        /// The task.
        task: String,
        /// Where it is wrong.
        source: globset::Error,
    },
    /// Tasks that wait for each other.
    #[error("tasks wait for each other: {}", path.join(" -> "))]
    Cycle {
        /// The names, the first again at the end.
        path: Vec<String>,
    },
}

impl GraphError {
    /// The task that it is about, if it is about one.
    #[must_use]
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::Name { name } | Self::DuplicateName { name } => Some(name),
            Self::UnknownTask { task, .. }
            | Self::UnknownPool { task, .. }
            | Self::Forbidden { task, .. }
            | Self::GroupWithOutputs { task }
            | Self::MissingInput { task, .. }
            | Self::Glob { task, .. } => Some(task),
            Self::Overlap { second, .. } => Some(second),
            Self::Roots { .. } | Self::Cycle { .. } => None,
        }
    }
}

/// The outputs of all tasks, to be asked which of them an input is made of.
struct Makers {
    exact: HashMap<OsString, TaskId>,
    /// Sorted by [`paths::order`]: what lies below a folder stands in one run.
    sorted: Vec<(PathBuf, TaskId, bool)>,
    any_folder: bool,
}

pub(crate) fn link(
    root: PathBuf,
    build_root: PathBuf,
    mut tasks: Vec<Task>,
    pools: Vec<Pool>,
) -> Result<Graph, Vec<GraphError>> {
    let build_root = paths::normal(&root, &build_root);
    if !root.is_absolute() || build_root.as_os_str().is_empty() || root.starts_with(&build_root) {
        return Err(vec![GraphError::Roots { root, build_root }]);
    }
    for task in &mut tasks {
        normalise(&root, task);
    }
    let mut errors = Vec::new();
    let names = names(&tasks, &mut errors);
    let makers = makers(&build_root, &tasks, &mut errors);
    let mut nodes = Vec::with_capacity(tasks.len());
    for task in tasks {
        nodes.push(node(task, &names, &makers, &pools, &mut errors));
    }
    for index in 0..nodes.len() {
        let needs = nodes.get(index).map(|node| node.needs.clone()).unwrap_or_default();
        for need in needs {
            if let Some(node) = nodes.get_mut(need.index()) {
                node.feeds.push(id_of(index));
            }
        }
    }
    missing(&root, &nodes, &makers, &mut errors);
    if let Some(path) = cycle(&nodes) {
        errors.push(GraphError::Cycle { path });
    }
    if errors.is_empty() {
        Ok(Graph { root, build_root, nodes, names, makers: makers.exact, pools })
    } else {
        Err(errors)
    }
}

fn normalise(root: &Path, task: &mut Task) {
    task.inputs.iter_mut().for_each(|input| input.normalise(root));
    for output in &mut task.outputs {
        match output {
            Output::File(path) | Output::Folder(path) => paths::normalise(root, path),
        }
    }
    if let Some(subject) = root.to_str().and_then(|root| task.title.subject.strip_prefix(root)) {
        task.title.subject = subject.trim_start_matches('/').to_owned();
    }
}

/// Whether a character may stand in the name of a task: neither blanks nor what the command line gives a meaning.
#[must_use]
pub fn may_name(c: char) -> bool {
    !(c.is_whitespace() || content::is_unsafe(c) || matches!(c, '=' | ',' | '*' | '?' | '[' | ']'))
}

fn names(tasks: &[Task], errors: &mut Vec<GraphError>) -> HashMap<String, TaskId> {
    let mut names = HashMap::with_capacity(tasks.len());
    for (index, task) in tasks.iter().enumerate() {
        if task.name.is_empty() || task.name.starts_with('-') || !task.name.chars().all(may_name) {
            errors.push(GraphError::Name { name: task.name.clone() });
        }
        if names.insert(task.name.clone(), id_of(index)).is_some() {
            errors.push(GraphError::DuplicateName { name: task.name.clone() });
        }
        if task.is_group() && !task.outputs.is_empty() {
            errors.push(GraphError::GroupWithOutputs { task: task.name.clone() });
        }
    }
    names
}

fn makers(build_root: &Path, tasks: &[Task], errors: &mut Vec<GraphError>) -> Makers {
    let mut sorted = Vec::new();
    let mut exact = HashMap::new();
    for (index, task) in tasks.iter().enumerate() {
        for output in &task.outputs {
            let path = output.path();
            let is_folder = matches!(output, Output::Folder(_));
            // Folders are emptied and removed: never one that could hold what a person wrote.
            let harmful = path.as_os_str().is_empty()
                || path == Path::new("/")
                || (is_folder && (!paths::is_within(path, build_root) || path == build_root));
            if harmful {
                errors.push(GraphError::Forbidden { task: task.name.clone(), path: path.clone() });
            }
            sorted.push((path.clone(), id_of(index), is_folder));
            exact.insert(path.clone().into_os_string(), id_of(index));
        }
    }
    sorted.sort_by(|a, b| paths::order(&a.0, &b.0).then(a.1.cmp(&b.1)));
    let name = |id: TaskId| tasks.get(id.index()).map(|task| task.name.clone()).unwrap_or_default();
    let mut outer: Option<&(PathBuf, TaskId, bool)> = None;
    for output in &sorted {
        match outer {
            Some(above) if paths::is_within(&output.0, &above.0) => errors.push(GraphError::Overlap {
                first: name(above.1),
                first_path: above.0.clone(),
                second: name(output.1),
                second_path: output.0.clone(),
            }),
            _ => outer = Some(output),
        }
    }
    let any_folder = sorted.iter().any(|(_, _, is_folder)| *is_folder);
    Makers { exact, sorted, any_folder }
}

impl Makers {
    /// The task that makes `path` or a folder it lies in.
    fn of(&self, path: &Path) -> Option<TaskId> {
        if self.any_folder {
            paths::upwards(path).find_map(|path| self.exact.get(path.as_os_str()).copied())
        } else {
            self.exact.get(path.as_os_str()).copied()
        }
    }

    /// The tasks that make something of `tree`.
    fn of_tree(&self, tree: &Tree, found: &mut Vec<(PathBuf, TaskId)>) {
        found.extend(self.of(&tree.root).map(|maker| (tree.root.clone(), maker)));
        let start = self.sorted.partition_point(|(path, ..)| paths::order(path, &tree.root).is_lt());
        let below = self.sorted.get(start..).unwrap_or_default();
        for (path, id, is_folder) in below.iter().take_while(|(path, ..)| paths::is_within(path, &tree.root))
        {
            if *path != tree.root && tree.may_hold(path, *is_folder) {
                found.push((path.clone(), *id));
            }
        }
    }
}

fn node(
    task: Task,
    names: &HashMap<String, TaskId>,
    makers: &Makers,
    pools: &[Pool],
    errors: &mut Vec<GraphError>,
) -> Node {
    let mut needs = Vec::new();
    let mut trees = Vec::new();
    let mut sources = Vec::new();
    let mut unmade = Vec::new();
    for name in &task.after {
        match names.get(name) {
            Some(&need) => needs.push(need),
            None => errors.push(GraphError::UnknownTask {
                task: task.name.clone(),
                name: name.clone(),
                meant: lookalike::of(name, names.keys()),
            }),
        }
    }
    for (index, input) in task.inputs.iter().enumerate() {
        let before = sources.len();
        match (input, Tree::of(input)) {
            (Input::File(path) | Input::Named { path, .. }, _) => {
                if let Some(maker) = makers.of(path) {
                    sources.push((path.clone(), maker));
                }
            }
            (_, Some(Ok(tree))) => {
                makers.of_tree(&tree, &mut sources);
                trees.push(tree);
            }
            (_, Some(Err(source))) => errors.push(GraphError::Glob { task: task.name.clone(), source }),
            (_, None) => {}
        }
        if matches!(input, Input::File(_) | Input::Named { .. } | Input::Folder { .. })
            && sources.len() == before
        {
            unmade.push(index);
        }
    }
    needs.extend(sources.iter().map(|(_, maker)| *maker));
    let mut seen = HashSet::new();
    needs.retain(|need| seen.insert(*need));
    let pool = task.pool.as_ref().and_then(|name| {
        let found = pools.iter().position(|pool| pool.name == *name);
        if found.is_none() {
            errors.push(GraphError::UnknownPool {
                task: task.name.clone(),
                pool: name.clone(),
                meant: lookalike::of(name, pools.iter().map(|pool| &pool.name)),
            });
        }
        found
    });
    Node { task, trees, sources, unmade, needs, feeds: Vec::new(), pool }
}

/// The inputs that are not there and that nobody makes.
fn missing(root: &Path, nodes: &[Node], makers: &Makers, errors: &mut Vec<GraphError>) {
    let wanted: Vec<(&Task, &Path)> = nodes
        .iter()
        .flat_map(|node| {
            node.unmade
                .iter()
                .filter_map(|index| node.task.inputs.get(*index))
                .map(|input| (&node.task, input))
        })
        .filter_map(|(task, input)| match input {
            Input::File(path) | Input::Named { path, .. } | Input::Folder { path, .. } => {
                Some((task, path.as_path()))
            }
            Input::Glob { .. } | Input::Value { .. } => None,
        })
        .collect();
    let sure = listed(root, wanted.iter().map(|(_, path)| *path));
    for (task, path) in
        wanted.into_iter().filter(|(_, path)| !sure.contains(path.as_os_str()) && !root.join(path).exists())
    {
        let made = makers.sorted.iter().filter_map(|(path, ..)| path.to_str());
        errors.push(GraphError::MissingInput {
            task: task.name.clone(),
            path: path.to_owned(),
            meant: lookalike::of(&path.to_string_lossy(), made),
        });
    }
}

/// Of `paths` those that are there for sure. To list a folder once costs a tenth of asking for each of its
/// files; folders of which few files are wanted are not listed.
fn listed<'a>(root: &Path, paths: impl Iterator<Item = &'a Path>) -> HashSet<OsString> {
    const MANY: usize = 64;
    let mut wanted: HashMap<&OsStr, usize> = HashMap::new();
    for path in paths {
        *wanted.entry(path.parent().unwrap_or(path).as_os_str()).or_default() += 1;
    }
    let mut sure = HashSet::new();
    for (folder, count) in wanted.into_iter().filter(|(_, count)| *count >= MANY) {
        // A link may lead nowhere.
        let there = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_symlink());
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten().take(8 * count);
        sure.extend(
            entries.filter(there).map(|entry| Path::new(folder).join(entry.file_name()).into_os_string()),
        );
    }
    sure
}

/// One cycle, if there is any: the names along it, the first again at the end.
fn cycle(nodes: &[Node]) -> Option<Vec<String>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Unseen,
        OnTheWay,
        Done,
    }
    let mut marks = vec![Mark::Unseen; nodes.len()];
    // An explicit stack: chains of tasks may be longer than a thread's.
    let mut way: Vec<(TaskId, usize)> = Vec::new();
    for start in 0..nodes.len() {
        if marks.get(start) != Some(&Mark::Unseen) {
            continue;
        }
        way.push((id_of(start), 0));
        if let Some(mark) = marks.get_mut(start) {
            *mark = Mark::OnTheWay;
        }
        while let Some((id, next)) = way.last_mut() {
            let need = nodes.get(id.index()).and_then(|node| node.needs.get(*next)).copied();
            *next += 1;
            match need.map(|need| (need, marks.get_mut(need.index()))) {
                Some((need, Some(mark @ Mark::Unseen))) => {
                    *mark = Mark::OnTheWay;
                    way.push((need, 0));
                }
                Some((need, Some(Mark::OnTheWay))) => {
                    let from = way.iter().position(|(id, _)| *id == need).unwrap_or(0);
                    let along = way.iter().skip(from).map(|(id, _)| *id).chain([need]);
                    return Some(
                        along
                            .filter_map(|id| nodes.get(id.index()).map(|node| node.task.name.clone()))
                            .collect(),
                    );
                }
                Some(_) => {}
                None => {
                    if let Some(mark) = marks.get_mut(id.index()) {
                        *mark = Mark::Done;
                    }
                    way.pop();
                }
            }
        }
    }
    None
}
