//! `sealift node restore`.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use node::archives::ImportOptions;
use node::backup::{self, BackupReason, Restoration, RestoreOptions};
use node::hooks::HookStep;

use super::care::Change;
use crate::args::care::CareArguments;
use crate::commands::archive::mount::MountMethod;
use crate::commands::archive::steps::{machine, verifying};
use crate::failure::{CommandResult, Failure};
use crate::output::documents::node_care::RestorationDocument;
use crate::output::{self, ReportOutput};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The backup
    #[arg(long, value_name = "FILE", required_unless_present = "abort")]
    backup_file: Option<PathBuf>,
    /// The control plane address of a node of the cluster, for hooks: SEALIFT_APISERVER_NODE_IP
    #[arg(long, value_name = "IP")]
    apiserver_node_ip: Option<IpAddr>,
    /// Undo an interrupted restoration instead
    #[arg(long, conflicts_with_all = ["backup_file", "dry_run"])]
    abort: bool,
    /// Also run the hooks of an archive: its mount point, or a folder
    #[arg(long, value_name = "FOLDER")]
    archive: Option<PathBuf>,
    /// Also accept archives with neither SHA256SUMS nor an implanted MD5, which cannot be verified
    #[arg(long)]
    unverified: bool,
    /// Set how archives are mounted; serving needs no mount
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    mount: MountMethod,
    /// Report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    care: CareArguments,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let machine = machine()?;
    let Some(file) = &arguments.backup_file else {
        let change = Change::begin(&arguments.care, "restore")?;
        let files = backup::abort(&change.layout, &machine).map_err(remedies::node::backup)?;
        change.log.record("the interrupted restoration was undone");
        return report(arguments, &RestorationDocument::aborted(&files), || {
            let lines = files.iter().map(|file| format!("restored {}\n", content::printable_path(file)));
            lines.collect()
        });
    };
    let file = std::path::absolute(file)?;
    let import = ImportOptions {
        unverified: arguments.unverified,
        mounting: arguments.mount.mounting(),
        ..ImportOptions::default()
    };
    let options = RestoreOptions { import, dry_run: arguments.dry_run };
    let mut progress = |archive: &Path| Box::new(verifying(archive)) as Box<dyn iso::ByteProgress>;
    if arguments.dry_run {
        let layout = arguments.care.layout()?;
        let done = backup::restore(&layout, &file, &options, &machine, &mut progress, &mut |_| Ok(()))
            .map_err(remedies::node::backup)?;
        return report(arguments, &RestorationDocument::new(&done, None), || told(&done, true));
    }
    let change = Change::begin(&arguments.care, "restore")?;
    change.log.record(&format!("restoring {}", file.display()));
    let archive = arguments.archive.as_ref().map(std::path::absolute).transpose()?;
    let mut hooks = |folder: &Path| {
        let mut more = vec![
            ("SEALIFT_BACKUP_FILE", file.clone().into_os_string()),
            ("SEALIFT_BACKUP_FOLDER", folder.into()),
        ];
        let address = arguments.apiserver_node_ip.map(|ip| ip.to_string().into());
        more.extend(address.map(|ip| ("SEALIFT_APISERVER_NODE_IP", ip)));
        Ok(change.run_hooks(HookStep::Restore, archive.as_deref(), more)?)
    };
    let done = backup::restore(&change.layout, &file, &options, &machine, &mut progress, &mut hooks)
        .inspect_err(|error| change.log.record(&format!("error: {error}")))
        .map_err(|error| remedies::node::backup_cancelled(error, &change.signals))?;
    change.log.record("restored");
    let after = change.back_up(BackupReason::AfterRestore, archive.as_deref(), None);
    let path = after.as_ref().ok().map(|made| made.path.as_path());
    report(arguments, &RestorationDocument::new(&done, path), || {
        let backup = path.map(|path| format!("backup {}\n", content::printable_path(path)));
        told(&done, false) + &backup.unwrap_or_default()
    })?;
    after.map(drop).map_err(|error| {
        Failure::failed(anyhow::Error::new(error).context("the node is restored, but its new backup failed"))
    })
}

fn report(
    arguments: &Arguments,
    document: &RestorationDocument,
    text: impl FnOnce() -> String,
) -> CommandResult {
    Ok(arguments.output.report(|| document.clone(), text)?)
}

fn told(done: &Restoration, dry_run: bool) -> String {
    let (would, verb) = if dry_run { ("would ", "restore") } else { ("", "restored") };
    let mut text = String::new();
    if done.resumed {
        text.push_str(&format!("{would}undo an interrupted restoration first\n"));
    }
    for file in &done.changed {
        text.push_str(&format!("{would}{verb} {}\n", content::printable_path(file)));
    }
    for one in &done.imported {
        for step in &one.steps {
            text.push_str(&format!("{}: {step}\n", one.id));
        }
    }
    text.push_str(&format!(
        "{} as in the backup of {}\n",
        output::count(done.unchanged, "file"),
        content::printable(&done.manifest.created)
    ));
    text
}
