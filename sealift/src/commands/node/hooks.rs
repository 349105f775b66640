//! `sealift node hooks`.

use std::path::PathBuf;

use clap::Args;
use node::hooks::{self, FoundHooks, HookFolders, HookStep};

use crate::args::hooks::HooksFolder;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::node_care::HookDocument;
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Also list the hooks of an archive: its mount point, or a folder
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    #[command(flatten)]
    folder: HooksFolder,
    #[command(flatten)]
    output: ReportOutput,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let archive = arguments.archive.as_ref().map(std::path::absolute).transpose()?;
    let folders = HookFolders { site: arguments.folder.folder()?, archive };
    let found: Vec<FoundHooks> = HookStep::ALL
        .into_iter()
        .map(|step| hooks::find(step, &folders))
        .collect::<Result<_, _>>()
        .map_err(remedies::node::hooks)?;
    found.iter().flat_map(|one| &one.notes).for_each(|note| output::warn(note));
    let document = || found.iter().flat_map(HookDocument::all).collect::<List<_>>();
    Ok(arguments.output.report(document, || table(&found))?)
}

fn table(found: &[FoundHooks]) -> String {
    let rows: Vec<[String; 3]> = found
        .iter()
        .flat_map(|one| one.hooks.iter().map(|hook| (one.step, hook)))
        .map(|(step, hook)| {
            [step.to_string(), hook.origin.to_string(), content::printable_path(&hook.path).to_string()]
        })
        .collect();
    if rows.is_empty() { "no hooks\n".to_owned() } else { output::table(["STEP", "ORIGIN", "HOOK"], &rows) }
}
