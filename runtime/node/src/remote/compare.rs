//! Comparing the archives of several nodes.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::name::{HERE, NodeName};
use super::shell::{RemoteArchive, RemoteShell};
use crate::archives::ListedArchive;

/// The archives of this node and of others.
#[derive(Debug, Default)]
pub struct Comparison {
    /// All nodes; this one is [`HERE`].
    pub nodes: BTreeSet<String>,
    /// By archive, which is its ID, or the path of one that cannot be read: what each node has of it. A node that lacks the
    /// archive, or cannot be reached, is not included.
    pub archives: BTreeMap<String, BTreeMap<String, HeldArchive>>,
    /// Nodes that cannot be reached, each with the reason.
    pub unreachable: BTreeMap<String, Error>,
}

/// An archive as one node has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldArchive {
    /// The size of the ISO file in bytes; `None` for a folder.
    pub bytes: Option<u64>,
    /// A digest of its content.
    pub contents: Option<String>,
    /// Why it cannot be used.
    pub problem: Option<String>,
}

/// Compares the archives `listed` on this node with those of other nodes.
#[must_use]
pub fn compare(listed: &[ListedArchive], nodes: &[NodeName], shell: &RemoteShell) -> Comparison {
    let mut comparison = Comparison::default();
    let ours = listed.iter().map(|one| {
        let held =
            HeldArchive { bytes: one.bytes, contents: one.contents.clone(), problem: one.problem.clone() };
        (one.id.clone().map_or_else(|| one.path.to_string_lossy().into_owned(), String::from), held)
    });
    comparison.add(HERE, ours);
    for node in nodes {
        match shell.list(node) {
            Ok(theirs) => comparison.add(node.as_str(), theirs.into_iter().map(RemoteArchive::held)),
            Err(error) => comparison.add_unreachable(node.as_str(), error),
        }
    }
    comparison
}

impl Comparison {
    /// Whether all nodes are reachable and have the same archives, all of them usable.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        let equal = |held: &BTreeMap<String, HeldArchive>| {
            let first = held.values().next();
            held.len() == self.nodes.len()
                && held.values().all(|other| Some(other) == first)
                && first.is_some_and(|held| held.problem.is_none())
        };
        self.unreachable.is_empty() && self.archives.values().all(equal)
    }

    fn add(&mut self, node: &str, archives: impl Iterator<Item = (String, HeldArchive)>) {
        self.nodes.insert(node.to_owned());
        for (archive, held) in archives {
            self.archives.entry(archive).or_default().insert(node.to_owned(), held);
        }
    }

    fn add_unreachable(&mut self, node: &str, error: Error) {
        self.nodes.insert(node.to_owned());
        self.unreachable.insert(node.to_owned(), error);
    }
}

impl RemoteArchive {
    fn held(self) -> (String, HeldArchive) {
        let Self { id, path, bytes, contents, problem } = self;
        (id.unwrap_or(path), HeldArchive { bytes, contents, problem })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(contents: &str) -> HeldArchive {
        HeldArchive { bytes: Some(5), contents: Some(contents.to_owned()), problem: None }
    }

    /// A comparison of nodes, each with its archives.
    fn comparison(nodes: &[(&str, &[(&str, &str)])]) -> Comparison {
        let mut comparison = Comparison::default();
        for (node, archives) in nodes {
            comparison.add(node, archives.iter().map(|(id, contents)| ((*id).to_owned(), held(contents))));
        }
        comparison
    }

    #[test]
    fn nodes_are_equal_only_with_the_same_usable_archives() {
        let both: &[(&str, &str)] = &[("a-1", "x"), ("b-1", "y")];
        assert!(comparison(&[(HERE, both), ("two", both)]).is_equal());
        assert!(comparison(&[(HERE, &[]), ("two", &[])]).is_equal());
        assert!(!comparison(&[(HERE, both), ("two", &both[..1])]).is_equal(), "missing there");
        assert!(!comparison(&[(HERE, &both[..1]), ("two", both)]).is_equal(), "missing here");
        assert!(!comparison(&[(HERE, both), ("two", &[("a-1", "x"), ("b-1", "z")])]).is_equal(), "another");
        let mut unusable = comparison(&[(HERE, both), ("two", both)]);
        for held in unusable.archives.values_mut().flat_map(BTreeMap::values_mut) {
            held.problem = Some("damaged".to_owned());
        }
        assert!(!unusable.is_equal(), "equally damaged");
        let mut unreachable = comparison(&[(HERE, both)]);
        unreachable.add_unreachable("two", Error::NoShell);
        assert!(!unreachable.is_equal() && unreachable.nodes.len() == 2);
    }
}
