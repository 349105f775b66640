//! Inputs that are not in the project file: versions of tools, and files that a dependency file or a list names.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use content::{IoError, LinkPolicy};
use graph::{ActionError, Discover, TaskInput};

use super::{command, depfile};
use crate::project::{DiscoveredInputs, OwnOutput, OwnTask, Project, Tool};

/// How long a program may take to print its version.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes that it may print.
const PROBE_MAX: u64 = 64 << 10;
/// The most bytes of a dependency file or a list.
const LIST_MAX: u64 = 64 << 20;

/// What the inputs of a task are that its tools and its lists name, if it has such.
pub(super) fn discover(project: &Arc<Project>, task: &OwnTask) -> Option<Discover> {
    if task.tools.is_empty() && task.discovered.is_none() {
        return None;
    }
    let (project, tools) = (Arc::clone(project), task.tools.clone());
    let (discovered, outputs) = (task.discovered.clone(), task.outputs.clone());
    let directory = directory(&project, task);
    Some(Box::new(move |_| {
        let mut inputs = Vec::new();
        for tool in &tools {
            inputs.push(TaskInput::value(format!("tool {}", tool.name), version(&project, tool)?));
        }
        if let Some(discovered) = &discovered {
            inputs.extend(files(&project, discovered, &directory, &outputs)?);
        }
        Ok(inputs)
    }))
}

/// The folder that relative paths in a dependency file or a list start from.
pub(super) fn directory(project: &Project, task: &OwnTask) -> PathBuf {
    task.command.as_ref().map_or_else(|| project.root.clone(), |command| command.directory.clone())
}

/// What the tool says of its version.
fn version(project: &Project, tool: &Tool) -> Result<String, ActionError> {
    let name = &tool.name;
    let failed = |reason: String| ActionError::broken(format!("the version of the tool `{name}`: {reason}"));
    let Some((program, arguments)) = command::program(project, &tool.version) else {
        return Ok(String::new());
    };
    let shown = tool.version.join(" ");
    let mut command = Command::new(&program);
    command.args(arguments).current_dir(&project.root).env_clear().env("LC_ALL", "C.UTF-8");
    command.envs(project.settings.environment.get("PATH").map(|path| ("PATH", path)));
    let output = graph::probe(&mut command, PROBE_TIMEOUT, PROBE_MAX).map_err(|error| {
        failed(match error.kind() {
            ErrorKind::TimedOut => format!("`{shown}` takes longer than {} s", PROBE_TIMEOUT.as_secs()),
            ErrorKind::FileTooLarge => format!("`{shown}` prints more than {} kB", PROBE_MAX >> 10),
            _ => format!("cannot run `{shown}`: {error}"),
        })
    })?;
    let text = [output.stdout, output.stderr].concat();
    let status = output.status;
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    if !status.success() {
        let first = content::printable(text.lines().next().unwrap_or_default()).to_string();
        return Err(failed(format!("`{shown}` {}: {first}", content::exit(status))));
    }
    Ok(text)
}

/// The files that a dependency file or a list names, as inputs.
fn files(
    project: &Project,
    discovered: &DiscoveredInputs,
    directory: &Path,
    outputs: &[OwnOutput],
) -> Result<Vec<TaskInput>, ActionError> {
    let Some(files) = named(discovered, directory, outputs)? else {
        return Ok(vec![TaskInput::value("discovered inputs", "not known before the first run")]);
    };
    let input = |file: &PathBuf| match file.metadata() {
        Ok(found) if found.is_dir() => TaskInput::folder(file),
        Ok(_) => TaskInput::file(file),
        // The graph says that the task does not depend on the one that writes it.
        Err(_) if project.produced.writes(file) => TaskInput::file(file),
        Err(_) => {
            let known = file.strip_prefix(&project.root).unwrap_or(file);
            TaskInput::value(format!("file {}", known.display()), "missing")
        }
    };
    Ok(files.iter().map(input).collect())
}

/// The paths that a dependency file or a list names, without the outputs of its task; `None` if it does not exist yet.
pub(super) fn named(
    discovered: &DiscoveredInputs,
    directory: &Path,
    outputs: &[OwnOutput],
) -> Result<Option<Vec<PathBuf>>, IoError> {
    let path = discovered.path();
    let text = match content::open_text(path, LinkPolicy::Follow, LIST_MAX) {
        Ok(text) => text,
        Err(error) if error.source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let named = match discovered {
        DiscoveredInputs::Depfile(_) => depfile::prerequisites(&text),
        DiscoveredInputs::List(_) => depfile::lines(&text),
    };
    let own = |path: &Path| {
        outputs.iter().any(|output| path == output.path || output.is_folder && path.starts_with(&output.path))
    };
    let mut files: Vec<PathBuf> = named.iter().map(|name| directory.join(name)).collect();
    files.sort();
    files.dedup();
    files.retain(|file| !own(file));
    Ok(Some(files))
}
