//! The folders of an image in both of its views, and where they lie.

use std::collections::HashMap;

use crate::format::descriptor::Type;
use crate::tree::{NodeId, SourceNode, SourceTree};
use crate::{joliet, names};

/// The folders of both views, and where their records point.
#[derive(Debug)]
pub(crate) struct Directories {
    pub(crate) views: [DirectoryTree; 2],
    pub(crate) places: MetadataPlaces,
    /// The sector behind the last content: the first of the padding. Empty files and links point there.
    pub(crate) end: u32,
}

impl Directories {
    /// The folders of `tree`, whose places are not known yet.
    pub(crate) fn new(tree: &SourceTree) -> Self {
        let views = [DirectoryTree::new(Type::Primary, tree), DirectoryTree::new(Type::Joliet, tree)];
        Self { views, places: MetadataPlaces::default(), end: 0 }
    }
}

/// One of the two trees of names over the same contents.
#[derive(Debug)]
pub(crate) struct DirectoryTree {
    pub(crate) kind: Type,
    /// The folders with their identifiers in the order of the path table: by level, parent, identifier.
    pub(crate) folders: Vec<(NodeId, Vec<u8>)>,
    /// Where each folder stands in `folders`.
    numbers: HashMap<NodeId, usize>,
}

impl DirectoryTree {
    fn new(kind: Type, tree: &SourceTree) -> Self {
        let mut view = Self { kind, folders: vec![(0, vec![0])], numbers: HashMap::from([(0, 0)]) };
        let mut next = 0;
        while let Some(node) = view.folders.get(next).and_then(|(id, _)| tree.nodes.get(*id as usize)) {
            if tree.children(node).any(|(_, child)| child.is_directory()) {
                for (identifier, id) in view.entries(tree, node) {
                    if tree.nodes.get(id as usize).is_some_and(SourceNode::is_directory) {
                        view.numbers.insert(id, view.folders.len());
                        view.folders.push((id, identifier));
                    }
                }
            }
            next += 1;
        }
        view
    }

    /// The entries of a folder with their identifiers, in the order of these. Identifiers are made one by one: all those of
    /// a folder of a million names would take more memory than everything else.
    pub(crate) fn entries<'t>(
        &self,
        tree: &'t SourceTree,
        folder: &SourceNode,
    ) -> Box<dyn Iterator<Item = (Vec<u8>, NodeId)> + 't> {
        let children = tree.children(folder);
        match self.kind {
            Type::Primary => {
                let name = |node| names::EntryName { bytes: tree.name(node), directory: node.is_directory() };
                let identifiers = names::identifiers(children.map(|(id, node)| (id, name(node))));
                Box::new(identifiers.into_iter().map(|identifier| (identifier.bytes(), identifier.number)))
            }
            Type::Joliet => {
                // Joliet has no links; a file with the target as its content would be a lie.
                let children = children.filter(|(_, node)| !node.is_symlink());
                let identifiers = joliet::identifiers(children.map(|(id, node)| (id, tree.name(node))));
                Box::new(identifiers.into_iter().map(|identifier| (identifier.bytes(), identifier.number)))
            }
        }
    }

    /// Where a folder stands in the path table, from 0.
    pub(crate) fn number(&self, folder: NodeId) -> usize {
        self.numbers.get(&folder).copied().unwrap_or_default()
    }
}

/// Where the parts of the metadata lie; all zero before the first run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MetadataPlaces {
    pub(crate) path_tables: [PathTables; 2],
    /// For each view, its folders in the view's order.
    pub(crate) folders: [Vec<FolderPlace>; 2],
    /// The first sector of the contents.
    pub(crate) data: u32,
}

/// Where a view's path tables lie.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PathTables {
    pub(crate) bytes: u32,
    pub(crate) l: u32,
    pub(crate) m: u32,
}

/// Where a folder lies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct FolderPlace {
    pub(crate) sector: u32,
    pub(crate) bytes: u32,
    /// Bytes of its records' continuations, which begin in the sector behind the records.
    pub(crate) continued: u32,
}
