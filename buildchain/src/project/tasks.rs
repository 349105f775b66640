//! The tasks of the project's own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::Origin;
use super::names::TaskName;

/// A task of the project's own. All paths are absolute.
#[derive(Debug, Clone)]
pub struct OwnTask {
    /// The place of its name.
    pub origin: Origin,
    /// Its name: `codegen:dex`.
    pub name: TaskName,
    /// One line about it; empty if it has none.
    pub doc: String,
    /// What it runs; `None` for one that only runs other tasks.
    pub command: Option<TaskCommand>,
    /// What it depends on.
    pub inputs: Vec<OwnInput>,
    /// What it writes.
    pub outputs: Vec<OwnOutput>,
    /// Programs whose versions it depends on.
    pub tools: Vec<Tool>,
    /// The pool that it runs in.
    pub pool: Option<String>,
    /// How long one attempt can take.
    pub timeout: Option<Duration>,
    /// Attempts after the first.
    pub retries: u32,
    /// Inputs that are known after it ran.
    pub discovered: Option<DiscoveredInputs>,
    /// Whether it runs each time.
    pub always: bool,
    /// Tasks that must succeed before.
    pub after: Vec<String>,
}

/// What a task runs.
#[derive(Debug, Clone)]
pub struct TaskCommand {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// Whether the words are those of a shell and a script.
    pub is_script: bool,
    /// The folder to run in.
    pub directory: PathBuf,
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// Names of variables that are passed on.
    pub pass: Vec<String>,
    /// Whether it can use the network.
    pub network: bool,
}

/// What a task depends on.
#[derive(Debug, Clone)]
pub enum OwnInput {
    /// A file or a folder that exists, or that a task writes.
    Path(PathBuf),
    /// A folder without what the patterns match.
    Folder {
        /// The folder.
        path: PathBuf,
        /// The patterns.
        exclude: Vec<String>,
    },
    /// The files below a folder that match a pattern.
    Pattern {
        /// The folder.
        folder: PathBuf,
        /// The pattern.
        pattern: String,
    },
    /// The outputs of a task.
    Task {
        /// Its name.
        name: String,
        /// The place of the name.
        origin: Origin,
    },
    /// A text.
    Value {
        /// Its name.
        name: String,
        /// The text.
        value: String,
    },
}

/// What a task writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnOutput {
    /// The file or folder.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub is_folder: bool,
}

/// A program whose version a task depends on.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// The command that prints its version.
    pub version: Vec<String>,
}

/// A file that names inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveredInputs {
    /// In the syntax of make.
    Depfile(PathBuf),
    /// A path on each line.
    List(PathBuf),
}

impl DiscoveredInputs {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Depfile(path) | Self::List(path) => path,
        }
    }
}

/// What the tasks of the project's own write.
#[derive(Debug, Clone, Default)]
pub struct Produced(Vec<OwnOutput>);

impl Produced {
    pub(super) fn add(&mut self, outputs: &[OwnOutput]) {
        self.0.extend_from_slice(outputs);
    }

    /// Whether a task writes the file `path`, the folder `path`, or something below or above it: then it need not exist.
    #[must_use]
    pub fn concerns(&self, path: &Path) -> bool {
        self.writes(path) || self.below(path).next().is_some()
    }

    /// Whether `path` is an output or below a folder that is an output.
    #[must_use]
    pub fn writes(&self, path: &Path) -> bool {
        self.0.iter().any(|output| *path == output.path || output.is_folder && path.starts_with(&output.path))
    }

    /// Whether `path` is a folder that is an output.
    #[must_use]
    pub fn is_folder(&self, path: &Path) -> bool {
        self.0.iter().any(|output| output.is_folder && *path == output.path)
    }

    /// The outputs below the folder `path`.
    pub fn below<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a OwnOutput> {
        self.0.iter().filter(move |output| output.path != path && output.path.starts_with(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_produced_if_a_task_writes_it_or_a_folder_around_it() {
        let mut produced = Produced::default();
        let output = |path: &str, is_folder| OwnOutput { path: path.into(), is_folder };
        produced.add(&[output("/p/gen/a.txt", false), output("/p/_build/charts", true)]);
        for (path, concerns, writes) in [
            ("/p/gen/a.txt", true, true),
            ("/p/gen", true, false),
            ("/p/gen/b.txt", false, false),
            ("/p/gen/a.txt/x", false, false),
            ("/p/_build/charts", true, true),
            ("/p/_build/charts/dex/x.yaml", true, true),
            ("/p/_build", true, false),
            ("/p/_build/charts2", false, false),
        ] {
            let path = Path::new(path);
            assert_eq!((produced.concerns(path), produced.writes(path)), (concerns, writes), "{path:?}");
        }
        assert_eq!(produced.below(Path::new("/p")).count(), 2);
    }
}
