//! A run of a project's tasks: what is checked before it, and what it removes.

use std::path::PathBuf;

use graph::{Graph, ProjectState, Reporter, RunOptions, RunOutcome, SelectedTasks};

use super::{Error, sweep};
use crate::project::Project;

/// A run that ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectRunError {
    /// The tree has files although nothing records a build: removing stale outputs would remove files of other programs.
    #[error("{} contains files but no record of a build", content::printable_path(.0))]
    ForeignTree(PathBuf),
    /// Stale outputs cannot be removed.
    #[error(transparent)]
    Stale(#[from] Error),
    /// The run itself ended early.
    #[error(transparent)]
    Run(#[from] graph::RunError),
}

/// Runs the selected tasks of a project: removes stale outputs from the tree, which `removed` is notified of, then runs what is
/// out of date. `is_first` says that no build was recorded before `state` was opened.
///
/// # Errors
///
/// [`ProjectRunError`]. Tasks that fail are no error: they are in the [`RunOutcome`].
#[expect(
    clippy::too_many_arguments,
    reason = "a run joins the project, its graph, its state and who watches"
)]
pub fn run(
    project: &Project,
    graph: &Graph,
    selection: &SelectedTasks,
    options: &RunOptions,
    mut state: ProjectState,
    is_first: bool,
    removed: &dyn Fn(PathBuf),
    reporter: &mut dyn Reporter,
) -> Result<RunOutcome, ProjectRunError> {
    let tree = project.tree();
    if is_first && std::fs::read_dir(&tree).is_ok_and(|mut entries| entries.next().is_some()) {
        state.erase().map_err(graph::RunError::from)?;
        return Err(ProjectRunError::ForeignTree(tree));
    }
    sweep(project, graph)?.into_iter().for_each(removed);
    Ok(graph::run(graph, selection, options, &mut state, reporter)?)
}
