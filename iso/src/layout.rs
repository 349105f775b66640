//! Where everything lies.
//!
//! ```text
//! sector 0   system area, zeros
//!       16   primary volume descriptor, Joliet's, terminator
//!       19   path tables: primary L and M, Joliet L and M
//!            primary folders, breadth first, each with what its Rock Ridge entries continue with behind it
//!            Joliet folders
//!            contents of the files, large ones at multiples of 4096 bytes, so that file systems can share their blocks
//!            at least 150 sectors of zeros
//! ```
//!
//! One routine, [`Layout::metadata`], puts out all that stands before the contents. It runs twice: over a counter, which
//! tells where each part comes to lie, then over the image, with those places filled in. Lengths do not depend on
//! places, so the two runs agree.
//!
//! Continuations lie behind their folder and before the folders in it: readers that go through an image from start to
//! end, as libarchive does, have to know a folder's name when they come to its records.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::path::Path;

use crate::folder::Folder;
use crate::format::descriptor::{self, Descriptor, Type};
use crate::format::record::{self, Order};
use crate::format::{FIRST_DESCRIPTOR, PADDING, SECTOR, SECTORS_MIN, sectors};
use crate::tree::{Node, NodeId, Tree};
use crate::{Error, Result, joliet, names, reflink};

/// Takes the image's bytes in order.
pub(crate) trait Output {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]) -> Result<()>;

    /// How many bytes it took.
    fn position(&self) -> u64;

    /// Fills the sector up with zeros.
    fn fill(&mut self) -> Result<()> {
        let rest = self.position().next_multiple_of(SECTOR) - self.position();
        self.put([0; SECTOR as usize].get(..rest as usize).unwrap_or_default())
    }
}

/// An output that only counts.
#[derive(Debug, Default)]
pub(crate) struct Count(u64);

impl Output for Count {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.0 += bytes.len() as u64;
        Ok(())
    }

    fn position(&self) -> u64 {
        self.0
    }
}

/// One of the two trees of names over the same contents.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) kind: Type,
    /// The folders with their identifiers in the order of the path table: by level, parent, identifier.
    pub(crate) folders: Vec<(NodeId, Vec<u8>)>,
    /// Where each folder stands in `folders`.
    numbers: HashMap<NodeId, usize>,
}

impl View {
    fn new(kind: Type, tree: &Tree) -> Self {
        let mut view = Self { kind, folders: vec![(0, vec![0])], numbers: HashMap::from([(0, 0)]) };
        let mut next = 0;
        while let Some(node) = view.folders.get(next).and_then(|(id, _)| tree.nodes.get(*id as usize)) {
            if tree.children(node).any(|(_, child)| child.is_directory()) {
                for (identifier, id) in view.entries(tree, node) {
                    if tree.nodes.get(id as usize).is_some_and(Node::is_directory) {
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
        tree: &'t Tree,
        folder: &Node,
    ) -> Box<dyn Iterator<Item = (Vec<u8>, NodeId)> + 't> {
        let children = tree.children(folder);
        match self.kind {
            Type::Primary => {
                let name = |node| names::Name { bytes: tree.name(node), directory: node.is_directory() };
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
pub(crate) struct Places {
    pub(crate) path_tables: [PathTables; 2],
    /// For each view, its folders in the view's order.
    pub(crate) folders: [Vec<Place>; 2],
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
pub(crate) struct Place {
    pub(crate) sector: u32,
    pub(crate) bytes: u32,
    /// Bytes of its records' continuations, which begin in the sector behind the records.
    pub(crate) continued: u32,
}

/// The whole image, but for the contents' bytes.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) volume_id: String,
    pub(crate) date: i64,
    pub(crate) views: [View; 2],
    pub(crate) places: Places,
    /// The contents in the order in which they lie, without those that are empty or have a twin.
    pub(crate) contents: Vec<u32>,
    /// The sector behind the last content: the first of the padding. Empty files point there.
    pub(crate) end: u32,
    /// The size of the image.
    pub(crate) sectors: u32,
}

impl Layout {
    /// Lays out the image of `tree`, and tells its contents their sectors.
    pub(crate) fn new(tree: &mut Tree, root: &Path, volume_id: &str, date: i64) -> Result<Self> {
        let views = [View::new(Type::Primary, tree), View::new(Type::Joliet, tree)];
        let mut layout = Self {
            volume_id: volume_id.to_owned(),
            date,
            views,
            places: Places::default(),
            contents: order(tree),
            end: 0,
            sectors: 0,
        };
        layout.places = layout.metadata(tree, &mut Count::default())?;
        let mut next = u64::from(layout.places.data);
        for content in &layout.contents {
            if let Some(content) = tree.contents.get_mut(*content as usize) {
                if content.size >= reflink::SHARED_MIN {
                    next = next.next_multiple_of(reflink::BLOCK / SECTOR);
                }
                content.sector = narrow(next);
                next += sectors(content.size);
            }
        }
        let total = (next + PADDING).max(SECTORS_MIN);
        layout.end = narrow(next);
        layout.sectors = u32::try_from(total).map_err(|_| Error::Limit {
            path: root.to_owned(),
            limit: "sectors of 2048 bytes in one image",
            most: u64::from(u32::MAX),
            found: total,
        })?;
        for index in 0..tree.contents.len() {
            let Some(content) = tree.contents.get(index) else { continue };
            let sector = match content.twin.and_then(|twin| tree.contents.get(twin as usize)) {
                Some(twin) => twin.sector,
                None if content.size == 0 => layout.end,
                None => continue,
            };
            if let Some(content) = tree.contents.get_mut(index) {
                content.sector = sector;
            }
        }
        Ok(layout)
    }

    /// Puts out everything before the contents and answers where it came to lie.
    pub(crate) fn metadata(&self, tree: &Tree, out: &mut dyn Output) -> Result<Places> {
        let mut found = Places::default();
        for _ in 0..FIRST_DESCRIPTOR {
            out.put(&[0; SECTOR as usize])?;
        }
        for view in 0..2 {
            out.put(&self.descriptor(tree, view))?;
        }
        out.put(&descriptor::terminator())?;
        for view in 0..2 {
            let start = out.position();
            let l = self.path_table(tree, view, Order::Little, out)?;
            let bytes = narrow(out.position() - start);
            out.fill()?;
            let m = self.path_table(tree, view, Order::Big, out)?;
            out.fill()?;
            found.path_tables[view] = PathTables { bytes, l, m };
        }
        for view in 0..2 {
            found.folders[view] = self.folders(tree, view, out)?;
        }
        found.data = sector_of(out);
        Ok(found)
    }

    fn descriptor(&self, tree: &Tree, view: usize) -> Vec<u8> {
        let tables = self.places.path_tables[view];
        Descriptor {
            kind: self.views[view].kind,
            volume_id: &self.volume_id,
            sectors: self.sectors,
            path_table_bytes: tables.bytes,
            path_table_l: tables.l,
            path_table_m: tables.m,
            root: &Folder::new(self, tree, view, 0).root_record(),
            date: self.date,
        }
        .bytes()
    }

    /// Puts out a path table and answers its sector.
    fn path_table(&self, tree: &Tree, view: usize, order: Order, out: &mut dyn Output) -> Result<u32> {
        let sector = sector_of(out);
        let places = &self.places.folders[view];
        let view = &self.views[view];
        let place = |number: usize| places.get(number).map_or(0, |place| place.sector);
        for (number, (id, identifier)) in view.folders.iter().enumerate() {
            let parent = tree.nodes.get(*id as usize).map_or(0, |node| view.number(node.parent));
            let parent = u16::try_from(parent + 1).unwrap_or(u16::MAX);
            out.put(&record::path_table(order, identifier, place(number), parent))?;
        }
        Ok(sector)
    }

    /// Puts out a view's folders.
    fn folders(&self, tree: &Tree, view: usize, out: &mut dyn Output) -> Result<Vec<Place>> {
        let mut found = Vec::with_capacity(self.views[view].folders.len());
        for (id, _) in &self.views[view].folders {
            let folder = Folder::new(self, tree, view, *id);
            let (sector, start, mut continued) = (sector_of(out), out.position(), Count::default());
            folder.put(out, &mut continued)?;
            let bytes = narrow(out.position() - start);
            let continued = narrow(continued.position());
            if continued > 0 {
                // The same records again, this time their other half.
                let start = out.position();
                folder.put(&mut Count::default(), &mut Continuation { out, start })?;
                out.fill()?;
            }
            found.push(Place { sector, bytes, continued });
        }
        Ok(found)
    }
}

/// A continuation area as an output of its own, which counts from its own start.
struct Continuation<'a> {
    out: &'a mut dyn Output,
    start: u64,
}

impl Output for Continuation<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.put(bytes)
    }

    fn position(&self) -> u64 {
        self.out.position() - self.start
    }
}

/// The contents in the order in which they are to lie.
fn order(tree: &Tree) -> Vec<u32> {
    let mut order: Vec<(Reverse<i32>, u32)> = (0..)
        .zip(&tree.contents)
        .filter(|(_, content)| content.size > 0 && content.twin.is_none())
        .map(|(index, content)| (Reverse(content.weight), index))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(_, index)| index).collect()
}

fn sector_of(out: &dyn Output) -> u32 {
    narrow(out.position() / SECTOR)
}

/// A number that fits once the image's size is checked, which happens before anything is written.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
