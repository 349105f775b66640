//! `sealift clean`.

use std::sync::atomic::AtomicBool;

use clap::Args;
use graph::ProjectState;

use crate::completion;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::project::Removal;
use crate::output::{self, ReportOutput};
use crate::session::{Permit, Selector, Session, chosen_or_all};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selector: Selector,
    /// The tasks [default: all]
    #[arg(add = completion::tasks())]
    tasks: Vec<String>,
    /// Also clean the tasks that these depend on
    #[arg(long, short)]
    clean_dep: bool,
    /// Clean all tasks
    #[arg(long, short, conflicts_with = "tasks")]
    all: bool,
    /// Report what would be removed, without removing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    permit: Permit,
    #[command(flatten)]
    output: ReportOutput,
}

pub(crate) fn run(clean: &Arguments) -> CommandResult {
    let session = Session::open(&clean.selector)?;
    let mut selection = chosen_or_all(&session, &clean.tasks)?;
    if clean.clean_dep {
        selection = session.graph.with_needs(&selection);
    }
    let stale = || -> Result<_, Failure> {
        if !clean.tasks.is_empty() {
            return Ok(Vec::new());
        }
        let mut stale = buildchain::tasks::stale(&session.project, &session.graph)?;
        stale.push(session.project.settings.own_home());
        Ok(stale)
    };
    if clean.dry_run {
        let state = ProjectState::read(&session.state_path())?;
        let planned = graph::plan_clean(&session.graph, &selection, &stale()?, &state)?;
        return Ok(clean.output.report(
            || {
                planned
                    .iter()
                    .filter(|cleaned| cleaned.kept.is_none())
                    .map(Removal::from)
                    .collect::<List<_>>()
            },
            || planned.iter().map(|cleaned| format!("{cleaned}\n")).collect(),
        )?);
    }
    let mut state = clean.permit.take(&session, &AtomicBool::new(false))?;
    let stale = stale()?;
    let mut printed = Ok(());
    let mut removals = Vec::new();
    let cleaned = graph::clean(&session.graph, &selection, &stale, &mut state, &mut |cleaned| {
        if !clean.output.is_text() {
            removals.extend(Some(cleaned).filter(|cleaned| cleaned.kept.is_none()).map(Removal::from));
        } else if printed.is_ok() {
            printed = output::print(&format!("{cleaned}\n"));
        }
    });
    if !clean.output.is_text() {
        clean.output.report(|| removals.into_iter().collect::<List<_>>(), String::new)?;
    }
    cleaned?;
    if state.is_empty() {
        state.erase()?;
        // A folder with other files stays.
        let _ = std::fs::remove_dir(&session.project.settings.build_root);
    }
    Ok(printed?)
}
