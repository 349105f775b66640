//! `sealift solution build`.

use std::path::PathBuf;

use buildchain::project::{FILE_NAME, Project};
use clap::{Args, ValueEnum};

use super::described::DescribedSolution;
use crate::commands::project::lock;
use crate::commands::project::run::{RunFlags, run_in};
use crate::failure::{CommandResult, Failure};
use crate::output;
use crate::remedies;
use crate::session::Session;
use crate::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of the project, or that of the files of the Solution [default: the project here]
    #[arg(conflicts_with = "project")]
    folder: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Solution")]
    solution: DescribedSolution,
    /// Take an image from SOURCE (repeatable): `docker://…`, `docker-daemon:…`, `oci:…`, `dir:…`
    #[arg(
        long,
        value_name = "NAME[:TAG]=SOURCE",
        value_parser = source,
        requires = "name",
        help_heading = "Solution"
    )]
    source: Vec<(String, String)>,
    /// Describe the archive as MetalK8s did in that year
    #[arg(long, value_enum, value_name = "YEAR", requires_all = ["name", "require_metalk8s"], help_heading = "Solution")]
    layout: Option<Layout>,
    /// Fail if a file that the build reads differs from the commit
    #[arg(long)]
    release: bool,
    #[command(flatten, next_help_heading = "Build")]
    run: RunFlags,
}

/// The years that layouts are called after.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Layout {
    /// `product.txt` instead of `manifest.yaml`
    #[value(name = "2019")]
    Of2019,
}

/// The image and its source in `IMAGE=SOURCE`.
fn source(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('=').filter(|(image, source)| !image.is_empty() && !source.is_empty());
    let (image, source) =
        parts.ok_or("expected NAME=SOURCE, such as `my-operator=docker://quay.io/team/my-operator:1.0.0`")?;
    Ok((image.to_owned(), source.to_owned()))
}

pub(super) fn run(mut arguments: Arguments) -> CommandResult {
    let signals = Signals::catch()?;
    arguments.run.selector.in_folder(arguments.folder.as_deref());
    let project = match described(&mut arguments)? {
        Some(project) => project,
        None => arguments.run.selector.load()?,
    };
    if project.solution.is_none() {
        return Err(remedies::project::not_a_solution(&project.values.name));
    }
    run_in(&Session::of(project)?, &[], &arguments.run, arguments.release, &signals)
}

/// The project that the options describe, with the digests of its tags in the lock file of the folder.
fn described(arguments: &mut Arguments) -> Result<Option<Project>, Failure> {
    let sources = arguments.source.iter().cloned().collect();
    let Some(draft) = arguments.solution.draft(sources, arguments.layout.is_some())? else {
        return Ok(None);
    };
    let selector = &mut arguments.run.selector;
    let root = selector.start()?;
    if root.join(FILE_NAME).symlink_metadata().is_ok() {
        return Err(remedies::project::described_twice(&root));
    }
    let text = draft.project_text(&root).map_err(remedies::project::draft)?;
    output::detail(&format!("the project that the options describe:\n{text}"));
    let project = selector.load_described(&root, &text)?;
    if !lock::lacks_digests(&project) {
        return Ok(Some(project));
    }
    lock::complete(project)?;
    selector.load_described(&root, &text).map(Some)
}
