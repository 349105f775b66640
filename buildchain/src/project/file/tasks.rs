//! Tasks of the project's own, as `spec.tasks` defines them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::ForEach;
use crate::project::field::Field;
use crate::project::names::{PoolName, ProjectPath, TaskName, Text, TimeSpan, VariableName};

/// Tasks by their names, in the order of the file.
#[derive(Debug, Default)]
pub struct TaskEntries(pub(in crate::project) Vec<(Field<TaskName>, TaskEntry)>);

/// A task of the project's own. With `run` or `script`, it runs a command; without them, it only runs other tasks.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskEntry {
    /// One line about the task, for `sealift list`.
    #[serde(default)]
    pub doc: Option<Field<Text>>,
    /// The program and its arguments. No shell reads them.
    #[serde(default)]
    pub run: Vec<Field<Text>>,
    /// A script for the shell.
    #[serde(default)]
    pub script: Option<Field<Text>>,
    /// The shell: the words before the script. Default: `[/bin/sh, -euc]`.
    #[serde(default)]
    pub shell: Vec<Field<Text>>,
    /// What the result depends on.
    #[serde(default)]
    #[schemars(with = "Vec<TaskInputEntry>")]
    pub inputs: Vec<Spanned<TaskInputEntry>>,
    /// The files that it writes. A folder ends in `/`; all that is in it is the output.
    #[serde(default)]
    pub outputs: Vec<Field<ProjectPath>>,
    /// Environment variables. The command gets these, those of `pass`, `PATH`, `HOME`, `TMPDIR`, `LC_ALL` and `TZ`.
    #[serde(default)]
    pub environment: BTreeMap<String, Field<Text>>,
    /// Names of variables that are passed on from the environment of Sealift. Their values are part of the result.
    #[serde(default)]
    pub pass: Vec<Field<VariableName>>,
    /// Programs whose versions are part of the result.
    #[serde(default)]
    pub tools: Vec<ToolEntry>,
    /// The folder to run in. Default: the folder of the project.
    #[serde(default)]
    pub directory: Option<Field<ProjectPath>>,
    /// The pool that limits how many tasks run at once: one of `spec.pools`, or `network`, `engine` or `cargo`.
    #[serde(default)]
    pub pool: Option<Field<PoolName>>,
    /// How long one attempt can take, such as `90s`, `10m` or `2h`. Default: no limit.
    #[serde(default)]
    pub timeout: Option<Field<TimeSpan>>,
    /// How often a command that fails is run again.
    #[serde(default)]
    pub retries: u32,
    /// Whether the command can use the network. If not, it runs in a network namespace of its own, where the kernel allows it.
    /// Default: true.
    #[serde(default)]
    pub network: Option<bool>,
    /// A file that the command writes in the syntax of make, as `gcc -MD` does. The files that it names are inputs.
    #[serde(default)]
    pub depfile: Option<Field<ProjectPath>>,
    /// A file with the path of an input on each line, which the command or another task writes.
    #[serde(default)]
    pub inputs_from: Option<Field<ProjectPath>>,
    /// Run it each time, even if nothing changed.
    #[serde(default)]
    pub always: bool,
    /// Tasks that must succeed before. Their results are not inputs.
    #[serde(default)]
    pub after: Vec<Field<Text>>,
    /// The entry counts only if this expression is true: `channel == "stable"`.
    #[serde(default)]
    pub when: Option<Field<Text>>,
    /// Repeats the entry: names with the values that they have, one after the other. The name of the task must name them.
    #[serde(default)]
    pub for_each: ForEach,
}

/// What a task depends on.
#[derive(Debug, Clone, JsonSchema)]
#[schemars(untagged)]
pub enum TaskInputEntry {
    /// A file, a folder or a pattern such as `charts/**/*.yaml`, relative to the project.
    Path(String),
    /// Something else.
    Source(Box<TaskInputSource>),
}

/// What a task depends on. Exactly one of `folder`, `task` and `value` is required.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TaskInputSource {
    /// A folder with all that is in it.
    #[serde(default)]
    pub folder: Option<Field<ProjectPath>>,
    /// Patterns of paths in the folder that do not count, such as `**/*.pyc`. What is below them does not count either.
    #[serde(default)]
    pub exclude: Vec<Field<Text>>,
    /// A task whose outputs are inputs.
    #[serde(default)]
    pub task: Option<Field<Text>>,
    /// A text.
    #[serde(default)]
    pub value: Option<Field<Text>>,
    /// The name of the text, for `sealift explain`. Default: `value`.
    #[serde(default)]
    pub name: Option<Field<Text>>,
}

/// A program whose version is part of the result of a task.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolEntry {
    /// The program.
    pub name: Field<Text>,
    /// The command that prints its version, which must be quick. Default: the program with `--version`.
    #[serde(default)]
    pub version: Vec<Field<Text>>,
}

impl<'de> Deserialize<'de> for TaskEntries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = TaskEntries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("names of tasks with their keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<TaskEntries, A::Error> {
                let mut tasks = Vec::new();
                while let Some(task) = entries.next_entry()? {
                    tasks.push(task);
                }
                Ok(TaskEntries(tasks))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

impl<'de> Deserialize<'de> for TaskInputEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = TaskInputEntry;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a path, or keys with values")
            }

            fn visit_str<E>(self, path: &str) -> Result<TaskInputEntry, E> {
                Ok(TaskInputEntry::Path(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<TaskInputEntry, A::Error> {
                let source = TaskInputSource::deserialize(MapAccessDeserializer::new(entries))?;
                Ok(TaskInputEntry::Source(Box::new(source)))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for TaskEntries {
    fn schema_name() -> Cow<'static, str> {
        "TaskEntries".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut names = Field::<TaskName>::json_schema(generator);
        names.remove("type");
        schemars::json_schema!({
            "type": "object",
            "propertyNames": names,
            "additionalProperties": generator.subschema_for::<TaskEntry>(),
        })
    }
}
