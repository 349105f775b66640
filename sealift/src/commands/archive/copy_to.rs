//! `sealift archive copy-to`.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::{Args, ValueEnum as _};
use content::{printable, printable_path};
use node::archives::{self, LinuxMachine};
use node::copy::{Recipe, SentArchive};
use node::remote::{self, Copies, CopyPlan, Copyable, Error, NodeName};

use crate::args::node_paths::NodePaths;
use crate::args::remote::RemoteArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::node::{ArchiveCopy, ArchiveCopyPlan};
use crate::output::{self, ReportOutput, documents, size};
use crate::progress::{Bar, Bars};
use crate::remedies;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The nodes, as the remote shell names them: HOST or USER@HOST
    #[arg(required = true)]
    nodes: Vec<NodeName>,
    /// Copy only this archive, by NAME-VERSION or path (repeatable) [default: all]
    #[arg(long = "archive", value_name = "ARCHIVE")]
    archives: Vec<String>,
    /// Save the archives in DIR on the nodes [default: the same folder as here]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Also copy archives with neither SHA256SUMS nor an implanted MD5, which cannot be verified
    #[arg(long)]
    unverified: bool,
    /// Copy to this many nodes at the same time
    #[arg(long, short = 'n', value_name = "NUMBER", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Copy the archives of NODE instead, which reaches the other nodes itself; nothing passes through this node
    #[arg(long, value_name = "NODE")]
    from: Option<NodeName>,
    /// Report what would be copied, without copying it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: ReportOutput,
    #[command(flatten)]
    remote: RemoteArguments,
    #[command(flatten)]
    paths: NodePaths,
}

/// The result of copying one archive to one node.
#[derive(Debug)]
struct Copied<'a> {
    node: &'a NodeName,
    archive: &'a Copyable,
    result: Result<SentArchive, String>,
}

pub(super) fn run(arguments: &Arguments) -> CommandResult {
    if let Some(from) = &arguments.from {
        return from_node(arguments, from);
    }
    let listed = archives::get(&arguments.paths.paths(), &LinuxMachine::default())?;
    let selection = remote::select(listed, &arguments.archives).map_err(remedies::archives::select)?;
    for path in &selection.skipped {
        output::warn(&format!("{} is not copied: it is not a readable ISO file", printable_path(path)));
    }
    let copies = Copies {
        paths: arguments.paths.paths(),
        shell: arguments.remote.shell(),
        into: arguments.into.clone(),
        unverified: arguments.unverified,
    };
    if arguments.dry_run {
        return report_plan(&copies.plan(&selection.archives, &arguments.nodes), arguments.output);
    }
    let mut all = Vec::new();
    for archive in &selection.archives {
        let recipe = copies.recipe(archive, &Bar::bytes("reading", archive.bytes));
        // A node gets one archive after the other, since an archive may require those before it.
        let bars = Bars::new();
        let results = content::parallel::map(usize::from(arguments.jobs), &arguments.nodes, |node| {
            let result = copy_one(&copies, node, archive, recipe.as_ref(), &bars);
            if let Err(error) = &result
                && arguments.output.is_text()
            {
                bars.above(|| output::warn(&format!("{node}: {}: {error}", archive.id)));
            }
            result
        });
        let copied = arguments.nodes.iter().zip(results);
        all.extend(copied.map(|(node, result)| Copied { node, archive, result }));
    }
    arguments
        .output
        .report(|| all.iter().map(document).collect::<List<_>>(), || all.iter().filter_map(line).collect())?;
    let failed = all.iter().filter(|copied| copied.result.is_err()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(remedies::archives::copies(failed, all.len()))
}

fn copy_one(
    copies: &Copies,
    node: &NodeName,
    archive: &Copyable,
    recipe: Result<&Recipe, &Error>,
    bars: &Bars,
) -> Result<SentArchive, String> {
    let recipe = recipe.map_err(explained)?;
    let bar = bars.bytes(format!("copying to {}", printable(node.as_str())), recipe.bytes);
    copies.copy(node, archive, recipe, &bar).map_err(|error| explained(&error))
}

/// Has `from` copy its archives: it runs this command, and reaches the other nodes in the same way.
fn from_node(arguments: &Arguments, from: &NodeName) -> CommandResult {
    let mut words: Vec<&OsStr> = ["archive", "copy-to", "--jobs"].map(OsStr::new).into();
    let jobs = arguments.jobs.to_string();
    words.push(jobs.as_ref());
    words.extend(arguments.archives.iter().flat_map(|archive| ["--archive", archive]).map(OsStr::new));
    if let Some(into) = &arguments.into {
        words.extend(["--into".as_ref(), into.as_os_str()]);
    }
    words.extend(arguments.unverified.then_some(OsStr::new("--unverified")));
    words.extend(arguments.dry_run.then_some(OsStr::new("--dry-run")));
    let shell = arguments.remote.shell();
    for (option, value) in [("--remote-shell", &shell.command), ("--remote-sealift", &shell.program)] {
        words.extend([option, value].map(OsStr::new));
    }
    let form = arguments.output.form().to_possible_value();
    let form = form.as_ref().map_or("text", |value| value.get_name()).to_owned();
    words.extend(["--output", &form].map(OsStr::new));
    words.extend(arguments.nodes.iter().map(|node| OsStr::new(node.as_str())));
    match shell.pass(from, &words)?.code() {
        Some(0) => Ok(()),
        // It has reported why.
        Some(1) => Err(Failure::Failed(None)),
        _ => Err(Failure::Reported),
    }
}

/// The text of an error, with the option that helps.
fn explained(error: &Error) -> String {
    match error {
        Error::Archive(archives::Error::Unverifiable(_)) => {
            format!("{error}; add --unverified if you trust its source")
        }
        error => error.to_string(),
    }
}

fn line(copied: &Copied<'_>) -> Option<String> {
    let (node, id) = (copied.node, &copied.archive.id);
    Some(match copied.result.as_ref().ok()? {
        SentArchive { present: true, .. } => format!("{node} already has {id}\n"),
        SentArchive { bytes, path, .. } => {
            format!("{node}: {id} is at {}; {} sent\n", printable_path(path), size(*bytes))
        }
    })
}

fn document(copied: &Copied<'_>) -> ArchiveCopy {
    let sent = copied.result.as_ref().ok();
    ArchiveCopy {
        node: copied.node.to_string(),
        archive: copied.archive.id.to_string(),
        path: sent.map(|sent| documents::text(&sent.path)),
        bytes: sent.map(|sent| sent.bytes),
        present: sent.map(|sent| sent.present),
        error: copied.result.as_ref().err().cloned(),
    }
}

/// Reports what [`run`] would do.
fn report_plan(plans: &[CopyPlan], output: ReportOutput) -> CommandResult {
    output.report(
        || plans.iter().map(plan_document).collect::<List<_>>(),
        || plans.iter().map(plan_line).collect(),
    )?;
    if plans.iter().all(|one| one.error.is_none()) { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn plan_line(plan: &CopyPlan) -> String {
    let CopyPlan { node, archive: Copyable { id, bytes, .. }, present, into, error } = plan;
    match (error, present) {
        (Some(error), _) => format!("{node}: {id} would not be copied: {}\n", printable(&explained(error))),
        (None, true) => format!("{node} already has {id}\n"),
        (None, false) => {
            let (into, most) = (printable_path(into), size(*bytes));
            format!("{node}: would copy {id} into {into}; at most {most} would be sent\n")
        }
    }
}

fn plan_document(plan: &CopyPlan) -> ArchiveCopyPlan {
    ArchiveCopyPlan {
        node: plan.node.to_string(),
        archive: plan.archive.id.to_string(),
        present: plan.present,
        bytes: Some(plan.archive.bytes),
        into: documents::text(&plan.into),
        error: plan.error.as_ref().map(explained),
    }
}
