//! `sealift explain`.

use std::collections::BTreeSet;

use buildchain::tasks::downloaded_by;
use graph::ProjectState;

use super::info::Arguments;
use crate::commands::package::why::of_repository;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::project::TaskExplanation;
use crate::session::{Session, chosen};

pub(crate) fn run(explain: &Arguments) -> CommandResult {
    let session = Session::open(&explain.selector)?;
    let state = ProjectState::read(&session.state_path())?;
    let selection = chosen(&session, &explain.tasks)?;
    let explained = graph::explain(&session.graph, &selection, &state)?;
    // The packages of a task are listed if the task is asked for.
    let asked: BTreeSet<&str> =
        selection.tasks().iter().map(|task| session.graph.task(*task).name.as_str()).collect();
    let explained: Vec<TaskExplanation> = explained
        .iter()
        .map(|one| {
            let repository =
                downloaded_by(&session.project, &one.name).filter(|_| asked.contains(one.name.as_str()));
            let packages = repository.map(|(name, release)| of_repository(&session.project, name, release));
            TaskExplanation::new(one, packages.unwrap_or_default())
        })
        .collect();
    let text = || match &explained[..] {
        [] => "everything is up to date\n".to_owned(),
        explained => explained.iter().map(ToString::to_string).collect(),
    };
    Ok(explain.output.report(|| explained.iter().cloned().collect::<List<_>>(), text)?)
}
