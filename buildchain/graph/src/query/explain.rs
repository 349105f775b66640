//! Why tasks would run.

use std::fmt;

use content::printable;

use crate::engine::options::RunOptions;
use crate::model::error::FileError;
use crate::model::graph::Graph;
use crate::model::reason::Reason;
use crate::model::selection::SelectedTasks;
use crate::query::dry_run::plan;
use crate::record::state::ProjectState;
use crate::report::outcome::TaskVerdict;

/// Why the selected tasks and their dependencies would run.
///
/// # Errors
///
/// The root of the graph cannot be opened.
pub fn explain(
    graph: &Graph,
    selection: &SelectedTasks,
    state: &ProjectState,
) -> Result<Vec<ExplainedTask>, FileError> {
    let planned = plan(graph, selection, &RunOptions::default(), state)?;
    Ok(planned
        .into_iter()
        .filter(|planned| {
            !graph.task(planned.task).is_group()
                && (planned.verdict != TaskVerdict::UpToDate || selection.tasks().contains(&planned.task))
        })
        .map(|planned| {
            let name = graph.task(planned.task).name.clone();
            let record = state.records.get(&name);
            ExplainedTask {
                was: record.map(|record| record.key.hex()),
                now: planned.key.map(|key| key.hex()),
                name,
                verdict: planned.verdict,
                reasons: planned.reasons,
                error: planned.error,
            }
        })
        .collect())
}

/// Why a task would run, or that it would not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedTask {
    /// The task.
    pub name: String,
    /// What a run would do with it.
    pub verdict: TaskVerdict,
    /// The key of its last successful run.
    pub was: Option<String>,
    /// Its current key; `None` if an input must be built first.
    pub now: Option<String>,
    /// Why it would run.
    pub reasons: Vec<Reason>,
    /// Why its inputs cannot be read.
    pub error: Option<String>,
}

impl fmt::Display for ExplainedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            TaskVerdict::UpToDate => "is up to date",
            TaskVerdict::Ignored => "is ignored",
            TaskVerdict::Broken => "cannot run",
            _ => "would run",
        };
        writeln!(f, "{} {word}", self.name)?;
        match (&self.was, &self.now) {
            (Some(was), Some(now)) if was == now => writeln!(f, "  key {now}")?,
            (Some(was), Some(now)) => writeln!(f, "  key {was} -> {now}")?,
            (_, Some(now)) => writeln!(f, "  key {now}")?,
            (_, None) => {}
        }
        for reason in &self.reasons {
            writeln!(f, "  {reason}")?;
        }
        self.error.as_ref().map_or(Ok(()), |error| writeln!(f, "  {}", printable(error)))
    }
}
