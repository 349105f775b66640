//! `sealift info`.

use clap::Args;
use graph::ProjectState;

use crate::completion;
use crate::failure::{CommandResult, Failure};
use crate::output::ReportOutput;
use crate::output::document::List;
use crate::output::documents::project::TaskInformation;
use crate::session::{Selector, Session, chosen};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(super) selector: Selector,
    /// The tasks [default: iso]
    #[arg(add = completion::tasks())]
    pub(super) tasks: Vec<String>,
    #[command(flatten)]
    pub(super) output: ReportOutput,
}

pub(crate) fn run(arguments: &Arguments) -> CommandResult {
    let session = Session::open(&arguments.selector)?;
    let state = ProjectState::read(&session.state_path())?;
    let mut up_to_date = true;
    let mut infos = Vec::new();
    for id in chosen(&session, &arguments.tasks)?.tasks() {
        let info = graph::info(&session.graph, *id, &state)?;
        up_to_date &= info.is_up_to_date();
        infos.push(info);
    }
    arguments.output.report(
        || infos.iter().map(TaskInformation::from).collect::<List<_>>(),
        || infos.iter().map(ToString::to_string).collect(),
    )?;
    if up_to_date { Ok(()) } else { Err(Failure::Failed(None)) }
}
