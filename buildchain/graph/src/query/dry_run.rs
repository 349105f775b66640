//! What a run would do, without doing it.

use std::path::PathBuf;

use content::Digest;

use crate::engine::options::RunOptions;
use crate::engine::project;
use crate::engine::prune::stale_outputs;
use crate::model::error::FileError;
use crate::model::error::chain;
use crate::model::graph::Graph;
use crate::model::linked::{LinkedTask, TaskId};
use crate::model::paths;
use crate::model::reason::{InputChange, Reason};
use crate::model::selection::SelectedTasks;
use crate::record::files::KnownFiles;
use crate::record::judge::{Evidence, Judgement};
use crate::record::key::{ItemTag, ManifestItem, items};
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
    let own = state.own.keys().flat_map(|name| project::stale(graph, state, name).0);
    let outputs = state.records.keys().flat_map(|name| stale_outputs(graph, state, name));
    let stale: Vec<PathBuf> = outputs.chain(own.map(|file| file.path)).collect();
    let cone = if options.single { selection.tasks.clone() } else { graph.cone(selection) };
    let mut verdicts = vec![TaskVerdict::UpToDate; graph.tasks.len()];
    let mut planned = Vec::with_capacity(cone.len());
    for id in cone {
        let plan = plan_one(graph, id, &verdicts, &stale, options.always, &evidence, state);
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
    stale: &[PathBuf],
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
        Ok(Judgement::UpToDate { key }) => {
            if planned.reasons.is_empty()
                && let Some(record) = state.records.get(&linked.task.name)
            {
                planned.reasons = later(graph, &verdict_of, stale, linked, &record.manifest);
            }
            planned.key = planned.reasons.is_empty().then_some(key);
        }
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

/// What a run would change in the inputs of a task that is up to date: files that it discovered and that would be built again,
/// and stale outputs, which a run removes first.
fn later(
    graph: &Graph,
    verdict_of: &impl Fn(&TaskId) -> TaskVerdict,
    stale: &[PathBuf],
    linked: &LinkedTask,
    manifest: &[u8],
) -> Vec<Reason> {
    let is_discovering = linked.task.discover.is_some();
    if stale.is_empty() && !is_discovering {
        return Vec::new();
    }
    let is_path =
        |item: &ManifestItem<'_>| matches!(item.tag, ItemTag::File | ItemTag::Folder | ItemTag::Glob);
    let reason = |item: ManifestItem<'_>| {
        if let Some(path) = stale.iter().find(|path| paths::is_within(path, item.path())) {
            return Some(Reason::Input(InputChange {
                kind: "file",
                name: path.to_string_lossy().into_owned(),
                was: Some("an output that no task produces any more".into()),
                now: None,
                by: None,
            }));
        }
        let producer = graph.producer(item.path()).filter(|_| is_discovering)?;
        let is_rebuilt = verdict_of(&producer) != TaskVerdict::UpToDate;
        is_rebuilt.then(|| Reason::Rebuilt {
            path: item.path().to_string_lossy().into_owned(),
            by: graph.task(producer).name.clone(),
        })
    };
    items(manifest).filter(is_path).filter_map(reason).collect()
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
