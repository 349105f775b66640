//! The records of one folder.

use super::directories::{Directories, FolderPlace};
use super::output::ByteSink;
use crate::Result;
use crate::format::descriptor::Type;
use crate::format::record::{DIRECTORY, DirectoryRecord, MORE};
use crate::format::{SECTION_MAX, SECTOR, sectors};
use crate::rock_ridge::{self, PosixAttributes, RecordName};
use crate::tree::{NodeId, SourceNode, SourceNodeKind, SourceTree};

/// A folder of one of the two views.
pub(crate) struct FolderRecords<'a> {
    directories: &'a Directories,
    tree: &'a SourceTree,
    view: usize,
    id: NodeId,
}

/// Where a record points.
struct Target {
    sector: u32,
    bytes: u32,
    flags: u8,
}

impl<'a> FolderRecords<'a> {
    pub(crate) fn new(directories: &'a Directories, tree: &'a SourceTree, view: usize, id: NodeId) -> Self {
        Self { directories, tree, view, id }
    }

    /// The root's record as it stands in the descriptor, without Rock Ridge.
    pub(crate) fn root_record(&self) -> Vec<u8> {
        let target = self.directory(0);
        let time = self.tree.nodes.first().map_or(0, |root| root.time);
        DirectoryRecord {
            sector: target.sector,
            bytes: target.bytes,
            time,
            flags: DIRECTORY,
            identifier: &[0],
            system_use: &[],
        }
        .bytes()
    }

    /// Puts the folder's records to `out`, whole sectors of them, and what they continue with to `continued`.
    pub(crate) fn put(&self, out: &mut dyn ByteSink, continued: &mut dyn ByteSink) -> Result<()> {
        let Some(node) = self.tree.nodes.get(self.id as usize) else { return Ok(()) };
        let Some(parent) = self.tree.nodes.get(node.parent as usize) else { return Ok(()) };
        let mut records = Records { folder: self, out, continued };
        let name = if self.id == 0 { RecordName::Root } else { RecordName::Dots };
        records.put(&[0], node, name, &self.directory(self.id))?;
        records.put(&[1], parent, RecordName::Dots, &self.directory(node.parent))?;
        for (identifier, id) in self.directories.views[self.view].entries(self.tree, node) {
            let Some(child) = self.tree.nodes.get(id as usize) else { continue };
            for target in self.targets(child, id) {
                records.put(&identifier, child, RecordName::Text(self.tree.name(child)), &target)?;
            }
        }
        out.fill()
    }

    fn place(&self, id: NodeId) -> FolderPlace {
        let number = self.directories.views[self.view].number(id);
        self.directories.places.folders[self.view].get(number).copied().unwrap_or_default()
    }

    /// The first sector of the records' continuations, which is the one behind the records.
    fn continuation(&self) -> u64 {
        let place = self.place(self.id);
        u64::from(place.sector) + sectors(place.bytes.into())
    }

    fn directory(&self, id: NodeId) -> Target {
        let place = self.place(id);
        Target { sector: place.sector, bytes: place.bytes, flags: DIRECTORY }
    }

    /// Where a node's records point: one of them, or several for a file with several sections.
    fn targets(&self, node: &SourceNode, id: NodeId) -> Vec<Target> {
        let content = match node.kind {
            SourceNodeKind::Directory { .. } => return vec![self.directory(id)],
            // A link's size must be 0; its sector only has to exist.
            SourceNodeKind::Symlink { .. } => {
                return vec![Target { sector: self.directories.end, bytes: 0, flags: 0 }];
            }
            SourceNodeKind::File { content } => self.tree.contents.get(content as usize),
        };
        let Some(content) = content else { return Vec::new() };
        let (mut sector, mut rest) = (content.sector, content.size);
        let mut out = Vec::with_capacity(1);
        loop {
            if let Ok(bytes) = u32::try_from(rest) {
                out.push(Target { sector, bytes, flags: 0 });
                return out;
            }
            out.push(Target { sector, bytes: SECTION_MAX as u32, flags: MORE });
            rest -= SECTION_MAX;
            sector = sector.saturating_add((SECTION_MAX / SECTOR) as u32);
        }
    }

    fn attributes<'n>(&'n self, node: &'n SourceNode, name: RecordName<'n>) -> PosixAttributes<'n> {
        let (links, target) = match node.kind {
            SourceNodeKind::Directory { folders, .. } => (2 + folders, None),
            SourceNodeKind::File { content } => {
                (self.tree.contents.get(content as usize).map_or(1, |content| content.links.max(1)), None)
            }
            SourceNodeKind::Symlink { target } => (1, Some(self.tree.text(target))),
        };
        PosixAttributes {
            mode: node.mode,
            links,
            uid: node.uid,
            gid: node.gid,
            time: node.time,
            name,
            target,
        }
    }
}

/// Writes records so that none crosses the end of a sector, nor its continuation.
struct Records<'a> {
    folder: &'a FolderRecords<'a>,
    out: &'a mut dyn ByteSink,
    continued: &'a mut dyn ByteSink,
}

impl Records<'_> {
    fn put(
        &mut self,
        identifier: &[u8],
        node: &SourceNode,
        name: RecordName<'_>,
        target: &Target,
    ) -> Result<()> {
        let system_use = match self.folder.directories.views[self.folder.view].kind {
            Type::Joliet => Vec::new(),
            Type::Primary => {
                let attributes = self.folder.attributes(node, name);
                let system_use = rock_ridge::system_use(identifier.len(), &attributes);
                put_within_sector(self.continued, &system_use.continuation)?;
                let start = self.continued.position() - system_use.continuation.len() as u64;
                let sector = self.folder.continuation() + start / SECTOR;
                system_use.at(u32::try_from(sector).unwrap_or(u32::MAX), (start % SECTOR) as u32)
            }
        };
        let record = DirectoryRecord {
            sector: target.sector,
            bytes: target.bytes,
            time: node.time,
            flags: target.flags,
            identifier,
            system_use: &system_use,
        };
        put_within_sector(self.out, &record.bytes())
    }
}

fn put_within_sector(out: &mut dyn ByteSink, bytes: &[u8]) -> Result<()> {
    if out.position() % SECTOR + bytes.len() as u64 > SECTOR {
        out.fill()?;
    }
    out.put(bytes)
}
