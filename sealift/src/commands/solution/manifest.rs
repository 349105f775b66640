//! `sealift solution manifest`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::anyhow;
use archive::solution::SolutionManifest;
use archive::solution::manifest::LIMIT;
use archive::{Tree, layout};
use buildchain::project::FILE_NAME;
use clap::Args;
use content::{printable_lines, printable_path};

use super::described::DescribedSolution;
use crate::failure::{CommandResult, Failure};
use crate::output::ReportOutput;
use crate::output::documents::archives::SolutionManifestDocument;
use crate::remedies;
use crate::session::{Selector, Session};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The folder of a project, or an archive: an ISO, or the folder of one [default: the project here]
    #[arg(conflicts_with_all = ["project", "name"])]
    target: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Solution")]
    solution: DescribedSolution,
    #[command(flatten, next_help_heading = "Project")]
    selector: Selector,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(mut arguments: Arguments) -> CommandResult {
    let (manifest, text) = read(&mut arguments)?;
    Ok(arguments
        .output
        .report(|| SolutionManifestDocument::from(&manifest), || printable_lines(&text).to_string())?)
}

/// The manifest and its text.
fn read(arguments: &mut Arguments) -> Result<(SolutionManifest, String), Failure> {
    if let Some(draft) = arguments.solution.draft(BTreeMap::new(), false)? {
        let manifest = draft.manifest();
        let text = manifest.render();
        return Ok((manifest, text));
    }
    if let Some(target) = &arguments.target
        && !target.join(FILE_NAME).exists()
    {
        return of_archive(target);
    }
    arguments.selector.in_folder(arguments.target.as_deref());
    let session = Session::open(&arguments.selector)?;
    session.print_warnings();
    let git = session.sources.revision(&session.project)?;
    let manifest = session
        .project
        .solution_manifest(git.as_deref())
        .ok_or_else(|| remedies::project::not_a_solution(&session.project.values.name))?;
    let text = manifest.render();
    Ok((manifest, text))
}

/// The manifest of an archive, with the text that it has there.
fn of_archive(path: &std::path::Path) -> Result<(SolutionManifest, String), Failure> {
    let tree = Tree::open(path)?;
    if tree.entry(layout::MANIFEST)?.is_none() {
        let failure = Failure::from(anyhow!("{} has no {}", printable_path(path), layout::MANIFEST));
        let is_2019 = tree.entry(layout::PRODUCT)?.is_some();
        let help = "product.txt describes this archive: `sealift archive inspect` prints what it says";
        return Err(if is_2019 { failure.remedy(help) } else { failure });
    }
    let text = String::from_utf8(tree.read(layout::MANIFEST, LIMIT)?)
        .map_err(|_| anyhow!("{}: {} is not UTF-8 text", printable_path(path), layout::MANIFEST))?;
    Ok((SolutionManifest::parse(&text)?, text))
}
