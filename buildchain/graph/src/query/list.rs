//! `list` and `info`: what there is, in doit's shape.

use std::fmt;

use content::printable;

use crate::engine::run::RunOptions;
use crate::model::graph::{Graph, TaskId};
use crate::model::reason::{Change, Reason};
use crate::model::selection::Selection;
use crate::model::task::{Input, Output, Task};
use crate::query::dry_run::plan;
use crate::record::files::LookError;
use crate::record::state::State;
use crate::report::events::Verdict;

/// Which tasks a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Sub-tasks too.
    pub all: bool,
    /// Tasks with a leading `_` too.
    pub private: bool,
    /// Say of each what a run would do with it.
    pub status: bool,
    /// Say of each which files it depends on.
    pub deps: bool,
}

/// A line of a list, or several where dependencies are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name of the task.
    pub name: String,
    /// Its line of documentation.
    pub doc: String,
    /// `R` it would run, `U` it is up to date, `I` it is ignored, `E` its inputs cannot be looked at. `None`
    /// if not asked for.
    pub status: Option<char>,
    /// The paths it depends on. Empty if not asked for.
    pub deps: Vec<String>,
}

/// The tasks of a graph in alphabetical order: all of them, or those selected and their sub-tasks.
///
/// # Errors
///
/// If the root of the graph cannot be opened.
pub fn list(
    graph: &Graph,
    selection: Option<&Selection>,
    options: ListOptions,
    state: &State,
) -> Result<Vec<Listed>, LookError> {
    let shown = |id: TaskId, task: &Task| match selection {
        Some(selection) => selection.tasks().iter().any(|asked| {
            *asked == id
                || task.name.strip_prefix(&graph.task(*asked).name).is_some_and(|rest| rest.starts_with(':'))
        }),
        None => (options.all || !task.is_sub_task()) && (options.private || !task.is_private()),
    };
    let mut ids: Vec<TaskId> =
        graph.tasks().filter(|(id, task)| shown(*id, task)).map(|(id, _)| id).collect();
    ids.sort_by(|a, b| graph.task(*a).name.cmp(&graph.task(*b).name));
    let mut status = vec![None; graph.tasks().len()];
    if options.status {
        for planned in plan(graph, &Selection { tasks: ids.clone() }, &RunOptions::default(), state)? {
            if let Some(place) = status.get_mut(planned.task.index()) {
                *place = Some(match planned.verdict {
                    Verdict::UpToDate => 'U',
                    Verdict::Ignored => 'I',
                    Verdict::Broken => 'E',
                    _ => 'R',
                });
            }
        }
    }
    Ok(ids
        .into_iter()
        .map(|id| {
            let task = graph.task(id);
            let deps = if options.deps { paths_of(task).collect() } else { Vec::new() };
            Listed {
                name: task.name.clone(),
                doc: task.doc.clone(),
                status: status.get(id.index()).copied().flatten(),
                deps,
            }
        })
        .collect())
}

fn paths_of(task: &Task) -> impl Iterator<Item = String> {
    task.inputs.iter().filter_map(|input| match input {
        Input::File(path) | Input::Named { path, .. } => Some(path.to_string_lossy().into_owned()),
        Input::Folder { path, .. } => Some(format!("{}/", path.to_string_lossy())),
        Input::Glob { root, pattern } => Some(root.join(pattern).to_string_lossy().into_owned()),
        Input::Value { .. } => None,
    })
}

/// The text of a list: status, name and documentation in columns, dependencies below.
#[must_use]
pub fn render_list(listed: &[Listed]) -> String {
    let width = listed.iter().map(|listed| listed.name.len()).max().unwrap_or(0) + 3;
    let mut text = String::new();
    for Listed { name, doc, status, deps } in listed {
        let status = status.map(|status| format!("{status} ")).unwrap_or_default();
        text.push_str(format!("{status}{name:<width$}{}", printable(doc)).trim_end());
        text.push('\n');
        for dep in deps {
            text.push_str(&format!(" -  {}\n", printable(dep)));
        }
        if !deps.is_empty() {
            text.push('\n');
        }
    }
    text
}

/// All there is to say of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Its line of documentation.
    pub doc: String,
    /// The paths it depends on.
    pub file_dep: Vec<String>,
    /// The tasks it needs.
    pub task_dep: Vec<String>,
    /// The paths it makes.
    pub targets: Vec<String>,
    /// What a run would do with it.
    pub verdict: Verdict,
    /// Why it would run.
    pub reasons: Vec<Reason>,
    /// Why its inputs cannot be looked at.
    pub error: Option<String>,
}

/// What there is to say of a task. The caller exits with 1 if it is not up to date.
///
/// # Errors
///
/// If the root of the graph cannot be opened.
pub fn info(graph: &Graph, id: TaskId, state: &State) -> Result<Info, LookError> {
    let task = graph.task(id);
    let planned = plan(graph, &Selection { tasks: vec![id] }, &RunOptions::default(), state)?.pop();
    let (verdict, reasons, error) = planned.map_or((Verdict::UpToDate, Vec::new(), None), |planned| {
        (planned.verdict, planned.reasons, planned.error)
    });
    Ok(Info {
        name: task.name.clone(),
        doc: task.doc.clone(),
        file_dep: paths_of(task).collect(),
        task_dep: graph.needs(id).iter().map(|need| graph.task(*need).name.clone()).collect(),
        targets: task
            .outputs
            .iter()
            .map(Output::path)
            .map(|path| path.to_string_lossy().into_owned())
            .collect(),
        verdict,
        reasons,
        error,
    })
}

impl Info {
    /// A run would leave it alone.
    #[must_use]
    pub fn is_up_to_date(&self) -> bool {
        self.verdict == Verdict::UpToDate
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

/// doit's sentence for a reason, and what is listed below it.
fn sentence_of(reason: &Reason) -> (&'static str, Option<String>) {
    let is_value = |change: &Change| change.kind == "value";
    match reason {
        Reason::NeverRan => ("No successful run of it is recorded.", None),
        Reason::Always => ("It runs each time it is asked for.", None),
        Reason::Forced => ("It was asked to run no matter what.", None),
        Reason::Order => ("The order of its inputs or outputs has changed.", None),
        Reason::Remade { path, by } => {
            ("The following file dependencies will be made anew:", Some(format!("{path} (by {by})")))
        }
        Reason::Output(change) if change.now.is_none() => {
            ("The following targets do not exist:", Some(change.name.clone()))
        }
        Reason::Output(change) => {
            ("The following targets are not what the task left:", Some(change.name.clone()))
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

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}\n", self.name)?;
        if !self.doc.is_empty() {
            writeln!(f, "{}\n", printable(&self.doc))?;
        }
        let status = match self.verdict {
            Verdict::UpToDate => "up-to-date",
            Verdict::Ignored => "ignore",
            Verdict::Broken => "error",
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

/// Why the selected tasks, and all they need, would run.
///
/// # Errors
///
/// If the root of the graph cannot be opened.
pub fn explain(graph: &Graph, selection: &Selection, state: &State) -> Result<Vec<Explained>, LookError> {
    let planned = plan(graph, selection, &RunOptions::default(), state)?;
    Ok(planned
        .into_iter()
        .filter(|planned| {
            !graph.task(planned.task).is_group()
                && (planned.verdict != Verdict::UpToDate || selection.tasks().contains(&planned.task))
        })
        .map(|planned| {
            let name = graph.task(planned.task).name.clone();
            let record = state.tasks.get(&name);
            Explained {
                was: record.map(|record| record.key.to_string()),
                now: planned.key.map(|key| key.to_string()),
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
pub struct Explained {
    /// The task.
    pub name: String,
    /// What a run would do with it.
    pub verdict: Verdict,
    /// The key of its last successful run.
    pub was: Option<String>,
    /// The key it has now; unknown while an input is still to be made.
    pub now: Option<String>,
    /// Why it would run.
    pub reasons: Vec<Reason>,
    /// Why its inputs cannot be looked at.
    pub error: Option<String>,
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::UpToDate => "is up to date",
            Verdict::Ignored => "is ignored",
            Verdict::Broken => "cannot run",
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
