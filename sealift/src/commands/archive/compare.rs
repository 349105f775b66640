//! `sealift archive get --node`: the archives of several nodes compared.

use std::collections::BTreeMap;

use node::archives::ListedArchive;
use node::remote::{self, Comparison, Error, HeldArchive, NodeName};

use crate::args::remote::RemoteArguments;
use crate::failure::{CommandResult, Failure};
use crate::output::document::List;
use crate::output::documents::node::{ArchiveComparison, Held};
use crate::output::{self, ReportOutput, size};

/// Compares the archives `listed` here with those of `nodes`. A node that cannot be reached is a difference.
pub(super) fn run(
    listed: &[ListedArchive],
    nodes: &[NodeName],
    remote: &RemoteArguments,
    output: ReportOutput,
) -> CommandResult {
    let comparison = remote::compare(listed, nodes, &remote.shell());
    if output.is_text() {
        for (node, error) in &comparison.unreachable {
            output::warn(&format!("{node} cannot be queried: {error}"));
        }
    }
    output.report(|| document(&comparison), || table(&comparison))?;
    if comparison.is_equal() { Ok(()) } else { Err(Failure::Failed(None)) }
}

fn document(comparison: &Comparison) -> List<ArchiveComparison> {
    let held = |held: &HeldArchive| Held {
        bytes: held.bytes,
        contents: held.contents.clone(),
        problem: held.problem.clone(),
    };
    let unreachable = |error: &Error| Held { bytes: None, contents: None, problem: Some(error.to_string()) };
    let compared = |(archive, nodes): (&String, &BTreeMap<String, HeldArchive>)| {
        let known = nodes.iter().map(|(node, one)| (node.clone(), held(one)));
        let unknown = comparison.unreachable.iter().map(|(node, error)| (node.clone(), unreachable(error)));
        ArchiveComparison { archive: archive.clone(), nodes: known.chain(unknown).collect() }
    };
    comparison.archives.iter().map(compared).collect()
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
                    // Enough to distinguish two.
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
