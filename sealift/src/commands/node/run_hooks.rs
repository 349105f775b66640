//! `sealift node run-hooks`.

use std::path::PathBuf;

use clap::Args;
use node::hooks::{self, HookEnvironment, HookFolders, HookStep};

use super::care::Change;
use crate::args::care::CareArguments;
use crate::args::hooks::step;
use crate::failure::CommandResult;
use crate::output::document::List;
use crate::output::documents::node_care::HookDocument;
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The step whose hooks are run
    #[arg(value_name = "STEP", value_parser = step)]
    step: HookStep,
    /// Also run the hooks of an archive: its mount point, or a folder
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Set SEALIFT_FROM_VERSION, the version before the step
    #[arg(long, value_name = "VERSION")]
    from_version: Option<String>,
    /// Set SEALIFT_TO_VERSION, the version after the step
    #[arg(long, value_name = "VERSION")]
    to_version: Option<String>,
    /// List the hooks instead of running them
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    care: CareArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let archive = arguments.archive.as_ref().map(std::path::absolute).transpose()?;
    let folders = HookFolders { site: arguments.care.hooks.folder()?, archive: archive.clone() };
    let found = hooks::find(arguments.step, &folders).map_err(remedies::node::hooks)?;
    found.notes.iter().for_each(|note| output::warn(note));
    if !arguments.dry_run {
        let id = |root: &PathBuf| Some(archive::product::of(&archive::Tree::open(root).ok()?).ok()??.id());
        let environment = HookEnvironment {
            program: std::env::current_exe()?,
            archive_id: archive.as_ref().and_then(id).map(String::from),
            archive_root: archive,
            from_version: arguments.from_version.clone(),
            to_version: arguments.to_version.clone(),
            ..HookEnvironment::default()
        };
        let change = Change::begin(&arguments.care, "hooks")?;
        let is_cancelled = || change.is_cancelled();
        let done = change.hook_run(&is_cancelled).run(&found, &environment);
        done.map_err(|error| remedies::node::hooks_cancelled(error, &change.signals))?;
    }
    let text = || {
        let would = if arguments.dry_run { "would run" } else { "ran" };
        let lines =
            found.hooks.iter().map(|hook| format!("{would} {}\n", content::printable_path(&hook.path)));
        if found.hooks.is_empty() { "no hooks\n".to_owned() } else { lines.collect() }
    };
    Ok(arguments.output.report(|| HookDocument::all(&found).collect::<List<_>>(), text)?)
}
