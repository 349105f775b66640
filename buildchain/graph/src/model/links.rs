//! Linking the tasks of a graph by their paths and names. All mistakes are found here, before anything runs.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::error::GraphError;
use crate::model::linked::{LinkedTask, TaskId};
use crate::model::lookalike;
use crate::model::paths;
use crate::model::task::{Pool, Task, TaskInput, TaskOutput};
use crate::model::tree::InputTree;

/// The outputs of all tasks, to find the producers of an input.
struct Producers {
    exact: HashMap<OsString, TaskId>,
    /// Sorted by [`paths::order`]: all that is below a folder is contiguous.
    sorted: Vec<(PathBuf, TaskId, bool)>,
    any_folder: bool,
}

/// The tasks of a graph with their links.
pub(crate) struct Links {
    pub(crate) tasks: Vec<LinkedTask>,
    pub(crate) names: HashMap<String, TaskId>,
    /// The producer of each output.
    pub(crate) producers: HashMap<OsString, TaskId>,
}

/// Links tasks whose paths start from `root` and whose outputs are in `build_root`.
pub(crate) fn link(
    root: &Path,
    build_root: &Path,
    mut tasks: Vec<Task>,
    pools: &[Pool],
) -> Result<Links, Vec<GraphError>> {
    for task in &mut tasks {
        normalize(root, task);
    }
    let mut errors = Vec::new();
    let names = names(&tasks, &mut errors);
    let producers = producers(build_root, &tasks, &mut errors);
    let mut linked = Vec::with_capacity(tasks.len());
    for task in tasks {
        linked.push(link_one(task, &names, &producers, pools, &mut errors));
    }
    for index in 0..linked.len() {
        let needs = linked.get(index).map(|task| task.needs.clone()).unwrap_or_default();
        for need in needs {
            if let Some(needed) = linked.get_mut(need.index()) {
                needed.dependents.push(TaskId::at(index));
            }
        }
    }
    check_inputs(root, &linked, &producers, &mut errors);
    if let Some(path) = cycle(&linked) {
        errors.push(GraphError::Cycle { path });
    }
    if errors.is_empty() {
        Ok(Links { tasks: linked, names, producers: producers.exact })
    } else {
        Err(errors)
    }
}

fn normalize(root: &Path, task: &mut Task) {
    task.inputs.iter_mut().for_each(|input| input.normalize(root));
    for output in &mut task.outputs {
        match output {
            TaskOutput::File(path) | TaskOutput::Folder(path) => paths::normalize(root, path),
        }
    }
    if let Some(subject) = root.to_str().and_then(|root| task.title.subject.strip_prefix(root)) {
        task.title.subject = subject.trim_start_matches('/').to_owned();
    }
}

/// Whether the name of a task may contain this character: no blanks, and none that has a meaning on the command line.
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
        if names.insert(task.name.clone(), TaskId::at(index)).is_some() {
            errors.push(GraphError::DuplicateName { name: task.name.clone() });
        }
        if task.is_group() && !task.outputs.is_empty() {
            errors.push(GraphError::GroupWithOutputs { task: task.name.clone() });
        }
    }
    names
}

fn producers(build_root: &Path, tasks: &[Task], errors: &mut Vec<GraphError>) -> Producers {
    let mut sorted = Vec::new();
    let mut exact = HashMap::new();
    for (index, task) in tasks.iter().enumerate() {
        for output in &task.outputs {
            let path = output.path();
            let is_folder = matches!(output, TaskOutput::Folder(_));
            // Folders below the build root are emptied and removed.
            let harmful = path.as_os_str().is_empty()
                || path == Path::new("/")
                || (is_folder && (path.is_absolute() && !paths::is_within(path, build_root)))
                || (is_folder && paths::is_within(build_root, path));
            if harmful {
                errors.push(GraphError::Forbidden { task: task.name.clone(), path: path.clone() });
            }
            sorted.push((path.clone(), TaskId::at(index), is_folder));
            exact.insert(path.clone().into_os_string(), TaskId::at(index));
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
    Producers { exact, sorted, any_folder }
}

impl Producers {
    /// The producer of `path` or of a folder above it.
    fn of(&self, path: &Path) -> Option<TaskId> {
        if self.any_folder {
            paths::upwards(path).find_map(|path| self.exact.get(path.as_os_str()).copied())
        } else {
            self.exact.get(path.as_os_str()).copied()
        }
    }

    /// Adds the outputs that are part of `tree`, with their producers.
    fn of_tree(&self, tree: &InputTree, found: &mut Vec<(PathBuf, TaskId)>) {
        found.extend(self.of(&tree.root).map(|producer| (tree.root.clone(), producer)));
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

fn link_one(
    task: Task,
    names: &HashMap<String, TaskId>,
    producers: &Producers,
    pools: &[Pool],
    errors: &mut Vec<GraphError>,
) -> LinkedTask {
    let mut needs = Vec::new();
    let mut trees = Vec::new();
    let mut sources = Vec::new();
    let mut unproduced = Vec::new();
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
        match (input, InputTree::of(input)) {
            (TaskInput::File(path) | TaskInput::Named { path, .. }, _) => {
                if let Some(producer) = producers.of(path) {
                    sources.push((path.clone(), producer));
                }
            }
            (_, Some(Ok(tree))) => {
                producers.of_tree(&tree, &mut sources);
                trees.push(tree);
            }
            (_, Some(Err(source))) => errors.push(GraphError::Glob { task: task.name.clone(), source }),
            (_, None) => {}
        }
        if matches!(input, TaskInput::File(_) | TaskInput::Named { .. } | TaskInput::Folder { .. })
            && sources.len() == before
        {
            unproduced.push(index);
        }
    }
    needs.extend(sources.iter().map(|(_, producer)| *producer));
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
    LinkedTask { task, trees, sources, unproduced, needs, dependents: Vec::new(), pool }
}

/// Checks that the inputs that no task produces exist.
fn check_inputs(root: &Path, tasks: &[LinkedTask], producers: &Producers, errors: &mut Vec<GraphError>) {
    let wanted: Vec<(&Task, &Path)> = tasks
        .iter()
        .flat_map(|linked| {
            linked
                .unproduced
                .iter()
                .filter_map(|index| linked.task.inputs.get(*index))
                .map(|input| (&linked.task, input))
        })
        .filter_map(|(task, input)| match input {
            TaskInput::File(path) | TaskInput::Named { path, .. } | TaskInput::Folder { path, .. } => {
                Some((task, path.as_path()))
            }
            TaskInput::Glob { .. } | TaskInput::Value { .. } => None,
        })
        .collect();
    let existing = listed(root, wanted.iter().map(|(_, path)| *path));
    for (task, path) in wanted
        .into_iter()
        .filter(|(_, path)| !existing.contains(path.as_os_str()) && !root.join(path).exists())
    {
        let produced = producers.sorted.iter().filter_map(|(path, ..)| path.to_str());
        errors.push(GraphError::MissingInput {
            task: task.name.clone(),
            path: path.to_owned(),
            meant: lookalike::of(&path.to_string_lossy(), produced),
        });
    }
}

/// Those of `paths` that certainly exist. Listing a folder once costs a tenth of one query for each of its files; folders
/// with few of the paths are not listed.
fn listed<'a>(root: &Path, paths: impl Iterator<Item = &'a Path>) -> HashSet<OsString> {
    const MANY: usize = 64;
    let mut wanted: HashMap<&OsStr, usize> = HashMap::new();
    for path in paths {
        *wanted.entry(path.parent().unwrap_or(path).as_os_str()).or_default() += 1;
    }
    let mut existing = HashSet::new();
    for (folder, count) in wanted.into_iter().filter(|(_, count)| *count >= MANY) {
        // A link may be dangling.
        let exists = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| !kind.is_symlink());
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().flatten().take(8 * count);
        existing.extend(
            entries.filter(exists).map(|entry| Path::new(folder).join(entry.file_name()).into_os_string()),
        );
    }
    existing
}

/// The names along one cycle, if there is one; the last is the first.
fn cycle(tasks: &[LinkedTask]) -> Option<Vec<String>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        Unseen,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::Unseen; tasks.len()];
    // An explicit stack: a chain of tasks may be longer than the stack of a thread.
    let mut path: Vec<(TaskId, usize)> = Vec::new();
    for start in 0..tasks.len() {
        if marks.get(start) != Some(&Mark::Unseen) {
            continue;
        }
        path.push((TaskId::at(start), 0));
        if let Some(mark) = marks.get_mut(start) {
            *mark = Mark::OnPath;
        }
        while let Some((id, next)) = path.last_mut() {
            let need = tasks.get(id.index()).and_then(|linked| linked.needs.get(*next)).copied();
            *next += 1;
            match need.map(|need| (need, marks.get_mut(need.index()))) {
                Some((need, Some(mark @ Mark::Unseen))) => {
                    *mark = Mark::OnPath;
                    path.push((need, 0));
                }
                Some((need, Some(Mark::OnPath))) => {
                    let from = path.iter().position(|(id, _)| *id == need).unwrap_or(0);
                    let along = path.iter().skip(from).map(|(id, _)| *id).chain([need]);
                    return Some(
                        along
                            .filter_map(|id| tasks.get(id.index()).map(|linked| linked.task.name.clone()))
                            .collect(),
                    );
                }
                Some(_) => {}
                None => {
                    if let Some(mark) = marks.get_mut(id.index()) {
                        *mark = Mark::Done;
                    }
                    path.pop();
                }
            }
        }
    }
    None
}
