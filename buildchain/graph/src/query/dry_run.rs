//! What a run would do, without doing it.

use content::Digest;

use crate::engine::options::RunOptions;
use crate::model::error::FileError;
use crate::model::error::chain;
use crate::model::graph::Graph;
use crate::model::linked::TaskId;
use crate::model::reason::Reason;
use crate::model::selection::SelectedTasks;
use crate::record::files::KnownFiles;
use crate::record::judge::{Evidence, Judgement};
use crate::record::state::ProjectState;
use crate::report::events::{Reporter, RunEvent};
use crate::report::outcome::{RunOutcome, TaskReport, TaskVerdict};

/// What a run would do with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTask {
    /// The task.
    pub task: TaskId,
    /// [`TaskVerdict::UpToDate`], [`TaskVerdict::WouldRun`], [`TaskVerdict::Ignored`], or [`TaskVerdict::Broken`] if the inputs cannot be read.
    /// Groups would run if a member would.
    pub verdict: TaskVerdict,
    /// Why it would run.
    pub reasons: Vec<Reason>,
    /// Why its inputs cannot be read.
    pub error: Option<String>,
    /// Its current key; `None` if an input must be built first.
    pub key: Option<Digest>,
}

/// What a run would do with the selected tasks and their dependencies, each after its own dependencies. Changes nothing and
/// needs no lock.
///
/// A task with an input that would be rebuilt is reported to run, although it would not if the result is the same.
///
/// # Errors
///
/// The root of the graph cannot be opened.
pub fn plan(
    graph: &Graph,
    selection: &SelectedTasks,
    options: &RunOptions,
    state: &ProjectState,
) -> Result<Vec<PlannedTask>, FileError> {
    let files = KnownFiles::new(&graph.root, None, state.digests.clone(), options.jobs)?;
    let evidence = Evidence {
        graph,
        files: &files,
        records: &state.records,
        listings: &state.listings,
        stop: &options.cancel,
    };
    let cone = if options.single { selection.tasks.clone() } else { graph.cone(selection) };
    let mut verdicts = vec![TaskVerdict::UpToDate; graph.tasks.len()];
    let mut planned = Vec::with_capacity(cone.len());
    for id in cone {
        let plan = plan_one(graph, id, &verdicts, options.always, &evidence, state);
        if let Some(verdict) = verdicts.get_mut(id.index()) {
            *verdict = plan.verdict;
        }
        planned.push(plan);
    }
    Ok(planned)
}

fn plan_one(
    graph: &Graph,
    id: TaskId,
    verdicts: &[TaskVerdict],
    forced: bool,
    evidence: &Evidence<'_>,
    state: &ProjectState,
) -> PlannedTask {
    let linked = graph.linked(id);
    let verdict_of = |id: &TaskId| verdicts.get(id.index()).copied().unwrap_or(TaskVerdict::UpToDate);
    let needs = || linked.needs.iter().map(verdict_of);
    let mut planned =
        PlannedTask { task: id, verdict: TaskVerdict::UpToDate, reasons: Vec::new(), error: None, key: None };
    if state.ignored.contains(&linked.task.name) || needs().any(|verdict| verdict == TaskVerdict::Ignored) {
        planned.verdict = TaskVerdict::Ignored;
        return planned;
    }
    if linked.task.is_group() {
        planned.verdict = [TaskVerdict::Broken, TaskVerdict::WouldRun]
            .into_iter()
            .find(|verdict| needs().any(|need| need == *verdict))
            .unwrap_or(TaskVerdict::UpToDate);
        return planned;
    }
    let rebuilt = linked.sources.iter().filter(|(_, producer)| verdict_of(producer) != TaskVerdict::UpToDate);
    planned.reasons.extend(rebuilt.map(|(path, producer)| Reason::Rebuilt {
        path: path.to_string_lossy().into_owned(),
        by: graph.task(*producer).name.clone(),
    }));
    match evidence.judge(linked, forced) {
        Ok(Judgement::UpToDate { key }) => planned.key = planned.reasons.is_empty().then_some(key),
        Ok(Judgement::OutOfDate(judged)) => {
            planned.key = planned.reasons.is_empty().then_some(judged.key);
            planned.reasons.splice(0..0, judged.reasons);
        }
        // An input that must be built first cannot be read.
        Err(_) if !planned.reasons.is_empty() => {}
        Err(error) => {
            planned.verdict = TaskVerdict::Broken;
            planned.error = Some(chain(&error));
            return planned;
        }
    }
    if !planned.reasons.is_empty() {
        planned.verdict = TaskVerdict::WouldRun;
    }
    planned
}

/// Reports what a run would do, with the events of a run: tasks that would run end with [`TaskVerdict::WouldRun`].
///
/// # Errors
///
/// As [`plan`].
pub fn dry_run(
    graph: &Graph,
    selection: &SelectedTasks,
    options: &RunOptions,
    state: &ProjectState,
    reporter: &mut dyn Reporter,
) -> Result<RunOutcome, FileError> {
    let planned = plan(graph, selection, options, state)?;
    let tasks = planned.iter().filter(|planned| !graph.task(planned.task).is_group()).count();
    reporter.event(&RunEvent::Begun { tasks });
    let mut outcome = RunOutcome::default();
    for PlannedTask { task, verdict, reasons, error, key } in planned {
        let task = graph.task(task);
        if task.is_group() {
            continue;
        }
        let report = TaskReport { reasons, error, key, ..TaskReport::of(verdict) };
        *outcome.counts.entry(verdict).or_insert(0) += 1;
        reporter.event(&RunEvent::Finished { task, report: &report });
    }
    reporter.event(&RunEvent::Ended { exit: outcome.exit() });
    Ok(outcome)
}
