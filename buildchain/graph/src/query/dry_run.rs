//! What a run would do, without doing it.

use crate::engine::run::{Outcome, RunOptions};
use crate::model::graph::{Graph, TaskId};
use crate::model::reason::Reason;
use crate::model::selection::Selection;
use crate::record::digest::Digest;
use crate::record::files::{Files, LookError};
use crate::record::judge::{Evidence, Judgement};
use crate::record::state::State;
use crate::report::events::{Event, Reporter, TaskReport, Verdict};

/// What a run would do with a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The task.
    pub task: TaskId,
    /// [`Verdict::UpToDate`], [`Verdict::WouldRun`], [`Verdict::Ignored`], or [`Verdict::Broken`] where the
    /// inputs cannot be looked at. Groups would run if a member would.
    pub verdict: Verdict,
    /// Why it would run.
    pub reasons: Vec<Reason>,
    /// Why it is broken.
    pub error: Option<String>,
    /// The key it has now; unknown while an input is still to be made.
    pub key: Option<Digest>,
}

/// What a run would do with each task of the selection and all they need, makers first. Changes nothing and
/// needs no lock.
///
/// A task whose input would be made anew is said to run, although an equal result would spare it: nobody can
/// know before.
///
/// # Errors
///
/// If the root of the graph cannot be opened.
pub fn plan(
    graph: &Graph,
    selection: &Selection,
    options: &RunOptions,
    state: &State,
) -> Result<Vec<Planned>, LookError> {
    let files = Files::new(&graph.root, None, state.known.clone(), options.jobs)?;
    let evidence = Evidence {
        graph,
        files: &files,
        records: &state.tasks,
        listings: &state.listings,
        stop: &options.cancel,
    };
    let cone = if options.single { selection.tasks.clone() } else { graph.cone(selection) };
    let mut verdicts = vec![Verdict::UpToDate; graph.nodes.len()];
    let mut planned = Vec::with_capacity(cone.len());
    for id in cone {
        let plan = plan_one(graph, id, &verdicts, options.always, &evidence, state);
        if let Some(place) = verdicts.get_mut(id.index()) {
            *place = plan.verdict;
        }
        planned.push(plan);
    }
    Ok(planned)
}

fn plan_one(
    graph: &Graph,
    id: TaskId,
    verdicts: &[Verdict],
    forced: bool,
    evidence: &Evidence<'_>,
    state: &State,
) -> Planned {
    let node = graph.node(id);
    let verdict_of = |id: &TaskId| verdicts.get(id.index()).copied().unwrap_or(Verdict::UpToDate);
    let needs = || node.needs.iter().map(verdict_of);
    let mut planned =
        Planned { task: id, verdict: Verdict::UpToDate, reasons: Vec::new(), error: None, key: None };
    if state.ignored.contains(&node.task.name) || needs().any(|verdict| verdict == Verdict::Ignored) {
        planned.verdict = Verdict::Ignored;
        return planned;
    }
    if node.task.is_group() {
        planned.verdict = [Verdict::Broken, Verdict::WouldRun]
            .into_iter()
            .find(|verdict| needs().any(|need| need == *verdict))
            .unwrap_or(Verdict::UpToDate);
        return planned;
    }
    let remade = node.sources.iter().filter(|(_, maker)| verdict_of(maker) != Verdict::UpToDate);
    planned.reasons.extend(remade.map(|(path, maker)| Reason::Remade {
        path: path.to_string_lossy().into_owned(),
        by: graph.task(*maker).name.clone(),
    }));
    match evidence.judge(node, forced) {
        Ok(Judgement::UpToDate { key }) => planned.key = planned.reasons.is_empty().then_some(key),
        Ok(Judgement::MustRun(dirty)) => {
            planned.key = planned.reasons.is_empty().then_some(dirty.key);
            planned.reasons.splice(0..0, dirty.reasons);
        }
        // What is still to be made cannot be looked at.
        Err(_) if !planned.reasons.is_empty() => {}
        Err(error) => {
            planned.verdict = Verdict::Broken;
            planned.error = Some(crate::model::task::chain(&error));
            return planned;
        }
    }
    if !planned.reasons.is_empty() {
        planned.verdict = Verdict::WouldRun;
    }
    planned
}

/// Tells a reporter what a run would do, as if it ran: tasks that would run end as [`Verdict::WouldRun`].
///
/// # Errors
///
/// As [`plan`].
pub fn dry_run(
    graph: &Graph,
    selection: &Selection,
    options: &RunOptions,
    state: &State,
    reporter: &mut dyn Reporter,
) -> Result<Outcome, LookError> {
    let planned = plan(graph, selection, options, state)?;
    let tasks = planned.iter().filter(|planned| !graph.task(planned.task).is_group()).count();
    reporter.event(&Event::Begun { tasks });
    let mut outcome = Outcome::default();
    for Planned { task, verdict, reasons, error, key } in planned {
        let task = graph.task(task);
        if task.is_group() {
            continue;
        }
        let report = TaskReport { reasons, error, key, ..TaskReport::of(verdict) };
        *outcome.counts.entry(verdict).or_insert(0) += 1;
        reporter.event(&Event::Finished { task, report: &report });
    }
    reporter.event(&Event::Ended { exit: outcome.exit() });
    Ok(outcome)
}
