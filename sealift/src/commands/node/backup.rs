//! `sealift node backup`.

use std::path::PathBuf;

use clap::Args;
use node::backup::{self, BackupReason};
use node::hooks::HookStep;

use super::care::{Change, options};
use crate::args::care::CareArguments;
use crate::failure::CommandResult;
use crate::output::documents::node_care::BackupDocument;
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Write the backup into DIR [default: the folder of --state]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Keep only the NUMBER newest backups in the folder [default: all]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Also run the hooks of an archive: its mount point, or a folder
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Report what would be saved, without running hooks and writing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    care: CareArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let into = arguments.into.as_ref().map(std::path::absolute).transpose()?;
    let keep = arguments.keep.and_then(|keep| usize::try_from(keep).ok());
    let options = options(BackupReason::Manual, into, keep, arguments.dry_run);
    let made = if arguments.dry_run {
        backup::create(&arguments.care.layout()?, &options, &mut |_| Ok(()))
            .map_err(remedies::node::backup)?
    } else {
        let change = Change::begin(&arguments.care, "backup")?;
        let archive = arguments.archive.as_ref().map(std::path::absolute).transpose()?;
        let mut hooks = |folder: &std::path::Path| {
            let more = vec![("SEALIFT_BACKUP_FOLDER", folder.into())];
            Ok(change.run_hooks(HookStep::Backup, archive.as_deref(), more)?)
        };
        let made = backup::create(&change.layout, &options, &mut hooks)
            .map_err(|error| remedies::node::backup_cancelled(error, &change.signals))?;
        change.log.record(&format!("backup: {}", made.path.display()));
        made
    };
    let text = || {
        let path = content::printable_path(&made.path);
        let files = output::count(made.files, "file");
        let archives = output::count(made.manifest.archives.len(), "archive");
        let mut text = match (made.bytes, &made.sha256) {
            (Some(bytes), Some(sha256)) => {
                format!(
                    "{path}: {files}, {archives} listed, {}\nSHA-256 {}\n",
                    output::size(bytes),
                    sha256.hex()
                )
            }
            _ => format!("would write {path}: {files}, {archives} listed\n"),
        };
        for removed in &made.removed {
            text.push_str(&format!("removed {}\n", content::printable_path(removed)));
        }
        text
    };
    Ok(arguments.output.report(|| BackupDocument::from(&made), text)?)
}
