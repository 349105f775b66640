//! A task: plain data and one closure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::context::TaskContext;
use crate::model::error::ActionError;
use crate::model::paths;

/// One step of the build.
///
/// A task without an [`action`](Task::action) is a group: it only runs the tasks that it names in
/// [`after`](Task::after).
#[derive(Default)]
pub struct Task {
    /// The name users type: `iso`, `base:sub` for a member of a family, a leading `_` for a private one.
    pub name: String,
    /// The name that reports show, and that users may type, in place of a private one: `images:nginx:1.25`. Several tasks
    /// may share it. Empty for a task that has only its name.
    pub alias: String,
    /// One line for `list`.
    pub doc: String,
    /// What the console prints when the task runs. If empty, the name is printed.
    pub title: Title,
    /// All that the result of the action depends on. An input that another task produces makes that task a dependency.
    pub inputs: Vec<TaskInput>,
    /// Finds inputs that are known only once the others exist: the files that a generated list names, for instance. Called
    /// each time the task is checked, after its dependencies ran. It must be quick, and depend on the inputs above only.
    pub discover: Option<Discover>,
    /// Whether the action itself writes what [`discover`](Task::discover) reads, such as the dependency file of a compiler. Then
    /// inputs are discovered once more after it succeeded, and these count. Before the first run, `discover` must return an
    /// input that it never returns later.
    pub learns: bool,
    /// All that the action produces: below the build root, except for generated sources. A folder of generated sources may also
    /// have files of the user: only what the task itself created there is removed.
    pub outputs: Vec<TaskOutput>,
    /// Tasks that must succeed before, without their results being an input; the members of a group.
    pub after: Vec<String>,
    /// The work; `None` for a group. When it is called, the folders of the outputs exist, output folders below the build root
    /// are empty, other output folders have only files of the user, and output files below the build root do not exist.
    pub action: Option<TaskAction>,
    /// The pool that limits how many of its tasks run at once.
    pub pool: Option<String>,
    /// How many slots of its pool it takes, such as megabytes of memory; 0 means 1, more than the pool has means all of
    /// them.
    pub weight: usize,
    /// Never up to date: it runs each time it is selected. Tasks that depend on it still run only if its outputs
    /// changed.
    pub always: bool,
    /// The action resumes from its outputs: they are not moved aside before it runs, and are kept if it does not succeed.
    /// Such a task is not cached.
    pub resumes: bool,
    /// Running it costs no more than a request to another machine: the remote cache is not used.
    pub cheap: bool,
    /// How often, and after which pause, the action is retried after [`ActionError::Broken`].
    pub retry: Retry,
    /// How long one attempt may take. Then its child processes are killed and [`TaskContext::cancelled`] returns true.
    pub timeout: Option<Duration>,
}

impl Task {
    /// Whether the name starts with `_`: a private task is only listed on request.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.name.starts_with('_')
    }

    /// The name for people: the alias, or the name if there is no alias.
    #[must_use]
    pub fn public_name(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// The title, or the name if there is no title: what reports show.
    pub(crate) fn shown_title(&self) -> String {
        if self.title.is_empty() { self.name.clone() } else { self.title.to_string() }
    }

    /// Whether the name has the form `base:sub`: a member of a family.
    #[must_use]
    pub fn is_sub_task(&self) -> bool {
        self.name.contains(':')
    }

    /// Whether the task has no action and only runs others.
    #[must_use]
    pub fn is_group(&self) -> bool {
        self.action.is_none()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name)
            .field("inputs", &self.inputs)
            .field("outputs", &self.outputs)
            .field("after", &self.after)
            .field("group", &self.is_group())
            .finish_non_exhaustive()
    }
}

/// A command word and its subject, printed in two columns: `MKISOFS        _build/metalk8s.iso`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Title {
    /// The command word, in capitals.
    pub command: String,
    /// Its subject: a path relative to the root, a sub-task, an image.
    pub subject: String,
}

impl Title {
    /// The title of `command` for `subject`.
    pub fn new(command: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { command: command.into(), subject: subject.into() }
    }

    /// Whether there is neither a command word nor a subject.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.command.is_empty() && self.subject.is_empty()
    }
}

/// The command word padded to fourteen columns, a space, and the subject, always on one line.
impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (command, subject) = (content::printable(&self.command), content::printable(&self.subject));
        match (self.command.is_empty(), self.subject.is_empty()) {
            (true, _) => write!(f, "{subject}"),
            (false, true) => write!(f, "{command}"),
            (false, false) => write!(f, "{command:<14} {subject}"),
        }
    }
}

/// Something that the result of a task depends on. Paths are relative to the root of the graph, or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskInput {
    /// The content of one file (symbolic links are followed), and whether it is executable.
    File(PathBuf),
    /// The same for a file whose path is not part of the key: machines that have it elsewhere share results. The key has a
    /// name instead.
    Named {
        /// The name in the key and the explanation.
        name: String,
        /// The path on this machine.
        path: PathBuf,
    },
    /// All below a folder: names, kinds, link targets, contents, and which files are executable. Listed when the task is
    /// ready, after the tasks that produce it ran.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Globs over paths relative to the folder; what they match, and all below it, is excluded.
        exclude: Vec<String>,
    },
    /// The files below a folder whose relative path matches a pattern: names, contents, and which are executable. Symbolic
    /// links to files are followed, those to folders are not. Matching nothing is not an error.
    Glob {
        /// The folder.
        root: PathBuf,
        /// A glob over paths relative to the folder: `*.yaml` (one level), `**/*.sls` (all).
        pattern: String,
    },
    /// A setting, the version of a tool, the arguments or the version of the action.
    Value {
        /// The name in the explanation.
        name: String,
        /// The current value.
        value: String,
    },
}

impl TaskInput {
    /// One file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// One file that the key knows as `name`, wherever it is.
    pub fn named(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self::Named { name: name.into(), path: path.into() }
    }

    /// All below a folder.
    pub fn folder(path: impl Into<PathBuf>) -> Self {
        Self::Folder { path: path.into(), exclude: Vec::new() }
    }

    /// The files below `root` that match `pattern`.
    pub fn glob(root: impl Into<PathBuf>, pattern: impl Into<String>) -> Self {
        Self::Glob { root: root.into(), pattern: pattern.into() }
    }

    /// A named value.
    pub fn value(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self::Value { name: name.into(), value: value.into() }
    }
}

impl TaskInput {
    /// The file or folder, if it is not a value.
    #[must_use]
    pub fn path(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path)
            | Self::Named { path, .. }
            | Self::Folder { path, .. }
            | Self::Glob { root: path, .. } => Some(path),
            Self::Value { .. } => None,
        }
    }

    pub(crate) fn normalize(&mut self, root: &Path) {
        match self {
            Self::File(path)
            | Self::Named { path, .. }
            | Self::Folder { path, .. }
            | Self::Glob { root: path, .. } => {
                paths::normalize(root, path);
            }
            Self::Value { .. } => {}
        }
    }
}

/// Something that a task produces. Two tasks cannot produce the same path, or one below the folder of the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskOutput {
    /// One file (or symbolic link).
    File(PathBuf),
    /// A folder with all below it.
    Folder(PathBuf),
}

impl TaskOutput {
    /// The path, as declared.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::File(path) | Self::Folder(path) => path,
        }
    }
}

/// A limit on the tasks of one kind that run at once: on their number, or on the sum of their weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name that tasks give in [`Task::pool`].
    pub name: String,
    /// The largest sum of the weights of tasks that run at once; 0 means 1.
    pub slots: usize,
}

/// How often an action is retried that ended with [`ActionError::Broken`]. One that ended with [`ActionError::Failed`] is
/// not, unless it says so: the same work would fail again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// Attempts after the first.
    pub times: u32,
    /// The pause before the second attempt; it doubles with each further one.
    pub pause: Duration,
    /// Whether it is also retried after [`ActionError::Failed`].
    pub failed: bool,
}

/// The work of a task.
pub type TaskAction = Box<dyn Fn(&TaskContext<'_>) -> Result<(), ActionError> + Send + Sync>;

/// Finds more inputs of a task. It gets the root of the graph. If a task produces such an input, another input or
/// [`Task::after`] must already make it a dependency.
pub type Discover = Box<dyn Fn(&Path) -> Result<Vec<TaskInput>, ActionError> + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_have_two_columns() {
        for (title, printed) in [
            (Title::new("MKISOFS", "_build/metalk8s.iso"), "MKISOFS        _build/metalk8s.iso"),
            (Title::new("IMPLANTISOMD5", "a.iso"), "IMPLANTISOMD5  a.iso"),
            (Title::new("BUILD RPM REPOS", "x"), "BUILD RPM REPOS x"),
            (Title::new("GROUP", ""), "GROUP"),
            (Title::new("", "vagrant_up"), "vagrant_up"),
        ] {
            assert_eq!(title.to_string(), printed);
        }
    }
}
