//! `sealift node upgrade` and `downgrade`.

use std::path::Path;

use clap::Args;
use node::backup::{Backup, BackupReason};
use node::change_version::{
    self, ChangeOptions, ChangeOutcome, ChangeProgress, Direction, HookContext, PlannedChange,
};

use super::care::Change;
use super::difference;
use crate::args::care::CareArguments;
use crate::commands::archive::mount::MountMethod;
use crate::commands::archive::steps::{machine, verifying};
use crate::failure::{CommandResult, Failure};
use crate::output::documents::node_care::VersionChangeDocument;
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Change to this version, whose archive is imported
    #[arg(long, value_name = "VERSION", required_unless_present = "abort")]
    destination_version: Option<String>,
    /// Change the archives of this name, if several have the version
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The version that the node runs, if it is not recorded
    #[arg(long, value_name = "VERSION")]
    from_version: Option<String>,
    /// Undo an interrupted change instead
    #[arg(long, conflicts_with_all = ["destination_version", "dry_run"])]
    abort: bool,
    /// Go on although archives require others that the node would not run
    #[arg(long)]
    ignore_requires: bool,
    /// Set how archives that are not mounted are mounted; serving needs no mount
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    mount: MountMethod,
    /// Keep only the NUMBER newest backups [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(2..))]
    keep: Option<u32>,
    /// Check the node and report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    care: CareArguments,
}

/// Shows the steps of a change, and makes its backups.
struct Steps<'a> {
    change: &'a Change,
    planned: &'a PlannedChange,
    keep: Option<usize>,
}

impl ChangeProgress for Steps<'_> {
    fn step(&self, text: &str) {
        self.change.log.note(text);
    }

    fn verifying(&self, archive: &Path) -> Box<dyn iso::ByteProgress> {
        Box::new(verifying(archive))
    }

    fn backup(&self, reason: BackupReason) -> Result<Backup, node::backup::Error> {
        let root = change_version::root_of(&self.change.layout, self.planned.hooking());
        // The backup before the change is needed until it has succeeded.
        let keep = self.keep.filter(|_| reason == BackupReason::AfterChange);
        self.change.back_up(reason, root.as_deref(), keep)
    }
}

pub(super) fn run(arguments: &Arguments, direction: Direction) -> CommandResult {
    let Some(destination) = &arguments.destination_version else { return abort(arguments, direction) };
    let options = ChangeOptions {
        direction,
        destination: destination.clone(),
        name: arguments.name.clone(),
        from: arguments.from_version.clone(),
        ignore_requires: arguments.ignore_requires,
        mounting: arguments.mount.mounting(),
    };
    let plan = |layout: &_| change_version::plan(layout, &options).map_err(remedies::node::version);
    if arguments.dry_run {
        let planned = plan(&arguments.care.layout()?)?;
        planned.hooks.iter().flat_map(|found| &found.notes).for_each(|note| output::warn(note));
        let document = || VersionChangeDocument::new(&planned, None);
        return Ok(arguments.output.report(document, || difference::told(&planned))?);
    }
    let change = Change::begin(&arguments.care, &direction.to_string())?;
    let planned = plan(&change.layout)?;
    if planned.is_done() {
        let text = || format!("the node runs {}; nothing to do\n", planned.to.id);
        return Ok(arguments.output.report(|| VersionChangeDocument::new(&planned, None), text)?);
    }
    change.log.record(&format!("{direction} from {} to {}", planned.from.id, planned.to.id));
    let cancelled = || change.is_cancelled();
    let context = HookContext { run: change.hook_run(&cancelled), program: change.program.clone() };
    let keep = arguments.keep.and_then(|keep| usize::try_from(keep).ok());
    let steps = Steps { change: &change, planned: &planned, keep };
    let outcome = change_version::run(&change.layout, &planned, &machine()?, &context, &steps)
        .inspect_err(|error| change.log.record(&format!("error: {error}")))
        .map_err(|error| remedies::node::version_cancelled(error, &change.signals))?;
    change.log.record(&format!("the node runs {}", planned.to.id));
    let document = || VersionChangeDocument::new(&planned, Some(&outcome));
    arguments.output.report(document, || done(&planned, &outcome))?;
    if outcome.failed.is_empty() {
        return Ok(());
    }
    let failed = outcome.failed.join("; ");
    let failure =
        anyhow::anyhow!("the node runs {}, but steps after the change failed: {failed}", planned.to.id);
    Err(Failure::failed(failure)
        .remedy("repeat hooks with `sealift node run-hooks`, and a backup with `sealift node backup`"))
}

fn done(planned: &PlannedChange, outcome: &ChangeOutcome) -> String {
    let mut text = format!("the node runs {}; before, it ran {}\n", planned.to.id, planned.from.id);
    for file in &outcome.files {
        text.push_str(&format!("changed {}\n", content::printable_path(file)));
    }
    for backup in &outcome.backups {
        text.push_str(&format!("backup {}\n", content::printable_path(backup)));
    }
    text
}

fn abort(arguments: &Arguments, direction: Direction) -> CommandResult {
    let change = Change::begin(&arguments.care, &direction.to_string())?;
    let (operation, files) = change_version::abort(&change.layout).map_err(remedies::node::version)?;
    change.log.note(&format!("undone: {operation}"));
    let text = || files.iter().map(|file| format!("restored {}\n", content::printable_path(file))).collect();
    Ok(arguments.output.report(|| VersionChangeDocument::aborted(&operation, &files), text)?)
}
