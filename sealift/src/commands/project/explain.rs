//! `sealift explain`.

use graph::ProjectState;

use super::info::Arguments;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::project::TaskExplanation;
use crate::session::{Session, chosen};

pub(crate) fn run(explain: &Arguments) -> CommandResult {
    let session = Session::open(&explain.selector)?;
    let state = ProjectState::read(&session.state_path())?;
    let selection = chosen(&session, &explain.tasks)?;
    let explained = graph::explain(&session.graph, &selection, &state)?;
    let text = || match &explained[..] {
        [] => "everything is up to date\n".to_owned(),
        explained => explained.iter().map(ToString::to_string).collect(),
    };
    Ok(explain.output.report(|| explained.iter().map(TaskExplanation::from).collect::<List<_>>(), text)?)
}
