//! The tasks of the project's own.

use std::path::{Path, PathBuf};

use super::Loader;
use crate::project::entries::CheckedEntries;
use crate::project::error::{Error, Origin};
use crate::project::field::Field;
use crate::project::file::{Content, TaskEntry, TaskInputEntry, TaskInputSource};
use crate::project::names::{ParsedName as _, PoolName, ProjectPath, TaskName};
use crate::project::tasks::{DiscoveredInputs, OwnInput, OwnOutput, OwnTask, TaskCommand, Tool};

/// The tasks that Sealift has itself. No task of a project has such a name, or is a member of such a group.
const BUILT_IN: [&str; 11] = [
    "binaries",
    "check_for",
    "documentation",
    "format",
    "images",
    "iso",
    "lint",
    "packaging",
    "populate_iso",
    "salt_tree",
    "sources",
];

/// The groups of Sealift that tasks of a project can join, with the names of the members that Sealift has itself.
const OPEN: [(&str, &[&str]); 2] = [("format", &["rust"]), ("lint", &["rust", "salt", "shell", "yaml"])];

/// The pools that Sealift has itself.
pub(in crate::project) const POOLS: [&str; 4] = ["cargo", "engine", "memory", "network"];

/// What runs a script, unless the task names another shell.
const SHELL: [&str; 2] = ["/bin/sh", "-euc"];

impl Loader {
    /// Reads the tasks that the project file at `path` defines.
    pub(super) fn tasks(&mut self, path: &Path, content: &Content) {
        for (name, slots) in &content.pools {
            let wrong = PoolName::parse(name).err().or_else(|| {
                POOLS
                    .contains(&name.as_str())
                    .then(|| format!("the pool `{name}` exists: choose another name"))
            });
            let wrong = wrong
                .or_else(|| (slots.value == 0).then(|| format!("the pool `{name}` needs at least 1 slot")));
            match wrong {
                Some(message) => {
                    self.mistakes.note::<()>(Err(Error::at(path, slots.referenced, message)));
                }
                None => drop(self.project.pools.insert(name.clone(), slots.value)),
            }
        }
        for (name, entry) in &content.tasks.0 {
            for round in self.entries(path).rounds(&entry.for_each) {
                let outer = std::mem::replace(&mut self.values, round);
                if self.entries(path).holds(entry.when.as_ref()) {
                    let task = self.entries(path).task(name, entry);
                    self.add_task(path, name, task);
                }
                self.values = outer;
            }
        }
    }

    fn add_task(&mut self, path: &Path, name: &Field<TaskName>, task: Option<OwnTask>) {
        let Some(task) = task else { return };
        if let Some(other) = self.project.tasks.iter().find(|other| other.name == task.name) {
            let message = if other.origin == task.origin {
                format!(
                    "each round of `forEach` names its task `{}`: use the values of the round in the name",
                    task.name
                )
            } else {
                format!(
                    "a second task `{}`: the first is in line {} of {}",
                    task.name,
                    other.origin.line,
                    content::printable_path(other.origin.path.file_name().unwrap_or_default().as_ref())
                )
            };
            self.mistakes.note::<()>(Err(Error::at(path, name.place(), message)));
            return;
        }
        self.project.produced.add(&task.outputs);
        self.project.tasks.push(task);
    }
}

/// Why no task of a project can have this name.
fn reserved(name: &str) -> Option<String> {
    let (group, member) = name.split_once(':').unwrap_or((name, ""));
    if !BUILT_IN.contains(&group) {
        return None;
    }
    let open = OPEN.iter().find(|(open, _)| *open == group && !member.is_empty());
    match open {
        Some((_, taken)) if !taken.contains(&member) => None,
        _ => Some(format!("`{name}` is the name of a task of Sealift: choose another name")),
    }
}

impl CheckedEntries<'_> {
    fn task(&mut self, field: &Field<TaskName>, entry: &TaskEntry) -> Option<OwnTask> {
        let name = self.name(field)?;
        if let Some(message) = reserved(name.as_str()) {
            self.wrong(field, message);
        }
        let mut outputs: Vec<OwnOutput> = Vec::new();
        for output in &entry.outputs {
            outputs.extend(self.output(output));
        }
        let mut inputs = Vec::new();
        for input in &entry.inputs {
            inputs.extend(self.input(&input.value, Origin::new(self.file, input.referenced)));
        }
        let discovered = self.discovered(field, entry);
        if let Some(DiscoveredInputs::Depfile(path)) = &discovered {
            let output = OwnOutput { path: path.clone(), is_folder: false };
            if !outputs
                .iter()
                .any(|known| known.is_folder && path.starts_with(&known.path) || known == &output)
            {
                outputs.push(output);
            }
        }
        let command = self.command(field, entry);
        let pool = entry.pool.as_ref().and_then(|pool| self.name(pool)).map(|pool| pool.to_string());
        let timeout = entry.timeout.as_ref().and_then(|timeout| self.name(timeout)).map(|span| span.0);
        let doc = entry.doc.as_ref().and_then(|doc| self.text(doc)).unwrap_or_default();
        let mut doc = doc.lines().next().unwrap_or_default().trim().to_owned();
        if command.is_none() {
            let only_for_commands = !inputs.is_empty() || !outputs.is_empty() || !entry.tools.is_empty();
            if only_for_commands {
                self.wrong(field, format!("the task `{name}` has nothing to do: expected `run` or `script`"));
            }
        }
        let tools = entry.tools.iter().filter_map(|tool| {
            let name = self.text(&tool.name)?;
            let mut version: Vec<String> = tool.version.iter().filter_map(|word| self.text(word)).collect();
            if version.is_empty() {
                version = vec![name.clone(), "--version".into()];
            }
            Some(Tool { name, version })
        });
        let tools = tools.collect();
        let after: Vec<String> = entry.after.iter().filter_map(|name| self.text(name)).collect();
        if doc.is_empty() && command.is_none() && !after.is_empty() {
            doc = format!("Run {}.", after.join(", "));
        }
        // Nothing else says when it is out of date.
        let always = entry.always || command.is_some() && inputs.is_empty() && outputs.is_empty();
        Some(OwnTask {
            origin: Origin::new(self.file, field.place()),
            name,
            doc,
            command,
            inputs,
            outputs,
            tools,
            pool,
            timeout,
            retries: entry.retries,
            discovered,
            always,
            after,
        })
    }

    fn command(&mut self, field: &Field<TaskName>, entry: &TaskEntry) -> Option<TaskCommand> {
        let mut words: Vec<String> = Vec::new();
        match (&entry.script, entry.run.is_empty()) {
            (Some(_), false) => self.wrong(field, "both `run` and `script`: expected one of them".into()),
            (None, true) => return None,
            (None, false) => words.extend(entry.run.iter().filter_map(|word| self.text(word))),
            (Some(script), true) => {
                words.extend(entry.shell.iter().filter_map(|word| self.text(word)));
                if words.is_empty() {
                    words.extend(SHELL.map(str::to_owned));
                }
                words.extend(self.text(script));
            }
        }
        if entry.script.is_none() && !entry.shell.is_empty() {
            self.wrong(field, "`shell` without `script`".into());
        }
        if words.first().is_some_and(String::is_empty) {
            self.wrong(field, "the first word of `run` is empty: expected a program".into());
        }
        let mut environment = std::collections::BTreeMap::new();
        for (name, value) in &entry.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                self.wrong(value, format!("`{name}` cannot name an environment variable"));
            }
            environment.extend(self.text(value).map(|value| (name.clone(), value)));
        }
        if words.iter().chain(environment.values()).any(|text| text.contains('\0')) {
            self.wrong(field, "the command has a NUL character".into());
        }
        let directory = match &entry.directory {
            Some(directory) => self.project_path(directory).map(|(path, _)| path)?,
            None => self.root.to_path_buf(),
        };
        let pass = self.names(&entry.pass).into_iter().map(|name| name.to_string()).collect();
        Some(TaskCommand {
            words,
            is_script: entry.script.is_some(),
            directory,
            environment,
            pass,
            network: entry.network.unwrap_or(true),
        })
    }

    fn output(&mut self, field: &Field<ProjectPath>) -> Option<OwnOutput> {
        let (path, is_folder) = self.project_path(field)?;
        let state = self.build_root.join(".sealift");
        let reason = if self.root.starts_with(&path) || self.build_root.starts_with(&path) {
            "a task cannot write all of the project or of the build root"
        } else if path.starts_with(&state) {
            "that is the state of the build"
        } else {
            return Some(OwnOutput { path, is_folder });
        };
        let text = self.text(field).unwrap_or_default();
        self.wrong(field, format!("`{text}`: {reason}"));
        None
    }

    fn input(&mut self, entry: &TaskInputEntry, origin: Origin) -> Option<OwnInput> {
        let source = match entry {
            TaskInputEntry::Path(text) => return self.path_input(text, &origin),
            TaskInputEntry::Source(source) => source,
        };
        match &**source {
            TaskInputSource { folder: Some(folder), exclude, task: None, value: None, name: None } => {
                let (path, _) = self.project_path(folder)?;
                Some(OwnInput::Folder {
                    path,
                    exclude: exclude.iter().filter_map(|text| self.text(text)).collect(),
                })
            }
            TaskInputSource { folder: None, exclude, task: Some(name), value: None, name: None }
                if exclude.is_empty() =>
            {
                let origin = Origin::new(self.file, name.place());
                Some(OwnInput::Task { name: self.text(name)?, origin })
            }
            TaskInputSource { folder: None, exclude, task: None, value: Some(value), name }
                if exclude.is_empty() =>
            {
                let name = name.as_ref().map_or(Some("value".to_owned()), |name| self.text(name))?;
                Some(OwnInput::Value { name, value: self.text(value)? })
            }
            _ => {
                let message = "an input is `folder` with `exclude`, or `task`, or `value` with `name`";
                self.mistakes.note::<()>(Err(Error::of(&origin, message)));
                None
            }
        }
    }

    fn path_input(&mut self, text: &str, origin: &Origin) -> Option<OwnInput> {
        if self.values.hides(text) {
            return None;
        }
        let parsed = self.values.render(text).and_then(|text| Ok((ProjectPath::parse(&text)?, text)));
        let (parsed, text) = self.mistakes.note(parsed.map_err(|message| Error::of(origin, message)))?;
        let Some(start) = text.split('/').position(|part| part.contains(['*', '?', '[', '{'])) else {
            let path = self.located(&parsed).map_err(|message| Error::of(origin, message));
            return self.mistakes.note(path).map(OwnInput::Path);
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (folder, pattern) = parts.split_at(start);
        let folder = if folder.is_empty() { ".".to_owned() } else { folder.join("/") };
        let located = ProjectPath::parse(&folder).and_then(|folder| self.located(&folder));
        let folder = self.mistakes.note(located.map_err(|message| Error::of(origin, message)))?;
        Some(OwnInput::Pattern { folder, pattern: pattern.join("/") })
    }

    fn discovered(&mut self, task: &Field<TaskName>, entry: &TaskEntry) -> Option<DiscoveredInputs> {
        match (&entry.depfile, &entry.inputs_from) {
            (Some(_), Some(_)) => {
                self.wrong(task, "both `depfile` and `inputsFrom`: expected one of them".into());
                None
            }
            (Some(file), None) => self.output(file).map(|output| DiscoveredInputs::Depfile(output.path)),
            (None, Some(file)) => self.project_path(file).map(|(path, _)| DiscoveredInputs::List(path)),
            (None, None) => None,
        }
    }

    /// The absolute path of a file or folder in the project or in the build root, and whether it is said to be a folder.
    pub(in crate::project) fn project_path(&mut self, field: &Field<ProjectPath>) -> Option<(PathBuf, bool)> {
        let path = self.name(field)?;
        match self.located(&path) {
            Ok(located) => Some((located, path.is_folder())),
            Err(message) => {
                self.wrong(field, message);
                None
            }
        }
    }

    fn located(&self, path: &ProjectPath) -> Result<PathBuf, String> {
        let located = self.root.join(path.as_path());
        if path.as_path().is_absolute()
            && !located.starts_with(self.build_root)
            && !located.starts_with(self.root)
        {
            return Err(format!(
                "`{}` leads out of the project: expected a path in it or in the build root",
                content::printable_path(path.as_path())
            ));
        }
        self.territory.resolve(&located).map_err(|outside| outside.to_string())?;
        Ok(located)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_built_in_tasks_are_refused_except_for_members_of_open_groups() {
        for (name, free) in [
            ("iso", false),
            ("iso:sign", false),
            ("images", false),
            ("lint", false),
            ("lint:yaml", false),
            ("lint:python", true),
            ("format:go", true),
            ("codegen", true),
            ("isolate", true),
        ] {
            assert_eq!(reserved(name).is_none(), free, "{name}");
        }
    }
}
