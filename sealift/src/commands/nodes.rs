//! `sealift archive copy-to`, `receive` and `get --node`: the archives of several nodes, kept equal over a remote shell.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, anyhow};
use clap::Args;
use content::printable;
use node::archives::{self, Import, Linux, Listed};
use node::copy::{self, Recipe, Sent};
use serde::Deserialize;

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

#[derive(Debug, Args)]
pub(crate) struct CopyArguments {
    /// The nodes, as the remote shell calls them: HOST or USER@HOST
    #[arg(required = true, value_parser = node)]
    nodes: Vec<String>,
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

/// What came of one archive on one node.
#[derive(Debug)]
struct Copied<'a> {
    node: &'a str,
    archive: &'a str,
    sent: Option<Sent>,
    error: Option<String>,
}

pub(crate) fn copy_to(arguments: &CopyArguments) -> Outcome {
    let mut copies = Vec::new();
    let chosen = chosen(&arguments.paths, &arguments.archives)?;
    if arguments.dry_run {
        return plan_copies(&chosen, arguments);
    }
    for (id, one) in &chosen {
        let path = &one.path;
        let recipe = recipe(path, arguments);
        let into = arguments.into.as_deref().or(path.parent()).unwrap_or(Path::new("/"));
        for node in &arguments.nodes {
            let done = match &recipe {
                Ok(recipe) => copy_one(recipe, path, node, into, arguments),
                Err(problem) => Err(anyhow!("{problem}")),
            };
            if let Err(error) = &done
                && arguments.output.is_text()
            {
                output::warn(&format!("{node}: {id}: {error:#}"));
            }
            let error = done.as_ref().err().map(|error| format!("{error:#}"));
            copies.push(Copied { node, archive: id, sent: done.ok(), error });
        }
    }
    arguments.output.report(|| copies.iter().map(copied).collect::<List<_>>(), || told(&copies))?;
    let failed = copies.iter().filter(|copied| copied.error.is_some()).count();
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::failed(anyhow!("{failed} of {} copies failed", copies.len()))
        .remedy("re-run the command to resume"))
}

/// What the other end is told of an archive, or why it is not copied.
fn recipe(path: &Path, arguments: &CopyArguments) -> Result<Recipe, String> {
    vouched(path, arguments)?;
    let total = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let bar = Bar::bytes("reading", total);
    Recipe::of(path, &bar).map_err(|error| error.to_string())
}

/// Refuses an archive that the other end would not import, before it travels.
fn vouched(path: &Path, arguments: &CopyArguments) -> Result<(), String> {
    if arguments.unverified {
        return Ok(());
    }
    archives::check_verifiable(&arguments.paths.paths(), path).map_err(|error| match error {
        archives::Error::Unverifiable(_) => {
            format!("{error}; add --unverified if you trust where the archive comes from")
        }
        error => error.to_string(),
    })
}

fn copy_one(
    recipe: &Recipe,
    archive: &Path,
    node: &str,
    into: &Path,
    arguments: &CopyArguments,
) -> anyhow::Result<Sent> {
    let remote = &arguments.remote;
    let into = into.to_str().with_context(|| format!("{} is not UTF-8", content::printable_path(into)))?;
    let mut words = vec!["archive", "receive", "--into", into];
    words.extend(arguments.unverified.then_some("--unverified"));
    let mut child = started(remote, node, &words, Stdio::piped())?;
    let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(anyhow!("the remote shell has no standard streams"));
    };
    let sent = {
        let bar = Bar::bytes("copying", recipe.bytes);
        copy::send(recipe, archive, BufReader::new(from), to, &bar)
    };
    let status = child.wait()?;
    match sent {
        // What the node itself says is the better explanation.
        Err(copy::Error::Connection(error)) if !status.success() => {
            Err(anyhow!("`{}` ended with {status}: {error}", remote.remote_shell))
        }
        sent => Ok(sent?),
    }
}

fn told(copies: &[Copied<'_>]) -> String {
    let line = |copied: &Copied<'_>| {
        let (node, id) = (copied.node, copied.archive);
        Some(match copied.sent.as_ref()? {
            Sent { present: true, .. } => format!("{node} already has {id}\n"),
            Sent { bytes, path, .. } => {
                format!("{node}: {id} is at {}; {} travelled\n", content::printable_path(path), size(*bytes))
            }
        })
    };
    copies.iter().filter_map(line).collect()
}

/// The ISO files of the node's archives that are meant, by name and version.
fn chosen(paths: &NodePaths, wanted: &[String]) -> Result<Vec<(String, Listed)>, Failure> {
    let listed = archives::get(&paths.paths(), &Linux::default())?;
    let matches = |one: &Listed, text: &String| one.id.as_ref() == Some(text) || one.path == Path::new(text);
    if let Some(text) = wanted.iter().find(|text| !listed.iter().any(|one| matches(one, text))) {
        return Err(Failure::usage(format!("this node has no archive `{text}`"))
            .remedy("`sealift archive get` lists them"));
    }
    let mut chosen = Vec::new();
    for one in listed {
        if !(wanted.is_empty() || wanted.iter().any(|text| matches(&one, text))) {
            continue;
        }
        match (&one.id, one.bytes) {
            (Some(id), Some(_)) => chosen.push((id.clone(), one)),
            _ => output::warn(&format!(
                "{} is not copied: it is no ISO file that can be read",
                content::printable_path(&one.path)
            )),
        }
    }
    Ok(chosen)
}

/// What would come of one archive on one node.
#[derive(Debug)]
struct Planned<'a> {
    node: &'a str,
    archive: &'a str,
    /// Whether the node has it already.
    present: bool,
    /// The bytes of the archive. What the node has of it in other archives does not travel.
    bytes: Option<u64>,
    /// The folder that it would be in.
    into: PathBuf,
    /// What stands in the way.
    error: Option<String>,
}

/// Reports what [`copy_to`] would do; the nodes are only asked what they have.
fn plan_copies(chosen: &[(String, Listed)], arguments: &CopyArguments) -> Outcome {
    let mut planned = Vec::new();
    let vouched: Vec<Option<String>> =
        chosen.iter().map(|(_, one)| vouched(&one.path, arguments).err()).collect();
    for node in &arguments.nodes {
        let theirs = ask(node, &arguments.remote);
        for ((id, one), problem) in chosen.iter().zip(&vouched) {
            let into =
                arguments.into.as_deref().or(one.path.parent()).unwrap_or(Path::new("/")).to_path_buf();
            let there = theirs.as_ref().map(|said| said.iter().find(|said| said.id.as_ref() == Some(id)));
            let (present, error) = match there {
                Ok(None) => (false, problem.clone()),
                Ok(Some(said)) if said.held.contents == one.contents => (true, None),
                Ok(Some(said)) => {
                    (false, Some(format!("another archive of this name is there: {}", said.path)))
                }
                Err(error) => (false, Some(format!("{error:#}"))),
            };
            planned.push(Planned { node, archive: id, present, bytes: one.bytes, into, error });
        }
    }
    arguments
        .output
        .report(|| planned.iter().map(plan).collect::<List<_>>(), || planned.iter().map(would).collect())?;
    if planned.iter().all(|one| one.error.is_none()) { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn would(planned: &Planned<'_>) -> String {
    let Planned { node, archive, present, bytes, into, error } = planned;
    match (error, present) {
        (Some(error), _) => format!("{node}: {archive} would not be copied: {}\n", printable(error)),
        (None, true) => format!("{node} already has {archive}\n"),
        (None, false) => format!(
            "{node}: would copy {archive} into {}; at most {} would travel\n",
            content::printable_path(into),
            size(bytes.unwrap_or_default())
        ),
    }
}

/// The other end of `copy-to`, which speaks with it over standard input and output.
pub(crate) fn receive(arguments: &ReceiveArguments) -> Outcome {
    let paths = arguments.paths.paths();
    let archives = archives::configured(&paths)?;
    content::create_folder(&arguments.into)?;
    let publish = |path: &Path| {
        let options = Import { unverified: arguments.unverified, ..Import::default() };
        archives::import(&paths, path, &options, &Linux::default(), &())
            .map(drop)
            .map_err(|error| error.to_string())
    };
    let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
    // The other end has heard it, and says it to whoever is there.
    copy::receive(input, output, &arguments.into, &archives, &publish).map(drop).map_err(|_| Failure::Told)
}

/// What each node has of each archive.
#[derive(Debug)]
struct Compared {
    archive: String,
    /// By node; `here` is this one. A node that lacks the archive is not among them.
    nodes: BTreeMap<String, Held>,
}

/// What a node has of an archive: its size in bytes, a digest of what it serves, or why it cannot be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Held {
    bytes: Option<u64>,
    contents: Option<String>,
    problem: Option<String>,
    /// The node does not say what it has; `problem` says why.
    #[serde(skip)]
    silent: bool,
}

/// One archive of those that a node says it has.
#[derive(Debug, Deserialize)]
struct Said {
    id: Option<String>,
    path: String,
    #[serde(flatten)]
    held: Held,
}

/// The archives of a node, as this version and former ones report them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    /// The document `ArchiveList`.
    Document { items: Vec<Said> },
    /// A list without an envelope.
    Bare(Vec<Said>),
}

fn copied(copied: &Copied<'_>) -> ArchiveCopy {
    let sent = copied.sent.as_ref();
    ArchiveCopy {
        node: copied.node.to_owned(),
        archive: copied.archive.to_owned(),
        path: sent.map(|sent| documents::text(&sent.path)),
        bytes: sent.map(|sent| sent.bytes),
        present: sent.map(|sent| sent.present),
        error: copied.error.clone(),
    }
}

fn plan(planned: &Planned<'_>) -> ArchiveCopyPlan {
    ArchiveCopyPlan {
        node: planned.node.to_owned(),
        archive: planned.archive.to_owned(),
        present: planned.present,
        bytes: planned.bytes,
        into: documents::text(&planned.into),
        error: planned.error.clone(),
    }
}

fn comparison(compared: &Compared) -> ArchiveComparison {
    let held = |held: &Held| documents::node::Held {
        bytes: held.bytes,
        contents: held.contents.clone(),
        problem: held.problem.clone(),
    };
    ArchiveComparison {
        archive: compared.archive.clone(),
        nodes: compared.nodes.iter().map(|(node, one)| (node.clone(), held(one))).collect(),
    }
}

/// The name of this node in comparisons.
const HERE: &str = "here";

/// Compares the archives `listed` here with those of `nodes`; they should be equal. A node that does not answer is one of
/// those that differ.
pub(crate) fn compare(listed: &[Listed], nodes: &[String], remote: &Remote, output: Output) -> Outcome {
    let ours = listed.iter().map(|one| Said {
        id: one.id.clone(),
        path: one.path.to_string_lossy().into_owned(),
        held: Held {
            bytes: one.bytes,
            contents: one.contents.clone(),
            problem: one.problem.clone(),
            silent: false,
        },
    });
    let mut said: BTreeMap<&str, Vec<Said>> = BTreeMap::from([(HERE, ours.collect())]);
    let mut silent: BTreeMap<&str, String> = BTreeMap::new();
    for node in nodes {
        match ask(node, remote) {
            Ok(theirs) => drop(said.insert(node, theirs)),
            Err(error) => drop(silent.insert(node, format!("{error:#}"))),
        }
    }
    let mut held: BTreeMap<String, BTreeMap<String, Held>> = BTreeMap::new();
    for (node, archives) in said {
        for one in archives {
            held.entry(one.id.unwrap_or(one.path)).or_default().insert(node.to_owned(), one.held);
        }
    }
    for (node, problem) in &silent {
        for nodes in held.values_mut() {
            let held = Held { problem: Some(problem.clone()), silent: true, ..Held::default() };
            nodes.insert((*node).to_owned(), held);
        }
        if output.is_text() {
            output::warn(&format!("{node} cannot be asked: {problem}"));
        }
    }
    let all: BTreeSet<&str> = nodes.iter().map(String::as_str).chain([HERE]).collect();
    let compared: Vec<Compared> =
        held.into_iter().map(|(archive, nodes)| Compared { archive, nodes }).collect();
    output.report(|| compared.iter().map(comparison).collect::<List<_>>(), || table(&compared, &all))?;
    let equal = |one: &Compared| {
        let mut held = one.nodes.values();
        let first = held.next();
        one.nodes.len() == all.len()
            && held.all(|other| Some(other) == first)
            && first.is_some_and(|held| held.problem.is_none())
    };
    if silent.is_empty() && compared.iter().all(equal) { Ok(()) } else { Err(Failure::Failed(None)) }
}

/// The archives that a node says it has.
fn ask(node: &str, remote: &Remote) -> anyhow::Result<Vec<Said>> {
    let child = started(remote, node, &["archive", "get", "--output", "json"], Stdio::null())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(anyhow!("`{}` ended with {}", remote.remote_shell, output.status));
    }
    let answer = serde_json::from_slice(&output.stdout).context("its list of archives cannot be read")?;
    Ok(match answer {
        Answer::Document { items } | Answer::Bare(items) => items,
    })
}

fn table(compared: &[Compared], nodes: &BTreeSet<&str>) -> String {
    let mut text = String::new();
    for one in compared {
        for node in nodes {
            let held = match one.nodes.get(*node) {
                None => "missing".to_owned(),
                Some(Held { silent: true, .. }) => "not known".to_owned(),
                Some(Held { problem: Some(problem), .. }) => format!("cannot be used: {problem}"),
                Some(Held { bytes, contents, .. }) => {
                    let shown = bytes.map_or_else(|| "folder".to_owned(), size);
                    // Enough of it to tell two apart.
                    let digest = contents.as_deref().and_then(|digest| digest.get(.."sha256:".len() + 12));
                    digest.map_or_else(|| shown.clone(), |digest| format!("{shown}  {digest}"))
                }
            };
            text.push_str(&format!("{}  {node}  {held}\n", one.archive));
        }
    }
    if text.is_empty() {
        text.push_str("no archives\n");
    }
    text
}

/// Starts `sealift` on `node` with these arguments.
fn started(remote: &Remote, node: &str, arguments: &[&str], input: Stdio) -> anyhow::Result<Child> {
    let mut words = remote.remote_shell.split_whitespace();
    let shell = words.next().ok_or_else(|| anyhow!("--remote-shell names no command"))?;
    let quoted: Vec<String> = arguments.iter().map(|argument| output::quoted(argument)).collect();
    let mut command = Command::new(shell);
    command.args(words).arg(node).arg(format!("{} {}", remote.remote_sealift, quoted.join(" ")));
    output::running(&command);
    command.stdin(input).stdout(Stdio::piped()).spawn().with_context(|| format!("cannot run `{shell}`"))
}

/// A node's name is none of the remote shell's options.
pub(crate) fn node(text: &str) -> Result<String, String> {
    if text.is_empty() || text.starts_with('-') || text.contains(char::is_whitespace) || text == HERE {
        return Err("expected HOST or USER@HOST".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_no_option() {
        for bad in ["", "-oProxyCommand=reboot", "a b", "here"] {
            assert!(node(bad).is_err(), "{bad:?}");
        }
        assert_eq!(node("root@node-2").as_deref(), Ok("root@node-2"));
    }
}
