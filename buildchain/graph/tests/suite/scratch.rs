//! A scratch project: files, tasks that write files, and the events of its runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use graph::{
    Graph, GraphError, ProjectState, Reporter, RunEvent, RunOptions, RunOutcome, Task, TaskInput, TaskOutput,
    TaskReport, TaskVerdict, Title, run,
};

/// The folder of a test, which is removed at its end.
pub(crate) struct Project {
    root: PathBuf,
    _folder: Option<tempfile::TempDir>,
    /// The names of the tasks whose actions ran, in the order they ended.
    pub(crate) ran: Arc<Mutex<Vec<String>>>,
}

impl Project {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { root: folder.path().to_owned(), _folder: Some(folder), ran: Arc::default() }
    }

    /// The project of another process, which removes it.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root, _folder: None, ran: Arc::default() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    pub(crate) fn state_path(&self) -> PathBuf {
        self.path("_build/.state")
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// A task that writes the concatenation of its inputs, and its own name, into its output.
    pub(crate) fn join(&self, name: &str, inputs: &[&str], output: &str) -> Task {
        let (from, to) = (inputs.iter().map(PathBuf::from).collect::<Vec<_>>(), PathBuf::from(output));
        let ran = self.ran.clone();
        let me = name.to_owned();
        Task {
            name: name.to_owned(),
            title: Title::new("JOIN", output),
            inputs: inputs.iter().map(TaskInput::file).collect(),
            outputs: vec![TaskOutput::File(output.into())],
            action: Some(Box::new(move |context| {
                let mut text = String::new();
                for path in &from {
                    text += &fs::read_to_string(context.path(path))?;
                }
                text += &me;
                fs::write(context.path(&to), text)?;
                ran.lock().unwrap().push(me.clone());
                Ok(())
            })),
            ..Task::default()
        }
    }

    pub(crate) fn graph(&self, tasks: Vec<Task>) -> Result<Graph, Vec<GraphError>> {
        Graph::new(self.root().to_owned(), "_build".into(), tasks, Vec::new())
    }

    /// Runs tasks with two workers. [`Project::take_ran`] returns which actions ran.
    pub(crate) fn run(&self, tasks: Vec<Task>, asked: &[&str]) -> Ran {
        self.run_with(tasks, asked, RunOptions { jobs: 2, ..RunOptions::default() })
    }

    pub(crate) fn run_with(&self, tasks: Vec<Task>, asked: &[&str], options: RunOptions) -> Ran {
        let graph = self.graph(tasks).unwrap_or_else(|errors| panic!("{errors:?}"));
        let selection = graph.select(asked).unwrap();
        let mut state = ProjectState::open(&self.state_path(), "test").unwrap();
        let mut seen = Ran::default();
        seen.outcome = run(&graph, &selection, &options, &mut state, &mut seen).unwrap();
        seen
    }

    /// The names of the tasks whose actions ran since the last call.
    pub(crate) fn take_ran(&self) -> Vec<String> {
        let mut ran = std::mem::take(&mut *self.ran.lock().unwrap());
        ran.sort();
        ran
    }
}

/// A finished run.
#[derive(Default)]
pub(crate) struct Ran {
    pub(crate) outcome: RunOutcome,
    pub(crate) reports: BTreeMap<String, TaskReport>,
    pub(crate) pruned: Vec<String>,
    pub(crate) started: Vec<String>,
    pub(crate) warned: Vec<String>,
}

impl Ran {
    pub(crate) fn verdict(&self, name: &str) -> TaskVerdict {
        self.reports.get(name).unwrap_or_else(|| panic!("no report on {name}")).verdict
    }

    pub(crate) fn reasons(&self, name: &str) -> Vec<String> {
        self.reports[name].reasons.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn error(&self, name: &str) -> &str {
        self.reports[name].error.as_deref().unwrap_or_default()
    }
}

impl Reporter for Ran {
    fn event(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Started { task, .. } => self.started.push(task.name.clone()),
            RunEvent::Finished { task, report } => {
                let before = self.reports.insert(task.name.clone(), (*report).clone());
                assert!(before.is_none(), "{} ended twice", task.name);
            }
            RunEvent::Warned { text } => self.warned.push((*text).to_owned()),
            RunEvent::Pruned { path } => self.pruned.push(path.display().to_string()),
            _ => {}
        }
    }
}
