//! `sealift node bootstrap`.

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use clap::Args;
use content::Stream;
use iso::ByteProgress;
use jiff::Timestamp;
use node::backup::{self, BackupReason};
use node::bootstrap::{
    self, BootstrapFiles, BootstrapOptions, BootstrapProgress, BootstrapReport, CheckFinding, Error,
    LinuxHost, SiteAuthority,
};
use node::care::CareLayout;
use node::hooks::{Hook, HookProgress};

use super::care::Change;
use crate::args::hooks::HookArguments;
use crate::args::node_paths::NodePaths;
use crate::commands::archive::steps::{machine, verifying};
use crate::failure::{CommandResult, Failure};
use crate::output::documents::bootstrap::BootstrapDocument;
use crate::output::{self, ReportOutput};
use crate::progress::step_log::StepLog;
use crate::remedies;
use crate::signals::Signals;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The archive: its ISO, its mount point or a folder
    archive: PathBuf,
    /// Serve at this address [default: the node's address in networks.controlPlane, port 8080]
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = address)]
    listen: Option<SocketAddr>,
    /// Serve without TLS
    #[arg(long)]
    no_tls: bool,
    /// Let the authority with the certificate in FILE, PEM, sign that of the node [default: one of the node's own]
    #[arg(long, value_name = "FILE", requires = "ca_key", conflicts_with = "no_tls")]
    ca_certificate: Option<PathBuf>,
    /// Use the key of that authority in FILE, PEM
    #[arg(long, value_name = "FILE", requires = "ca_certificate")]
    ca_key: Option<PathBuf>,
    /// Also import archives with neither SHA256SUMS nor an implanted MD5, which cannot be verified
    #[arg(long)]
    unverified: bool,
    /// Make the checks and report what would change, without changing it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    hooks: HookArguments,
    #[command(flatten)]
    paths: NodePaths,
}

/// An address with or without a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = |address: IpAddr| SocketAddr::new(address, bootstrap::PORT);
    text.parse()
        .or_else(|_| text.parse().map(bare))
        .map_err(|_| "expected ADDRESS or ADDRESS:PORT".to_owned())
}

/// Records what a bring-up does.
struct Progress {
    /// `None` in a dry run.
    log: Option<StepLog>,
    /// Lets only one command change the node; `None` in a dry run.
    lock: Option<File>,
    signals: Signals,
}

impl HookProgress for Progress {
    fn started(&self, hook: &Hook) {
        self.log.iter().for_each(|log| log.started(hook));
    }

    fn line(&self, hook: &Hook, stream: Stream, line: &str) {
        self.log.iter().for_each(|log| log.line(hook, stream, line));
    }
}

impl BootstrapProgress for Progress {
    fn changing(&self, change: &str) {
        self.log.iter().for_each(|log| log.note(change));
    }

    fn printed(&self, program: &str, text: &str) {
        let text = format!("{program}: {text}");
        self.log.iter().for_each(|log| log.record(&text));
        output::detail(&text);
    }

    fn verifying(&self, archive: &Path) -> Box<dyn ByteProgress> {
        Box::new(verifying(archive))
    }

    fn cancelled(&self) -> bool {
        self.signals.caught.load(Ordering::SeqCst)
    }

    fn lock(&self) -> Option<&File> {
        self.lock.as_ref()
    }
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    let (paths, machine) = (arguments.paths.paths(), machine()?);
    let explained = remedies::bootstrap::explained;
    let archive = bootstrap::source(&arguments.archive, &paths, &machine).map_err(explained)?;
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(std::path::absolute).transpose();
    let authority = absolute(&arguments.ca_certificate)?.zip(absolute(&arguments.ca_key)?);
    let shown = arguments.archive.is_dir().then(|| std::path::absolute(&arguments.archive)).transpose()?;
    let options = BootstrapOptions {
        archive,
        shown,
        listen: arguments.listen,
        tls: !arguments.no_tls,
        authority: authority.map(|(certificate, key)| SiteAuthority { certificate, key }),
        unverified: arguments.unverified,
        dry_run: arguments.dry_run,
        now: archive::product::timestamp(Timestamp::now().as_second()).unwrap_or_default(),
        program: std::env::current_exe()?,
        hooks: arguments.hooks.folder()?,
        hook_limit: arguments.hooks.limit(),
        files: BootstrapFiles::default(),
    };
    let is_root = rustix::process::geteuid().is_root();
    let (lock, log) = if arguments.dry_run || !is_root {
        (None, None)
    } else {
        let lock = CareLayout::default().lock().map_err(remedies::node::lock)?;
        (Some(lock), Some(StepLog::open(&arguments.hooks.log_file("bootstrap"))?))
    };
    let host = LinuxHost { running: output::running, ..LinuxHost::default() };
    let progress = Progress { log, lock, signals: Signals::catch()? };
    let report = match bootstrap::run(&options, &paths, &machine, &host, &progress) {
        Ok(report) => report,
        Err(Error::Checks(findings)) => return refused(&findings, &progress, arguments.output),
        Err(error) => {
            progress.log.iter().for_each(|log| log.record(&format!("error: {error}")));
            return Err(remedies::bootstrap::cancelled(error, &progress.signals));
        }
    };
    report.findings.iter().for_each(|finding| output::warn(&finding.to_string()));
    report.notes.iter().for_each(|note| output::warn(note));
    let text = || text(&report, arguments.dry_run);
    progress.log.iter().for_each(|log| log.record(text().trim_end()));
    arguments.output.report(|| BootstrapDocument::from(&report), text)?;
    let Progress { log: Some(log), lock: Some(lock), signals } = progress else { return Ok(()) };
    let archive = paths.mounts.join(&report.id);
    let layout = CareLayout { node: paths, hooks: options.hooks, ..CareLayout::default() };
    // A kill may have come before the backup of an earlier run.
    if report.changes.is_empty() && backup::exists(&layout.state, BackupReason::AfterBootstrap) {
        return Ok(());
    }
    let change = Change::of(layout, log, signals, options.hook_limit, lock)?;
    let made = change.back_up(BackupReason::AfterBootstrap, Some(&archive), None);
    made.map(drop).map_err(|error| remedies::node::backup_cancelled(error, &change.signals))
}

/// Reports all findings of the checks.
fn refused(findings: &[CheckFinding], progress: &Progress, form: ReportOutput) -> CommandResult {
    let mut text = String::new();
    for finding in findings {
        text += &format!("{}: {finding}\n", if finding.is_error { "error" } else { "warning" });
        text.extend(finding.help.iter().map(|help| format!("  help: {help}\n")));
    }
    progress.log.iter().for_each(|log| log.record(text.trim_end()));
    form.report(|| BootstrapDocument::refused(findings), || text)?;
    let errors = findings.iter().filter(|one| one.is_error).count();
    let message =
        format!("this node cannot be brought up: {}; nothing was changed", output::count(errors, "error"));
    Err(Failure::failed(anyhow::anyhow!(message)))
}

fn text(report: &BootstrapReport, dry_run: bool) -> String {
    let mut text = String::new();
    for change in &report.changes {
        text += &format!("{}{change}\n", if dry_run { "would " } else { "" });
    }
    let BootstrapReport { id, url, .. } = report;
    match (report.changes.is_empty(), dry_run) {
        (true, _) => text += &format!("nothing to do: this node serves {id} at {url}\n"),
        (false, true) => text += &format!("this node would serve {id} at {url}\n"),
        (false, false) => text += &format!("this node serves {id} at {url}\n"),
    }
    if let Some(authority) = &report.authority {
        text += &format!("clients must trust {}\n", authority.display());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_gets_that_of_the_node() {
        for (text, expected) in [
            ("10.0.0.1", Some("10.0.0.1:8080")),
            ("10.0.0.1:80", Some("10.0.0.1:80")),
            ("fd00::1", Some("[fd00::1]:8080")),
            ("[fd00::1]:80", Some("[fd00::1]:80")),
            ("node1", None),
            ("", None),
        ] {
            assert_eq!(address(text).ok(), expected.map(|one| one.parse().unwrap()), "{text}");
        }
    }
}
