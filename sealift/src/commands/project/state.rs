//! `sealift forget`, `ignore` and `reset-dep`: the recorded state of tasks.

use std::sync::atomic::AtomicBool;

use clap::Args;
use graph::{ProjectState, SelectedTasks};

use crate::completion;
use crate::failure::{CommandResult, Failure};
use crate::output::ReportOutput;
use crate::output::document::List;
use crate::output::documents::project::{TaskReset, TaskSelection};
use crate::session::{Permit, Selector, Session, chosen_or_all};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    permit: Permit,
    /// The tasks [default: all]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
}

pub(crate) fn forget(named: &Arguments) -> CommandResult {
    each(named, "forgetting", graph::forget)
}

pub(crate) fn ignore(named: &Arguments) -> CommandResult {
    if named.tasks.is_empty() {
        return Err(Failure::usage("`ignore` requires the names of tasks"));
    }
    each(named, "ignoring", graph::ignore)
}

type Change = fn(&graph::Graph, &SelectedTasks, &mut ProjectState) -> Result<Vec<String>, graph::StateError>;

fn each(named: &Arguments, word: &str, change: Change) -> CommandResult {
    let session = Session::open(&named.selector)?;
    let selection = chosen_or_all(&session, &named.tasks)?;
    let mut state = named.permit.take(&session, &AtomicBool::new(false))?;
    let names = change(&session.graph, &selection, &mut state)?;
    let text = || names.iter().map(|name| format!("{word} {name}\n")).collect();
    Ok(named.output.report(|| TaskSelection { tasks: names.clone() }, text)?)
}

pub(crate) fn reset_dep(named: &Arguments) -> CommandResult {
    let session = Session::open(&named.selector)?;
    let selection = chosen_or_all(&session, &named.tasks)?;
    let mut state = named.permit.take(&session, &AtomicBool::new(false))?;
    let resets = graph::reset_dep(&session.graph, &selection, &mut state)?;
    named.output.report(
        || resets.iter().map(TaskReset::from).collect::<List<_>>(),
        || resets.iter().map(|reset| format!("{reset}\n")).collect(),
    )?;
    let failed = resets.iter().any(|reset| matches!(reset, graph::ResetTask::Failed(..)));
    if failed { Err(Failure::Failed(None)) } else { Ok(()) }
}
