//! `sealift archive copy-to`, `receive` and `get --node`: the archives of several nodes, kept equal over a remote shell.

use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use content::{printable, printable_path};
use node::archives::{self, Import, Linux, Listed};
use node::copy::{self, Recipe, Sent};
use node::remote::{self, Comparison, Copies, CopyPlan, Copyable, Error, HeldArchive, NodeName, RemoteShell};

use crate::args::node_paths::NodePaths;
use crate::failure::{Failure, Outcome};
use crate::output::document::List;
use crate::output::documents::node::{ArchiveComparison, ArchiveCopy, ArchiveCopyPlan};
use crate::output::{self, Output, documents, size};
use crate::progress::Bar;

/// How other nodes are reached.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// Reach the nodes with COMMAND, which takes a node and what to run there
    #[arg(long, value_name = "COMMAND", default_value = "ssh", help_heading = "Nodes")]
    remote_shell: String,
    /// Run this program on the nodes
    #[arg(long, value_name = "FILE", default_value = "sealift", help_heading = "Nodes")]
    remote_sealift: String,
}

impl Remote {
    fn shell(&self) -> RemoteShell {
        RemoteShell {
            command: self.remote_shell.clone(),
            program: self.remote_sealift.clone(),
            running: output::running,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// The nodes, as the remote shell calls them: HOST or USER@HOST
    #[arg(required = true)]
    nodes: Vec<NodeName>,
    /// Copy only this archive, by NAME-VERSION or path (repeatable) [default: all]
    #[arg(long = "archive", value_name = "ARCHIVE")]
    archives: Vec<String>,
    /// Save the archives in DIR on the nodes [default: the same folder as here]
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
    /// Also copy archives that nothing vouches for: without SHA256SUMS and implanted MD5
    #[arg(long)]
    unverified: bool,
    /// Report what would be copied, without copying it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    remote: Remote,
    #[command(flatten)]
    paths: NodePaths,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveArguments {
    /// The folder for the archive
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// Import it even if nothing vouches for it
    #[arg(long)]
    unverified: bool,
    #[command(flatten)]
    paths: NodePaths,
}

/// The result of copying one archive to one node.
#[derive(Debug)]
struct Copied<'a> {
    node: &'a NodeName,
    archive: &'a Copyable,
    result: Result<Sent, String>,
}

pub(crate) fn copy_to(arguments: &CopyArguments) -> Outcome {
    let listed = archives::get(&arguments.paths.paths(), &Linux::default())?;
    let selection = remote::select(listed, &arguments.archives)
        .map_err(|error| Failure::usage_by(error).remedy("`sealift archive get` lists them"))?;
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
        for node in &arguments.nodes {
            let result = copy_one(&copies, node, archive, recipe.as_ref());
            if let Err(error) = &result
                && arguments.output.is_text()
            {
                output::warn(&format!("{node}: {}: {error}", archive.id));
            }
            all.push(Copied { node, archive, result });
        }
    }
    arguments
        .output
        .report(|| all.iter().map(document).collect::<List<_>>(), || all.iter().filter_map(line).collect())?;
    let failed = all.iter().filter(|copied| copied.result.is_err()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::failed(anyhow!("{failed} of {} copies failed", all.len()))
        .remedy("re-run the command to resume"))
}

fn copy_one(
    copies: &Copies,
    node: &NodeName,
    archive: &Copyable,
    recipe: Result<&Recipe, &Error>,
) -> Result<Sent, String> {
    let recipe = recipe.map_err(explained)?;
    let bar = Bar::bytes("copying", recipe.bytes);
    copies.copy(node, archive, recipe, &bar).map_err(|error| explained(&error))
}

/// The text of an error, with the option that helps.
fn explained(error: &Error) -> String {
    match error {
        Error::Archive(archives::Error::Unverifiable(_)) => {
            format!("{error}; add --unverified if you trust where the archive comes from")
        }
        error => error.to_string(),
    }
}

fn line(copied: &Copied<'_>) -> Option<String> {
    let (node, id) = (copied.node, &copied.archive.id);
    Some(match copied.result.as_ref().ok()? {
        Sent { present: true, .. } => format!("{node} already has {id}\n"),
        Sent { bytes, path, .. } => {
            format!("{node}: {id} is at {}; {} sent\n", printable_path(path), size(*bytes))
        }
    })
}

fn document(copied: &Copied<'_>) -> ArchiveCopy {
    let sent = copied.result.as_ref().ok();
    ArchiveCopy {
        node: copied.node.to_string(),
        archive: copied.archive.id.clone(),
        path: sent.map(|sent| documents::text(&sent.path)),
        bytes: sent.map(|sent| sent.bytes),
        present: sent.map(|sent| sent.present),
        error: copied.result.as_ref().err().cloned(),
    }
}

/// Reports what [`copy_to`] would do.
fn report_plan(plans: &[CopyPlan], output: Output) -> Outcome {
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
        archive: plan.archive.id.clone(),
        present: plan.present,
        bytes: Some(plan.archive.bytes),
        into: documents::text(&plan.into),
        error: plan.error.as_ref().map(explained),
    }
}

/// The receiving end of `copy-to`, which talks to it over standard input and output.
pub(crate) fn receive(arguments: &ReceiveArguments) -> Outcome {
    let paths = arguments.paths.paths();
    let archives = archives::configured(&paths)?;
    content::create_folder(&arguments.into)?;
    let publish = |path: &std::path::Path| {
        let options = Import { unverified: arguments.unverified, ..Import::default() };
        archives::import(&paths, path, &options, &Linux::default(), &())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    // The other end reports the error to the user.
    copy::receive(input, output, &arguments.into, &archives, &publish).map(drop).map_err(|_| Failure::Told)
}

/// Compares the archives `listed` here with those of `nodes`. A node that cannot be reached is a difference.
pub(crate) fn compare(listed: &[Listed], nodes: &[NodeName], remote: &Remote, output: Output) -> Outcome {
    let comparison = remote::compare(listed, nodes, &remote.shell());
    if output.is_text() {
        for (node, error) in &comparison.unreachable {
            output::warn(&format!("{node} cannot be queried: {error}"));
        }
    }
    output.report(|| comparison_document(&comparison), || table(&comparison))?;
    if comparison.is_equal() { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn comparison_document(comparison: &Comparison) -> List<ArchiveComparison> {
    let held = |held: &HeldArchive| documents::node::Held {
        bytes: held.bytes,
        contents: held.contents.clone(),
        problem: held.problem.clone(),
    };
    let unreachable = |error: &Error| documents::node::Held {
        bytes: None,
        contents: None,
        problem: Some(error.to_string()),
    };
    let document = |(archive, nodes): (&String, &std::collections::BTreeMap<String, HeldArchive>)| {
        let known = nodes.iter().map(|(node, one)| (node.clone(), held(one)));
        let unknown = comparison.unreachable.iter().map(|(node, error)| (node.clone(), unreachable(error)));
        ArchiveComparison { archive: archive.clone(), nodes: known.chain(unknown).collect() }
    };
    comparison.archives.iter().map(document).collect()
}

fn table(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (archive, nodes) in &comparison.archives {
        for node in &comparison.nodes {
            let held = match nodes.get(node) {
                None if comparison.unreachable.contains_key(node) => "not known".to_owned(),
                None => "missing".to_owned(),
                Some(HeldArchive { problem: Some(problem), .. }) => format!("cannot be used: {problem}"),
                Some(HeldArchive { bytes, contents, .. }) => {
                    let shown = bytes.map_or_else(|| "folder".to_owned(), size);
                    // Enough of it to tell two apart.
                    let digest = contents.as_deref().and_then(|digest| digest.get(.."sha256:".len() + 12));
                    digest.map_or_else(|| shown.clone(), |digest| format!("{shown}  {digest}"))
                }
            };
            text.push_str(&format!("{archive}  {node}  {held}\n"));
        }
    }
    if text.is_empty() {
        text.push_str("no archives\n");
    }
    text
}
