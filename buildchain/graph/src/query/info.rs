//! The `info` of a task.

use std::fmt;

use content::printable;

use crate::engine::options::RunOptions;
use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::reason::{InputChange, Reason};
use crate::model::selection::SelectedTasks;
use crate::model::task::TaskOutput;
use crate::query::dry_run::plan;
use crate::query::list::paths_of;
use crate::record::state::ProjectState;
use crate::report::outcome::TaskVerdict;

/// All properties of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    /// Its name.
    pub name: String,
    /// Its line of documentation.
    pub doc: String,
    /// The paths that it reads.
    pub file_dep: Vec<String>,
    /// The tasks that it needs.
    pub task_dep: Vec<String>,
    /// The paths that it produces.
    pub targets: Vec<String>,
    /// What a run would do with it.
    pub verdict: TaskVerdict,
    /// Why it would run.
    pub reasons: Vec<Reason>,
    /// Why its inputs cannot be read.
    pub error: Option<String>,
}

/// The properties of a task. The caller exits with 1 if it is not up to date.
///
/// # Errors
///
/// The root of the graph cannot be opened.
pub fn info(graph: &Graph, id: TaskId, state: &ProjectState) -> Result<TaskInfo, FileError> {
    let task = graph.task(id);
    let planned = plan(graph, &SelectedTasks { tasks: vec![id] }, &RunOptions::default(), state)?.pop();
    let (verdict, reasons, error) = planned.map_or((TaskVerdict::UpToDate, Vec::new(), None), |planned| {
        (planned.verdict, planned.reasons, planned.error)
    });
    Ok(TaskInfo {
        name: task.name.clone(),
        doc: task.doc.clone(),
        file_dep: paths_of(task).collect(),
        task_dep: graph.needs(id).iter().map(|need| graph.task(*need).name.clone()).collect(),
        targets: task
            .outputs
            .iter()
            .map(TaskOutput::path)
            .map(|path| path.to_string_lossy().into_owned())
            .collect(),
        verdict,
        reasons,
        error,
    })
}

impl TaskInfo {
    /// Whether a run would not run it.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.verdict == TaskVerdict::UpToDate
    }

    fn write_reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            writeln!(f, " * {}", printable(error))?;
        }
        let mut sentence = "";
        for reason in &self.reasons {
            let (head, entry) = sentence_of(reason);
            if head != sentence {
                writeln!(f, " * {head}")?;
                sentence = head;
            }
            if let Some(entry) = entry {
                writeln!(f, "    - {}", printable(&entry))?;
            }
        }
        Ok(())
    }
}

/// The sentence of doit for a reason, and the line below it.
fn sentence_of(reason: &Reason) -> (&'static str, Option<String>) {
    let is_value = |change: &InputChange| change.kind == "value";
    match reason {
        Reason::NeverRan => ("No successful run is recorded.", None),
        Reason::Always => ("It runs every time.", None),
        Reason::Forced => ("It was forced to run.", None),
        Reason::Order => ("The order of its inputs or outputs has changed.", None),
        Reason::Rebuilt { path, by } => {
            ("The following file dependencies will be rebuilt:", Some(format!("{path} (by {by})")))
        }
        Reason::Output(change) if change.now.is_none() => {
            ("The following targets do not exist:", Some(change.name.clone()))
        }
        Reason::Output(change) => {
            ("The following targets have changed since the last run:", Some(change.name.clone()))
        }
        Reason::Input(change) if is_value(change) => {
            ("The following values have changed:", Some(change.to_string()))
        }
        Reason::Input(change) if change.now.is_none() => {
            ("The following file dependencies were removed:", Some(change.name.clone()))
        }
        Reason::Input(change) if change.was.is_none() => {
            ("The following file dependencies were added:", Some(change.name.clone()))
        }
        Reason::Input(change) => ("The following file dependencies have changed:", Some(change.name.clone())),
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.name)?;
        if !self.doc.is_empty() {
            writeln!(f, "{}\n", printable(&self.doc))?;
        }
        let status = match self.verdict {
            TaskVerdict::UpToDate => "up-to-date",
            TaskVerdict::Ignored => "ignore",
            TaskVerdict::Broken => "error",
            _ => "run",
        };
        writeln!(f, "status     : {status}")?;
        self.write_reasons(f)?;
        for (name, entries) in
            [("file_dep", &self.file_dep), ("task_dep", &self.task_dep), ("targets", &self.targets)]
        {
            if !entries.is_empty() {
                writeln!(f, "\n{name:<11}:")?;
                for entry in entries {
                    writeln!(f, " - {}", printable(entry))?;
                }
            }
        }
        Ok(())
    }
}
