//! What a task is: plain data and one closure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::context::Context;
use crate::model::paths;

/// One step of the build.
///
/// A task without an [`action`](Task::action) is a group: it only gathers the tasks it names in
/// [`after`](Task::after).
#[derive(Default)]
pub struct Task {
    /// The name users type: `iso`, `base:sub` for a member of a family, a leading `_` for a private one.
    pub name: String,
    /// The name that reports show and users may type in place of a private one: `images:nginx:1.25`. Several tasks may
    /// share it. Empty: there is only the name.
    pub alias: String,
    /// One line for `list`.
    pub doc: String,
    /// What the console prints when the task runs. Empty: the name is printed.
    pub title: Title,
    /// All that the action's result depends on. A path that another task makes is also an edge to that task.
    pub inputs: Vec<Input>,
    /// More inputs, known only once the others are there: what a generated list names, what a recipe copies.
    /// Asked each time the task is judged, after all it needs is done; must be quick, and depend on nothing
    /// but the inputs above.
    pub discover: Option<Discover>,
    /// All that the action leaves behind, below the build root but for generated sources.
    pub outputs: Vec<Output>,
    /// Tasks that must have succeeded before, without their results being an input; the members of a group.
    pub after: Vec<String>,
    /// The work, called when the parents of the outputs are made, output folders are there and empty, and
    /// output files below the build root are gone; `None` for a group.
    pub action: Option<Action>,
    /// The pool whose slots bound what of its tasks runs at once.
    pub pool: Option<String>,
    /// How many slots of its pool it takes, such as megabytes of memory; 0 is taken as 1, more than the pool has as
    /// all of them.
    pub weight: usize,
    /// Never up to date: runs each time it is asked for. Its dependents still run only if its outputs
    /// changed.
    pub always: bool,
    /// The action continues what is in its outputs: they are not moved out of its way before it runs, and stay
    /// as they are when it breaks. Such a task is not cached.
    pub resumes: bool,
    /// Making it costs no more than a question to another machine: no remote cache is asked.
    pub cheap: bool,
    /// How often, and after which pause, the action is tried again when it broke off with an error.
    pub retry: Retry,
    /// How long one attempt may take; then its children are killed and [`Context::cancelled`] turns true.
    pub timeout: Option<Duration>,
}

impl Task {
    /// A leading `_`: not listed unless asked for.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.name.starts_with('_')
    }

    /// The name for people: the alias, or the name of a task that has none.
    #[must_use]
    pub fn public_name(&self) -> &str {
        if self.alias.is_empty() { &self.name } else { &self.alias }
    }

    /// `base:sub`: a member of a family.
    #[must_use]
    pub fn is_sub_task(&self) -> bool {
        self.name.contains(':')
    }

    /// No action: only gathers others.
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
    /// What it works on: a path relative to the root, a sub-task, an image.
    pub subject: String,
}

impl Title {
    /// The title of `command` working on `subject`.
    pub fn new(command: impl Into<String>, subject: impl Into<String>) -> Self {
        Self { command: command.into(), subject: subject.into() }
    }

    /// Neither a command word nor a subject.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.command.is_empty() && self.subject.is_empty()
    }
}

/// The command word padded to fourteen columns, a space, the subject; on one line, whatever names are in them.
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

/// Something a task's result depends on. Paths are relative to the root of the graph, or absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The content of one file (of what it points to, if it is a symbolic link), and whether it may be executed.
    File(PathBuf),
    /// The same of a file whose place is no part of the key: machines that have it elsewhere share results. It counts under
    /// a name.
    Named {
        /// What the key and the explanation call it.
        name: String,
        /// Where it is here.
        path: PathBuf,
    },
    /// All below a folder: names, kinds, link targets, contents, and which files may be executed. Listed when the task is
    /// ready, after its makers ran.
    Folder {
        /// The folder.
        path: PathBuf,
        /// Globs over paths relative to the folder; what they match, and all below it, is left out.
        exclude: Vec<String>,
    },
    /// The files below a folder whose relative path matches a pattern: names, contents and which may be executed;
    /// of what it points to, if one is a symbolic link. Links to folders are not followed. No match is no error.
    Glob {
        /// The folder.
        root: PathBuf,
        /// A glob over paths relative to the folder: `*.yaml` (one level), `**/*.sls` (all).
        pattern: String,
    },
    /// A value of the configuration, the version of a tool, the arguments or the version of the action.
    Value {
        /// What the explanation calls it.
        name: String,
        /// Its value now.
        value: String,
    },
}

impl Input {
    /// One file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::File(path.into())
    }

    /// One file that counts as `name`, wherever it is.
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

impl Input {
    /// The file or folder it is about.
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

    pub(crate) fn normalise(&mut self, root: &Path) {
        match self {
            Self::File(path)
            | Self::Named { path, .. }
            | Self::Folder { path, .. }
            | Self::Glob { root: path, .. } => {
                paths::normalise(root, path);
            }
            Self::Value { .. } => {}
        }
    }
}

/// Something a task makes. No two tasks may make the same path, or one below the folder of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// One file (or symbolic link).
    File(PathBuf),
    /// A folder and all below it.
    Folder(PathBuf),
}

impl Output {
    /// The path, as declared.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::File(path) | Self::Folder(path) => path,
        }
    }
}

/// A bound on what of a kind of tasks runs at once: how many, or how heavy they are together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The name tasks give in [`Task::pool`].
    pub name: String,
    /// The weights of those that run at once are at most this together; 0 is taken as 1.
    pub slots: usize,
}

/// How often an action that broke off is tried again. A task that *failed* is not: the same work says no
/// again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    /// Attempts after the first.
    pub times: u32,
    /// The pause before the second attempt; it doubles with each further one.
    pub pause: Duration,
}

/// The work of a task.
pub type Action = Box<dyn Fn(&Context<'_>) -> Result<(), ActionError> + Send + Sync>;

/// Finds more inputs of a task. It is given the root of the graph. Whoever makes such an input must come
/// before the task by another way.
pub type Discover = Box<dyn Fn(&Path) -> Result<Vec<Input>, ActionError> + Send + Sync>;

/// Why an action did not succeed.
///
/// Deliberately not a [`std::error::Error`]: so every error converts into [`ActionError::Broken`] with `?`.
#[derive(Debug)]
pub enum ActionError {
    /// The work was done and says no (a digest that does not match, a test that fails): exit code 1.
    Failed(String),
    /// The work broke off (a missing tool, a full disk, a dead connection): exit code 2.
    Broken(Box<dyn std::error::Error + Send + Sync>),
    /// The action saw [`Context::cancelled`] and stopped.
    Cancelled,
}

impl ActionError {
    /// The work says no.
    #[must_use]
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// The work says no, for the reason of `error` and its sources.
    #[must_use]
    pub fn failed_by(error: &dyn std::error::Error) -> Self {
        Self::Failed(chain(error))
    }

    /// The work broke off.
    #[must_use]
    pub fn broken(message: impl fmt::Display) -> Self {
        Self::Broken(message.to_string().into())
    }
}

/// The message and those of its sources, outermost first.
impl fmt::Display for ActionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) => f.write_str(message),
            Self::Broken(error) => f.write_str(&chain(error.as_ref())),
            Self::Cancelled => f.write_str("stopped"),
        }
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for ActionError {
    fn from(error: E) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// `error: its source: the source of that`, leaving out a source whose text the error already ends with.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !text.ends_with(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_stand_in_two_columns() {
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

    #[test]
    fn an_error_is_told_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot pull {image}")]
        struct Pull {
            image: &'static str,
            source: std::io::Error,
        }
        let pull = Pull { image: "nginx", source: std::io::Error::other("connection reset") };
        let error: ActionError = pull.into();
        assert!(matches!(error, ActionError::Broken(_)));
        assert_eq!(error.to_string(), "cannot pull nginx: connection reset");
    }
}
