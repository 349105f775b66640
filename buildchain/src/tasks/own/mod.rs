//! Tasks of the project's own: `spec.tasks`.

mod command;
mod depfile;
mod discover;
mod network;
mod umask;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

#[cfg(fuzzing)]
pub(crate) use self::depfile::fuzz as fuzz_depfile;
pub(super) use self::network::Namespaces;
use graph::{Retry, Task, TaskInput, TaskOutput, Title};

use super::{Error, TaskBuilder, TaskHandle};
use crate::project::{self, DiscoveredInputs, OwnInput, OwnOutput, OwnTask, Project};

/// The tasks of the project's own.
#[derive(Default)]
pub(super) struct OwnTasks {
    /// All of them, by their names.
    handles: BTreeMap<String, TaskHandle>,
    /// Those that write into the archive.
    pub(super) shipped: Vec<TaskHandle>,
}

impl OwnTasks {
    /// The members of one of Sealift's groups.
    pub(super) fn members(&self, group: &str) -> Vec<TaskHandle> {
        let is_member = |name: &str| name.strip_prefix(group).is_some_and(|rest| rest.starts_with(':'));
        self.handles.iter().filter(|(name, _)| is_member(name)).map(|(_, handle)| *handle).collect()
    }
}

/// Adds the tasks and the groups that their names make. Tasks that they name are added by [`connect`].
pub(super) fn add(builder: &mut TaskBuilder<'_>) -> OwnTasks {
    let project = Arc::clone(builder.project);
    let mut own = OwnTasks::default();
    let mut groups: BTreeMap<&str, Vec<TaskHandle>> = BTreeMap::new();
    for task in &project.tasks {
        let name = task.name.as_str();
        let made = self::task(builder, &project, task);
        let handle = builder.push_for(task.origin.clone(), format!("the task {name}"), made);
        own.handles.insert(name.to_owned(), handle);
        let tree = project.tree();
        if task.outputs.iter().any(|output| output.path.starts_with(&tree)) {
            own.shipped.push(handle);
        }
        for (end, _) in name.match_indices(':') {
            groups.entry(name.get(..end).unwrap_or_default()).or_default().push(handle);
        }
    }
    for (group, members) in groups {
        if group == "lint" || group == "format" {
            continue;
        }
        match own.handles.get(group) {
            // A task with the name of the group runs its members first.
            Some(handle) => {
                let names: Vec<String> = members.into_iter().map(|member| builder.name(member)).collect();
                if let Some(task) = builder.task(*handle) {
                    task.after.extend(names);
                }
            }
            None => drop(builder.group(group, &format!("Run the tasks {group}:*."), members)),
        }
    }
    own
}

/// Gives the tasks the outputs of tasks that they name as inputs, once all tasks are known.
///
/// # Errors
///
/// If such a task does not exist.
pub(super) fn connect(builder: &mut TaskBuilder<'_>, own: &OwnTasks) -> Result<(), Error> {
    let project = Arc::clone(builder.project);
    let mut errors = Vec::new();
    for task in &project.tasks {
        let Some(handle) = own.handles.get(task.name.as_str()) else { continue };
        let (mut after, mut inputs) = (Vec::new(), Vec::new());
        for name in &task.after {
            let named = named(builder, name);
            // The graph says what is wrong with it.
            after.extend(if named.is_empty() { vec![name.clone()] } else { named });
        }
        for input in &task.inputs {
            let OwnInput::Task { name, origin } = input else { continue };
            let named = named(builder, name);
            if named.is_empty() {
                let known = builder.tasks.iter().map(Task::public_name);
                let near = content::nearest(name, known).map(|near| format!(", did you mean `{near}`?"));
                let message = format!("no task `{name}`{}", near.unwrap_or_default());
                errors.push(project::Error::of(origin, message));
            }
            inputs.extend(outputs(builder, &named));
            after.extend(named);
        }
        if let Some(task) = builder.task(*handle) {
            task.inputs.extend(inputs);
            task.after.extend(after);
        }
    }
    Ok(project::Mistakes::from(errors).end(())?)
}

/// The tasks whose inputs a file names, with what reads that file.
pub(super) fn discovering(builder: &TaskBuilder<'_>, own: &OwnTasks) -> Vec<(TaskHandle, NamedInputs)> {
    let project = builder.project;
    let named = |task: &OwnTask| {
        let handle = *own.handles.get(task.name.as_str())?;
        let discovered = task.discovered.clone()?;
        let directory = discover::directory(project, task);
        Some((handle, NamedInputs { discovered, directory, outputs: task.outputs.clone() }))
    };
    project.tasks.iter().filter_map(named).collect()
}

/// The inputs of a task that a file names.
#[derive(Debug)]
pub(super) struct NamedInputs {
    discovered: DiscoveredInputs,
    directory: PathBuf,
    outputs: Vec<OwnOutput>,
}

impl NamedInputs {
    /// The inputs that the file names now, even if they are missing.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn now(&self) -> Result<Vec<TaskInput>, content::IoError> {
        let named = discover::named(&self.discovered, &self.directory, &self.outputs)?.unwrap_or_default();
        let input =
            |path: PathBuf| if path.is_dir() { TaskInput::folder(path) } else { TaskInput::file(path) };
        Ok(named.into_iter().map(input).collect())
    }
}

/// The names of the tasks that people call `name`.
fn named(builder: &TaskBuilder<'_>, name: &str) -> Vec<String> {
    let same = |task: &&Task| task.name == name || task.alias == name;
    builder.tasks.iter().filter(same).map(|task| task.name.clone()).collect()
}

/// The outputs of these tasks and of the members of groups, as inputs.
fn outputs(builder: &TaskBuilder<'_>, names: &[String]) -> Vec<TaskInput> {
    let by_name: BTreeMap<&str, &Task> =
        builder.tasks.iter().map(|task| (task.name.as_str(), task)).collect();
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut waiting: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut inputs = Vec::new();
    while let Some(name) = waiting.pop() {
        let Some(task) = by_name.get(name).filter(|_| seen.insert(name)) else { continue };
        inputs.extend(task.outputs.iter().map(|output| match output {
            TaskOutput::File(path) => TaskInput::file(path),
            TaskOutput::Folder(path) => TaskInput::folder(path),
        }));
        if task.is_group() {
            waiting.extend(task.after.iter().map(String::as_str));
        }
    }
    // The order of the members is that of the list.
    inputs.sort_by(|one, other| one.path().cmp(&other.path()));
    inputs
}

fn task(builder: &TaskBuilder<'_>, project: &Arc<Project>, task: &OwnTask) -> Task {
    let name = task.name.as_str();
    let mut made = Task {
        name: name.into(),
        doc: task.doc.clone(),
        title: Title::new("", name),
        pool: task.pool.clone(),
        timeout: task.timeout,
        always: task.always,
        retry: Retry { times: task.retries, pause: Duration::from_secs(1), failed: true },
        ..Task::default()
    };
    let Some(command) = &task.command else { return made };
    if made.doc.is_empty() {
        let program = command.words.first().map(String::as_str).unwrap_or_default();
        made.doc = if command.is_script { "Run a script.".into() } else { format!("Run {program}.") };
    }
    made.title = Title::new("RUN", name);
    made.inputs = task.inputs.iter().filter_map(|input| self::input(project, input)).collect();
    made.inputs.extend(command::inputs(project, task, command));
    made.outputs = task
        .outputs
        .iter()
        .map(|output| match output.is_folder {
            true => TaskOutput::Folder(output.path.clone()),
            false => TaskOutput::File(output.path.clone()),
        })
        .collect();
    if let Some(discovered) = &task.discovered {
        made.learns = task.outputs.iter().any(|output| {
            discovered.path() == output.path
                || output.is_folder && discovered.path().starts_with(&output.path)
        });
        if !made.learns && !made.inputs.contains(&TaskInput::file(discovered.path())) {
            made.inputs.push(TaskInput::file(discovered.path()));
        }
    }
    made.discover = discover::discover(project, task);
    made.action = Some(command::action(builder, project, task, command));
    made
}

fn input(project: &Project, input: &OwnInput) -> Option<TaskInput> {
    let is_folder = |path: &Path| project.produced.is_folder(path) || path.is_dir();
    Some(match input {
        OwnInput::Path(path) if is_folder(path) => TaskInput::folder(path),
        OwnInput::Path(path) => TaskInput::file(path),
        OwnInput::Folder { path, exclude } => {
            TaskInput::Folder { path: path.clone(), exclude: exclude.clone() }
        }
        OwnInput::Pattern { folder, pattern } => TaskInput::glob(folder, pattern),
        OwnInput::Value { name, value } => TaskInput::value(name, value),
        OwnInput::Task { .. } => return None,
    })
}
