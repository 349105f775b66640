//! `sealift list`.

use clap::Args;
use graph::{ListOptions, ProjectState};

use crate::completion;
use crate::failure::CommandResult;
use crate::output::ReportOutput;
use crate::output::document::List;
use crate::output::documents::project::TaskDocument;
use crate::remedies;
use crate::session::{Selector, Session};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The tasks, with their sub-tasks [default: all]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    /// List sub-tasks, too
    #[arg(long)]
    all: bool,
    /// List private tasks, too
    #[arg(long, short)]
    private: bool,
    /// Show what a run would do: R run, U up to date, I ignored, E error
    #[arg(long, short)]
    status: bool,
    /// Show the files that each task depends on
    #[arg(long)]
    deps: bool,
    #[command(flatten)]
    output: ReportOutput,
}

pub(crate) fn run(list: &Arguments) -> CommandResult {
    let session = Session::open(&list.selector)?;
    let selection = if list.tasks.is_empty() {
        None
    } else {
        let selected = session.graph.select(&list.tasks).map_err(remedies::project::selection)?;
        Some(selected)
    };
    let state = ProjectState::read(&session.state_path())?;
    let options = ListOptions { all: list.all, private: list.private, status: list.status, deps: list.deps };
    let listed = graph::list(&session.graph, selection.as_ref(), options, &state)?;
    Ok(list.output.report(
        || listed.iter().map(TaskDocument::from).collect::<List<_>>(),
        || graph::render_list(&listed),
    )?)
}
