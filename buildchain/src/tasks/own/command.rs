//! The command of a task: its environment, and how it runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use content::Digest;
use graph::{ActionError, TaskAction, TaskContext, TaskInput};

use super::super::{TaskBuilder, place_file, spelled};
use super::{network, umask};
use crate::project::{OwnOutput, OwnTask, Project, TaskCommand, program_variable};

/// Variables that all commands get, so that locale and time zone of the user do not count.
const FIXED: [(&str, &str); 2] = [("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];

/// What the result depends on: the command and its environment. Its `PATH`, `HOME` and `TMPDIR` do not count.
pub(super) fn inputs(project: &Project, task: &OwnTask, command: &TaskCommand) -> Vec<TaskInput> {
    let words = if command.is_script {
        command.words.join("\n")
    } else {
        shlex::try_join(command.words.iter().map(String::as_str)).unwrap_or_else(|_| command.words.join(" "))
    };
    let directory = command.directory.strip_prefix(&project.root).unwrap_or(&command.directory);
    let mut inputs = vec![
        TaskInput::value(if command.is_script { "script" } else { "command" }, words),
        TaskInput::value("directory", directory.to_string_lossy()),
    ];
    let fixed = FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment: BTreeMap<String, String> = fixed.chain(command.environment.clone()).collect();
    inputs.extend(
        environment.into_iter().map(|(name, value)| TaskInput::value(format!("environment {name}"), value)),
    );
    for name in command.pass.iter().filter(|name| !matches!(name.as_str(), "PATH" | "HOME" | "TMPDIR")) {
        // Not the value itself: it may be a secret.
        let value = project.settings.environment.get(name);
        let value = value.map_or("not set".to_owned(), |value| Digest::of(value.as_bytes()).to_string());
        inputs.push(TaskInput::value(format!("environment {name}"), value));
    }
    if !command.network && task.command.is_some() {
        inputs.push(TaskInput::value("network", "none"));
    }
    inputs
}

/// The environment of a command whose empty home is `home`.
fn environment(project: &Project, command: &TaskCommand, home: &Path) -> BTreeMap<String, OsString> {
    let mut environment: BTreeMap<String, OsString> = BTreeMap::new();
    environment.extend(FIXED.map(|(name, value)| (name.to_owned(), value.into())));
    environment.insert("HOME".into(), home.into());
    environment.insert("TMPDIR".into(), home.join("tmp").into());
    let outer = &project.settings.environment;
    let passed = std::iter::once("PATH").chain(command.pass.iter().map(String::as_str));
    environment.extend(passed.filter_map(|name| Some((name.to_owned(), outer.get(name)?.into()))));
    environment.extend(command.environment.iter().map(|(name, value)| (name.clone(), value.into())));
    environment
}

/// `words` as a command of `project`. A variable such as `HELM_BIN` can name the program `helm`.
pub(super) fn program(project: &Project, words: &[String]) -> Option<(PathBuf, Vec<String>)> {
    let (first, rest) = words.split_first()?;
    let plain = !first.contains('/') && project.settings.programs.contains_key(&program_variable(first));
    let found = plain.then(|| project.settings.program(first)).flatten();
    Some((found.unwrap_or_else(|| first.into()), rest.to_vec()))
}

/// Runs the command in a home that is empty before and gone after it.
pub(super) fn action(
    builder: &TaskBuilder<'_>,
    project: &Arc<Project>,
    task: &OwnTask,
    command: &TaskCommand,
) -> TaskAction {
    let (project, command) = (Arc::clone(project), command.clone());
    let outputs = task.outputs.clone();
    let home = project.settings.own_home().join(spelled(Path::new(task.name.as_str())));
    let namespaces = builder.namespaces.clone();
    Box::new(move |context| {
        let Some((program, arguments)) = program(&project, &command.words) else { return Ok(()) };
        for folder in [home.clone(), home.join("tmp")] {
            if folder == home {
                remove(&home)?;
            }
            content::create_folder(&folder).map_err(std::io::Error::from)?;
        }
        if !command.directory.is_dir() {
            let shown = command.directory.strip_prefix(&project.root).unwrap_or(&command.directory);
            let shown = content::printable_path(shown);
            return Err(ActionError::failed(format!("`directory` is {shown}, which is not a folder")));
        }
        let mut words: Vec<OsString> = Vec::new();
        if !command.network {
            match namespaces.prefix() {
                Some(prefix) => words.extend(prefix.iter().map(OsString::from)),
                None => context.warn(network::REFUSED),
            }
        }
        words.extend(umask::prefix().iter().map(OsString::from));
        let name = program.display().to_string();
        words.push(program.into());
        words.extend(arguments.into_iter().map(OsString::from));
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        let mut child = Command::new(program);
        child.args(arguments).current_dir(&command.directory);
        child.env_clear().envs(environment(&project, &command, &home));
        let result = context.run_as(&name, &mut child);
        // What a failed command leaves there is of no use, and a folder that cannot be removed now is removed next time.
        let _ = remove(&home);
        result?;
        settle(&project, &outputs, context)
    })
}

fn remove(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives the outputs the modes that git keeps: others come from the umask of the user. Only the owner of a build root cares
/// about files of the project, so those are left alone.
///
/// Before that, it refuses outputs that lead out of the project: others read them, and would read what lies there.
fn settle(project: &Project, outputs: &[OwnOutput], context: &TaskContext<'_>) -> Result<(), ActionError> {
    for output in outputs {
        let resolved = project.territory.resolve(&output.path);
        resolved.map_err(|outside| ActionError::failed(outside.to_string()))?;
    }
    let in_build = |output: &&OwnOutput| output.path.starts_with(&project.settings.build_root);
    for output in outputs.iter().filter(in_build) {
        let found = output.path.symlink_metadata();
        if output.is_folder && found.as_ref().is_ok_and(|found| !found.is_dir()) {
            let shown = output.path.strip_prefix(&project.root).unwrap_or(&output.path);
            return Err(ActionError::failed(format!(
                "{}/ is a file: the task declares a folder",
                content::printable_path(shown)
            )));
        }
        for entry in walkdir::WalkDir::new(&output.path) {
            // A missing output has a message of its own.
            let Ok(entry) = entry else { continue };
            if context.cancelled() {
                return Err(ActionError::Cancelled);
            }
            let (path, kind) = (entry.path(), entry.file_type());
            let metadata = entry.metadata().map_err(std::io::Error::from)?;
            let mode = match (kind.is_dir(), kind.is_file(), kind.is_symlink()) {
                (true, ..) => 0o755,
                (_, true, _) => place_file::mode_of(&metadata),
                (_, _, true) => continue,
                _ => {
                    let shown = path.strip_prefix(&project.root).unwrap_or(path);
                    return Err(ActionError::failed(format!(
                        "{} is neither a file, a folder nor a symbolic link",
                        content::printable_path(shown)
                    )));
                }
            };
            if metadata.permissions().mode() & 0o7777 != mode {
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
            }
        }
    }
    Ok(())
}
